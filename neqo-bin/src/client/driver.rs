//! The client's event loop: one connection, its socket, its requests.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use neqo_transport::{CloseReason, StreamId};
use neqo_udp::RecvBuf;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    engine::{Engine, Happening},
    error::Error,
    exchanges::{Exchanges, Job, Outcome},
    target::{Origin, Target},
    writer::{Report, Writer},
};
use crate::{
    body::Done,
    clock,
    runtime::{
        port::Port,
        signals::Signals,
        turn::{self, Next, Step},
    },
};

/// A connection and its socket.
#[derive(Debug)]
pub struct Driver<E> {
    engine: E,
    port: Port,
    recv_buf: RecvBuf,
    memory: Vec<u8>,
    received: bool,
}

impl<E: Engine> Driver<E> {
    /// A connection that is to be made, on a socket of its own.
    #[must_use]
    pub fn new(engine: E, port: Port) -> Self {
        Self {
            engine,
            recv_buf: port.recv_buf(),
            port,
            memory: Vec::new(),
            received: false,
        }
    }

    /// The connection.
    #[must_use]
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// Takes what has arrived.
    fn receive(&mut self) -> io::Result<Next> {
        let Self {
            engine,
            port,
            recv_buf,
            received,
            ..
        } = self;
        let now = clock::now();
        turn::receive(port, recv_buf, |segment| {
            *received = true;
            engine.input(segment, now);
        })
    }

    /// Sends what is to be sent.
    fn transmit(&mut self) -> io::Result<Next> {
        let Self {
            engine,
            port,
            memory,
            ..
        } = self;
        let now = clock::now();
        turn::transmit(port, memory, now, |buf, max| {
            Step::from(engine.write(now, buf, max))
        })
    }

    /// Shakes hands.
    pub async fn connect(
        &mut self,
        origin: &Origin,
        addr: SocketAddr,
        timeout: Duration,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        let peer = format!("{origin} ({addr})");
        let deadline = Next::At(clock::now() + timeout);
        loop {
            let more = self.receive().map_err(|e| connect_error(&peer, &e))?;
            // Timers run when there is output, so this comes before the events.
            let next = self.transmit().map_err(|e| connect_error(&peer, &e))?;
            while let Some(happening) = self.engine.next(clock::now()) {
                match happening {
                    Happening::Ready => return Ok(()),
                    Happening::Ended(reason) => {
                        drop(self.transmit());
                        return Err(handshake_error(origin, peer, timeout, &reason));
                    }
                    _ => {}
                }
            }
            if self.port.was_refused() && !self.received {
                return Err(Error::Refused { peer });
            }
            tokio::select! {
                biased;
                () = signals.more_than(0) => return Err(Error::Interrupted),
                () = deadline.wait() => return Err(Error::NoAnswer { peer, timeout }),
                ready = self.port.ready() => ready.map_err(|e| connect_error(&peer, &e))?,
                () = more.or(next).wait() => {}
            }
        }
    }

    /// Makes the requests and brings the responses home; then closes the connection. What became of the targets, and
    /// those that are left for another connection.
    pub async fn fetch(
        mut self,
        job: &Job,
        targets: Vec<Target>,
        signals: &mut Signals,
    ) -> Result<(Vec<Outcome>, Vec<Target>), Error> {
        let (writer, mut reports) = Writer::spawn().map_err(|e| system_error(&e))?;
        let (read_to, mut reads) = unbounded_channel();
        let mut exchanges = Exchanges::new(job, targets, writer, read_to);
        exchanges.on(Happening::Ready, &mut self.engine, clock::now());
        let broken = self
            .exchange(&mut exchanges, &mut reports, &mut reads, signals)
            .await;
        if let Err(e) = broken {
            exchanges.fail(|url| Error::Lost {
                url,
                reason: e.to_string(),
            });
        }
        if job.stats {
            let stats = self.engine.stats();
            job.rules.progress.always(&stats.to_string());
        }
        self.engine.close(clock::now());
        // Best effort: the peer's idle timeout does the rest.
        drop(self.transmit());
        Ok(exchanges.into_outcomes())
    }

    fn happenings(&mut self, exchanges: &mut Exchanges<'_>, now: Instant) {
        while let Some(happening) = self.engine.next(now) {
            exchanges.on(happening, &mut self.engine, now);
        }
    }

