//! HTTP/0.9 straight on QUIC streams: a request line up, the content down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use neqo_common::event::Provider as _;
use neqo_transport::{
    AppError, Connection, ConnectionEvent, State, StreamId, server::ConnectionHandle,
};

use super::{
    connections::{Happening, RequestId},
    service::Request,
};

/// The longest request line, in bytes. A line that is longer is no request.
const MAX_LINE: usize = 8 << 10;

/// What is known of the connections that speak hq-interop.
#[derive(Debug, Default)]
pub struct Hq {
    connections: BTreeSet<ConnectionHandle>,
    /// Request lines that are not complete.
    lines: BTreeMap<RequestId, Vec<u8>>,
    happenings: VecDeque<Happening>,
}

/// What reading a request line leads to.
enum Line {
    Incomplete,
    Complete(Request),
    Bad,
}

impl Hq {
    /// There is one error code and it says nothing.
    pub const NO_ERROR: AppError = 0;

    /// Whether that is one of these connections.
    #[must_use]
    pub fn speaks(&self, conn: ConnectionHandle) -> bool {
        self.connections.contains(&conn)
    }

    /// What happened next.
    pub fn next_happening(&mut self) -> Option<Happening> {
        self.happenings.pop_front()
    }

    /// Acts on everything that happened on a connection.
    pub fn process(&mut self, conn: ConnectionHandle, quic: &mut Connection) {
        self.connections.insert(conn);
        while let Some(event) = quic.next_event() {
            let on = |stream| RequestId { conn, stream };
            match event {
                ConnectionEvent::NewStream { stream_id } if stream_id.is_uni() => {
                    drop(quic.stream_stop_sending(stream_id, Self::NO_ERROR));
                }
                ConnectionEvent::NewStream { stream_id } => {
                    self.lines.insert(on(stream_id), Vec::new());
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    self.read(on(stream_id), quic);
                }
                ConnectionEvent::RecvStreamReset { stream_id, .. }
                    if self.lines.remove(&on(stream_id)).is_some() =>
                {
                    drop(quic.stream_reset_send(stream_id, Self::NO_ERROR));
                }
                ConnectionEvent::SendStreamWritable { stream_id } => {
                    let happening = Happening::Writable(on(stream_id));
                    self.happenings.push_back(happening);
                }
                ConnectionEvent::SendStreamStopSending { stream_id, .. } => {
                    let happening = Happening::StopSending(on(stream_id));
                    self.happenings.push_back(happening);
                }
                ConnectionEvent::StateChange(state) => self.on_state(conn, &state),
                _ => {}
            }
        }
    }

    fn on_state(&mut self, conn: ConnectionHandle, state: &State) {
        if state.error().is_some() {
            while let Some(id) = RequestId::any_of(conn, &self.lines) {
                self.lines.remove(&id);
            }
            self.happenings.push_back(Happening::Gone(conn));
        }
        if matches!(state, State::Closed(_)) {
            self.connections.remove(&conn);
        }
    }

    fn read(&mut self, id: RequestId, quic: &mut Connection) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        match read_line(quic, id.stream, line) {
            Line::Incomplete => return,
            Line::Complete(request) => {
                let happening = Happening::Request(id, request, true);
                self.happenings.push_back(happening);
            }
            Line::Bad => {
                drop(quic.stream_stop_sending(id.stream, Self::NO_ERROR));
                drop(quic.stream_reset_send(id.stream, Self::NO_ERROR));
            }
        }
        self.lines.remove(&id);
    }
}

fn read_line(quic: &mut Connection, stream: StreamId, line: &mut Vec<u8>) -> Line {
    let mut buf = [0; 1024];
    loop {
        let Ok((n, fin)) = quic.stream_recv(stream, &mut buf) else {
            return Line::Bad;
        };
        line.extend_from_slice(&buf[..n]);
        if line.len() > MAX_LINE {
            return Line::Bad;
        }
        if fin || line.contains(&b'\n') {
            return parse(line);
        }
        if n == 0 {
            return Line::Incomplete;
        }
    }
}

fn parse(line: &[u8]) -> Line {
    let text = std::str::from_utf8(line).ok();
    match text.and_then(|t| t.trim_end().strip_prefix("GET ")) {
        Some(path) if !path.contains(['\r', '\n']) => Line::Complete(Request::get(path.trim())),
        _ => Line::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(line: &[u8]) -> Option<String> {
        match parse(line) {
            Line::Complete(request) => Some(request.path),
            Line::Incomplete | Line::Bad => None,
        }
    }

    #[test]
    fn request_lines() {
        assert_eq!(path(b"GET /a/b?c\r\n").as_deref(), Some("/a/b?c"));
        assert_eq!(path(b"GET /\n").as_deref(), Some("/"));
        assert_eq!(path(b"GET /x").as_deref(), Some("/x"));
        for bad in [
            &b""[..],
            b"\r\n",
            b"POST /\r\n",
            b"GET /a\r\nGET /b\r\n",
            b"GET /\xff",
        ] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
