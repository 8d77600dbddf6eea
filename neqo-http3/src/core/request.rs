//! Request streams: from the calls of the application and the events of the transport to messages.

use bytes::Bytes;
use neqo_common::{Header, Role, qdebug};
use neqo_transport::{StreamId, StreamType};

use super::{
    Core,
    events::CoreEvent,
    quic::{Quic, Urgency},
};
use crate::{
    Priority,
    config::limits::MAX_OPEN_REQUESTS,
    error::{AppError, Error, H3_NO_ERROR, Misuse, Res, StreamFault, Violation},
    headers::check::{self, RequestKind},
    message::{Cx, Expect, Part, RecvMessage, SendMessage, section_size},
};

/// A request stream with both of its messages. A direction that is over is gone.
#[derive(Debug)]
pub(super) struct Request {
    recv: Option<RecvMessage>,
    send: Option<SendMessage>,
    priority: Priority,
    /// What the request asks for; a server does not know before the header section has arrived.
    kind: Option<RequestKind>,
}

impl Request {
    fn new(expect: Expect, max_section: u64, priority: Priority) -> Self {
        Self {
            recv: Some(RecvMessage::new(expect, max_section)),
            send: Some(SendMessage::default()),
            priority,
            kind: match expect {
                Expect::Request { .. } => None,
                Expect::Response(kind) => Some(kind),
            },
        }
    }

    fn recv(&mut self) -> Res<&mut RecvMessage> {
        self.recv
            .as_mut()
            .ok_or(Error::Api(Misuse::InvalidStreamId))
    }

    fn send(&mut self) -> Res<&mut SendMessage> {
        self.send.as_mut().ok_or(Error::Api(Misuse::AlreadyClosed))
    }

    /// Lets go of what is done.
    fn settle(&mut self) {
        self.recv.take_if(|r| r.is_done());
        self.send.take_if(|s| s.is_done());
    }

    pub(super) const fn is_over(&self) -> bool {
        self.recv.is_none() && self.send.is_none()
    }

    /// Whether the application knows of this request.
    fn is_known(&self, role: Role) -> bool {
        role == Role::Client || self.kind.is_some()
    }

    /// Ends both directions abruptly. That the transport is through with one is as good.
    pub(super) fn cancel(&mut self, id: StreamId, error: AppError, quic: &mut impl Quic) {
        if self.send.take().is_some() {
            let _gone = quic.stream_reset_send(id, error);
        }
        if self.recv.take().is_some() {
            let _gone = quic.stream_stop_sending(id, error);
        }
    }

    /// Sets the priority of the response; returns whether it changed.
    pub(super) fn set_priority(
        &mut self,
        id: StreamId,
        priority: Priority,
        quic: &mut impl Quic,
    ) -> bool {
        let changed = self.priority != priority;
        self.priority = priority;
        if changed && self.send.is_some() {
            // What is not sent any more needs no priority.
            let _gone = quic.stream_urgency(id, Urgency::Message(priority));
        }
        changed
    }

    /// The part of a message that a header section of this kind is.
    fn response_part(&self, headers: &[Header]) -> Res<(Part, Option<u64>)> {
        let info = check::response(headers).map_err(|_| Misuse::InvalidHeader)?;
        if info.is_informational() {
            return Ok((Part::Informational, None));
        }
        let success = (200..300).contains(&info.status);
        Ok(match self.kind {
            Some(RequestKind::Connect | RequestKind::ExtendedConnect) if success => {
                (Part::Tunnel, None)
            }
            Some(RequestKind::Head) => (Part::Final, Some(0)),
            _ if matches!(info.status, 204 | 304) => (Part::Final, Some(0)),
            _ => (Part::Final, info.content_length),
        })
    }
}

