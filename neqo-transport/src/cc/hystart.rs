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
        if self.round_start.is_none_or(|start| newest > start) && self.end_round(now) {
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
