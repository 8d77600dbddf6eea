//! CUBIC's congestion avoidance (RFC 9438). Windows are in bytes, time is in seconds.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "windows are far below 2^53; conversion back saturates, which is what is wanted"
)]

use std::time::{Duration, Instant};

use super::{
    Signal,
    window::{Avoidance, Growth},
};

/// How aggressively the window grows, in segments per second cubed (RFC 9438 §5).
const C: f64 = 0.4;
/// What remains of the window after a loss.
//= rfc9438#section-4.6
//# The parameter {{{β}{}}}*<sub>cubic</sub>* SHOULD be set to 0.7
const BETA: f64 = 0.7;
/// What remains of it after an ECN mark: queues that mark are short (RFC 8511 §3).
const BETA_ECN: f64 = 0.85;
/// Segments per round trip at which AIMD with [`BETA`] is as fast as Reno (RFC 9438 §4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// The window grows at most by this factor per round trip (RFC 9438 §4.2).
const MAX_TARGET: f64 = 1.5;

/// One stage of congestion avoidance, from one congestion event to the next.
#[derive(Debug)]
struct Epoch {
    /// Time spent in the stage, without what was limited by the application.
    elapsed: Duration,
    last: Instant,
    k: f64,
    w_max: f64,
    w_est: f64,
}

impl Epoch {
    fn w_cubic(&self, t: f64, mtu: f64) -> f64 {
        (C * (t - self.k).powi(3)).mul_add(mtu, self.w_max)
    }
}

/// CUBIC.
#[derive(Debug, Default)]
pub struct Cubic {
    /// The window where congestion was met last, reduced by fast convergence; 0 if unknown.
    w_max: f64,
    /// The window before it was last reduced; 0 if unknown.
    prior: f64,
    epoch: Option<Epoch>,
    /// A fraction of a byte that the window has yet to grow by.
    carry: f64,
}

impl Cubic {
    fn start(&mut self, cwnd: f64, mtu: f64, now: Instant) -> Epoch {
        //= rfc9438#section-4.10
        //# It then increases its congestion window
        //# size using {{eq1}}, where *t* is the elapsed time since the beginning
        //# of the current congestion avoidance, *K* is set to 0
        let w_max = self.w_max.max(cwnd);
        if self.prior == 0.0 {
            self.prior = cwnd;
        }
        Epoch {
            elapsed: Duration::ZERO,
            last: now,
            k: ((w_max - cwnd) / mtu / C).cbrt(),
            w_max,
            w_est: cwnd,
        }
    }
}

impl Avoidance for Cubic {
    fn increase(&mut self, growth: &Growth) -> usize {
        let (cwnd, acked) = (growth.cwnd.max(1) as f64, growth.acked as f64);
        let mtu = growth.mtu.max(1) as f64;
        let mut epoch = match self.epoch.take() {
            Some(epoch) => epoch,
            None => self.start(cwnd, mtu, growth.now),
        };
        let passed = growth.now.saturating_duration_since(epoch.last);
        epoch.elapsed = epoch.elapsed.saturating_add(passed);
        epoch.last = growth.now;

        let t = epoch.elapsed.as_secs_f64();
        //= rfc9438#section-4.3
        //# Once *W<sub>est</sub>* has grown to reach the *cwnd* at the time of
        //# most recently setting *ssthresh*, that is, *W<sub>est</sub>* >= *cwnd<sub>prior</sub>*,
        //# the sender SHOULD set {{{α}{}}}*<sub>cubic</sub>* to 1
        let alpha = if epoch.w_est >= self.prior {
            1.0
        } else {
            ALPHA
        };
        epoch.w_est += alpha * mtu * acked / cwnd;
        let increase = if epoch.w_cubic(t, mtu) < epoch.w_est {
            //= rfc9438#section-4.3
            //# CUBIC is
            //# in the Reno-friendly region and *cwnd* SHOULD be set to
            //# *W<sub>est</sub>* at each reception of a new ACK.
            self.carry = 0.0;
            (epoch.w_est - cwnd).max(0.0)
        } else {
            //= rfc9438#section-4.2
            //# The lower and
            //# upper bounds below ensure that CUBIC's congestion window increase rate
            //# is non-decreasing and is less than the increase rate of slow start
            let target = epoch
                .w_cubic(t + growth.rtt.as_secs_f64(), mtu)
                .clamp(cwnd, MAX_TARGET * cwnd);
            (target - cwnd).mul_add(acked / cwnd, self.carry)
        };
        let whole = increase.floor();
        if epoch.w_cubic(t, mtu) >= epoch.w_est {
            self.carry = increase - whole;
        }
        self.epoch = Some(epoch);
        whole as usize
    }

    fn reduce(&mut self, cwnd: usize, signal: Signal) -> usize {
        let cwnd = cwnd as f64;
        let beta = match signal {
            Signal::Loss => BETA,
            Signal::Ecn => BETA_ECN,
        };
        //= rfc9438#section-4.7
        //# To speed up this
        //# bandwidth release by existing flows, the following "Fast Convergence"
        //# mechanism SHOULD be implemented.
        self.w_max = if cwnd < self.w_max {
            cwnd * f64::midpoint(1.0, beta)
        } else {
            cwnd
        };
        self.prior = cwnd;
        self.epoch = None;
        self.carry = 0.0;
        (cwnd * beta) as usize
    }

    fn skip(&mut self, now: Instant) {
        //= rfc9438#section-4.2
        //# The elapsed time *t* in {{eq1}} MUST NOT include periods during
        //# which *cwnd* has not been updated due to application-limited behavior
        if let Some(epoch) = &mut self.epoch {
            epoch.last = epoch.last.max(now);
        }
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
