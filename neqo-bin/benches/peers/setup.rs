//! What all peers have in common.

use std::{
    fmt::{self, Display, Formatter},
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
};
use socket2::{Domain, Socket, Type};

use crate::Args;

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// What uploads are made of, and where a peer's server has nothing of its own, downloads.
pub(crate) static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// The parameters of a measurement.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Largest UDP payload.
    pub(crate) payload: u16,
    /// Flow control window of a stream in bytes.
    pub(crate) window: u32,
    /// Requests that may be open.
    pub(crate) streams: u32,
    socket_buffer: usize,
    /// The self-signed certificate, in DER.
    pub(crate) certificate: CertificateDer<'static>,
    /// Its key, in DER.
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Setup {
    pub(crate) fn new(args: &Args) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let names = CertificateParams::new([NAME.to_owned()]).unwrap();
        let certificate = names.self_signed(&key).unwrap();
        Self {
            payload: args.payload,
            window: args.window,
            streams: args.streams,
            socket_buffer: args.socket_buffer,
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A non-blocking socket on a free port of the loopback.
    pub(crate) fn socket(&self) -> UdpSocket {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        // The kernel grants what it allows, without an error.
        socket.set_send_buffer_size(self.socket_buffer).unwrap();
        socket.set_recv_buffer_size(self.socket_buffer).unwrap();
        socket.set_nonblocking(true).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.into()
    }

    /// One cipher suite and one group, so that all peers do the same work.
    fn provider() -> Arc<CryptoProvider> {
        Arc::new(CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        })
    }

    /// TLS for a server that is built on rustls.
    pub(crate) fn server_tls(&self) -> ServerConfig {
        let mut tls = ServerConfig::builder_with_provider(Self::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        tls.send_tls13_tickets = 0; // each handshake is a full one
        tls
    }

    /// TLS for a client that is built on rustls.
    pub(crate) fn client_tls(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut tls = ClientConfig::builder_with_provider(Self::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        tls.resumption = Resumption::disabled();
        tls
    }

    fn granted(&self) -> io::Result<(usize, usize)> {
        let socket = self.socket();
        let socket = socket2::SockRef::from(&socket);
        Ok((socket.send_buffer_size()?, socket.recv_buffer_size()?))
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (send, recv) = self.granted().map_err(|_| fmt::Error)?;
        write!(
            f,
            "UDP payload {}, stream window {}, {} streams, socket buffers granted {send} to send \
             and {recv} to receive",
            self.payload, self.window, self.streams
        )
    }
}
