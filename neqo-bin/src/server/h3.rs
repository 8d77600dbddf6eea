//! HTTP/3.

use std::{net::SocketAddr, num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_common::{Datagram, event::Provider as _};
use neqo_http3::{
    H3_INTERNAL_ERROR, H3_NO_ERROR, Header, Http3Server, Http3ServerEvent, Http3State,
    Http3StreamHandle,
};
use neqo_transport::{Transmit, server::ConnectionHandle};
use neqo_udp::RecvSegment;

use super::{
    engine::{Engine, Gone, Happening, RequestId},
    service::Request,
};

/// Connections that speak HTTP/3.
#[derive(Debug)]
pub struct H3(Http3Server);

const fn handle(id: RequestId) -> Http3StreamHandle {
    Http3StreamHandle {
        conn: id.conn,
        stream_id: id.stream,
    }
}

const fn id(stream: Http3StreamHandle) -> RequestId {
    RequestId {
        conn: stream.conn,
        stream: stream.stream_id,
    }
}

impl H3 {
    /// A server that was just made.
    #[must_use]
    pub const fn new(server: Http3Server) -> Self {
        Self(server)
    }

    fn happening(event: Http3ServerEvent) -> Option<Happening> {
        Some(match event {
            Http3ServerEvent::Headers {
                stream,
                headers,
                fin,
            } => {
                let fields = headers.iter().map(|h| (h.name(), h.value()));
                Happening::Request(id(stream), Request::from_fields(fields), fin)
            }
            Http3ServerEvent::DataReadable { stream } => Happening::Readable(id(stream)),
            Http3ServerEvent::DataWritable { stream } => Happening::Writable(id(stream)),
            Http3ServerEvent::Reset { stream, .. } => Happening::Reset(id(stream)),
            Http3ServerEvent::StopSending { stream, .. } => Happening::StopSending(id(stream)),
            Http3ServerEvent::StateChange {
                conn,
                state: Http3State::Closing(_) | Http3State::Closed(_),
            } => Happening::Gone(conn),
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

    fn respond(
        &mut self,
        id: RequestId,
        status: u16,
        fields: &[(&'static str, String)],
    ) -> Result<(), Gone> {
        let mut headers = Vec::with_capacity(fields.len() + 2);
        headers.push(Header::new(":status", status.to_string()));
        headers.push(Header::new(
            "server",
            concat!("neqo-server/", env!("CARGO_PKG_VERSION")),
        ));
        headers.extend(fields.iter().map(|(n, v)| Header::new(*n, v.as_str())));
        self.0.send_headers(handle(id), &headers).map_err(|e| {
            log::debug!("{id:?}: {e}");
            Gone
        })
    }

    fn read(&mut self, id: RequestId, buf: &mut [u8], now: Instant) -> Result<(usize, bool), Gone> {
        self.0.read_data(now, handle(id), buf).map_err(|_e| Gone)
    }

    fn send(&mut self, id: RequestId, data: Bytes, now: Instant) -> Result<usize, Gone> {
        self.0
            .send_data_bytes(handle(id), data, now)
            .map_err(|_e| Gone)
    }

    fn finish(&mut self, id: RequestId, now: Instant) {
        if let Err(e) = self.0.close_send(handle(id), now) {
            log::debug!("{id:?}: {e}");
        }
    }

    fn abort(&mut self, id: RequestId) {
        // It may be gone already.
        drop(self.0.reset_send(handle(id), H3_INTERNAL_ERROR));
    }

    fn ignore_body(&mut self, id: RequestId) {
        drop(self.0.stop_sending(handle(id), H3_NO_ERROR));
    }

    fn peer(&self, conn: ConnectionHandle) -> Option<SocketAddr> {
        Some(self.0.connection(conn)?.remote_address())
    }

    fn go_away(&mut self, _now: Instant) {
        self.0.stop_accepting();
        let all: Vec<_> = self.0.transport().handles().collect();
        for conn in all {
            // One that is still shaking hands has no requests yet.
            drop(self.0.send_goaway(conn));
        }
    }

    fn is_idle(&self) -> bool {
        self.0.transport().is_idle()
    }

    fn close(&mut self, now: Instant) {
        let all: Vec<_> = self.0.transport().handles().collect();
        for conn in all {
            self.0.close(conn, now, H3_NO_ERROR, "");
        }
    }
}
