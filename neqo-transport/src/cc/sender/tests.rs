use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};

use super::PacketSender;
use crate::{
    cc::{
        CongestionControl, SlowStart,
        window::{initial_window, min_window},
    },
    recovery::{
        rtt::Rtt,
        sent::SentPacket,
        testing::{SIZE, ms, now, packet},
    },
};

const MTU: usize = SIZE as usize;

/// A sender and the packets it has in flight, oldest first.
struct Fixture {
    sender: PacketSender,
    flight: Vec<SentPacket>,
    rtt: Rtt,
    now: Instant,
    pn: u64,
}

impl Fixture {
    fn new(cc: CongestionControl) -> Self {
        let now = now();
        let mut rtt = Rtt::new(ms(100));
        rtt.update(ms(100), Duration::ZERO, now);
        Self {
            sender: PacketSender::new(cc, SlowStart::Classic, false, MTU, now),
            flight: Vec::new(),
            rtt,
            now,
            pn: 0,
        }
    }

    fn send(&mut self, n: usize) {
        for _ in 0..n {
            let p = packet(self.pn, self.now);
            self.pn += 1;
            self.sender.on_packet_sent(&p);
            self.flight.push(p);
        }
    }

    fn fill(&mut self) {
        self.send(self.sender.available() / MTU);
        self.sender.set_app_limited(false);
    }

    fn ack(&mut self, n: usize) {
        self.now += ms(100);
        for p in self.flight.drain(..n) {
            self.sender.on_packet_acked(&p);
        }
        self.sender.on_ack_end(&self.rtt, self.now);
    }

    /// Loses the oldest; returns whether that was news.
    fn lose(&mut self) -> bool {
        self.now += ms(1);
        let p = self.flight.remove(0);
        self.sender.on_packet_lost(&p);
        self.sender.on_congestion_event(p.time, self.now)
    }
}

//= rfc9002#section-7.2 type=test
//# Endpoints SHOULD use an initial congestion window of ten times
//# the maximum datagram size (max_datagram_size), while limiting the window to the
//# larger of 14,720 bytes or twice the maximum datagram size.
#[test]
fn initial_windows() {
    assert_eq!(initial_window(1200), 12_000);
    assert_eq!(initial_window(1472), 14_720);
    assert_eq!(initial_window(1500), 14_720);
    assert_eq!(initial_window(9000), 18_000);
    let mut f = Fixture::new(CongestionControl::Cubic);
    assert_eq!(f.sender.cwnd(), 12_000);
    f.sender.set_mtu(1400);
    assert_eq!(f.sender.cwnd(), 14_000);
    f.sender.set_mtu(1200);
    assert_eq!(f.sender.cwnd(), 12_000);
}

#[test]
fn slow_start_doubles_per_round_trip() {
    let mut f = Fixture::new(CongestionControl::NewReno);
    for _ in 0..5 {
        let cwnd = f.sender.cwnd();
        f.fill();
        assert_eq!(f.sender.available(), 0);
        f.ack(f.flight.len());
        assert_eq!(f.sender.cwnd(), 2 * cwnd);
        assert_eq!(f.sender.bytes_in_flight(), 0);
    }
}

//= rfc9002#section-7.3.2 type=test
//# A sender that is
//# already in a recovery period stays in it and does not reenter it.
#[test]
fn one_reduction_per_round_trip() {
    let mut f = Fixture::new(CongestionControl::NewReno);
    f.fill();
    assert!(f.lose());
    assert_eq!(f.sender.cwnd(), 5 * MTU);
    assert_eq!(f.sender.ssthresh(), 5 * MTU);
    assert!(!f.lose());
    assert!(!f.sender.on_ecn_ce(f.flight[0].time, f.now));
    assert_eq!(f.sender.cwnd(), 5 * MTU);
    // What was sent before the reduction does not make the window grow.
    f.ack(8);
    assert_eq!(f.sender.cwnd(), 5 * MTU);
    f.fill();
    f.ack(5);
    assert_eq!(f.sender.cwnd(), 6 * MTU, "congestion avoidance");
    f.fill();
    assert!(f.lose());
    assert_eq!(f.sender.cwnd(), 3 * MTU);
}

#[test]
fn an_ack_frame_that_tells_of_a_loss_does_not_make_the_window_grow() {
    for ecn in [true, false] {
        let mut f = Fixture::new(CongestionControl::NewReno);
        f.fill();
        f.now += ms(100);
        let sent = f.flight[0].time;
        f.flight[1..]
            .iter()
            .for_each(|p| f.sender.on_packet_acked(p));
        if ecn {
            assert!(f.sender.on_ecn_ce(sent, f.now));
        } else {
            f.sender.on_packet_lost(&f.flight[0]);
            assert!(f.sender.on_congestion_event(sent, f.now));
        }
        f.sender.on_ack_end(&f.rtt, f.now);
        assert_eq!(f.sender.cwnd(), 5 * MTU);
    }
}

#[test]
fn the_window_has_a_minimum() {
    for cc in [CongestionControl::NewReno, CongestionControl::Cubic] {
        let mut f = Fixture::new(cc);
        for _ in 0..20 {
            f.now += ms(1);
            f.send(1);
            f.lose();
        }
        assert_eq!(f.sender.cwnd(), min_window(MTU));
    }
}

