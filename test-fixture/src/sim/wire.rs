//! A link at work: its queue, its losses, what it has counted.

use std::time::{Duration, Instant};

use neqo_common::{Datagram, Ecn, Random};

use super::{
    Bottleneck, Link, LinkStats,
    loss::LossState,
    report::{Fate, Fates},
};

/// How much later than the original the second copy of a datagram arrives, at most.
const COPY_WITHIN: Duration = Duration::from_millis(1);

/// The state of one link.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) link: Link,
    pub(super) stats: LinkStats,
    random: Random,
    loss: LossState,
    /// When the bottleneck has sent all that it has accepted.
    busy_until: Option<Instant>,
    /// The latest arrival of a datagram that was not held back.
    last_arrival: Option<Instant>,
}

/// A datagram that leaves the link, and when.
pub(super) type Arrival = (Instant, Datagram);

impl Wire {
    pub(super) fn new(link: Link, random: Random) -> Self {
        Self {
            link,
            stats: LinkStats::default(),
            random,
            loss: LossState::default(),
            busy_until: None,
            last_arrival: None,
        }
    }

    /// Takes a datagram at `now`, appends what will arrive to `out`, and says what was done.
    pub(super) fn send(&mut self, d: Datagram, now: Instant, out: &mut Vec<Arrival>) -> Fates {
        let mut fates = Fates::default();
        let len = d.len();
        match self.carry(d, now, &mut fates, out) {
            Ok(()) => self.stats.delivered(len),
            Err(fate) => fates.insert(fate),
        }
        self.stats.count(fates);
        fates
    }

    fn carry(
        &mut self,
        mut d: Datagram,
        now: Instant,
        fates: &mut Fates,
        out: &mut Vec<Arrival>,
    ) -> Result<(), Fate> {
        if d.len() > self.link.mtu {
            return Err(Fate::TooBig);
        }
        if self.link.bleach {
            set_ecn(&mut d, Ecn::NotEct);
        }
        let departure = match self.link.bottleneck {
            Some(b) => self.enqueue(b, &mut d, now, fates)?,
            None => now,
        };
        if self.loss.next(&self.link.loss, &mut self.random) {
            return Err(Fate::Lost);
        }
        if self.link.corrupt.draw(&mut self.random) {
            self.flip_bits(&mut d);
            fates.insert(Fate::Corrupted);
        }
        let arrival = self.arrival(departure, fates);
        if self.link.duplicate.draw(&mut self.random) {
            fates.insert(Fate::Duplicated);
            out.push((arrival + self.up_to(COPY_WITHIN), d.clone()));
        }
        out.push((arrival, d));
        Ok(())
    }

    /// Waits in the queue. No event is needed for it: what is waiting follows from the time at which
    /// the interface will have sent everything.
    fn enqueue(
        &mut self,
        b: Bottleneck,
        d: &mut Datagram,
        now: Instant,
        fates: &mut Fates,
    ) -> Result<Instant, Fate> {
        let start = self.busy_until.map_or(now, |t| t.max(now));
        let backlog = bytes_in(start.duration_since(now), b.rate);
        if backlog.saturating_add(d.len()) > b.queue {
            return Err(Fate::QueueFull);
        }
        if Ecn::from(d.tos()).is_ect() && b.mark_above.is_some_and(|limit| backlog > limit) {
            set_ecn(d, Ecn::Ce);
            fates.insert(Fate::Marked);
        }
        let departure = start + time_for(d.len(), b.rate);
        self.busy_until = Some(departure);
        Ok(departure)
    }

    fn arrival(&mut self, departure: Instant, fates: &mut Fates) -> Instant {
        let jitter = self.up_to(self.link.jitter);
        let arrival = departure + self.link.delay + jitter;
        if let Some(r) = self.link.reorder
            && r.chance.draw(&mut self.random)
        {
            fates.insert(Fate::HeldBack);
            return arrival + r.hold;
        }
        let arrival = self.last_arrival.map_or(arrival, |t| t.max(arrival));
        self.last_arrival = Some(arrival);
        arrival
    }

    fn flip_bits(&mut self, d: &mut Datagram) {
        let bits = u64::try_from(d.len()).unwrap_or(u64::MAX).saturating_mul(8);
        if bits == 0 {
            return;
        }
        for _ in 0..=self.random.below(8) {
            let bit = self.random.below(bits);
            if let Ok(byte) = usize::try_from(bit / 8)
                && let Some(b) = d.get_mut(byte)
            {
                *b ^= 1 << (bit % 8);
            }
        }
    }

    /// A time in `0..=limit`.
    fn up_to(&mut self, limit: Duration) -> Duration {
        if limit.is_zero() {
            return Duration::ZERO;
        }
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.below(nanos.saturating_add(1)))
    }
}

fn set_ecn(d: &mut Datagram, ecn: Ecn) {
    let mut tos = d.tos();
    tos.set_ecn(ecn);
    d.set_tos(tos);
}

/// How long `bytes` take at `rate` bits per second, rounded up to whole nanoseconds.
fn time_for(bytes: usize, rate: u64) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    let bits = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(8);
    let nanos = bits.saturating_mul(NANOS).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How many bytes are sent in `time` at `rate` bits per second.
fn bytes_in(time: Duration, rate: u64) -> usize {
    const NANOS_BYTES: u128 = 8 * 1_000_000_000;
    let bytes = time.as_nanos().saturating_mul(u128::from(rate.max(1))) / NANOS_BYTES;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
