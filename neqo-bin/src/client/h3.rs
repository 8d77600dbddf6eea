//! HTTP/3.

use std::{num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_common::{Datagram, event::Provider as _};
use neqo_http3::{
    Error, H3_NO_ERROR, Header, Http3Client, Http3ClientEvent, Http3Parameters, Http3State, Misuse,
    Priority,
};
use neqo_transport::{AppError, Connection, Stats, StreamId, Transmit};
use neqo_udp::RecvSegment;

use super::{
    engine::{self, Engine, Happening, Refusal},
    request::Template,
    summary::Tls,
    target::Target,
};

/// The request was not processed (RFC 9114 §8.1).
const H3_REQUEST_REJECTED: AppError = 0x10b;
/// The client does not want the response any more (RFC 9114 §8.1).
const H3_REQUEST_CANCELLED: AppError = 0x10c;

/// A connection that speaks HTTP/3.
#[derive(Debug)]
pub struct H3(Http3Client);

impl H3 {
    /// On a connection that was just made.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self(Http3Client::new_with_conn(
            connection,
            &Http3Parameters::default(),
        ))
    }

    fn happening(event: Http3ClientEvent) -> Option<Happening> {
        Some(match event {
            Http3ClientEvent::StateChange(Http3State::Connected) => Happening::Ready,
            Http3ClientEvent::StateChange(
                Http3State::Closing(reason) | Http3State::Closed(reason),
            ) => Happening::Ended(reason),
            Http3ClientEvent::HeaderReady {
                stream_id,
                headers,
                interim: false,
                fin,
            } => {
                let fields = headers
                    .iter()
                    .map(|h| (h.name().to_owned(), h.value().to_vec()))
                    .collect();
                Happening::Headers(stream_id, fields, fin)
            }
            Http3ClientEvent::DataReadable { stream_id } => Happening::Readable(stream_id),
            Http3ClientEvent::DataWritable { stream_id } => Happening::Writable(stream_id),
            Http3ClientEvent::Reset {
                stream_id, error, ..
            } => Happening::Reset(stream_id, error),
            Http3ClientEvent::StopSending { stream_id, .. } => Happening::StopSending(stream_id),
            Http3ClientEvent::RequestsCreatable => Happening::Creatable,
            Http3ClientEvent::GoawayReceived => Happening::GoingAway,
            _ => return None,
        })
    }
}

impl Engine for H3 {
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
            if let Some(happening) = Self::happening(event) {
                return Some(happening);
            }
        }
        None
    }

    fn request(
        &mut self,
        target: &Target,
        template: &Template,
        length: Option<u64>,
        now: Instant,
    ) -> Result<StreamId, Refusal> {
        let fields: Vec<Header> = template
            .fields(length)
            .iter()
            .map(|(name, value)| Header::new(name.as_str(), value.as_bytes()))
            .collect();
        self.0
            .fetch(
                now,
                template.method(),
                &target.url,
                &fields,
                Priority::default(),
            )
            .map_err(|e| match e {
                Error::Api(Misuse::StreamLimit) => Refusal::Later,
                e => Refusal::Never(e.to_string()),
            })
    }

    fn read(&mut self, id: StreamId, now: Instant) -> Result<(Option<Bytes>, bool), String> {
        self.0.read_data_bytes(now, id).map_err(|e| e.to_string())
    }

    fn send(&mut self, id: StreamId, data: Bytes, now: Instant) -> Result<usize, String> {
        self.0
            .send_data_bytes(id, data, now)
            .map_err(|e| e.to_string())
    }

    fn finish(&mut self, id: StreamId, now: Instant) {
        // The server may have stopped the stream meanwhile.
        drop(self.0.stream_close_send(id, now));
    }

    fn abandon_upload(&mut self, id: StreamId) {
        drop(self.0.stream_reset_send(id, H3_REQUEST_CANCELLED));
    }

    fn cancel(&mut self, id: StreamId) {
        // It may be over already.
        drop(self.0.cancel_fetch(id, H3_REQUEST_CANCELLED));
    }

    fn close(&mut self, now: Instant) {
        self.0.close(now, H3_NO_ERROR, "");
    }

    fn tls(&self) -> Option<Tls> {
        self.0.tls_info().map(engine::tls)
    }

    fn stats(&self) -> Stats {
        self.0.transport_stats()
    }

    fn is_unprocessed(&self, error: AppError) -> bool {
        error == H3_REQUEST_REJECTED
    }
}
