//! Sending a batch.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use neqo_common::{BatchRef, qtrace};
use quinn_udp::{EcnCodepoint, Transmit};

use crate::{
    AsSocketHandle, Socket,
    errors::{Meaning, meaning},
    stats::{Counters, Event},
};

/// The most bytes that one system call sends: what fits in the largest IPv4 packet after the headers
/// of IP and UDP. Linux applies this limit to the payload of all segments together.
const MAX_BYTES: usize = 65_535 - 20 - 8;

/// How sending a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All datagrams were handed to the system.
    Complete,
    /// The system takes no more for now. Keep the rest and send it when the socket is writable.
    Blocked,
    /// The rest of the batch is lost, as if the network had lost it. Do not wait for the socket and
    /// do not send the rest again; loss recovery does.
    Dropped(DropReason),
}

/// Why the system did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// No memory (ENOBUFS). The system does not tell when there is some again.
    NoBuffers,
    /// Larger than what the interface sends; expected for probes of the path MTU.
    TooBig,
    /// No way to the destination, or an ICMP message said that it cannot be reached.
    Unreachable,
    /// Filtered, or from or to an address that is not valid.
    Refused,
}

impl From<DropReason> for Event {
    fn from(reason: DropReason) -> Self {
        match reason {
            DropReason::NoBuffers => Self::NoBuffers,
            DropReason::TooBig => Self::TooBig,
            DropReason::Unreachable => Self::Unreachable,
            DropReason::Refused => Self::Refused,
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the rest of a batch that was blocked has to be kept"]
pub struct Sent {
    /// How many datagrams, from the first on, were handed to the system.
    pub datagrams: usize,
    /// What became of the others.
    pub outcome: Outcome,
}

impl Sent {
    /// Whether the rest has to be kept until the socket is writable.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        matches!(self.outcome, Outcome::Blocked)
    }

    /// What has to be kept of the batch that was sent.
    #[must_use]
    pub fn rest<'a>(&self, batch: &BatchRef<'a>) -> Option<BatchRef<'a>> {
        self.is_blocked().then(|| batch.split_at(self.datagrams).1)
    }
}

impl<S: AsSocketHandle> Socket<S> {
    /// Sends `batch` with as few system calls as possible, usually one.
    ///
    /// The source address of the batch is used if it is a specific one, so that a socket bound to a
    /// wildcard address answers from the address that was asked.
    ///
    /// When GSO is refused, which cannot be known before, the datagrams are sent one by one.
    ///
    /// A runtime that tracks readiness has to learn about [`Outcome::Blocked`]. With tokio, call this
    /// in `try_io`, store the result outside of the closure and return `WouldBlock` from it.
    ///
    /// # Errors
    ///
    /// Only if the socket cannot be used, for example because it is closed, or if the destination is
    /// of another address family.
    pub fn send(&self, batch: BatchRef<'_>) -> io::Result<Sent> {
        let mut sender = Sender {
            sendmsg: |transmit: &Transmit<'_>| self.state.try_send(self.sock_ref(), transmit),
            max_segments: || self.state.max_gso_segments(),
            stats: &self.stats,
            src_ip: explicit_source(batch.source(), self.local),
        };
        sender.send(batch)
    }
}

/// The source address that the kernel has to be told: one that is specific and not implied by the
/// address to which the socket is bound.
fn explicit_source(src: SocketAddr, local: SocketAddr) -> Option<IpAddr> {
    let ip = src.ip();
    (!ip.is_unspecified() && ip != local.ip()).then_some(ip)
}

/// The loop around `sendmsg`, apart from it so that tests can play the kernel.
struct Sender<'s, F, M> {
    sendmsg: F,
    max_segments: M,
    stats: &'s Counters,
    src_ip: Option<IpAddr>,
}

