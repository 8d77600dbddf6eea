//! HTTP/3 on a connection, without the connection: every method takes the transport as an argument.
//!
//! | file | what it does |
//! |---|---|
//! | `uni` | unidirectional streams of the peer: their types, and what arrives on the critical ones |
//! | `control` | this side's critical streams, and what the frames on the peer's mean |
//! | `request` | request streams: from the calls of the application and the events of the transport to messages |
//! | `goaway` | which requests are too late |
//! | `quic` | what is wanted of the transport |
//!
//! A request stream has a [`RecvMessage`](crate::message::RecvMessage) and a
//! [`SendMessage`](crate::message::SendMessage), which are lent [`Cx`]. Whatever concerns more than one stream is done
//! here.

pub(crate) mod events;
pub(crate) mod outbox;
pub(crate) mod qpack;
pub(crate) mod quic;

mod control;
#[cfg(test)]
pub(crate) mod fake;
mod goaway;
mod request;
#[cfg(test)]
mod tests;
mod uni;

use std::collections::BTreeMap;

use events::{CoreEvent, Events};
use goaway::Goaway;
use neqo_common::{Role, qdebug};
use neqo_transport::{StreamId, StreamType};
use qpack::Qpack;
use quic::Quic;
use request::Request;

use crate::{
    Priority,
    config::limits::MAX_EARLY_PRIORITIES,
    error::{AppError, Error, Misuse, Res, Violation},
    message::Cx,
    settings::Settings,
};

/// What HTTP/3 is told about itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The settings to announce.
    pub(crate) settings: Settings,
    /// How to compress fields.
    pub(crate) qpack: neqo_qpack::Settings,
    /// Which of the reserved identifiers to send, if any.
    pub(crate) grease: Option<u8>,
}

impl Config {
    /// The largest field section that is accepted.
    fn max_section(&self) -> u64 {
        self.settings.max_field_section_size.unwrap_or(u64::MAX)
    }
}

/// What the transport said about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    /// The peer opened it.
    New(StreamId),
    /// There is data or the end to be read.
    Readable(StreamId),
    /// The peer reset it.
    Reset(StreamId, AppError),
    /// There is room to write.
    Writable(StreamId),
    /// The peer wants no more of it.
    StopSending(StreamId, AppError),
    /// The peer allows more streams.
    Creatable(StreamType),
}

/// HTTP/3 of one connection.
#[derive(Debug)]
pub(crate) struct Core {
    role: Role,
    config: Config,
    local: control::LocalControl,
    peer: uni::PeerStreams,
    requests: BTreeMap<StreamId, Request>,
    qpack: Qpack,
    goaway: Goaway,
    /// Priorities of requests that have not arrived.
    early_priorities: BTreeMap<StreamId, Priority>,
    events: Events,
}

impl Core {
    pub(crate) fn new(role: Role, config: Config) -> Self {
        Self {
            role,
            qpack: Qpack::new(config.qpack),
            config,
            local: control::LocalControl::default(),
            peer: uni::PeerStreams::default(),
            requests: BTreeMap::new(),
            goaway: Goaway::default(),
            early_priorities: BTreeMap::new(),
            events: Events::default(),
        }
    }

    /// The transport can send now: says the settings, unless that has been done.
    pub(crate) fn start(&mut self, quic: &mut impl Quic) -> Res<()> {
        self.local.start(&self.config, quic)
    }

    /// Acts on what the transport said. An error that is returned closes the connection.
    pub(crate) fn on_event(&mut self, event: StreamEvent, quic: &mut impl Quic) -> Res<()> {
        match event {
            StreamEvent::New(id) if id.is_uni() => {
                self.peer.open(id);
                Ok(())
            }
            StreamEvent::New(id) => self.on_new_request(id, quic),
            StreamEvent::Readable(id) if id.is_uni() => self.on_uni_readable(id, quic),
            StreamEvent::Readable(id) => self.on_request_readable(id, quic),
            StreamEvent::Reset(id, _) if id.is_uni() => self.on_uni_closed(id),
            StreamEvent::Reset(id, error) => {
                self.on_request_reset(id, error, quic);
                Ok(())
            }
            StreamEvent::Writable(id) if id.is_uni() => self.local.flush(quic),
            StreamEvent::Writable(id) => self.on_request_writable(id, quic),
            StreamEvent::StopSending(id, _) if id.is_uni() => self.local.on_stop_sending(id),
            StreamEvent::StopSending(id, error) => {
                self.on_request_stop_sending(id, error);
                Ok(())
            }
            StreamEvent::Creatable(StreamType::UniDi) => self.local.resume(&self.config, quic),
            StreamEvent::Creatable(StreamType::BiDi) => {
                if self.role == Role::Client {
                    self.events.push(CoreEvent::RequestsCreatable);
                }
                Ok(())
            }
        }
    }

    /// What the application is to be told next.
    pub(crate) fn next_event(&mut self) -> Option<CoreEvent> {
        self.events.pop()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The peer's settings, once they have arrived.
    pub(crate) const fn peer_settings(&self) -> Option<&Settings> {
        self.peer.settings()
    }

    /// How field compression does: the encoder's and the decoder's counters.
    pub(crate) const fn qpack_stats(&self) -> (neqo_qpack::Stats, neqo_qpack::Stats) {
        (self.qpack.encoder.stats(), self.qpack.decoder.stats())
    }

    /// What must hold after every call.
    pub(crate) fn consistent(&self) -> bool {
        self.early_priorities.len() <= MAX_EARLY_PRIORITIES
            && self.requests.values().all(|request| !request.is_over())
    }

    /// How many requests are not over.
    pub(crate) fn open_requests(&self) -> usize {
        self.requests.len()
    }

    /// A request, and what its handlers are lent.
    fn lend<'a, Q>(
        &'a mut self,
        id: StreamId,
        quic: &'a mut Q,
    ) -> Res<(&'a mut Request, Cx<'a, Q>)> {
        let Self {
            requests,
            qpack,
            events,
            ..
        } = self;
        let request = requests.get_mut(&id).ok_or(Misuse::InvalidStreamId)?;
        Ok((
            request,
            Cx {
                quic,
                qpack,
                events,
            },
        ))
    }

    /// Keeps a fault of one stream to that stream. Returns the result if there was none.
    fn contain<T>(&mut self, id: StreamId, result: Res<T>, quic: &mut impl Quic) -> Res<Option<T>> {
        match result {
            Ok(v) => Ok(Some(v)),
            Err(Error::Stream(fault)) => {
                qdebug!("stream {id}: {fault}");
                self.abandon(id, fault, quic);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// A connection error if a unidirectional stream may not be closed.
    const fn critical(is_critical: bool) -> Res<()> {
        //= rfc9114#section-6.2.1
        //# If either
        //# control stream is closed at any point, this MUST be treated as a connection
        //# error of type H3_CLOSED_CRITICAL_STREAM.
        //= rfc9204#section-4.2
        //# Closure of either
        //# unidirectional stream type MUST be treated as a connection error of type
        //# H3_CLOSED_CRITICAL_STREAM.
        if is_critical {
            Err(Error::Peer(Violation::HttpClosedCriticalStream))
        } else {
            Ok(())
        }
    }
}
