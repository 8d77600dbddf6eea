//! One turn of an event loop: receive some, send some, say what to wait for.
//!
//! The work of a turn is bounded, so that neither a flood of datagrams nor a fast connection keeps timers, signals and other sockets waiting (hardening A24).

use std::{
    future::pending,
    io,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::BatchRef;
use neqo_udp::{RecvBuf, RecvSegment};

use super::port::{Port, SEND_BUFFER};

/// System calls that receive, per turn and socket. Each may bring a buffer full of trains of datagrams; what one brings is
/// best read while it is in the processor's cache.
const MAX_RECEIVES: usize = 2;

/// System calls that send, per turn and socket.
const MAX_SENDS: usize = 32;

/// What an endpoint wants.
#[derive(Clone, Copy, Debug)]
pub enum Step<'b> {
    /// Send this.
    Send(BatchRef<'b>),
    /// Nothing before this much time has passed.
    Wait(Duration),
    /// Nothing until something arrives.
    Idle,
}

impl<'b> From<neqo_transport::Transmit<'b>> for Step<'b> {
    fn from(transmit: neqo_transport::Transmit<'b>) -> Self {
        match transmit {
            neqo_transport::Transmit::Batch(batch) => Self::Send(batch),
            neqo_transport::Transmit::Callback(delay) => Self::Wait(delay),
            neqo_transport::Transmit::None => Self::Idle,
        }
    }
}

/// What the loop waits for besides the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: there is more to do now.
    Now,
    /// A point in time.
    At(Instant),
    /// Only the sockets.
    Never,
}

impl Next {
    /// The earlier of the two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::At(at), Self::Never) | (Self::Never, Self::At(at)) => Self::At(at),
            (Self::Never, Self::Never) => Self::Never,
        }
    }

    /// Waits. To be dropped when something else happens.
    pub async fn wait(self) {
        match self {
            // Lets other tasks run, and the runtime see signals and sockets.
            Self::Now => tokio::task::yield_now().await,
            Self::At(at) => tokio::time::sleep_until(at.into()).await,
            Self::Never => pending().await,
        }
    }
}

/// Hands what has arrived to `take`. [`Next::Now`] when more may be waiting.
pub fn receive(
    port: &Port,
    buf: &mut RecvBuf,
    mut take: impl FnMut(RecvSegment),
) -> io::Result<Next> {
    for _ in 0..MAX_RECEIVES {
        if !port.recv(buf, &mut take)? {
            return Ok(Next::Never);
        }
    }
    Ok(Next::Now)
}

/// Sends what `write` gives until it waits or the kernel does.
pub fn transmit(
    port: &mut Port,
    memory: &mut Vec<u8>,
    now: Instant,
    mut write: impl FnMut(&mut [u8], NonZeroUsize) -> Step<'_>,
) -> io::Result<Next> {
    memory.resize(SEND_BUFFER, 0);
    for _ in 0..MAX_SENDS {
        if !port.flush()? {
            return Ok(Next::Never);
        }
        match write(memory, port.max_segments()) {
            Step::Send(batch) => port.send(batch)?,
            Step::Wait(delay) if delay.is_zero() => return Ok(Next::Now),
            Step::Wait(delay) => return Ok(now.checked_add(delay).map_or(Next::Never, Next::At)),
            Step::Idle => return Ok(Next::Never),
        }
    }
    Ok(Next::Now)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use neqo_common::Tos;

    use super::*;
    use crate::clock;

    fn port() -> Port {
        Port::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    #[test]
    fn the_earlier_counts() {
        let now = clock::now();
        let later = now + Duration::from_secs(1);
        assert_eq!(Next::At(later).or(Next::At(now)), Next::At(now));
        assert_eq!(Next::Never.or(Next::At(now)), Next::At(now));
        assert_eq!(Next::At(now).or(Next::Now), Next::Now);
        assert_eq!(Next::Never.or(Next::Never), Next::Never);
    }

    // hardening A24
    #[tokio::test]
    async fn a_turn_receives_a_bounded_amount() {
        let to = port();
        let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
        for i in 0..2000 {
            let data: &[u8] = if i % 2 == 0 { b"" } else { b"x" };
            flood.send_to(data, to.local_addr()).unwrap();
        }
        to.ready().await.unwrap();
        let mut buf = RecvBuf::with_slots(NonZeroUsize::MIN);
        let mut taken = 0;
        assert_eq!(receive(&to, &mut buf, |_| taken += 1).unwrap(), Next::Now);
        assert!((1..=MAX_RECEIVES).contains(&taken));
    }

    #[tokio::test]
    async fn a_turn_sends_a_bounded_amount() {
        let (mut from, to) = (port(), port());
        let (src, dst) = (from.local_addr(), to.local_addr());
        // The first attempt only makes tokio look at the socket.
        let mut memory = Vec::new();
        let now = clock::now();
        let mut calls = 0;
        let mut turn = |from: &mut Port, limit: usize| {
            transmit(from, &mut memory, now, |buf, max| {
                assert!(buf.len() == SEND_BUFFER && max.get() >= 1);
                calls += 1;
                if calls > limit {
                    return Step::Wait(Duration::from_millis(3));
                }
                let size = NonZeroUsize::new(10).unwrap();
                Step::Send(BatchRef::new(src, dst, Tos::default(), size, &buf[..10]))
            })
            .unwrap()
        };
        while turn(&mut from, usize::MAX) == Next::Never {
            from.ready().await.unwrap();
        }
        assert_eq!(turn(&mut from, usize::MAX), Next::Now);
        assert_eq!(turn(&mut from, 0), Next::At(now + Duration::from_millis(3)));
        let idle = transmit(&mut from, &mut Vec::new(), now, |_, _| Step::Idle).unwrap();
        assert_eq!(idle, Next::Never);
    }
}