/// What the transport says.
impl Core {
    /// The peer opened a bidirectional stream.
    pub(super) fn on_new_request(&mut self, id: StreamId, quic: &mut impl Quic) -> Res<()> {
        //= rfc9114#section-6.1
        //# Clients MUST treat receipt of a
        //# server-initiated bidirectional stream as a connection error of type
        //# H3_STREAM_CREATION_ERROR unless such an extension has been
        if self.role == Role::Client {
            return Err(Violation::HttpStreamCreation.into());
        }
        let too_late = self.goaway.on_request(id);
        let early = self.early_priorities.remove(&id);
        let expect = Expect::Request {
            extended_connect: self.config.settings.enable_connect_protocol,
        };
        let mut request =
            Request::new(expect, self.config.max_section(), early.unwrap_or_default());
        // hardening A13
        let too_many = self.requests.len() >= MAX_OPEN_REQUESTS || self.events.is_full();
        //= rfc9114#section-5.2
        //# Requests or pushes with the indicated identifier or greater are rejected
        if too_late || too_many {
            qdebug!("request {id} is rejected");
            request.cancel(id, StreamFault::HttpRequestRejected.code(), quic);
            return Ok(());
        }
        if early.is_some() {
            // A client that wants no response needs no priority.
            let _gone = quic.stream_urgency(id, Urgency::Message(request.priority));
        }
        self.requests.insert(id, request);
        Ok(())
    }

    pub(super) fn on_request_readable(&mut self, id: StreamId, quic: &mut impl Quic) -> Res<()> {
        let Ok((request, mut cx)) = self.lend(id, quic) else {
            return Ok(());
        };
        let Ok(recv) = request.recv() else {
            return Ok(());
        };
        let result = recv.receive(id, &mut cx);
        if let Some(kind) = recv.kind()
            && request.kind.is_none()
        {
            request.kind = Some(kind);
        }
        self.contain(id, result, quic)?;
        self.settle(id);
        Ok(())
    }

    pub(super) fn on_request_writable(&mut self, id: StreamId, quic: &mut impl Quic) -> Res<()> {
        let Ok((request, mut cx)) = self.lend(id, quic) else {
            return Ok(());
        };
        let Ok(send) = request.send() else {
            return Ok(());
        };
        if send.flush(id, &mut cx)? {
            cx.events.push(CoreEvent::Writable(id));
        }
        self.settle(id);
        Ok(())
    }

    /// The peer reset the message that is being received.
    pub(super) fn on_request_reset(&mut self, id: StreamId, error: AppError, quic: &mut impl Quic) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let known = request.is_known(self.role);
        if request.recv.take().is_none() {
            return;
        }
        if known {
            self.events.push(CoreEvent::Reset {
                stream_id: id,
                error,
                local: false,
            });
        }
        match self.role {
            // Without a response there is no use for the rest of the request.
            Role::Client => request.cancel(id, StreamFault::HttpRequestCancelled.code(), quic),
            //= rfc9114#section-4.1.1
            //# Upon
            //# receipt of this error code, a server MAY abruptly terminate the response using
            //# the error code H3_REQUEST_REJECTED if no processing was performed.
            Role::Server if !known => {
                request.cancel(id, StreamFault::HttpRequestRejected.code(), quic);
            }
            Role::Server => {}
        }
        self.settle(id);
    }

    /// The peer does not want the message that is being sent. The transport has reset it.
    pub(super) fn on_request_stop_sending(&mut self, id: StreamId, error: AppError) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        //= rfc9114#section-4.1
        //# Clients MUST NOT discard complete responses as a result of
        //# having their request terminated abruptly
        if request.send.take().is_some() && request.is_known(self.role) {
            self.events.push(CoreEvent::StopSending {
                stream_id: id,
                error,
            });
        }
        self.settle(id);
    }

    /// Ends a request because of what was found in the message that is being received.
    pub(super) fn abandon(&mut self, id: StreamId, fault: StreamFault, quic: &mut impl Quic) {
        let Some(mut request) = self.requests.remove(&id) else {
            return;
        };
        self.events.forget_priority(id);
        let known = request.is_known(self.role);
        //= rfc9114#section-4.2.2
        //# A server that receives a
        //# larger header section than it is willing to handle can send an HTTP 431 (Request
        //# Header Fields Too Large) status code
        if self.role == Role::Server && fault == StreamFault::FieldSectionTooLarge && !known {
            let mut cx = Cx {
                quic,
                qpack: &mut self.qpack,
                events: &mut self.events,
            };
            if let Some(mut send) = request.send.take()
                && refuse(id, &mut send, &mut cx).is_err()
            {
                request.send = Some(send);
            }
            request.cancel(id, H3_NO_ERROR, quic);
            return;
        }
        request.cancel(id, fault.code(), quic);
        if known {
            self.events.push(CoreEvent::Reset {
                stream_id: id,
                error: fault.code(),
                local: true,
            });
        }
    }

    /// Forgets a request that is over.
    fn settle(&mut self, id: StreamId) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.settle();
            if request.is_over() {
                self.requests.remove(&id);
                self.events.forget_priority(id);
            }
        }
    }
}

