//! HTTP/0.9 straight on QUIC streams: a request line up, the content down.

use std::{num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_common::{Datagram, event::Provider as _};
use neqo_transport::{
    AppError, Connection, ConnectionEvent, Error, Misuse, State, Stats, StreamId, StreamType,
    Transmit,
};
use neqo_udp::RecvSegment;

use super::{
    engine::{self, Engine, Happening, Refusal},
    request::Template,
    summary::Tls,
    target::Target,
};

/// There is one error code and it says nothing.
const NO_ERROR: AppError = 0;

/// A connection that speaks hq-interop.
#[derive(Debug)]
pub struct Hq(Connection);

impl Hq {
    /// On a connection that was just made.
    #[must_use]
    pub const fn new(connection: Connection) -> Self {
        Self(connection)
    }
}

impl Engine for Hq {
    fn input(&mut self, segment: RecvSegment, now: Instant) {
        let stride = NonZeroUsize::new(segment.stride).unwrap_or(NonZeroUsize::MIN);
        let datagrams = Datagram::from_parts(segment.src, segment.dst, segment.tos, segment.data);
        self.0.process_input_owned(datagrams, stride, now);
    }

    fn write<'b>(&mut self, now: Instant, buf: &'b mut [u8], max: NonZeroUsize) -> Transmit<'b> {
        self.0.write_batch(now, buf, max)
    }

    fn next(&mut self, _now: Instant) -> Option<Happening> {
        while let Some(event) = self.0.next_event() {
            match event {
                ConnectionEvent::StateChange(State::Connected) => return Some(Happening::Ready),
                ConnectionEvent::StateChange(state) => {
                    if let Some(reason) = state.error() {
                        return Some(Happening::Ended(reason.clone()));
                    }
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    return Some(Happening::Readable(stream_id));
                }
                ConnectionEvent::RecvStreamReset {
                    stream_id,
                    app_error,
                } => {
                    return Some(Happening::Reset(stream_id, app_error));
                }
                ConnectionEvent::SendStreamCreatable {
                    stream_type: StreamType::BiDi,
                } => {
                    return Some(Happening::Creatable);
                }
                ConnectionEvent::NewStream { stream_id } => {
                    // Servers have nothing to say unasked.
                    drop(self.0.stream_stop_sending(stream_id, NO_ERROR));
                }
                _ => {}
            }
        }
        None
    }

    fn request(
        &mut self,
        target: &Target,
        _template: &Template,
        _length: Option<u64>,
        _now: Instant,
    ) -> Result<StreamId, Refusal> {
        let never = |e: Error| Refusal::Never(e.to_string());
        let id = match self.0.stream_create(StreamType::BiDi) {
            Ok(id) => id,
            Err(Error::Api(Misuse::StreamLimit)) => return Err(Refusal::Later),
            Err(e) => return Err(never(e)),
        };
        let line = Template::hq_line(target);
        // A fresh stream holds a line, whatever flow control says.
        match self.0.stream_send_atomic(id, line.as_bytes()) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Never("the URL is too long".into())),
            Err(e) => return Err(never(e)),
        }
        self.0.stream_close_send(id).map_err(never)?;
        Ok(id)
    }

    fn read(&mut self, id: StreamId, _now: Instant) -> Result<(Option<Bytes>, bool), String> {
        self.0.stream_recv_bytes(id).map_err(|e| e.to_string())
    }

    fn send(&mut self, _id: StreamId, _data: Bytes, _now: Instant) -> Result<usize, String> {
        Err("HTTP/0.9 has no uploads".into())
    }

    fn finish(&mut self, _id: StreamId, _now: Instant) {}

    fn abandon_upload(&mut self, _id: StreamId) {}

    fn cancel(&mut self, id: StreamId) {
        // It may be over already.
        drop(self.0.stream_stop_sending(id, NO_ERROR));
    }

    fn close(&mut self, now: Instant) {
        self.0.close(now, NO_ERROR, "");
    }

    fn tls(&self) -> Option<Tls> {
        self.0.tls_info().map(engine::tls)
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }

    fn is_unprocessed(&self, _error: AppError) -> bool {
        false
    }
}
