//! What all peers have in common.

use std::{
    fmt::{self, Display, Formatter},
    io,
    net::{SocketAddr, UdpSocket},
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Socket, Type};

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// What uploads are made of, and where a peer's server has nothing of its own, downloads.
pub(crate) static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// What can be chosen.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Leave each peer its own defaults: payload, search for a larger one, windows and streams.
    #[arg(long, conflicts_with_all = ["payload", "window", "streams"])]
    pub(crate) defaults: bool,
    /// Largest UDP payload in bytes; nobody searches for a larger one.
    #[arg(long, default_value_t = Self::DEFAULT.payload)]
    pub(crate) payload: u16,
    /// Bytes to ask for as socket buffers, for sending and for receiving.
    #[arg(long, default_value_t = Self::DEFAULT.socket_buffer)]
    pub(crate) socket_buffer: usize,
    /// Flow control window of a stream, and half of that of a connection.
    #[arg(long, default_value_t = Self::DEFAULT.window)]
    pub(crate) window: u32,
    /// Requests that a server lets a client have open.
    #[arg(long, default_value_t = Self::DEFAULT.streams)]
    pub(crate) streams: u32,
}

impl Options {
    pub(crate) const DEFAULT: Self = Self {
        defaults: false,
        payload: 1472,
        socket_buffer: 8 << 20,
        window: 16 << 20,
        streams: 100,
    };
}

/// The parameters of a measurement.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    /// The self-signed certificate, in DER.
    pub(crate) certificate: CertificateDer<'static>,
    /// Its key, in DER.
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Setup {
    pub(crate) fn new(options: Options) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let names = CertificateParams::new([NAME.to_owned()]).unwrap();
        let certificate = names.self_signed(&key).unwrap();
        Self {
            options,
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A non-blocking socket on a free port of the loopback.
    pub(crate) fn socket(&self) -> UdpSocket {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        // The kernel grants what it allows, without an error.
        let buffer = self.options.socket_buffer;
        socket.set_send_buffer_size(buffer).unwrap();
        socket.set_recv_buffer_size(buffer).unwrap();
        socket.set_nonblocking(true).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.into()
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
        let options = self.options;
        if options.defaults {
            f.write_str("each peer's default UDP payload, windows and streams")?;
        } else {
            let (payload, window, streams) = (options.payload, options.window, options.streams);
            write!(
                f,
                "UDP payload {payload}, stream window {window}, {streams} streams"
            )?;
        }
        write!(
            f,
            ", socket buffers granted {send} to send and {recv} to receive"
        )
    }
}
