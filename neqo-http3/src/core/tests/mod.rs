//! Every byte that a peer could say, and a client and a server that talk to each other.

mod control;
mod goaway;
mod malformed;
mod messages;
mod pair;
mod resets;

use neqo_common::{Encoder, Header, Role};
use neqo_transport::StreamId;

use super::{Config, Core, StreamEvent, events::CoreEvent, fake::FakeQuic};
use crate::{
    Priority,
    error::{AppError, Error, Res, Violation},
    settings::Settings,
};

/// A client's first stream.
pub(super) const ID: StreamId = StreamId::new(0);
pub(super) const LIMIT: u64 = 4000;

pub(super) const CONFIG: Config = Config {
    settings: Settings {
        max_field_section_size: Some(LIMIT),
        qpack_max_table_capacity: 0,
        qpack_blocked_streams: 0,
        enable_connect_protocol: false,
        h3_datagram: false,
    },
    qpack: neqo_qpack::Settings::new(),
    grease: None,
};

/// One endpoint, with a peer that can say anything.
pub(super) struct End {
    pub(super) role: Role,
    pub(super) core: Core,
    pub(super) quic: FakeQuic,
}

impl End {
    pub(super) fn with(role: Role, config: Config) -> Self {
        let mut end = Self {
            role,
            core: Core::new(role, config),
            quic: FakeQuic::new(role),
        };
        end.core.start(&mut end.quic).unwrap();
        end
    }

    pub(super) fn new(role: Role) -> Self {
        Self::with(role, CONFIG)
    }

    pub(super) fn client() -> Self {
        Self::new(Role::Client)
    }

    pub(super) fn server() -> Self {
        Self::new(Role::Server)
    }

    /// A client whose request is out.
    pub(super) fn requested() -> Self {
        let mut client = Self::client();
        assert_eq!(client.get_all(), ID);
        client
    }

    /// Data arrives.
    pub(super) fn deliver(&mut self, id: u64, data: &[u8], fin: bool) -> Res<()> {
        let id = StreamId::new(id);
        if self.quic.deliver(id, data, fin) {
            self.core.on_event(StreamEvent::New(id), &mut self.quic)?;
        }
        self.core
            .on_event(StreamEvent::Readable(id), &mut self.quic)
    }

    /// A reset arrives.
    pub(super) fn reset(&mut self, id: u64, error: AppError) -> Res<()> {
        let id = StreamId::new(id);
        self.quic.deliver_reset(id);
        self.core
            .on_event(StreamEvent::Reset(id, error), &mut self.quic)
    }

    /// STOP_SENDING arrives.
    pub(super) fn stop_sending(&mut self, id: u64, error: AppError) -> Res<()> {
        let id = StreamId::new(id);
        self.quic.deliver_stop_sending(id);
        self.core
            .on_event(StreamEvent::StopSending(id, error), &mut self.quic)
    }

    pub(super) fn writable(&mut self, id: StreamId) {
        self.core
            .on_event(StreamEvent::Writable(id), &mut self.quic)
            .unwrap();
    }

    pub(super) fn events(&mut self) -> Vec<CoreEvent> {
        std::iter::from_fn(|| self.core.next_event()).collect()
    }

    pub(super) fn get(&mut self) -> Res<StreamId> {
        self.core
            .fetch(&headers(GET), Priority::default(), &mut self.quic)
    }

    /// Sends a GET that is complete.
    pub(super) fn get_all(&mut self) -> StreamId {
        let id = self.get().unwrap();
        self.core.close_send(id, &mut self.quic).unwrap();
        id
    }

    pub(super) fn read(&mut self, id: u64, len: usize) -> Res<(Vec<u8>, bool)> {
        let mut buf = vec![0; len];
        let (n, fin) = self
            .core
            .read_data(StreamId::new(id), &mut buf, &mut self.quic)?;
        buf.truncate(n);
        Ok((buf, fin))
    }

    /// The peer's unidirectional stream with this number.
    pub(super) const fn uni(&self, n: u64) -> u64 {
        n * 4
            + match self.role {
                Role::Client => 3,
                Role::Server => 2,
            }
    }

    /// What this end said to end its halves of a stream: RESET_STREAM and STOP_SENDING.
    pub(super) fn ended(&self, id: u64) -> (Option<AppError>, Option<AppError>) {
        let s = &self.quic.streams[&StreamId::new(id)];
        (s.reset, s.stopped)
    }
}

pub(super) type Lines<'a> = &'a [(&'a str, &'a str)];

pub(super) const GET: Lines<'static> = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/"),
];
pub(super) const POST: Lines<'static> = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/"),
];
pub(super) const OK: Lines<'static> = &[(":status", "200")];

pub(super) fn headers(lines: Lines<'_>) -> Vec<Header> {
    lines.iter().map(|&(n, v)| Header::new(n, v)).collect()
}

pub(super) fn frame(frame: u64, payload: &[u8]) -> Vec<u8> {
    let mut enc = Encoder::new();
    enc.encode_varint(frame).encode_vvec(payload);
    enc.into()
}

pub(super) fn section(lines: Lines<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    neqo_qpack::Encoder::default().encode_headers(&headers(lines), 0, &mut block);
    frame(1, &block)
}

pub(super) fn data(payload: &[u8]) -> Vec<u8> {
    frame(0, payload)
}

pub(super) const fn peer_error<T>(violation: Violation) -> Res<T> {
    Err(Error::Peer(violation))
}

pub(super) fn headers_event(id: u64, lines: Lines<'_>, interim: bool, fin: bool) -> CoreEvent {
    CoreEvent::Headers {
        stream_id: StreamId::new(id),
        headers: headers(lines),
        interim,
        fin,
    }
}

pub(super) fn reset_event(id: u64, error: AppError, local: bool) -> CoreEvent {
    CoreEvent::Reset {
        stream_id: StreamId::new(id),
        error,
        local,
    }
}
