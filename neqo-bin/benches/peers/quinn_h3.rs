//! quinn with h3.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use http::{Method, Request, Response};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use crate::{
    peer::{Client, Peer},
    setup::{CHUNK, NAME, Setup},
};

type Stream = h3::server::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;
type Requests = SendRequest<h3_quinn::OpenStreams, Bytes>;

pub(crate) struct Quinn;

impl Peer for Quinn {
    fn name(&self) -> &'static str {
        "quinn+h3"
    }

    fn server(&self, setup: &Setup, socket: UdpSocket) -> Box<dyn FnOnce() + Send> {
        let tls = QuicServerConfig::try_from(server_tls(setup)).unwrap();
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(transport(setup));
        let endpoint_config = endpoint_config(setup);
        Box::new(move || {
            let runtime = runtime();
            runtime.block_on(async {
                let endpoint = open(endpoint_config, Some(config), socket);
                while let Some(incoming) = endpoint.accept().await {
                    tokio::spawn(async move {
                        if let Ok(connection) = incoming.await {
                            serve(connection).await;
                        }
                    });
                }
            });
        })
    }

    fn client(&self, setup: &Setup, socket: UdpSocket, server: SocketAddr) -> Box<dyn Client> {
        let tls = QuicClientConfig::try_from(client_tls(setup)).unwrap();
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(transport(setup));
        let runtime = runtime();
        let mut endpoint = {
            let _guard = runtime.enter();
            open(endpoint_config(setup), None, socket)
        };
        endpoint.set_default_client_config(config);
        Box::new(QuinnClient {
            runtime,
            endpoint,
            server,
            connection: None,
        })
    }
}

/// One cipher suite and one group, as our side is configured.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}

/// TLS for a server that is built on rustls.
fn server_tls(setup: &Setup) -> rustls::ServerConfig {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![setup.certificate.clone()], setup.key.clone_key())
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls.send_tls13_tickets = 0; // each handshake is a full one
    tls
}

/// TLS for a client that is built on rustls.
fn client_tls(setup: &Setup) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(setup.certificate.clone()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls.resumption = Resumption::disabled();
    tls
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(config: EndpointConfig, server: Option<ServerConfig>, socket: UdpSocket) -> Endpoint {
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime)).unwrap()
}

fn endpoint_config(setup: &Setup) -> EndpointConfig {
    let mut config = EndpointConfig::default();
    if setup.options.defaults {
        return config;
    }
    config.max_udp_payload_size(setup.options.payload).unwrap();
    config
}

fn transport(setup: &Setup) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    if setup.options.defaults {
        return Arc::new(config);
    }
    config
        .initial_mtu(setup.options.payload)
        .min_mtu(setup.options.payload)
        .mtu_discovery_config(None)
        .stream_receive_window(VarInt::from_u32(setup.options.window))
        .receive_window(VarInt::from_u32(setup.options.window.saturating_mul(2)))
        .send_window(u64::from(setup.options.window) * 2)
        .max_concurrent_bidi_streams(VarInt::from_u32(setup.options.streams));
    Arc::new(config)
}

async fn serve(connection: quinn::Connection) {
    let connection = h3_quinn::Connection::new(connection);
    let Ok(mut http) = h3::server::Connection::<_, Bytes>::new(connection).await else {
        return;
    };
    while let Ok(Some(resolver)) = http.accept().await {
        tokio::spawn(async move {
            if let Ok((request, stream)) = resolver.resolve_request().await {
                // A client that goes away in the middle is not the server's failure.
                drop(answer(&request, stream).await);
            }
        });
    }
}

async fn answer(request: &Request<()>, mut stream: Stream) -> Result<(), h3::error::StreamError> {
    stream.send_response(Response::new(())).await?;
    if request.method() == Method::POST {
        let mut received = 0;
        while let Some(data) = stream.recv_data().await? {
            received += data.remaining();
        }
        stream.send_data(Bytes::from(received.to_string())).await?;
    } else {
        let chunk = Bytes::from_static(&CHUNK);
        let mut left: usize = request.uri().path()[1..].parse().unwrap();
        while left > 0 {
            let n = left.min(chunk.len());
            stream.send_data(chunk.slice(..n)).await?;
            left -= n;
        }
    }
    stream.finish().await
}

struct QuinnClient {
    runtime: Runtime,
    endpoint: Endpoint,
    server: SocketAddr,
    connection: Option<(quinn::Connection, Requests)>,
}

impl QuinnClient {
    fn sender(&self) -> Requests {
        let (_, requests) = self.connection.as_ref().unwrap();
        requests.clone()
    }
}

impl Client for QuinnClient {
    fn connect(&mut self) {
        if let Some((old, _)) = self.connection.take() {
            old.close(VarInt::from_u32(0x100), b"");
        }
        let (endpoint, server) = (&self.endpoint, self.server);
        let connection = self.runtime.block_on(async {
            let connection = endpoint.connect(server, NAME).unwrap().await.unwrap();
            let quic = h3_quinn::Connection::new(connection.clone());
            let (mut driver, requests) = h3::client::new(quic).await.unwrap();
            tokio::spawn(async move { driver.wait_idle().await });
            (connection, requests)
        });
        self.connection = Some(connection);
    }

    fn download(&mut self, bytes: u64) {
        let requests = self.sender();
        let received = self.runtime.block_on(get(requests, bytes));
        assert_eq!(received, bytes);
    }

    fn upload(&mut self, bytes: u64) {
        let requests = self.sender();
        let answer = self.runtime.block_on(post(requests, bytes));
        assert_eq!(answer, bytes.to_string().as_bytes());
    }

    fn requests(&mut self, count: u64) {
        let requests = self.sender();
        let received: u64 = self.runtime.block_on(async move {
            let gets = (0..count).map(|_| get(requests.clone(), 1));
            gets.collect::<JoinSet<_>>().join_all().await.iter().sum()
        });
        assert_eq!(received, count);
    }
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("https://{NAME}/{path}"))
        .body(())
        .unwrap()
}

async fn get(mut requests: Requests, bytes: u64) -> u64 {
    let request = request(Method::GET, &bytes.to_string());
    let mut stream = requests.send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let mut received = 0;
    while let Some(mut data) = stream.recv_data().await.unwrap() {
        let n = data.remaining();
        data.advance(n);
        received += u64::try_from(n).unwrap();
    }
    received
}

async fn post(mut requests: Requests, bytes: u64) -> Vec<u8> {
    let chunk = Bytes::from_static(&CHUNK);
    let request = request(Method::POST, "");
    let mut stream = requests.send_request(request).await.unwrap();
    let mut left = usize::try_from(bytes).unwrap();
    while left > 0 {
        let n = left.min(chunk.len());
        stream.send_data(chunk.slice(..n)).await.unwrap();
        left -= n;
    }
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await.unwrap() {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    body
}