impl<F, M> Sender<'_, F, M>
where
    F: FnMut(&Transmit<'_>) -> io::Result<()>,
    M: Fn() -> usize,
{
    fn send(&mut self, batch: BatchRef<'_>) -> io::Result<Sent> {
        let mut rest = batch;
        let mut datagrams = 0;
        let mut outcome = Outcome::Complete;
        if batch.destination().port() == 0 {
            // The kernel would answer EINVAL, which is taken for a sign of missing GSO support. A
            // peer that claims to send from port zero must not take GSO away from all others.
            outcome = self.dropped(DropReason::Refused);
            rest = rest.split_at(0).0;
        }
        let mut single = false;
        let mut stale = false;
        while !rest.is_empty() {
            let most = if single { 1 } else { (self.max_segments)() };
            let (now, later) = rest.split_at(segments(batch.datagram_size().get(), most));
            let transmit = self.transmit(&now);
            let Err(error) = (self.sendmsg)(&transmit) else {
                datagrams += now.num_datagrams();
                rest = later;
                continue;
            };
            outcome = match meaning(&error) {
                Meaning::Blocked => Outcome::Blocked,
                Meaning::Invalid if now.num_datagrams() > 1 => {
                    self.stats.count(Event::GsoRefused);
                    single = true;
                    continue;
                }
                Meaning::Stale if !stale => {
                    // The error is about an earlier datagram; this one is yet to be sent.
                    self.stats.count(Event::Unreachable);
                    stale = true;
                    continue;
                }
                Meaning::Stale | Meaning::Unreachable => self.dropped(DropReason::Unreachable),
                Meaning::Invalid | Meaning::Denied => self.dropped(DropReason::Refused),
                Meaning::NoBuffers => self.dropped(DropReason::NoBuffers),
                Meaning::TooBig => self.dropped(DropReason::TooBig),
                Meaning::Fatal => return Err(error),
            };
            qtrace!("{batch:?}: {error}, {outcome:?}");
            break;
        }
        Ok(Sent { datagrams, outcome })
    }

    fn dropped(&self, reason: DropReason) -> Outcome {
        self.stats.count(reason.into());
        Outcome::Dropped(reason)
    }

    fn transmit<'a>(&self, batch: &BatchRef<'a>) -> Transmit<'a> {
        Transmit {
            destination: batch.destination(),
            ecn: EcnCodepoint::from_bits(batch.tos().into()),
            contents: batch.data(),
            segment_size: Some(batch.datagram_size().get()),
            src_ip: self.src_ip,
        }
    }
}

