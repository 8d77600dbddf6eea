//! A UDP socket on tokio that never loses what the kernel would not take yet.

use std::{io, net::SocketAddr, num::NonZeroUsize};

use neqo_common::{Batch, BatchRef};
use neqo_udp::{Event, Outcome, RecvBuf, RecvSegment, Socket};
use tokio::{io::Interest, net::UdpSocket};

/// Memory for one system call that sends: what GSO can take at most.
pub const SEND_BUFFER: usize = 64 << 10;

/// With GRO one message brings up to 64 datagrams, and few buffers stay in the processor's cache.
const GRO_SLOTS: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// An ICMP message about an earlier datagram makes a socket "in error", not readable.
const INCOMING: Interest = Interest::READABLE.add(Interest::ERROR);

/// A socket, and at most one batch that it has not taken yet.
#[derive(Debug)]
pub struct Port {
    socket: Socket<UdpSocket>,
    held: Option<Batch>,
}

impl Port {
    /// Takes a bound socket. Must be called on a tokio runtime.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Socket::new(UdpSocket::from_std(socket)?)?,
            held: None,
        })
    }

    /// The address that it is bound to.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Whether datagrams arrive as they were sent or not at all, which the search for the path's MTU needs.
    #[must_use]
    pub fn keeps_whole(&self) -> bool {
        !self.socket.may_fragment()
    }

    /// How many datagrams one send can carry.
    #[must_use]
    pub fn max_segments(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.socket.max_gso_segments()).unwrap_or(NonZeroUsize::MIN)
    }

    /// Buffers to receive into.
    #[must_use]
    pub fn recv_buf(&self) -> RecvBuf {
        if self.socket.gro_segments() > 1 {
            RecvBuf::with_slots(GRO_SLOTS)
        } else {
            RecvBuf::default()
        }
    }

    /// Whether an ICMP message said that nothing can be reached there.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.socket.stats().get(Event::Unreachable) > 0
    }

    /// Whether a batch waits for the kernel. Nothing else may be sent until [`Port::flush`] says so.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.held.is_some()
    }

    /// Sends a batch, and keeps what the kernel does not take. What cannot be sent at all is lost, as if the network
    /// had lost it.
    pub fn send(&mut self, batch: BatchRef<'_>) -> io::Result<()> {
        debug_assert!(!self.is_blocked(), "the batch before is still waiting");
        if let Some(rest) = self.try_send(batch)? {
            self.held = Some(rest.to_batch());
        }
        Ok(())
    }

    /// Tries again to send what was kept. Whether the way is free.
    pub fn flush(&mut self) -> io::Result<bool> {
        let Some(batch) = self.held.take() else {
            return Ok(true);
        };
        if let Some(rest) = self.try_send(batch.borrowed())? {
            self.held = Some(rest.to_batch());
        }
        Ok(!self.is_blocked())
    }

    fn try_send<'b>(&self, batch: BatchRef<'b>) -> io::Result<Option<BatchRef<'b>>> {
        let mut result = None;
        let attempt = self.socket.inner().try_io(Interest::WRITABLE, || {
            let sent = result.insert(self.socket.send(batch));
            match sent {
                // Makes tokio wait for the kernel's next sign.
                Ok(sent) if sent.outcome == Outcome::Blocked => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                _ => Ok(()),
            }
        });
        match (result, attempt) {
            (Some(sent), _) => Ok(sent?.rest(&batch)),
            // Not tried: tokio knows that the socket is not writable.
            (None, Err(e)) if e.kind() == io::ErrorKind::WouldBlock => Ok(Some(batch)),
            (None, Err(e)) => Err(e),
            (None, Ok(())) => Ok(None),
        }
    }

    /// Hands to `take` what one system call brings. False when nothing waits; true does not say that there was
    /// anything, only that there may be more.
    pub fn recv(&self, buf: &mut RecvBuf, mut take: impl FnMut(RecvSegment)) -> io::Result<bool> {
        let local = self.local_addr();
        // One after the other: tokio's `try_io` finds no combination of interests ready.
        for interest in [Interest::READABLE, Interest::ERROR] {
            let received = self.socket.inner().try_io(interest, || {
                self.socket.recv_owned(local, buf)?.for_each(&mut take);
                Ok(())
            });
            match received {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Waits until the kernel takes more, whatever there is to receive.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.inner().writable().await
    }

    /// Waits until there is something to receive, or, when a batch is kept, until the kernel takes it.
    pub async fn ready(&self) -> io::Result<()> {
        let interest = if self.is_blocked() {
            INCOMING | Interest::WRITABLE
        } else {
            INCOMING
        };
        self.socket.inner().ready(interest).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use neqo_common::Tos;
    use tokio::time::timeout;

    use super::*;

    fn port() -> Port {
        Port::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    fn batch<'p>(from: &Port, to: SocketAddr, size: usize, payload: &'p [u8]) -> BatchRef<'p> {
        BatchRef::new(
            from.local_addr(),
            to,
            Tos::default(),
            NonZeroUsize::new(size).unwrap(),
            payload,
        )
    }

    async fn receive(port: &Port, buf: &mut RecvBuf) -> Vec<u8> {
        timeout(Duration::from_secs(5), port.ready())
            .await
            .unwrap()
            .unwrap();
        let mut all = Vec::new();
        port.recv(buf, |segment| all.extend_from_slice(&segment.data))
            .unwrap();
        all
    }

    #[tokio::test]
    async fn a_batch_arrives() {
        let (mut a, b) = (port(), port());
        let payload = [3; 2500];
        a.send(batch(&a, b.local_addr(), 1000, &payload)).unwrap();
        while !a.flush().unwrap() {
            a.ready().await.unwrap();
        }
        let mut buf = b.recv_buf();
        let mut got = Vec::new();
        while got.len() < payload.len() {
            got.extend(receive(&b, &mut buf).await);
        }
        assert_eq!(got, payload);
        assert!(!b.recv(&mut buf, |_| ()).unwrap());
    }

    #[tokio::test]
    async fn what_is_blocked_is_kept() {
        let (mut a, b) = (port(), port());
        // Before tokio has seen the socket writable nothing is tried.
        a.send(batch(&a, b.local_addr(), 100, &[1; 250])).unwrap();
        assert!(a.is_blocked());
        timeout(Duration::from_secs(5), async {
            while !a.flush().unwrap() {
                a.ready().await.unwrap();
            }
        })
        .await
        .unwrap();
        let mut buf = b.recv_buf();
        let mut got = Vec::new();
        while got.len() < 250 {
            got.extend(receive(&b, &mut buf).await);
        }
        assert_eq!(got, [1; 250]);
    }

    // hardening A24
    #[tokio::test]
    async fn empty_datagrams_are_nothing() {
        let (a, b) = (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), port());
        for _ in 0..100 {
            a.send_to(&[], b.local_addr()).unwrap();
        }
        a.send_to(b"x", b.local_addr()).unwrap();
        let mut buf = b.recv_buf();
        let mut got = Vec::new();
        let mut calls = 0;
        while got.is_empty() {
            got = receive(&b, &mut buf).await;
            calls += 1;
            assert!(calls <= 101);
        }
        assert_eq!(got, b"x");
    }

    // hardening R3895
    #[tokio::test]
    async fn a_closed_port_is_noticed_and_survived() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = closed.local_addr().unwrap();
        drop(closed);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(addr).unwrap();
        let mut port = Port::new(socket).unwrap();
        let mut buf = port.recv_buf();
        port.send(batch(&port, addr, 10, &[0; 10])).unwrap();
        timeout(Duration::from_secs(5), async {
            while !port.was_refused() {
                port.ready().await.unwrap();
                port.flush().unwrap();
                port.recv(&mut buf, |_| panic!("who sent that?")).unwrap();
            }
        })
        .await
        .unwrap();
        port.send(batch(&port, addr, 10, &[0; 10])).unwrap();
    }
}
