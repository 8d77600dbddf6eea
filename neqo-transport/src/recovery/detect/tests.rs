use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::{Loss, MAX_REMEMBERED, Sink};
use crate::{
    Error, PacketNumber, Violation,
    recovery::{
        detect::{AckOutcome, LossOutcome},
        rtt::Rtt,
        sent::SentPacket,
        testing::{PATH, ack_only, ms, now, packet},
    },
};

#[derive(Debug, Default)]
struct Log {
    packets_acked: Vec<u64>,
    acked: Vec<u64>,
    packets_lost: Vec<u64>,
    lost: Vec<u64>,
}

impl Sink<u64> for Log {
    fn packet_acked(&mut self, p: &SentPacket) {
        self.packets_acked.push(p.pn);
    }
    fn acked(&mut self, t: &u64) {
        self.acked.push(*t);
    }
    fn packet_lost(&mut self, p: &SentPacket) {
        self.packets_lost.push(p.pn);
    }
    fn lost(&mut self, t: &u64) {
        self.lost.push(*t);
    }
}

/// One space, and a path with a known round-trip time of 100 ms.
struct Fixture {
    start: Instant,
    rtt: Rtt,
    loss: Loss<u64>,
    log: Log,
}

impl Fixture {
    fn new() -> Self {
        let start = now();
        let mut rtt = Rtt::new(ms(100));
        rtt.update(ms(100), Duration::ZERO, start);
        Self {
            start,
            rtt,
            loss: Loss::default(),
            log: Log::default(),
        }
    }

    fn at(&self, after: Duration) -> Instant {
        self.start + after
    }

    /// Sends a packet whose token is its number.
    fn send(&mut self, p: SentPacket) {
        let mut draft = self.loss.sent.draft();
        draft.push(p.pn);
        draft.sent(p);
    }

    fn send_all(&mut self, pns: RangeInclusive<PacketNumber>, after: Duration) {
        for pn in pns {
            self.send(packet(pn, self.at(after)));
        }
    }

    fn ack(&mut self, ranges: &[RangeInclusive<PacketNumber>], after: Duration) -> AckOutcome {
        self.try_ack(ranges, after).unwrap()
    }

    fn try_ack(
        &mut self,
        ranges: &[RangeInclusive<PacketNumber>],
        after: Duration,
    ) -> Result<AckOutcome, Error> {
        let now = self.at(after);
        let largest = *ranges[0].end();
        self.loss
            .on_ack(largest, ranges.iter().cloned(), now, &mut self.log)
    }

    fn detect(&mut self, after: Duration) -> LossOutcome {
        let now = self.at(after);
        let persistent = self.rtt.persistent_congestion_duration(ms(25));
        self.loss
            .detect_lost(now, &self.rtt, persistent, &mut self.log)
    }
}

//= rfc9002#section-6.1.1 type=test
//# implementations SHOULD NOT use a packet threshold less than 3
#[test]
fn lost_by_packet_threshold() {
    let mut f = Fixture::new();
    f.send_all(0..=5, ms(10));
    f.ack(&[2..=2], ms(20));
    assert_eq!(f.detect(ms(20)).congestion, None);
    f.ack(&[3..=3], ms(21));
    let out = f.detect(ms(21));
    assert_eq!(out.congestion, Some(f.at(ms(10))));
    assert!(!out.persistent);
    assert_eq!(f.log.packets_lost, [0]);
    assert_eq!(f.log.lost, [0]);
    assert_eq!(f.log.packets_acked, [2, 3]);
    assert_eq!(f.log.acked, [2, 3]);
}

#[test]
fn skipped_numbers_are_no_packets() {
    let mut f = Fixture::new();
    for pn in [0, 1, 3, 4, 7, 8] {
        f.send_all(pn..=pn, ms(10));
    }
    // 1 and 3 were sent after 0, which is not three packets, though three numbers.
    f.ack(&[3..=3], ms(20));
    assert_eq!(f.detect(ms(20)).congestion, None);
    f.ack(&[4..=4], ms(21));
    assert!(f.detect(ms(21)).congestion.is_some());
    assert_eq!(f.log.packets_lost, [0]);
    // 7 is the third after 1, across two gaps.
    f.ack(&[7..=7], ms(22));
    f.detect(ms(22));
    assert_eq!(f.log.packets_lost, [0, 1]);
}

//= rfc9002#section-6.1 type=test
//# The packet is unacknowledged, in flight, and was sent prior to an
//# acknowledged packet.
#[test]
fn lost_by_time_threshold() {
    let mut f = Fixture::new();
    f.send_all(0..=2, ms(0));
    f.ack(&[1..=1], ms(100));
    assert_eq!(f.detect(ms(100)).congestion, None);
    // 9/8 of the round-trip time.
    assert_eq!(
        f.loss.loss_time(),
        Some(f.at(Duration::from_micros(112_500)))
    );
    assert_eq!(f.detect(ms(112)).congestion, None);
    assert!(f.detect(ms(113)).congestion.is_some());
    // Packet 2 was not sent before one that was acknowledged, however old it is.
    assert_eq!(f.log.packets_lost, [0]);
    assert_eq!(f.loss.loss_time(), None);
    assert_eq!(f.detect(Duration::from_secs(100)).congestion, None);
    assert_eq!(f.loss.last_ack_eliciting(), Some(f.start));
}

