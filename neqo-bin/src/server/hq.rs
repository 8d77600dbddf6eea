//! HTTP/0.9 straight on QUIC streams: a request line up, the content down.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    num::NonZeroUsize,
    time::Instant,
};

use bytes::Bytes;
use neqo_common::{Datagram, event::Provider as _};
use neqo_transport::{
    AppError, Connection, ConnectionEvent, State, StreamId, Transmit,
    server::{ConnectionHandle, Server},
};
use neqo_udp::RecvSegment;

use super::{
    engine::{Engine, Gone, Happening, RequestId},
    service::Request,
};

/// There is one error code and it says nothing.
const NO_ERROR: AppError = 0;
/// The longest request line, in bytes. A line that is longer is no request.
const MAX_LINE: usize = 8 << 10;

/// Connections that speak hq-interop.
#[derive(Debug)]
pub struct Hq {
    quic: Server,
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
    /// A server that was just made.
    #[must_use]
    pub const fn new(quic: Server) -> Self {
        Self {
            quic,
            lines: BTreeMap::new(),
            happenings: VecDeque::new(),
        }
    }

    fn take_events(&mut self, conn: ConnectionHandle) {
        let Some(quic) = self.quic.connection_mut(conn) else {
            return;
        };
        while let Some(event) = quic.next_event() {
            let on = |stream| RequestId { conn, stream };
            match event {
                ConnectionEvent::NewStream { stream_id } if stream_id.is_uni() => {
                    drop(quic.stream_stop_sending(stream_id, NO_ERROR));
                }
                ConnectionEvent::NewStream { stream_id } => {
                    self.lines.insert(on(stream_id), Vec::new());
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    let id = on(stream_id);
                    let Some(line) = self.lines.get_mut(&id) else {
                        continue;
                    };
                    match read_line(quic, stream_id, line) {
                        Line::Incomplete => continue,
                        Line::Complete(request) => {
                            self.happenings
                                .push_back(Happening::Request(id, request, true));
                        }
                        Line::Bad => {
                            drop(quic.stream_stop_sending(stream_id, NO_ERROR));
                            drop(quic.stream_reset_send(stream_id, NO_ERROR));
                        }
                    }
                    self.lines.remove(&id);
                }
                ConnectionEvent::RecvStreamReset { stream_id, .. }
                    if self.lines.remove(&on(stream_id)).is_some() =>
                {
                    drop(quic.stream_reset_send(stream_id, NO_ERROR));
                }
                ConnectionEvent::SendStreamWritable { stream_id } => {
                    self.happenings
                        .push_back(Happening::Writable(on(stream_id)));
                }
                ConnectionEvent::SendStreamStopSending { stream_id, .. } => {
                    self.happenings
                        .push_back(Happening::StopSending(on(stream_id)));
                }
                ConnectionEvent::StateChange(
                    State::Closing { .. } | State::Draining { .. } | State::Closed(_),
                ) => {
                    self.lines.retain(|id, _| id.conn != conn);
                    self.happenings.push_back(Happening::Gone(conn));
                }
                _ => {}
            }
        }
    }

    fn conn(&mut self, id: RequestId) -> Result<&mut Connection, Gone> {
        self.quic.connection_mut(id.conn).ok_or(Gone)
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

impl Engine for Hq {
    fn input(&mut self, segment: RecvSegment, now: Instant) {
        let stride = NonZeroUsize::new(segment.stride).unwrap_or(NonZeroUsize::MIN);
        let datagrams = Datagram::from_parts(segment.src, segment.dst, segment.tos, segment.data);
        self.quic.process_input_owned(datagrams, stride, now);
    }

    fn write<'b>(&mut self, now: Instant, buf: &'b mut [u8], max: NonZeroUsize) -> Transmit<'b> {
        self.quic.write_batch(now, buf, max)
    }

    fn next(&mut self, _now: Instant) -> Option<Happening> {
        loop {
            if let Some(happening) = self.happenings.pop_front() {
                return Some(happening);
            }
            let conn = self.quic.next_active()?;
            self.take_events(conn);
        }
    }

    fn respond(
        &mut self,
        id: RequestId,
        status: u16,
        _fields: &[(&'static str, String)],
    ) -> Result<(), Gone> {
        if status >= 300 {
            // There is no status: what is not the content must not be taken for it.
            self.abort(id);
            return Err(Gone);
        }
        Ok(())
    }

    fn read(&mut self, _id: RequestId, _now: Instant) -> Result<(Option<Bytes>, bool), Gone> {
        Ok((None, true))
    }

    fn send(&mut self, id: RequestId, data: Bytes, _now: Instant) -> Result<usize, Gone> {
        self.conn(id)?
            .stream_send_bytes(id.stream, data)
            .map_err(|_e| Gone)
    }

    fn finish(&mut self, id: RequestId, _now: Instant) {
        if let Ok(quic) = self.conn(id) {
            drop(quic.stream_close_send(id.stream));
        }
    }

    fn abort(&mut self, id: RequestId) {
        if let Ok(quic) = self.conn(id) {
            drop(quic.stream_reset_send(id.stream, NO_ERROR));
        }
    }

    fn ignore_body(&mut self, id: RequestId) {
        if let Ok(quic) = self.conn(id) {
            drop(quic.stream_stop_sending(id.stream, NO_ERROR));
        }
    }

    fn peer(&self, conn: ConnectionHandle) -> Option<SocketAddr> {
        Some(self.quic.connection(conn)?.remote_address())
    }

    fn go_away(&mut self, _now: Instant) {
        self.quic.stop_accepting();
    }

    fn is_idle(&self) -> bool {
        self.quic.is_idle()
    }

    fn close(&mut self, now: Instant) {
        let all: Vec<_> = self.quic.handles().collect();
        for conn in all {
            if let Some(quic) = self.quic.connection_mut(conn) {
                quic.close(now, NO_ERROR, "");
            }
        }
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
