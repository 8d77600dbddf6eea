//! The server's connections: HTTP/3 and HTTP/0.9 side by side, behind the same few calls.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_common::{Datagram, event::Provider as _};
use neqo_http3::{
    H3_INTERNAL_ERROR, H3_NO_ERROR, Header, Http3Server, Http3ServerEvent, Http3State,
    Http3StreamHandle,
};
use neqo_transport::{StreamId, Transmit, server::ConnectionHandle};
use neqo_udp::RecvSegment;

use super::{hq::Hq, service::Request};
use crate::proto::Protocol;

/// A request on a connection. When it is over it names nothing, and never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The connection.
    pub conn: ConnectionHandle,
    /// The stream on it.
    pub stream: StreamId,
}

impl RequestId {
    /// Some request of a connection that `map` has, in less than linear time.
    #[must_use]
    pub fn any_of<T>(conn: ConnectionHandle, map: &BTreeMap<Self, T>) -> Option<Self> {
        let stream = StreamId::from(0);
        let (id, _) = map.range(Self { conn, stream }..).next()?;
        (id.conn == conn).then_some(*id)
    }
}

/// Something happened on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening {
    /// A request arrived, and whether that is all of it: otherwise its body may follow.
    Request(RequestId, Request, bool),
    /// Some of a request's body, or its end, can be read.
    Readable(RequestId),
    /// More of a response can be sent.
    Writable(RequestId),
    /// The request will not be complete.
    Reset(RequestId),
    /// The client does not want the rest of the response.
    StopSending(RequestId),
    /// The connection is gone, and all its requests.
    Gone(ConnectionHandle),
}

/// The request or the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// All connections of one socket. Times never go backwards.
#[derive(Debug)]
pub struct Connections {
    http: Http3Server,
    hq: Hq,
    /// Whether clients are told to make no new requests, also those that still shake hands.
    going_away: bool,
}

impl From<Http3StreamHandle> for RequestId {
    fn from(stream: Http3StreamHandle) -> Self {
        Self {
            conn: stream.conn,
            stream: stream.stream_id,
        }
    }
}

impl From<RequestId> for Http3StreamHandle {
    fn from(id: RequestId) -> Self {
        Self {
            conn: id.conn,
            stream_id: id.stream,
        }
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
            Happening::Request(stream.into(), Request::from_fields(fields), fin)
        }
        Http3ServerEvent::DataReadable { stream } => Happening::Readable(stream.into()),
        Http3ServerEvent::DataWritable { stream } => Happening::Writable(stream.into()),
        Http3ServerEvent::Reset { stream, .. } => Happening::Reset(stream.into()),
        Http3ServerEvent::StopSending { stream, .. } => Happening::StopSending(stream.into()),
        Http3ServerEvent::StateChange {
            conn,
            state: Http3State::Closing(_) | Http3State::Closed(_),
        } => Happening::Gone(conn),
        _ => return None,
    })
}

impl Connections {
    /// Those of a server that was just made.
    #[must_use]
    pub fn new(http: Http3Server) -> Self {
        Self {
            http,
            hq: Hq::default(),
            going_away: false,
        }
    }

    /// Takes datagrams.
    pub fn input(&mut self, segment: RecvSegment, now: Instant) {
        let stride = NonZeroUsize::new(segment.stride).unwrap_or(NonZeroUsize::MIN);
        let datagrams = Datagram::from_parts(segment.src, segment.dst, segment.tos, segment.data);
        self.http.process_input_owned(datagrams, stride, now);
    }