//= rfc9002#section-7.6.2 type=test
//# When persistent congestion is declared, the sender's congestion window MUST be
//# reduced to the minimum congestion window (kMinimumWindow)
#[test]
fn persistent_congestion() {
    let mut f = Fixture::new(CongestionControl::Cubic);
    f.fill();
    f.lose();
    f.sender.on_persistent_congestion();
    assert_eq!(f.sender.cwnd(), min_window(MTU));
    assert_eq!(f.sender.ssthresh(), 12_000 * 7 / 10);
    f.sender.on_discarded(f.sender.bytes_in_flight());
    f.flight.clear();
    f.fill();
    f.ack(2);
    assert_eq!(f.sender.cwnd(), 4 * MTU, "slow start again");
    f.fill();
    f.ack(4);
    assert_eq!(f.sender.cwnd(), 7 * MTU, "up to the threshold");
}

//= rfc9002#section-7.8 type=test
//# When this occurs,
//# the congestion window SHOULD NOT be increased in either slow start or
//# congestion avoidance.
#[test]
fn a_window_that_is_not_used_does_not_grow() {
    for cc in [CongestionControl::NewReno, CongestionControl::Cubic] {
        let mut f = Fixture::new(cc);
        for _ in 0..20 {
            f.send(2);
            f.sender.set_app_limited(true);
            f.ack(2);
        }
        assert_eq!(f.sender.cwnd(), 10 * MTU, "{cc}");
        // Running dry right after the window was full is not a lack of data.
        f.send(10);
        f.sender.set_app_limited(true);
        f.ack(10);
        assert_eq!(f.sender.cwnd(), 20 * MTU);
        f.fill();
        f.lose();
        f.ack(f.flight.len());
        let cwnd = f.sender.cwnd();
        for _ in 0..100 {
            f.send(2);
            f.sender.set_app_limited(true);
            f.ack(2);
        }
        assert_eq!(f.sender.cwnd(), cwnd);
    }
}

#[test]
fn packets_not_in_flight_do_not_count() {
    let mut f = Fixture::new(CongestionControl::Cubic);
    let mut p = packet(0, f.now);
    (p.in_flight, p.ack_eliciting) = (false, false);
    f.sender.on_packet_sent(&p);
    assert_eq!(f.sender.bytes_in_flight(), 0);
    f.sender.on_packet_acked(&p);
    f.sender.on_packet_lost(&p);
    f.sender.on_ack_end(&f.rtt, f.now);
    assert_eq!(f.sender.cwnd(), 10 * MTU);
}

#[test]
fn hystart_leaves_slow_start_without_a_loss() {
    let mut f = Fixture::new(CongestionControl::Cubic);
    f.sender = PacketSender::new(
        CongestionControl::Cubic,
        SlowStart::HyStart,
        true,
        MTU,
        f.now,
    );
    let mut grown = 0;
    for round in 0..12 {
        f.fill();
        // The queue grows by 20 ms a round from the third on.
        let rtt = ms(100 + 20 * u64::from(round.max(2_u32) - 2));
        f.now += rtt;
        let n = f.flight.len();
        for (i, p) in f.flight.drain(..).enumerate() {
            f.sender.on_packet_acked(&p);
            if i % 2 == 1 || i + 1 == n {
                f.rtt.update(rtt, Duration::ZERO, f.now);
                f.sender.on_ack_end(&f.rtt, f.now);
            }
        }
        if f.sender.ssthresh() < usize::MAX {
            grown = round;
            break;
        }
    }
    assert!(grown > 5, "it takes some rounds to be certain: {grown}");
    assert!(f.sender.cwnd() >= f.sender.ssthresh());
    assert!(f.sender.cwnd() < 400 * MTU, "{}", f.sender.cwnd());
}

#[test]
fn pacing() {
    let mut f = Fixture::new(CongestionControl::Cubic);
    assert_eq!(f.sender.pacing_budget(f.now, &f.rtt), usize::MAX);
    assert_eq!(f.sender.pacing_deadline(f.now, &f.rtt), None);
    let cc = CongestionControl::Cubic;
    f.sender = PacketSender::new(cc, SlowStart::Classic, true, MTU, f.now);
    assert_eq!(f.sender.pacing_budget(f.now, &f.rtt), 10 * MTU);
    f.send(10);
    assert_eq!(f.sender.pacing_budget(f.now, &f.rtt), 0);
    assert_eq!(f.sender.pacing_deadline(f.now, &f.rtt), Some(f.now + ms(5)));
}

proptest! {
    // hardening A34
    #[test]
    fn any_order_of_events_keeps_the_invariants(
        cubic in any::<bool>(),
        ops in vec((0..7_u8, 0..40_usize, 0..400_u64), 1..200),
    ) {
        let cc = if cubic { CongestionControl::Cubic } else { CongestionControl::NewReno };
        let mut f = Fixture::new(cc);
        for (op, n, after) in ops {
            f.now += ms(after);
            match op {
                0 | 1 => f.fill(),
                2 => f.ack(n.min(f.flight.len())),
                3 if !f.flight.is_empty() => {
                    let before = f.sender.cwnd();
                    if f.lose() {
                        prop_assert!(f.sender.cwnd() <= before);
                    }
                }
                4 => f.sender.set_app_limited(n % 2 == 0),
                5 => f.sender.set_mtu(MTU + n),
                6 => f.sender.on_persistent_congestion(),
                _ => f.send(n),
            }
            prop_assert_eq!(f.sender.bytes_in_flight(), f.flight.len() * MTU);
            prop_assert!(f.sender.cwnd() >= min_window(MTU));
        }
    }
}
