//! An application protocol for tests of the transport: requests that say how much they want back.
//!
//! A request is a bidirectional stream: eight bytes with the length of the response, then a body.
//! The bodies of both directions are made of [`body`], so that each end knows what must arrive. Both
//! ends rely on events alone; one that is missing leaves the run unfinished. Half of the streams use
//! the calls that copy and the other half those that hand chunks over.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use neqo_common::event::Provider as _;
use neqo_transport::{Connection, ConnectionEvent, StreamId, StreamType};

use crate::node::App;

/// The length of what says how much is wanted.
const HEADER: u64 = 8;
/// The most that is written in one call.
const CHUNK: usize = 16 * 1024;
/// Bodies repeat with this period, which divides nothing that protocols like.
const PERIOD: usize = 251;

/// `len` bytes of a stream's body from `offset` on.
#[must_use]
pub fn body(id: StreamId, offset: u64, len: usize) -> Vec<u8> {
    let start = offset.wrapping_add(id.as_u64().wrapping_mul(7)) % PERIOD as u64;
    let start = usize::try_from(start).unwrap_or_default();
    (0..u8::MAX)
        .take(PERIOD)
        .cycle()
        .skip(start)
        .take(len)
        .collect()
}

/// One direction of a stream that is written: a header, if there is one, and a body.
#[derive(Debug)]
struct Outgoing {
    header: Vec<u8>,
    total: u64,
    sent: u64,
}

impl Outgoing {
    fn new(header: Vec<u8>, body: u64) -> Self {
        let total = body + u64::try_from(header.len()).unwrap_or_default();
        Self {
            header,
            total,
            sent: 0,
        }
    }

    /// Writes as much as is taken. Ends the stream after the last byte.
    fn write(&mut self, connection: &mut Connection, id: StreamId) {
        while self.sent < self.total {
            let chunk = self.chunk(id);
            let taken = if by_reference(id) {
                connection.stream_send(id, &chunk)
            } else {
                connection.stream_send_bytes(id, Bytes::from(chunk))
            };
            let taken = taken.expect("the stream takes data");
            if taken == 0 {
                return;
            }
            self.sent += u64::try_from(taken).unwrap_or_default();
        }
        connection
            .stream_close_send(id)
            .expect("the stream can be ended");
    }

    fn chunk(&self, id: StreamId) -> Vec<u8> {
        let sent = usize::try_from(self.sent).unwrap_or(usize::MAX);
        if let Some(rest) = self.header.get(sent..).filter(|rest| !rest.is_empty()) {
            return rest.to_vec();
        }
        let left = usize::try_from(self.total - self.sent).unwrap_or(usize::MAX);
        body(id, self.sent, left.min(CHUNK))
    }
}

/// Which half of the streams this one is in.
const fn by_reference(id: StreamId) -> bool {
    id.index().is_multiple_of(2)
}

/// Reads all that there is and gives it to `take` with its offset. Whether the stream has ended.
fn read(
    connection: &mut Connection,
    id: StreamId,
    offset: &mut u64,
    mut take: impl FnMut(u64, &[u8]),
) -> bool {
    let mut buf = [0; CHUNK];
    loop {
        let (data, fin) = if by_reference(id) {
            let (len, fin) = connection
                .stream_recv(id, &mut buf)
                .expect("the stream can be read");
            (Bytes::copy_from_slice(&buf[..len]), fin)
        } else {
            let (data, fin) = connection
                .stream_recv_bytes(id)
                .expect("the stream can be read");
            (data.unwrap_or_default(), fin)
        };
        take(*offset, &data);
        *offset += u64::try_from(data.len()).unwrap_or_default();
        if fin || data.is_empty() {
            return fin;
        }
    }
}

fn assert_body(id: StreamId, offset: u64, data: &[u8]) {
    assert!(
        body(id, offset, data.len()) == data,
        "stream {id}: wrong bytes at {offset}"
    );
}

/// A request under way.
#[derive(Debug)]
struct Request {
    out: Outgoing,
    received: u64,
}

/// A client that makes a number of equal requests, as many at once as the server lets it.
#[derive(Debug)]
pub struct Requests {
    left: usize,
    upload: u64,
    download: u64,
    connected: bool,
    open: BTreeMap<u64, Request>,
    finished: usize,
}

impl Requests {
    /// `count` requests with bodies of `upload` bytes, which ask for `download` bytes.
    #[must_use]
    pub const fn new(count: usize, upload: u64, download: u64) -> Self {
        Self {
            left: count,
            upload,
            download,
            connected: false,
            open: BTreeMap::new(),
            finished: 0,
        }
    }

    /// How many have their response.
    #[must_use]
    pub const fn finished(&self) -> usize {
        self.finished
    }