#[test]
fn nothing_is_lost_before_an_acknowledgement() {
    let mut f = Fixture::new();
    f.send_all(0..=9, ms(0));
    assert_eq!(f.detect(Duration::from_secs(9)).congestion, None);
    assert_eq!(f.loss.loss_time(), None);
}

#[test]
fn packets_not_in_flight_are_forgotten_and_not_lost() {
    let mut f = Fixture::new();
    f.send(ack_only(0, f.start));
    f.send_all(1..=4, ms(0));
    f.ack(&[1..=4], ms(100));
    assert_eq!(f.detect(ms(100)).congestion, None);
    assert!(f.log.packets_lost.is_empty());
    assert_eq!(f.loss.sent.len(), 0);
}

//= rfc9000#section-14.4 type=test
//# PMTU probe is therefore not a reliable indication of congestion and SHOULD NOT
//# trigger a congestion control reaction
#[test]
fn a_lost_mtu_probe_is_no_congestion() {
    let mut f = Fixture::new();
    let mut probe = packet(0, f.start);
    probe.mtu_probe = true;
    f.send(probe);
    f.send_all(1..=3, ms(0));
    f.ack(&[1..=3], ms(100));
    assert_eq!(f.detect(ms(100)).congestion, None);
    assert_eq!(f.log.packets_lost, [0]);
    assert_eq!(f.log.lost, [0]);
}

// hardening A26
#[test]
fn acknowledging_what_was_never_sent_is_an_error() {
    let mut f = Fixture::new();
    f.send_all(0..=3, ms(0));
    f.send_all(5..=8, ms(0));
    for ranges in [
        &[9..=9][..],
        &[0..=u64::MAX],
        &[4..=4],
        &[2..=6],
        &[7..=8, 4..=5],
        &[8..=8, 3..=4],
    ] {
        assert!(matches!(
            f.try_ack(ranges, ms(1)),
            Err(Error::Peer(Violation::ProtocolViolation(_)))
        ));
    }
    f.ack(&[5..=8, 0..=3], ms(1));
    // Also when all around it is settled.
    assert!(f.try_ack(&[5..=8, 4..=4], ms(1)).is_err());
    assert!(f.try_ack(&[5..=8, 0..=3], ms(1)).is_ok());
}

//= rfc9002#section-5.1 type=test
//# An RTT sample MUST NOT be generated on receiving an ACK frame that does not
//# newly acknowledge at least one ack-eliciting packet.
#[test]
fn round_trip_time_samples() {
    let mut f = Fixture::new();
    f.send(ack_only(0, f.start));
    f.send(packet(1, f.start));
    f.send(ack_only(2, f.at(ms(10))));
    f.send_all(3..=4, ms(20));
    assert_eq!(f.ack(&[0..=0], ms(50)).rtt_sample, None);
    // The largest counts, though another one elicited the acknowledgement.
    assert_eq!(f.ack(&[1..=2], ms(60)).rtt_sample, Some((PATH, ms(50))));
    assert_eq!(f.ack(&[4..=4], ms(70)).rtt_sample, Some((PATH, ms(50))));
    // The largest is not newly acknowledged.
    let out = f.ack(&[3..=4], ms(80));
    assert!(out.newly_acked && !out.largest_increased);
    assert_eq!(out.rtt_sample, None);
    assert_eq!(out.largest.map(|p| p.pn), Some(3));
    assert!(!f.ack(&[0..=4], ms(90)).newly_acked);
    assert_eq!(f.loss.largest_acked(), Some(4));
}

/// The example of RFC 9002 §7.6.3, where the probe timeout is 2 seconds.
//= rfc9002#section-7.6.2 type=test
//# These two packets MUST be ack-eliciting, since a receiver is required to
//# acknowledge only ack-eliciting packets within its maximum acknowledgment delay
#[test]
fn persistent_congestion() {
    const PERSISTENT: Duration = Duration::from_secs(6);
    let sent_at = [0, 1, 2, 3, 4, 5, 6, 8, 12];
    let run = |acked_in_between: Option<u64>, ack_eliciting: bool, rtt_known: bool| {
        let mut f = Fixture::new();
        for (pn, at) in (1..).zip(sent_at) {
            let mut p = packet(pn, f.at(Duration::from_secs(at) + ms(1)));
            p.ack_eliciting = ack_eliciting || pn == 9;
            f.send(p);
        }
        f.ack(&[1..=1], Duration::from_millis(1200));
        if let Some(pn) = acked_in_between {
            f.ack(&[pn..=pn], Duration::from_millis(12_100));
        }
        f.ack(&[9..=9], Duration::from_millis(12_200));
        let rtt = if rtt_known { f.rtt } else { Rtt::new(ms(333)) };
        let now = f.at(Duration::from_millis(12_200));
        let out = f.loss.detect_lost(now, &rtt, PERSISTENT, &mut f.log);
        assert_eq!(
            f.log.packets_lost.len(),
            7 - usize::from(acked_in_between.is_some())
        );
        assert!(out.congestion.is_some());
        out.persistent
    };
    assert!(run(None, true, true));
    assert!(!run(Some(5), true, true));
    assert!(run(Some(2), true, true) == (8 - 2 > 6));
    assert!(!run(None, false, true));
    assert!(!run(None, true, false));
}

