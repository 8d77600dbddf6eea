//! Graceful shutdown (RFC 9114, Section 5.2): which requests are too late.

use neqo_common::Role;
use neqo_transport::StreamId;

use super::{Core, events::CoreEvent, quic::Quic};
use crate::error::{AppError, Res, StreamFault, Violation};

/// What both sides said about going away.
#[derive(Debug, Default)]
pub(super) struct Goaway {
    /// The identifier that this side sent last.
    sent: Option<u64>,
    /// The identifier that the peer sent last.
    received: Option<u64>,
    /// The first request of the peer that has not been seen.
    next_request: u64,
}

impl Goaway {
    /// A request arrived. Says whether it comes too late.
    pub(super) fn on_request(&mut self, id: StreamId) -> bool {
        self.next_request = self.next_request.max(id.as_u64().saturating_add(4));
        self.sent.is_some_and(|sent| id.as_u64() >= sent)
    }

    /// Whether this request of the peer has arrived, now or earlier.
    pub(super) const fn has_seen(&self, id: StreamId) -> bool {
        id.as_u64() < self.next_request
    }

    /// The identifier to send.
    //= rfc9114#section-5.2
    //# the identifier in each frame MUST NOT be greater than the identifier in any
    //# previous frame
    pub(super) fn send(&mut self, role: Role) -> Option<u64> {
        let id = match role {
            Role::Server => self.next_request.min(self.sent.unwrap_or(u64::MAX)),
            // No push is wanted.
            Role::Client => 0,
        };
        (self.sent.replace(id) != Some(id)).then_some(id)
    }

    /// Whether the peer takes no new requests.
    pub(super) const fn is_received(&self) -> bool {
        self.received.is_some()
    }

    /// The peer is going away; returns whether that is news.
    fn receive(&mut self, id: u64, role: Role) -> Result<bool, Violation> {
        //= rfc9114#section-7.2.6
        //# A client MUST treat receipt of a
        //# GOAWAY frame containing a stream ID of any other type as a connection error of
        //# type H3_ID_ERROR.
        let stream = StreamId::new(id);
        if role == Role::Client && !(stream.is_bidi() && stream.is_client_initiated()) {
            return Err(Violation::HttpId);
        }
        //= rfc9114#section-5.2
        //# Receiving a GOAWAY containing a larger identifier than
        //# previously received MUST be treated as a connection error of type H3_ID_ERROR.
        if self.received.is_some_and(|previous| id > previous) {
            return Err(Violation::HttpId);
        }
        Ok(self.received.replace(id).is_none())
    }
}

impl Core {
    /// The identifier that the peer sent when it began to go away.
    pub(crate) const fn peer_goaway(&self) -> Option<u64> {
        self.goaway.received
    }

    /// The peer is going away.
    pub(super) fn on_goaway(&mut self, id: u64, quic: &mut impl Quic) -> Res<()> {
        const REJECTED: AppError = StreamFault::HttpRequestRejected.code();
        if self.goaway.receive(id, self.role)? {
            self.events.push(CoreEvent::Goaway);
        }
        if self.role == Role::Client {
            //= rfc9114#section-5.2
            //# Upon receipt of a GOAWAY frame, if the client has already sent requests with
            //# a stream ID greater than or equal to the identifier contained in the GOAWAY
            //# frame, those requests will not be processed.
            for (stream_id, mut request) in self.requests.split_off(&StreamId::new(id)) {
                request.cancel(stream_id, StreamFault::HttpRequestCancelled.code(), quic);
                self.events.push(CoreEvent::Reset {
                    stream_id,
                    error: REJECTED,
                    local: false,
                });
            }
        }
        Ok(())
    }
}
