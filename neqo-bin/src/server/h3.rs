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
pub struct H3 {
    server: Http3Server,
    /// Whether clients are told to make no new requests, also those whose handshake is not complete yet.
    going_away: bool,
}

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
        Self {
            server,
            going_away: false,
        }
    }

    fn say_goaway(&mut self, conn: ConnectionHandle) {
        if let Err(e) = self.server.send_goaway(conn) {
            // One that is still shaking hands is told when it is connected.
            log::debug!("{conn:?}: no GOAWAY: {e}");
        }
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
        self.server.process_input_owned(datagrams, stride, now);
    }

    fn write<'b>(&mut self, now: Instant, buf: &'b mut [u8], max: NonZeroUsize) -> Transmit<'b> {
        self.server.write_batch(now, buf, max)
    }

    fn next(&mut self, _now: Instant) -> Option<Happening> {
        while let Some(event) = self.server.next_event() {
            if let Http3ServerEvent::StateChange {
                conn,
                state: Http3State::Connected,
            } = event
                && self.going_away
            {
                self.say_goaway(conn);
            }
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
        self.server.send_headers(handle(id), &headers).map_err(|e| {
            log::debug!("{id:?}: {e}");
            Gone
        })
    }

    fn read(&mut self, id: RequestId, now: Instant) -> Result<(Option<Bytes>, bool), Gone> {
        self.server
            .read_data_bytes(now, handle(id))
            .map_err(|_e| Gone)
    }

    fn send(&mut self, id: RequestId, data: Bytes, now: Instant) -> Result<usize, Gone> {
        self.server
            .send_data_bytes(handle(id), data, now)
            .map_err(|_e| Gone)
    }

    fn finish(&mut self, id: RequestId, now: Instant) {
        if let Err(e) = self.server.close_send(handle(id), now) {
            log::debug!("{id:?}: {e}");
        }
    }

    fn abort(&mut self, id: RequestId) {
        // It may be gone already.
        drop(self.server.reset_send(handle(id), H3_INTERNAL_ERROR));
    }

    fn ignore_body(&mut self, id: RequestId) {
        drop(self.server.stop_sending(handle(id), H3_NO_ERROR));
    }

    fn peer(&self, conn: ConnectionHandle) -> Option<SocketAddr> {
        Some(self.server.connection(conn)?.remote_address())
    }

    fn go_away(&mut self, _now: Instant) {
        self.going_away = true;
        self.server.stop_accepting();
        let all: Vec<_> = self.server.transport().handles().collect();
        for conn in all {
            self.say_goaway(conn);
        }
    }

    fn is_idle(&self) -> bool {
        self.server.transport().is_idle()
    }

    fn close(&mut self, now: Instant) {
        let all: Vec<_> = self.server.transport().handles().collect();
        for conn in all {
            self.server.close(conn, now, H3_NO_ERROR, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::BytesMut;
    use neqo_http3::{Http3Client, Http3ClientEvent, Http3Parameters};
    use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};

    use super::*;
    use crate::clock;

    const BATCH: NonZeroUsize = NonZeroUsize::new(40).expect("is not zero");

    struct Pair {
        client: Http3Client,
        server: H3,
        now: Instant,
        events: Vec<Http3ClientEvent>,
    }

    fn segment(out: Transmit<'_>) -> Option<RecvSegment> {
        let Transmit::Batch(batch) = out else {
            return None;
        };
        Some(RecvSegment {
            src: batch.source(),
            dst: batch.destination(),
            tos: batch.tos(),
            stride: batch.datagram_size().get(),
            data: BytesMut::from(batch.data()),
        })
    }

    fn pair() -> Pair {
        let now = clock::now();
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let identity = neqo_crypto::Identity::self_signed(&["example.com"]).unwrap();
        let pins = vec![identity.sha256()];
        let tls = neqo_crypto::Client::builder()
            .verification(neqo_crypto::Verification::PinSha256(pins))
            .build()
            .unwrap();
        let cids = || Box::new(RandomConnectionIdGenerator::new(8)) as Box<_>;
        let params = ConnectionParameters::default().client_tls(tls);
        let params = Http3Parameters::default().connection_parameters(params);
        let client =
            Http3Client::new("example.com", cids(), addr(1000), addr(443), params, now).unwrap();
        let tls = neqo_crypto::Server::builder(identity).build().unwrap();
        let server = Http3Server::new(now, tls, cids, Http3Parameters::default()).unwrap();
        Pair {
            client,
            server: H3::new(server),
            now,
            events: Vec::new(),
        }
    }

    impl Pair {
        fn to_server(&mut self) {
            let mut buf = vec![0; 65_535];
            while let Some(s) = segment(self.client.write_batch(self.now, &mut buf, BATCH)) {
                self.server.input(s, self.now);
            }
            while self.server.next(self.now).is_some() {}
        }

        fn to_client(&mut self) {
            let mut buf = vec![0; 65_535];
            while let Some(s) = segment(self.server.write(self.now, &mut buf, BATCH)) {
                let d = Datagram::from_parts(s.src, s.dst, s.tos, s.data);
                let stride = NonZeroUsize::new(s.stride).unwrap();
                self.client.process_input_owned(d, stride, self.now);
            }
            self.events
                .extend(std::iter::from_fn(|| self.client.next_event()));
        }

        fn run(&mut self) {
            for _ in 0..200 {
                self.to_server();
                self.to_client();
                self.now += Duration::from_millis(1);
            }
        }

        fn goaways(&self) -> usize {
            let goaway = |e: &&Http3ClientEvent| matches!(e, Http3ClientEvent::GoawayReceived);
            self.events.iter().filter(goaway).count()
        }
    }

    #[test]
    fn goaway_in_the_middle_of_a_handshake() {
        let mut pair = pair();
        pair.to_server();
        assert!(!pair.server.is_idle(), "the handshake has begun");
        pair.server.go_away(pair.now);
        pair.run();
        assert_eq!(pair.client.state(), Http3State::Connected);
        assert_eq!(pair.goaways(), 1);
    }

    #[test]
    fn goaway_on_a_connection() {
        let mut pair = pair();
        pair.run();
        assert_eq!(
            (pair.client.state(), pair.goaways()),
            (Http3State::Connected, 0)
        );
        pair.server.go_away(pair.now);
        pair.run();
        assert_eq!(pair.goaways(), 1);
    }
}
