//! From a transport connection's events to HTTP/3, the same for both roles.

use std::time::Instant;

use neqo_common::{event::Provider as _, qdebug, qinfo};
use neqo_transport::{Connection, ConnectionEvent};

use crate::{
    Http3State,
    core::{Core, StreamEvent},
    error::{Error, Res},
};

/// What a connection has to say that is not about a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    AuthenticationNeeded,
    EchFallbackAuthenticationNeeded(String),
    ResumptionToken(neqo_crypto::ResumptionToken),
    StateChange(Http3State),
}

/// HTTP/3 and its state on a connection that is lent.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) core: Core,
    state: Http3State,
}

impl Driver {
    pub(crate) fn new(core: Core) -> Self {
        Self {
            core,
            state: Http3State::default(),
        }
    }

    /// Acts on everything that happened on the connection.
    pub(crate) fn process(
        &mut self,
        quic: &mut Connection,
        now: Instant,
        mut notice: impl FnMut(Notice),
    ) {
        while let Some(event) = quic.next_event() {
            if let Some(n) = self.on_event(event, quic, now) {
                notice(n);
            }
        }
        debug_assert!(self.core.consistent());
    }

    fn on_event(
        &mut self,
        event: ConnectionEvent,
        quic: &mut Connection,
        now: Instant,
    ) -> Option<Notice> {
        let event = match event {
            ConnectionEvent::NewStream { stream_id } => StreamEvent::New(stream_id),
            ConnectionEvent::RecvStreamReadable { stream_id } => StreamEvent::Readable(stream_id),
            ConnectionEvent::RecvStreamReset {
                stream_id,
                app_error,
            } => StreamEvent::Reset(stream_id, app_error),
            ConnectionEvent::SendStreamWritable { stream_id } => StreamEvent::Writable(stream_id),
            ConnectionEvent::SendStreamStopSending {
                stream_id,
                app_error,
            } => StreamEvent::StopSending(stream_id, app_error),
            ConnectionEvent::SendStreamCreatable { stream_type } => {
                StreamEvent::Creatable(stream_type)
            }
            ConnectionEvent::SendStreamComplete { .. } => return None,
            ConnectionEvent::AuthenticationNeeded => return Some(Notice::AuthenticationNeeded),
            ConnectionEvent::EchFallbackAuthenticationNeeded { public_name } => {
                return Some(Notice::EchFallbackAuthenticationNeeded(public_name));
            }
            ConnectionEvent::ResumptionToken(token) => return Some(Notice::ResumptionToken(token)),
            ConnectionEvent::StateChange(state) => return self.on_state(&state, quic, now),
        };
        let result = self.core.on_event(event, quic);
        Self::judge(result, quic, now);
        None
    }

    fn on_state(
        &mut self,
        state: &neqo_transport::State,
        quic: &mut Connection,
        now: Instant,
    ) -> Option<Notice> {
        let next = self.state.after(state)?;
        self.state = next.clone();
        if next == Http3State::Connected {
            let result = self.core.start(quic);
            Self::judge(result, quic, now);
        }
        Some(Notice::StateChange(next))
    }

    /// Closes the connection for what only that can answer. Other errors are about streams that are gone.
    fn judge(result: Res<()>, quic: &mut Connection, now: Instant) {
        if let Err(e) = result {
            Self::close_for(&e, quic, now);
        }
    }

    fn close_for(error: &Error, quic: &mut Connection, now: Instant) {
        if error.connection_error() {
            qinfo!("{quic}: {error}");
            quic.close(now, error.code(), error.to_string());
        } else {
            qdebug!("{quic}: {error}");
        }
    }

    /// Does what the application wants.
    pub(crate) fn act<T>(
        &mut self,
        quic: &mut Connection,
        now: Instant,
        f: impl FnOnce(&mut Core, &mut Connection) -> Res<T>,
    ) -> Res<T> {
        let result = f(&mut self.core, quic);
        debug_assert!(self.core.consistent());
        result.inspect_err(|e| {
            if e.connection_error() {
                Self::close_for(e, quic, now);
            }
        })
    }

    /// Where the connection is in its life.
    pub(crate) fn state(&self) -> Http3State {
        match (&self.state, self.core.peer_goaway()) {
            (Http3State::Connected, Some(id)) => Http3State::GoingAway(id.into()),
            (state, _) => state.clone(),
        }
    }
}
