#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the formulas of RFC 9438 are in real numbers"
)]

use std::time::{Duration, Instant};

use super::{ALPHA, BETA, BETA_ECN, C, Cubic};
use crate::{
    cc::{
        Signal,
        window::{Avoidance, Growth},
    },
    recovery::testing::{ms, now},
};

const MTU: usize = 1200;
const SEGMENT: f64 = 1200.0;

/// Feeds one window of acknowledgements per round trip, `acks` ACK frames per window.
fn rounds(cubic: &mut Cubic, cwnd: &mut usize, (rtt, n): (Duration, u32), start: Instant) {
    const ACKS: u32 = 20;
    for round in 0..n {
        let window = *cwnd;
        for i in 0..ACKS {
            let acked = window / ACKS as usize;
            let growth = Growth {
                cwnd: *cwnd,
                acked,
                mtu: MTU,
                rtt,
                now: start + rtt * round + rtt / ACKS * i,
            };
            *cwnd += cubic.increase(&growth);
        }
    }
}

fn assert_close(actual: usize, expected: f64, tolerance: f64) {
    let error = (actual as f64 - expected).abs() / expected;
    assert!(error < tolerance, "{actual} is not {expected}");
}

//= rfc9438#section-4.6 type=test
//# The parameter {{{β}{}}}*<sub>cubic</sub>* SHOULD be set to 0.7
#[test]
fn reduction() {
    let mut cubic = Cubic::default();
    assert_close(cubic.reduce(1_000_000, Signal::Loss), 700_000.0, 1e-5);
    assert_close(cubic.w_max as usize, 1_000_000.0, 1e-5);
    assert_close(cubic.reduce(2_000_000, Signal::Ecn), 1_700_000.0, 1e-5);
}

//= rfc9438#section-4.7 type=test
//# To speed up this
//# bandwidth release by existing flows, the following "Fast Convergence"
//# mechanism SHOULD be implemented.
#[test]
fn fast_convergence() {
    let mut cubic = Cubic::default();
    cubic.reduce(1_000_000, Signal::Loss);
    cubic.reduce(900_000, Signal::Loss);
    assert_close(cubic.w_max as usize, 900_000.0 * (1.0 + BETA) / 2.0, 1e-5);
    cubic.reduce(765_001, Signal::Ecn);
    assert_close(cubic.w_max as usize, 765_001.0, 1e-5);
    cubic.reduce(700_000, Signal::Ecn);
    assert_close(
        cubic.w_max as usize,
        700_000.0 * (1.0 + BETA_ECN) / 2.0,
        1e-5,
    );
}

/// On a long fat path the window follows the cubic function: the concave region up to the old
/// maximum, then the convex one.
#[test]
fn the_window_follows_the_formula() {
    let (mut cubic, start, rtt) = (Cubic::default(), now(), ms(100));
    let w_max = 2000.0; // segments
    let mut cwnd = cubic.reduce((w_max * SEGMENT) as usize, Signal::Loss);
    let k = (w_max * (1.0 - BETA) / C).cbrt();
    let mut elapsed = 0;
    for n in [30, 40, 40, 60] {
        rounds(&mut cubic, &mut cwnd, (rtt, n), start + rtt * elapsed);
        elapsed += n;
        let t = f64::from(elapsed) * rtt.as_secs_f64();
        let w = C.mul_add((t - k).powi(3), w_max);
        assert_close(cwnd, w * SEGMENT, 0.02);
    }
    assert!(cwnd > (w_max * SEGMENT) as usize, "convex at the end");
}

/// On a short path Reno is faster, and CUBIC grows as an AIMD with its own factors would.
//= rfc9438#section-4.3 type=test
//# CUBIC is
//# in the Reno-friendly region and *cwnd* SHOULD be set to
//# *W<sub>est</sub>* at each reception of a new ACK.
#[test]
fn reno_friendly_region() {
    let (mut cubic, start, rtt) = (Cubic::default(), now(), ms(1));
    let mut cwnd = cubic.reduce(100 * MTU, Signal::Loss);
    let before = cwnd as f64;
    rounds(&mut cubic, &mut cwnd, (rtt, 20), start);
    assert_close(cwnd, (20.0 * ALPHA).mul_add(SEGMENT, before), 0.02);
    // It takes 30 / ALPHA = 57 round trips to the old window, from there it is one per round trip.
    rounds(&mut cubic, &mut cwnd, (rtt, 40), start + rtt * 20);
    let before = cwnd as f64;
    rounds(&mut cubic, &mut cwnd, (rtt, 20), start + rtt * 60);
    assert_close(cwnd, 20.0_f64.mul_add(SEGMENT, before), 0.02);
}

#[test]
fn growth_is_at_most_half_of_what_was_acknowledged() {
    let (mut cubic, start) = (Cubic::default(), now());
    let mut cwnd = cubic.reduce(1000 * MTU, Signal::Loss);
    rounds(&mut cubic, &mut cwnd, (ms(10), 1), start);
    let growth = Growth {
        cwnd,
        acked: 10_000,
        mtu: MTU,
        rtt: ms(10),
        now: start + Duration::from_secs(1000),
    };
    assert_eq!(cubic.increase(&growth), 5000);
}

//= rfc9438#section-4.2 type=test
//# The elapsed time *t* in {{eq1}} MUST NOT include periods during
//# which *cwnd* has not been updated due to application-limited behavior
#[test]
fn idle_time_does_not_count() {
    let run = |idle: Duration| {
        let (mut cubic, start, rtt) = (Cubic::default(), now(), ms(100));
        let mut cwnd = cubic.reduce(2000 * MTU, Signal::Loss);
        rounds(&mut cubic, &mut cwnd, (rtt, 20), start);
        let end = start + rtt * 19 + rtt / 20 * 19;
        cubic.skip(end + idle);
        rounds(&mut cubic, &mut cwnd, (rtt, 20), end + idle);
        cwnd
    };
    assert_eq!(run(Duration::ZERO), run(Duration::from_mins(10)));
}

//= rfc9438#section-4.10 type=test
//# It then increases its congestion window
//# size using {{eq1}}, where *t* is the elapsed time since the beginning
//# of the current congestion avoidance, *K* is set to 0
#[test]
fn without_a_known_maximum_it_starts_convex() {
    let (mut cubic, start) = (Cubic::default(), now());
    cubic.reduce(9000 * MTU, Signal::Loss);
    cubic.forget();
    let mut cwnd = 1000 * MTU;
    rounds(&mut cubic, &mut cwnd, (ms(100), 100), start);
    let w = C.mul_add(10_f64.powi(3), 1000.0);
    assert_close(cwnd, w * SEGMENT, 0.02);
}

// hardening A34
#[test]
fn extremes_do_not_overflow() {
    let start = now();
    for cwnd in [0, 1, MTU, usize::MAX] {
        for acked in [0, 1, usize::MAX] {
            for mtu in [0, 1, usize::MAX] {
                for rtt in [Duration::ZERO, Duration::MAX] {
                    let mut cubic = Cubic::default();
                    for later in [0, 1, u32::MAX.into()] {
                        let now = start + Duration::from_secs(later);
                        let growth = Growth {
                            cwnd,
                            acked,
                            mtu,
                            rtt,
                            now,
                        };
                        cubic.increase(&growth);
                        assert!(cubic.carry.is_finite());
                    }
                    assert!(cubic.reduce(cwnd, Signal::Loss) <= cwnd);
                    cubic.increase(&Growth {
                        cwnd: 1,
                        acked,
                        mtu,
                        rtt,
                        now: start,
                    });
                }
            }
        }
    }
}