    fn open(&mut self, connection: &mut Connection) {
        while self.connected && self.left > 0 {
            let Ok(id) = connection.stream_create(StreamType::BiDi) else {
                return; // an event says when there can be more
            };
            self.left -= 1;
            let mut out = Outgoing::new(self.download.to_be_bytes().to_vec(), self.upload);
            out.write(connection, id);
            self.open.insert(id.as_u64(), Request { out, received: 0 });
        }
    }

    fn read(&mut self, connection: &mut Connection, id: StreamId) {
        let Some(request) = self.open.get_mut(&id.as_u64()) else {
            panic!("stream {id} is not one of ours");
        };
        let fin = read(connection, id, &mut request.received, |offset, data| {
            assert_body(id, offset, data);
        });
        if fin {
            assert_eq!(request.received, self.download, "stream {id}");
            self.open.remove(&id.as_u64());
            self.finished += 1;
        }
    }
}

impl App for Requests {
    fn drive(&mut self, connection: &mut Connection, _now: Instant) {
        while let Some(event) = connection.next_event() {
            match event {
                ConnectionEvent::StateChange(state) => {
                    self.connected = state.connected();
                    self.open(connection);
                }
                ConnectionEvent::SendStreamCreatable { .. } => self.open(connection),
                ConnectionEvent::SendStreamWritable { stream_id } => {
                    if let Some(request) = self.open.get_mut(&stream_id.as_u64())
                        && request.out.sent < request.out.total
                    {
                        request.out.write(connection, stream_id);
                    }
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    self.read(connection, stream_id);
                }
                ConnectionEvent::RecvStreamReset { .. }
                | ConnectionEvent::SendStreamStopSending { .. }
                | ConnectionEvent::NewStream { .. } => panic!("unexpected {event:?}"),
                _ => {}
            }
        }
    }

    fn done(&self, _connection: &Connection) -> bool {
        self.left == 0 && self.open.is_empty()
    }

    fn describe(&self) -> String {
        let open = self.open.iter().take(10).map(|(id, r)| {
            format!(
                "{id}: sent {}/{} received {}/{}",
                r.out.sent, r.out.total, r.received, self.download
            )
        });
        let open: Vec<_> = open.collect();
        format!(
            "{} finished, {} not begun, {open:?}",
            self.finished, self.left
        )
    }
}

/// A request as the server sees it.
#[derive(Debug, Default)]
struct Response {
    header: Vec<u8>,
    received: u64,
    out: Option<Outgoing>,
}

/// The server's end: checks requests and answers them.
#[derive(Debug, Default)]
pub struct Responses {
    open: BTreeMap<u64, Response>,
    /// Bytes of request bodies that arrived.
    received: u64,
}

impl Responses {
    /// Bytes of requests that arrived, headers included.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    fn read(&mut self, connection: &mut Connection, id: StreamId) {
        let response = self.open.entry(id.as_u64()).or_default();
        let Response {
            header, received, ..
        } = response;
        let before = *received;
        let fin = read(connection, id, received, |offset, data| {
            let in_header = HEADER.saturating_sub(offset);
            let in_header = usize::try_from(in_header)
                .unwrap_or_default()
                .min(data.len());
            let (head, rest) = data.split_at(in_header);
            header.extend_from_slice(head);
            assert_body(id, offset.max(HEADER), rest);
        });
        self.received += *received - before;
        if fin {
            let wanted = header.as_slice().try_into().expect("a whole header");
            let mut out = Outgoing::new(Vec::new(), u64::from_be_bytes(wanted));
            out.write(connection, id);
            response.out = Some(out);
        }
    }
}

impl App for Responses {
    fn drive(&mut self, connection: &mut Connection, _now: Instant) {
        while let Some(event) = connection.next_event() {
            match event {
                ConnectionEvent::NewStream { stream_id } => {
                    self.open.entry(stream_id.as_u64()).or_default();
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    self.read(connection, stream_id);
                }
                ConnectionEvent::SendStreamWritable { stream_id } => {
                    if let Some(out) = self
                        .open
                        .get_mut(&stream_id.as_u64())
                        .and_then(|r| r.out.as_mut())
                        && out.sent < out.total
                    {
                        out.write(connection, stream_id);
                    }
                }
                ConnectionEvent::SendStreamComplete { stream_id } => {
                    self.open.remove(&stream_id.as_u64());
                }
                ConnectionEvent::RecvStreamReset { .. }
                | ConnectionEvent::SendStreamStopSending { .. } => panic!("unexpected {event:?}"),
                _ => {}
            }
        }
    }

    /// The client decides when the test is over.
    fn done(&self, _connection: &Connection) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("received {} bytes, {:?}", self.received, self.open)
    }
}
