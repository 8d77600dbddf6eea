//! `HyStart++` (RFC 9406): leaves slow start before queues overflow, when round-trip times rise.

use std::time::{Duration, Instant};

/// The least rise of the round-trip time that counts (RFC 9406 §4.3).
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
/// The rise of it that always counts.
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
/// Between the two, the fraction of the round-trip time that counts.
const MIN_RTT_DIVISOR: u32 = 8;
/// How many samples a round needs to be judged.
const RTT_SAMPLES: u32 = 8;
/// How much slower than slow start Conservative Slow Start is.
const CSS_GROWTH_DIVISOR: usize = 4;
/// How many rounds Conservative Slow Start lasts.
const CSS_ROUNDS: u32 = 5;
/// How many datagrams' worth an ACK frame counts if sending is not paced.
const UNPACED_LIMIT: usize = 8;

/// How the window grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// As in classic slow start.
    Doubling,
    /// Conservative Slow Start: the rise may have been noise.
    Conservative,
    /// Slow start is over.
    Done,
}

#[derive(Debug)]
struct Conservative {
    /// A round below this means that the rise was noise.
    baseline: Duration,
    rounds: u32,
}

/// The state of the first slow start.
#[derive(Debug, Default)]
pub struct HyStart {
    /// When the round began; it ends when a packet sent later is acknowledged.
    round_start: Option<Instant>,
    last_min: Option<Duration>,
    current_min: Option<Duration>,
    samples: u32,
    conservative: Option<Conservative>,
}

impl HyStart {
    /// By how many bytes the window grows for `acked` bytes.
    pub fn growth(phase: Phase, acked: usize, mtu: usize, paced: bool) -> usize {
        let counted = if paced {
            acked
        } else {
            acked.min(mtu.saturating_mul(UNPACED_LIMIT))
        };
        match phase {
            Phase::Doubling => counted,
            Phase::Conservative => counted / CSS_GROWTH_DIVISOR,
            Phase::Done => 0,
        }
    }

    /// An ACK frame arrived; the newest packet that it acknowledges was sent at `newest`.
    pub fn on_ack(&mut self, newest: Instant, sample: Option<Duration>, now: Instant) -> Phase {
        if self.round_start.is_none_or(|start| newest >= start) && self.end_round(now) {
            return Phase::Done;
        }
        if let Some(sample) = sample {
            self.current_min = Some(self.current_min.map_or(sample, |m| m.min(sample)));
            self.samples = self.samples.saturating_add(1);
            self.judge();
        }
        if self.conservative.is_some() {
            Phase::Conservative
        } else {
            Phase::Doubling
        }
    }

    /// Returns whether slow start is over.
    fn end_round(&mut self, now: Instant) -> bool {
        self.round_start = Some(now);
        self.last_min = self.current_min.take();
        self.samples = 0;
        self.conservative.as_mut().is_some_and(|css| {
            css.rounds += 1;
            css.rounds >= CSS_ROUNDS
        })
    }

    fn judge(&mut self) {
        let Some(current) = self.current_min.filter(|_| self.samples >= RTT_SAMPLES) else {
            return;
        };
        if let Some(css) = &self.conservative {
            if current < css.baseline {
                self.conservative = None;
            }
        } else if let Some(last) = self.last_min {
            let thresh = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
            if current >= last.saturating_add(thresh) {
                self.conservative = Some(Conservative {
                    baseline: current,
                    rounds: 0,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{CSS_ROUNDS, HyStart, Phase, RTT_SAMPLES};
    use crate::recovery::testing::{ms, now};

    const MTU: usize = 1200;

    /// A round of as many acknowledgements as samples are needed, each with this RTT.
    fn round(h: &mut HyStart, t: &mut Instant, rtt: u64) -> Phase {
        let mut phase = Phase::Doubling;
        let sent = *t;
        *t += ms(rtt);
        for _ in 0..RTT_SAMPLES {
            phase = h.on_ack(sent + ms(1), Some(ms(rtt)), *t);
        }
        phase
    }

    #[test]
    fn steady_round_trips_keep_doubling() {
        let (mut h, mut t) = (HyStart::default(), now());
        for rtt in [50, 52, 55, 50, 56, 50] {
            assert_eq!(round(&mut h, &mut t, rtt), Phase::Doubling);
        }
    }

    #[test]
    fn rising_round_trips_end_slow_start_after_five_rounds() {
        let (mut h, mut t) = (HyStart::default(), now());
        assert_eq!(round(&mut h, &mut t, 64), Phase::Doubling);
        assert_eq!(round(&mut h, &mut t, 71), Phase::Doubling);
        assert_eq!(round(&mut h, &mut t, 71 + 71 / 8 + 1), Phase::Conservative);
        for _ in 1..CSS_ROUNDS {
            assert_eq!(round(&mut h, &mut t, 90), Phase::Conservative);
        }
        assert_eq!(h.on_ack(t + ms(1), Some(ms(90)), t + ms(90)), Phase::Done);
    }

    #[test]
    fn a_passing_rise_is_forgiven() {
        let (mut h, mut t) = (HyStart::default(), now());
        round(&mut h, &mut t, 64);
        assert_eq!(round(&mut h, &mut t, 80), Phase::Conservative);
        assert_eq!(round(&mut h, &mut t, 65), Phase::Doubling);
    }

    #[test]
    fn the_rise_that_counts_is_bounded() {
        // An eighth of 8 ms is 1 ms, but less than 4 ms does not count.
        let (mut h, mut t) = (HyStart::default(), now());
        round(&mut h, &mut t, 8);
        assert_eq!(round(&mut h, &mut t, 11), Phase::Doubling);
        assert_eq!(round(&mut h, &mut t, 15), Phase::Conservative);
        // An eighth of 400 ms is 50 ms, but 16 ms always count.
        let (mut h, mut t) = (HyStart::default(), now());
        round(&mut h, &mut t, 400);
        assert_eq!(round(&mut h, &mut t, 416), Phase::Conservative);
    }

    #[test]
    fn few_samples_say_nothing() {
        let (mut h, mut t) = (HyStart::default(), now());
        round(&mut h, &mut t, 64);
        for _ in 1..RTT_SAMPLES {
            assert_eq!(
                h.on_ack(t + ms(1), Some(ms(900)), t + ms(2)),
                Phase::Doubling
            );
        }
        assert_eq!(h.on_ack(t + ms(1), None, t + ms(2)), Phase::Doubling);
    }

    #[test]
    fn growth() {
        let grow = |phase, paced| HyStart::growth(phase, 20 * MTU, MTU, paced);
        assert_eq!(grow(Phase::Doubling, true), 20 * MTU);
        assert_eq!(grow(Phase::Doubling, false), 8 * MTU);
        assert_eq!(grow(Phase::Conservative, true), 5 * MTU);
        assert_eq!(grow(Phase::Conservative, false), 2 * MTU);
        assert_eq!(grow(Phase::Done, true), 0);
    }
}