    /// The next datagrams to send.
    pub fn write<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut [u8],
        max: NonZeroUsize,
    ) -> Transmit<'b> {
        self.http.write_batch(now, buf, max)
    }

    /// What happened next.
    pub fn next_happening(&mut self) -> Option<Happening> {
        while let Some(event) = self.http.next_event() {
            if let Http3ServerEvent::StateChange {
                conn,
                state: Http3State::Connected,
            } = event
                && self.going_away
            {
                self.say_goaway(conn);
            }
            if let Some(happening) = happening(event) {
                return Some(happening);
            }
        }
        loop {
            if let Some(happening) = self.hq.next_happening() {
                return Some(happening);
            }
            let conn = self.http.next_other()?;
            if let Some(quic) = self.http.other_mut(conn) {
                self.hq.process(conn, quic);
            }
        }
    }

    /// What a connection speaks.
    #[must_use]
    pub fn protocol(&self, conn: ConnectionHandle) -> Protocol {
        if self.hq.speaks(conn) {
            Protocol::HqInterop
        } else {
            Protocol::H3
        }
    }

    /// Begins a response.
    pub fn respond(
        &mut self,
        id: RequestId,
        status: u16,
        fields: &[(&'static str, String)],
    ) -> Result<(), Gone> {
        if self.hq.speaks(id.conn) {
            if status >= 300 {
                // There is no status: what is not the content must not be taken for it.
                self.abort(id);
                return Err(Gone);
            }
            return Ok(());
        }
        let mut headers = Vec::with_capacity(fields.len() + 2);
        headers.push(Header::new(":status", status.to_string()));
        headers.push(Header::new(
            "server",
            concat!("neqo-server/", env!("CARGO_PKG_VERSION")),
        ));
        headers.extend(fields.iter().map(|(n, v)| Header::new(*n, v.as_str())));
        self.http.send_headers(id.into(), &headers).map_err(|e| {
            log::debug!("{id:?}: {e}");
            Gone
        })
    }

    /// Takes the next piece of a request's body, if there is one, and says whether that is the
    /// end.
    pub fn read(&mut self, id: RequestId, now: Instant) -> Result<(Option<Bytes>, bool), Gone> {
        if self.hq.speaks(id.conn) {
            return Ok((None, true));
        }
        self.http.read_data_bytes(now, id.into()).map_err(|_e| Gone)
    }

    /// Sends as much of `data` as possible: how much that was.
    pub fn send(&mut self, id: RequestId, data: Bytes, now: Instant) -> Result<usize, Gone> {
        if let Some(quic) = self.http.other_mut(id.conn) {
            return quic.stream_send_bytes(id.stream, data).map_err(|_e| Gone);
        }
        self.http
            .send_data_bytes(id.into(), data, now)
            .map_err(|_e| Gone)
    }

    /// Ends a response.
    pub fn finish(&mut self, id: RequestId, now: Instant) {
        let finished = match self.http.other_mut(id.conn) {
            Some(quic) => quic.stream_close_send(id.stream).map_err(Into::into),
            None => self.http.close_send(id.into(), now),
        };
        if let Err(e) = finished {
            log::debug!("{id:?}: {e}");
        }
    }

    /// Gives up the rest of a response, so that the client knows that it is not whole.
    pub fn abort(&mut self, id: RequestId) {
        // It may be gone already.
        match self.http.other_mut(id.conn) {
            Some(quic) => drop(quic.stream_reset_send(id.stream, Hq::NO_ERROR)),
            None => drop(self.http.reset_send(id.into(), H3_INTERNAL_ERROR)),
        }
    }

    /// Asks for no more of the request's body.
    pub fn ignore_body(&mut self, id: RequestId) {
        match self.http.other_mut(id.conn) {
            Some(quic) => drop(quic.stream_stop_sending(id.stream, Hq::NO_ERROR)),
            None => drop(self.http.stop_sending(id.into(), H3_NO_ERROR)),
        }
    }

    /// Who asks, while the connection lives.
    #[must_use]
    pub fn peer(&self, conn: ConnectionHandle) -> Option<SocketAddr> {
        Some(self.http.connection(conn)?.remote_address())
    }

    /// Takes no new connections, and tells the clients to make no new requests.
    pub fn go_away(&mut self) {
        self.going_away = true;
        self.http.stop_accepting();
        for conn in self.all() {
            self.say_goaway(conn);
        }
    }

    fn say_goaway(&mut self, conn: ConnectionHandle) {
        if let Err(e) = self.http.send_goaway(conn) {
            // One that is still shaking hands is told when it is connected.
            log::debug!("{conn:?}: no GOAWAY: {e}");
        }
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.http.transport().is_idle()
    }

    /// Closes all connections.
    pub fn close(&mut self, now: Instant) {
        for conn in self.all() {
            match self.http.other_mut(conn) {
                Some(quic) => quic.close(now, Hq::NO_ERROR, ""),
                None => self.http.close(conn, now, H3_NO_ERROR, ""),
            }
        }
    }

    fn all(&self) -> Vec<ConnectionHandle> {
        self.http.transport().handles().collect()
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
        server: Connections,
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
            server: Connections::new(server),
            now,
            events: Vec::new(),
        }
    }

    impl Pair {
        fn reach_server(&mut self) {
            let mut buf = vec![0; 65_535];
            while let Some(s) = segment(self.client.write_batch(self.now, &mut buf, BATCH)) {
                self.server.input(s, self.now);
            }
            while self.server.next_happening().is_some() {}
        }

        fn reach_client(&mut self) {
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
                self.reach_server();
                self.reach_client();
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
        pair.reach_server();
        assert!(!pair.server.is_idle(), "the handshake has begun");
        pair.server.go_away();
        pair.run();
        assert!(pair.client.state().active(), "{:?}", pair.client.state());
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
        pair.server.go_away();
        pair.run();
        assert_eq!(pair.goaways(), 1);
    }
}
