//! A host in miniature: it owns the socket, the clock and the decision about the certificate, and
//! fetches one resource over HTTP/3.
//!
//! ```text
//! cargo run -p neqo-http3 --example fetch -- 127.0.0.1:4433 localhost /1000 SHA256-OF-CERTIFICATE
//! ```

use std::{
    env,
    error::Error,
    io::{ErrorKind, Write as _},
    net::{SocketAddr, UdpSocket},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Tos, event::Provider as _};
use neqo_crypto::{AuthenticationStatus, Client, Verification};
use neqo_http3::{Http3Client, Http3ClientEvent, Http3Parameters, Http3State, Priority, Transmit};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};

/// The library never looks at the clock: its host does.
#[expect(clippy::disallowed_methods, reason = "a host owns the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Sends all that the connection wants to send. Returns how long to wait for an answer.
fn send(client: &mut Http3Client, socket: &UdpSocket, buf: &mut [u8]) -> std::io::Result<Duration> {
    loop {
        match client.write_batch(now(), buf, NonZeroUsize::MIN) {
            Transmit::Batch(batch) => {
                socket.send_to(batch.data(), batch.destination())?;
            }
            Transmit::Callback(wait) => return Ok(wait.max(Duration::from_millis(1))),
            Transmit::None => return Ok(Duration::ZERO),
        }
    }
}

/// Takes one datagram, or gives up after `wait`.
fn receive(
    client: &mut Http3Client,
    socket: &UdpSocket,
    buf: &mut [u8],
    wait: Duration,
) -> std::io::Result<()> {
    socket.set_read_timeout(Some(wait))?;
    match socket.recv_from(buf) {
        Ok((n, from)) => {
            let data = &mut buf[..n];
            let d = Datagram::from_slice(from, socket.local_addr()?, Tos::default(), data);
            client.process_input(d, now());
            Ok(())
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(e) => Err(e),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, server, name, path, pin] = &args[..] else {
        return Err("usage: fetch IP:PORT NAME PATH SHA256".into());
    };
    let server: SocketAddr = server.parse()?;
    let pin = hex_32(pin).ok_or("the SHA-256 of a certificate has 64 hexadecimal digits")?;

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let tls = Client::builder().verification(Verification::Host).build()?;
    let params = Http3Parameters::default()
        .connection_parameters(ConnectionParameters::default().client_tls(tls));
    let cids = Box::new(RandomConnectionIdGenerator::new(8));
    let local = socket.local_addr()?;
    let mut client = Http3Client::new(name.as_str(), cids, local, server, params, now())?;

    let target = ("https", name.as_str(), path.as_str());
    let (mut out, mut buf) = (std::io::stdout(), vec![0; 65536]);
    loop {
        while let Some(event) = client.next_event() {
            match event {
                Http3ClientEvent::AuthenticationNeeded => {
                    let known = client
                        .peer_certificate()
                        .map(neqo_crypto::PeerChain::leaf_sha256);
                    let verdict = if known == Some(pin) {
                        AuthenticationStatus::Ok
                    } else {
                        AuthenticationStatus::UnknownIssuer
                    };
                    client.authenticated(verdict, now());
                }
                Http3ClientEvent::StateChange(Http3State::Connected) => {
                    let id = client.fetch(now(), "GET", target, &[], Priority::default())?;
                    client.stream_close_send(id, now())?;
                }
                Http3ClientEvent::DataReadable { stream_id } => loop {
                    let (n, fin) = client.read_data(now(), stream_id, &mut buf)?;
                    out.write_all(&buf[..n])?;
                    if fin {
                        client.close(now(), 0x100, "done");
                    }
                    if fin || n == 0 {
                        break;
                    }
                },
                Http3ClientEvent::StateChange(
                    state @ (Http3State::Closing(_) | Http3State::Closed(_)),
                ) => {
                    send(&mut client, &socket, &mut buf)?;
                    return state
                        .failure()
                        .map_or(Ok(()), |e| Err(e.to_string().into()));
                }
                _ => {}
            }
        }
        let wait = send(&mut client, &socket, &mut buf)?;
        if !wait.is_zero() {
            receive(&mut client, &socket, &mut buf, wait)?;
        }
    }
}

fn hex_32(s: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = (0..s.len())
        .step_by(2)
        .map_while(|i| u8::from_str_radix(s.get(i..i + 2)?, 16).ok())
        .collect();
    digits.try_into().ok()
}