/// How many datagrams of `size` bytes go out with one system call.
fn segments(size: usize, most: usize) -> usize {
    MAX_BYTES.checked_div(size).unwrap_or(1).min(most).max(1)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{cell::Cell, io, num::NonZeroUsize};

    use neqo_common::{BatchRef, Ecn, Tos};
    use proptest::prelude::*;
    use quinn_udp::{EcnCodepoint, Transmit};

    use super::{
        Counters, DropReason, MAX_BYTES, Outcome, Sender, Sent, explicit_source, segments,
    };
    use crate::stats::Event;

    const DST: &str = "192.0.2.2:443";

    fn batch<'a>(dst: &str, size: usize, payload: &'a [u8]) -> BatchRef<'a> {
        BatchRef::new(
            "192.0.2.1:1".parse().unwrap(),
            dst.parse().unwrap(),
            Tos::from(Ecn::Ect0),
            NonZeroUsize::new(size).unwrap(),
            payload,
        )
    }

    /// What a kernel that answers with `errors` in turn, and then agrees, makes of the batch: the
    /// report, the number of bytes of each call, and how often `event` was counted.
    fn play(
        batch: BatchRef<'_>,
        max_segments: usize,
        errors: &[i32],
        event: Event,
    ) -> (io::Result<Sent>, Vec<usize>, u64) {
        let stats = Counters::default();
        let mut calls = Vec::new();
        let mut errors = errors.iter();
        let mut sender = Sender {
            sendmsg: |t: &Transmit<'_>| {
                calls.push(t.contents.len());
                match errors.next() {
                    Some(&errno) if errno != 0 => Err(io::Error::from_raw_os_error(errno)),
                    _ => Ok(()),
                }
            },
            max_segments: || max_segments,
            stats: &stats,
            src_ip: None,
        };
        let result = sender.send(batch);
        (result, calls, stats.snapshot().get(event))
    }

    #[test]
    fn one_call_if_possible() {
        let b = batch(DST, 100, &[0; 950]);
        let (sent, calls, _) = play(b, 64, &[], Event::Refused);
        let expected = Sent {
            datagrams: 10,
            outcome: Outcome::Complete,
        };
        assert_eq!(sent.unwrap(), expected);
        assert_eq!(expected.rest(&b), None);
        assert_eq!(calls, [950]);
        let (sent, calls, _) = play(b, 4, &[], Event::Refused);
        assert_eq!(sent.unwrap(), expected);
        assert_eq!(calls, [400, 400, 150]);
        let (sent, calls, _) = play(batch(DST, 100, &[]), 4, &[], Event::Refused);
        assert_eq!(sent.unwrap().datagrams, 0);
        assert!(calls.is_empty());
    }

    #[test]
    fn the_limit_of_an_ip_packet_holds() {
        let payload = vec![0; 64 * 1200];
        let (sent, calls, _) = play(batch(DST, 1200, &payload), 64, &[], Event::Refused);
        assert_eq!(sent.unwrap().datagrams, 64);
        assert_eq!(calls, [54 * 1200, 10 * 1200]);
    }

    #[test]
    fn blocked_keeps_the_rest() {
        let payload: Vec<u8> = (0..35).collect();
        let b = batch(DST, 10, &payload);
        let (sent, calls, _) = play(b, 2, &[0, libc::EAGAIN], Event::Refused);
        let sent = sent.unwrap();
        assert_eq!(sent.datagrams, 2);
        assert!(sent.is_blocked());
        assert_eq!(sent.rest(&b).unwrap().data(), &payload[20..]);
        assert_eq!(calls, [20, 15]);
    }

    #[test]
    fn refused_gso_loses_nothing() {
        for errno in [libc::EIO, libc::EINVAL] {
            let b = batch(DST, 10, &[0; 25]);
            let (sent, calls, refused) = play(b, 64, &[errno], Event::GsoRefused);
            assert_eq!(sent.unwrap().datagrams, 3);
            assert_eq!(calls, [25, 10, 10, 5]);
            assert_eq!(refused, 1);
        }
        // A single datagram has no GSO that could be refused.
        let b = batch(DST, 10, &[0; 10]);
        let (sent, calls, refused) = play(b, 64, &[libc::EINVAL], Event::Refused);
        let outcome = Outcome::Dropped(DropReason::Refused);
        assert_eq!(sent.unwrap().outcome, outcome);
        assert_eq!((calls.len(), refused), (1, 1));
    }

    // hardening R3482
    #[test]
    fn no_buffers_is_not_blocked() {
        let b = batch(DST, 10, &[0; 30]);
        let (sent, calls, counted) = play(b, 1, &[0, libc::ENOBUFS], Event::NoBuffers);
        let sent = sent.unwrap();
        assert_eq!(sent.outcome, Outcome::Dropped(DropReason::NoBuffers));
        assert_eq!(sent.rest(&b), None);
        assert_eq!((sent.datagrams, calls.len(), counted), (1, 2, 1));
    }

    #[test]
    fn too_big_and_unreachable_are_no_errors() {
        let b = batch(DST, 10, &[0; 30]);
        for (errno, reason) in [
            (libc::EMSGSIZE, DropReason::TooBig),
            (libc::EHOSTUNREACH, DropReason::Unreachable),
            (libc::ENETUNREACH, DropReason::Unreachable),
            (libc::EPERM, DropReason::Refused),
        ] {
            let (sent, calls, counted) = play(b, 64, &[errno], reason.into());
            let sent = sent.unwrap();
            assert_eq!(sent.outcome, Outcome::Dropped(reason));
            assert_eq!((sent.datagrams, calls.len(), counted), (0, 1, 1));
        }
        let (sent, _, _) = play(b, 64, &[libc::EBADF], Event::Refused);
        assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    // hardening R3895
    #[test]
    fn an_error_of_an_earlier_datagram_costs_none() {
        let b = batch(DST, 10, &[0; 30]);
        let refused = libc::ECONNREFUSED;
        let (sent, calls, counted) = play(b, 64, &[refused], Event::Unreachable);
        assert_eq!(sent.unwrap().outcome, Outcome::Complete);
        assert_eq!((calls.len(), counted), (2, 1));
        let (sent, calls, counted) = play(b, 64, &[refused, refused], Event::Unreachable);
        let outcome = Outcome::Dropped(DropReason::Unreachable);
        assert_eq!(sent.unwrap().outcome, outcome);
        assert_eq!((calls.len(), counted), (2, 2));
    }

    #[test]
    fn port_zero_is_not_tried() {
        let b = batch("192.0.2.2:0", 10, &[0; 30]);
        let (sent, calls, counted) = play(b, 64, &[], Event::Refused);
        let outcome = Outcome::Dropped(DropReason::Refused);
        assert_eq!(sent.unwrap().outcome, outcome);
        assert!(calls.is_empty());
        assert_eq!(counted, 1);
    }

    #[test]
    fn the_kernel_is_told_what_it_needs() {
        let seen = Cell::new(None);
        let mut sender = Sender {
            sendmsg: |t: &Transmit<'_>| {
                seen.set(Some((t.destination, t.ecn, t.segment_size, t.src_ip)));
                Ok(())
            },
            max_segments: || 64,
            stats: &Counters::default(),
            src_ip: Some("192.0.2.1".parse().unwrap()),
        };
        let sent = sender.send(batch(DST, 10, &[0; 30])).unwrap();
        assert_eq!(sent.datagrams, 3);
        let (dst, ecn, segment, src) = seen.get().unwrap();
        assert_eq!(dst.to_string(), DST);
        assert_eq!(ecn, Some(EcnCodepoint::Ect0));
        assert_eq!(segment, Some(10));
        assert_eq!(src.unwrap().to_string(), "192.0.2.1");
    }

    #[test]
    fn only_a_source_that_is_news() {
        let addr = |s: &str| s.parse().unwrap();
        let wildcard = addr("0.0.0.0:1");
        assert_eq!(explicit_source(wildcard, wildcard), None);
        let bound = addr("192.0.2.1:1");
        assert_eq!(explicit_source(bound, bound), None);
        assert_eq!(explicit_source(bound, wildcard), Some(bound.ip()));
        assert_eq!(explicit_source(addr("[::]:1"), addr("[::]:1")), None);
    }

    proptest! {
        #[test]
        fn calls_are_in_bounds(size in 1..70_000_usize, most in 0..600_usize) {
            let n = segments(size, most);
            prop_assert!(n >= 1 && n <= most.max(1));
            prop_assert!(n == 1 || n * size <= MAX_BYTES);
        }

        #[test]
        fn every_byte_goes_out_once(
            size in 1..2000_usize,
            len in 0..20_000_usize,
            most in 1..70_usize,
            refuse_at in 0..10_usize,
        ) {
            let mut errors = vec![0; refuse_at];
            errors.push(libc::EIO);
            let payload = vec![0; len];
            let b = batch(DST, size, &payload);
            let (sent, calls, refused) = play(b, most, &errors, Event::GsoRefused);
            let sent = sent.unwrap();
            if sent.outcome == Outcome::Complete {
                prop_assert_eq!(sent.datagrams, b.num_datagrams());
                let failed = if refused > 0 { calls[refuse_at] } else { 0 };
                prop_assert_eq!(calls.iter().sum::<usize>(), len + failed);
            } else {
                // A call for one datagram met the error.
                prop_assert_eq!(refused, 0);
                prop_assert!(calls[refuse_at] <= size);
            }
        }
    }
}