    async fn exchange(
        &mut self,
        exchanges: &mut Exchanges<'_>,
        reports: &mut UnboundedReceiver<Report>,
        reads: &mut UnboundedReceiver<(StreamId, Done)>,
        signals: &mut Signals,
    ) -> io::Result<()> {
        loop {
            let more = self.receive()?;
            let now = clock::now();
            self.happenings(exchanges, now);
            while let Ok(report) = reports.try_recv() {
                exchanges.on_report(report, &mut self.engine, now);
            }
            while let Ok((id, done)) = reads.try_recv() {
                exchanges.on_read(id, done, &mut self.engine, now);
            }
            exchanges.start(&mut self.engine, now);
            if exchanges.is_done() {
                return Ok(());
            }
            let next = more.or(self.transmit()?);
            // Timers run when there is output, and may end the connection.
            self.happenings(exchanges, now);
            if exchanges.is_done() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = signals.more_than(0) => exchanges.fail(|_url| Error::Interrupted),
                io = self.port.ready() => io?,
                Some(report) = reports.recv() => {
                    exchanges.on_report(report, &mut self.engine, clock::now());
                }
                Some((id, done)) = reads.recv() => {
                    exchanges.on_read(id, done, &mut self.engine, clock::now());
                }
                () = next.wait() => {}
            }
        }
    }
}

fn system_error(e: &io::Error) -> Error {
    Error::Internal(e.to_string())
}

fn connect_error(peer: &str, e: &io::Error) -> Error {
    Error::Connect {
        peer: peer.to_owned(),
        reason: e.to_string(),
    }
}

/// Why a connection did not come about, in words that help.
fn handshake_error(
    origin: &Origin,
    peer: String,
    timeout: Duration,
    reason: &CloseReason,
) -> Error {
    use neqo_crypto::{Error as Tls, alert};
    use neqo_transport::Error as Quic;
    const CRYPTO_ERROR: u64 = 0x100;
    const NO_PROTOCOL: u64 = CRYPTO_ERROR + alert::NO_APPLICATION_PROTOCOL as u64;
    const CONNECTION_REFUSED: u64 = 0x02;
    let reason = match reason {
        CloseReason::Transport(Quic::Crypto(Tls::Certificate { reason, .. })) => {
            return Error::Certificate {
                host: origin.to_string(),
                reason: reason.clone(),
            };
        }
        CloseReason::Transport(Quic::Crypto(Tls::EchRetry(configs))) if configs.is_empty() => {
            "the server accepts no encrypted ClientHello; leave --ech out".to_owned()
        }
        CloseReason::Transport(Quic::Crypto(Tls::EchRetry(configs))) => format!(
            "the server has another key for encrypted ClientHellos; try --ech {}",
            BASE64_STANDARD.encode(configs)
        ),
        CloseReason::Transport(Quic::HandshakeTimeout | Quic::IdleTimeout) => {
            return Error::NoAnswer { peer, timeout };
        }
        CloseReason::Transport(Quic::PeerClosed { code, .. }) if *code == NO_PROTOCOL => {
            "the server does not speak this protocol; try another --alpn".to_owned()
        }
        CloseReason::Transport(Quic::PeerClosed { code, .. }) if *code == CONNECTION_REFUSED => {
            "the server is busy or going away; try again later".to_owned()
        }
        CloseReason::Transport(Quic::VersionNegotiation) => {
            "the server speaks none of our QUIC versions (1 and 2)".to_owned()
        }
        other => other.to_string(),
    };
    Error::Connect { peer, reason }
}

/// When something is to be given up.
#[must_use]
pub fn share(total: Duration, started: Instant, now: Instant, attempts: u32) -> Duration {
    total
        .saturating_sub(now.saturating_duration_since(started))
        .checked_div(attempts)
        .unwrap_or_default()
        .max(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use neqo_transport::Error as Quic;

    use super::*;
    use crate::client::{exit::Exit, target};

    #[test]
    fn reasons_in_words() {
        let origin = target::group(&["https://h/".into()])
            .unwrap()
            .remove(0)
            .origin;
        let error = |reason: Quic| {
            let reason = CloseReason::Transport(reason);
            handshake_error(
                &origin,
                "h:443 (::1)".into(),
                Duration::from_secs(3),
                &reason,
            )
        };
        let certificate = error(Quic::Crypto(neqo_crypto::Error::Certificate {
            alert: 48,
            reason: "unknown issuer".into(),
        }));
        assert_eq!(certificate.exit(), Exit::Certificate);
        assert!(certificate.to_string().contains("unknown issuer"));
        let closed = |code| Quic::PeerClosed {
            code,
            reason: String::new(),
        };
        for (reason, word) in [
            (closed(0x178), "--alpn"),
            (closed(0x02), "busy"),
            (Quic::HandshakeTimeout, "no answer"),
            (Quic::VersionNegotiation, "versions"),
        ] {
            let e = error(reason);
            assert_eq!(e.exit(), Exit::Connect);
            let text = e.to_string();
            assert!(text.contains(word) && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn attempts_share_the_time() {
        let start = clock::now();
        let total = Duration::from_secs(10);
        assert_eq!(share(total, start, start, 2), Duration::from_secs(5));
        let later = start + Duration::from_secs(4);
        assert_eq!(share(total, start, later, 1), Duration::from_secs(6));
        let too_late = start + Duration::from_secs(40);
        assert!(share(total, start, too_late, 1) > Duration::ZERO);
    }
}