#[test]
fn a_run_of_losses_goes_on_across_calls_until_something_arrives() {
    let mut f = Fixture::new();
    f.send_all(0..=0, ms(10));
    f.send_all(1..=4, ms(2000));
    f.ack(&[3..=3], ms(2100));
    assert!(!f.detect(ms(2100)).persistent);
    assert_eq!(f.log.packets_lost, [0]);
    // Packets 1 and 2 are lost by time; only they and 0 were sent before 3.
    assert!(f.detect(ms(2200)).persistent);
    f.send_all(5..=8, ms(6000));
    f.ack(&[8..=8, 3..=4], ms(6100));
    // Packets 3 and 4 arrived between 2 and 5.
    let out = f.detect(ms(6300));
    assert_eq!(f.log.packets_lost, [0, 1, 2, 5, 6, 7]);
    assert!(out.congestion.is_some() && !out.persistent);
}

#[test]
fn late_acknowledgements_are_counted_for_a_while() {
    let mut f = Fixture::new();
    f.send_all(0..=5, ms(0));
    f.ack(&[4..=5], ms(100));
    f.detect(ms(100));
    f.detect(ms(200));
    assert_eq!(f.log.packets_lost, [0, 1, 2, 3]);
    let out = f.ack(&[4..=5, 1..=2], ms(210));
    assert_eq!(out.late, 2);
    assert!(!out.newly_acked, "they left flight when they were lost");
    assert_eq!(f.ack(&[1..=5], ms(211)).late, 1);
    assert_eq!(f.ack(&[0..=5], Duration::from_mins(1)).late, 0);
}

// hardening A7
#[test]
fn lost_packets_are_remembered_within_bounds() {
    let mut f = Fixture::new();
    f.send_all(0..=9999, ms(0));
    f.ack(&[9999..=9999], ms(100));
    f.detect(ms(200));
    assert_eq!(f.log.packets_lost.len(), 9999);
    assert_eq!(f.loss.remembered.len(), MAX_REMEMBERED);
}

//= rfc9002#section-6.2 type=test
//# A PTO timer expiration event does not indicate packet loss and MUST NOT cause
//# prior unacknowledged packets to be marked as lost.
#[test]
fn probes_give_back_the_oldest_tokens() {
    let mut f = Fixture::new();
    f.send_all(0..=4, ms(0));
    assert_eq!(f.loss.probe(2, &mut f.log), 2);
    assert_eq!(f.log.lost, [0, 1]);
    assert!(f.log.packets_lost.is_empty());
    assert_eq!(f.loss.sent.len(), 5);
    // The next probe says something else.
    assert_eq!(f.loss.probe(2, &mut f.log), 2);
    assert_eq!(f.log.lost, [0, 1, 2, 3]);
    // The loss that is established later does not repeat it.
    f.ack(&[4..=4], ms(500));
    f.detect(ms(500));
    assert_eq!(f.log.packets_lost, [0, 1, 2, 3]);
    assert_eq!(f.log.lost, [0, 1, 2, 3]);
}

//= rfc9002#section-6.4 type=test
//# The sender MUST discard all recovery state associated with those packets
//# and MUST remove them from the count of bytes in flight.
#[test]
fn discarding() {
    let mut f = Fixture::new();
    f.send_all(0..=4, ms(0));
    f.ack(&[1..=1], ms(100));
    f.detect(ms(100));
    assert!(f.loss.loss_time().is_some());
    let mut gone = Vec::new();
    f.loss.discard(|p| gone.push(p.pn));
    assert_eq!(gone, [0, 2, 3, 4]);
    assert_eq!(f.loss.loss_time(), None);
    assert_eq!(f.loss.last_ack_eliciting(), None);
    assert_eq!(f.loss.sent.bytes_in_flight(), 0);
    assert!(f.log.lost.is_empty() && f.log.packets_lost.is_empty());
}

#[test]
fn requeueing() {
    let mut f = Fixture::new();
    f.send_all(0..=3, ms(0));
    assert_eq!(f.loss.probe(2, &mut f.log), 2);
    let (mut gone, mut again) = (Vec::new(), Vec::new());
    f.loss.requeue(|p| gone.push(p.pn), |t| again.push(*t));
    assert_eq!(gone, [0, 1, 2, 3]);
    assert_eq!(again, [2, 3], "0 and 1 were given back for the probe");
    assert_eq!(f.loss.sent.next_pn(), 4, "numbers are never used twice");
}