/// Answers with status 431 and nothing else.
fn refuse(id: StreamId, send: &mut SendMessage, cx: &mut Cx<'_, impl Quic>) -> Res<()> {
    send.send_section(id, &[Header::new(":status", "431")], Part::Final, None, cx)?;
    send.close(id, cx)?;
    if send.is_done() {
        Ok(())
    } else {
        Err(Error::Internal("there is no room for a status"))
    }
}

/// What the application wants.
impl Core {
    /// Sends a request. Content may follow until it is closed.
    pub(crate) fn fetch(
        &mut self,
        headers: &[Header],
        priority: Priority,
        quic: &mut impl Quic,
    ) -> Res<StreamId> {
        //= rfc9114#section-5.2
        //# Endpoints MUST NOT initiate new requests or promise new pushes on the connection
        //# after receipt of a GOAWAY frame from the peer.
        if self.goaway.is_received() {
            return Err(Misuse::GoingAway.into());
        }
        let info = check::request(headers).map_err(|_| Misuse::InvalidHeader)?;
        // Extended CONNECT needs the server's word (RFC 9220, Section 3).
        let extended = info.kind == RequestKind::ExtendedConnect;
        if extended
            && !self
                .peer_settings()
                .is_some_and(|s| s.enable_connect_protocol)
        {
            return Err(Misuse::Unavailable.into());
        }
        self.check_size(headers)?;
        let id = quic.stream_create(StreamType::BiDi).map_err(|e| match e {
            neqo_transport::Error::Api(neqo_transport::Misuse::StreamLimit) => {
                Misuse::StreamLimit.into()
            }
            e => Error::Transport(e),
        })?;
        let request = Request::new(
            Expect::Response(info.kind),
            self.config.max_section(),
            priority,
        );
        self.requests.insert(id, request);
        quic.stream_urgency(id, Urgency::Message(priority))?;
        //= rfc9114#section-5.1
        //# HTTP clients are expected to request that the transport keep connections open
        //# while there are responses outstanding for requests or server pushes
        quic.stream_keep_alive(id, true)?;
        let part = match info.kind {
            RequestKind::Connect | RequestKind::ExtendedConnect => Part::Tunnel,
            RequestKind::Head | RequestKind::Other => Part::Final,
        };
        let (request, mut cx) = self.lend(id, quic)?;
        request
            .send()?
            .send_section(id, headers, part, info.content_length, &mut cx)?;
        Ok(id)
    }

    /// Sends a header section (of a response), or, after it, a trailer section.
    pub(crate) fn send_headers(
        &mut self,
        id: StreamId,
        headers: &[Header],
        quic: &mut impl Quic,
    ) -> Res<()> {
        self.check_size(headers)?;
        let role = self.role;
        let (request, mut cx) = self.lend(id, quic)?;
        let (part, content_length) = if request.send()?.has_header() {
            check::trailers(headers).map_err(|_| Misuse::InvalidHeader)?;
            (Part::Trailers, None)
        } else if role == Role::Server {
            request.response_part(headers)?
        } else {
            return Err(Misuse::InvalidState.into());
        };
        request
            .send()?
            .send_section(id, headers, part, content_length, &mut cx)
    }

    /// The peer's limit for field sections.
    fn check_size(&self, headers: &[Header]) -> Res<()> {
        //= rfc9114#section-4.2.2
        //# An
        //# implementation that has received this parameter SHOULD NOT send an HTTP message
        //# header that exceeds the indicated size
        let limit = self.peer_settings().and_then(|s| s.max_field_section_size);
        if limit.is_some_and(|limit| section_size(headers) > limit) {
            return Err(Misuse::InvalidHeader.into());
        }
        Ok(())
    }

    /// Sends the beginning of `data` as content and returns how much of it.
    pub(crate) fn send_data(
        &mut self,
        id: StreamId,
        data: &[u8],
        quic: &mut impl Quic,
    ) -> Res<usize> {
        let (request, mut cx) = self.lend(id, quic)?;
        request.send()?.send_data(id, data, &mut cx)
    }

    /// [`Self::send_data`] without a copy.
    pub(crate) fn send_data_bytes(
        &mut self,
        id: StreamId,
        data: Bytes,
        quic: &mut impl Quic,
    ) -> Res<usize> {
        let (request, mut cx) = self.lend(id, quic)?;
        request.send()?.send_data_bytes(id, data, &mut cx)
    }

    /// Ends the message that is being sent.
    pub(crate) fn close_send(&mut self, id: StreamId, quic: &mut impl Quic) -> Res<()> {
        let (request, mut cx) = self.lend(id, quic)?;
        request.send()?.close(id, &mut cx)?;
        self.settle(id);
        Ok(())
    }

    /// Reads content into `buf`. Returns how much, and whether the message is complete.
    pub(crate) fn read_data(
        &mut self,
        id: StreamId,
        buf: &mut [u8],
        quic: &mut impl Quic,
    ) -> Res<(usize, bool)> {
        let (request, mut cx) = self.lend(id, quic)?;
        let result = request.recv()?.read(id, buf, &mut cx);
        self.after_read(id, result, quic)
    }

    /// Takes the next piece of content without a copy, and says whether the message is complete with it.
    pub(crate) fn read_data_bytes(
        &mut self,
        id: StreamId,
        quic: &mut impl Quic,
    ) -> Res<(Option<Bytes>, bool)> {
        let (request, mut cx) = self.lend(id, quic)?;
        let result = request.recv()?.read_bytes(id, &mut cx);
        self.after_read(id, result, quic)
    }

    fn after_read<T>(
        &mut self,
        id: StreamId,
        result: Res<(T, bool)>,
        quic: &mut impl Quic,
    ) -> Res<(T, bool)> {
        match result {
            Ok((v, fin)) => {
                if fin {
                    self.settle(id);
                }
                Ok((v, fin))
            }
            Err(Error::Stream(fault)) => {
                self.abandon(id, fault, quic);
                Err(fault.into())
            }
            Err(e) => Err(e),
        }
    }

    /// Ends both directions abruptly.
    pub(crate) fn cancel(
        &mut self,
        id: StreamId,
        error: AppError,
        quic: &mut impl Quic,
    ) -> Res<()> {
        let mut request = self.requests.remove(&id).ok_or(Misuse::InvalidStreamId)?;
        request.cancel(id, error, quic);
        Ok(())
    }

    /// Ends the message that is being sent abruptly.
    pub(crate) fn reset_send(
        &mut self,
        id: StreamId,
        error: AppError,
        quic: &mut impl Quic,
    ) -> Res<()> {
        let (request, cx) = self.lend(id, quic)?;
        request.send()?;
        cx.quic.stream_reset_send(id, error)?;
        request.send = None;
        self.settle(id);
        Ok(())
    }

    /// Refuses the rest of the message that is being received.
    pub(crate) fn stop_sending(
        &mut self,
        id: StreamId,
        error: AppError,
        quic: &mut impl Quic,
    ) -> Res<()> {
        let (request, cx) = self.lend(id, quic)?;
        request.recv()?;
        cx.quic.stream_stop_sending(id, error)?;
        request.recv = None;
        self.settle(id);
        Ok(())
    }
}
