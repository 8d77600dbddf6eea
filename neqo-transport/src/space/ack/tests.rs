use std::time::{Duration, Instant};

use neqo_common::{Decoder, Ecn};

use super::AckTracker;
use crate::{
    config::limits::ACK_DELAY,
    recovery::testing::{ms, now},
    space::PacketNumberSpace::{ApplicationData, Handshake, Initial},
    wire::put::Put,
};

/// A place with little room.
struct Small(Vec<u8>, usize);

impl Put for Small {
    fn remaining(&self) -> usize {
        self.1 - self.0.len()
    }
    fn put(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.remaining(), "more than fits");
        self.0.extend_from_slice(bytes);
    }
}

fn receive(acks: &mut AckTracker, pns: impl IntoIterator<Item = u64>, t: Instant) {
    for pn in pns {
        assert!(acks.on_received(pn, true, Ecn::NotEct, t), "{pn}");
    }
}

/// The fields of the frame, as numbers.
fn frame(acks: &AckTracker, t: Instant, room: usize) -> Option<Vec<u64>> {
    let mut out = Small(Vec::new(), room);
    acks.encode(&mut out, t, 3)?;
    let mut dec = Decoder::from(&out.0[..]);
    Some(std::iter::from_fn(|| dec.decode_varint()).collect())
}

//= rfc9000#section-13.2.2 type=test
//# A receiver SHOULD send an ACK frame after receiving at least two ack-eliciting
//# packets.
#[test]
fn every_second_packet_or_after_a_while() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 20), now());
    assert!(!acks.is_due(t) && !acks.wants_to_send());
    assert_eq!(acks.ack_time(), None);
    receive(&mut acks, [0], t);
    assert!(!acks.is_due(t) && acks.wants_to_send());
    assert_eq!(acks.ack_time(), Some(t + ACK_DELAY));
    assert!(acks.is_due(t + ACK_DELAY));
    receive(&mut acks, [1], t + ms(1));
    assert!(acks.is_due(t + ms(1)));
    assert!(acks.ack_time().is_some_and(|at| at <= t + ms(1)));
    acks.reported();
    assert!(!acks.is_due(t + ms(1000)) && !acks.wants_to_send());
    assert_eq!(acks.ack_time(), None);
}

//= rfc9000#section-13.2.1 type=test
//# An endpoint MUST acknowledge all ack-eliciting Initial and Handshake packets
//# immediately and all ack-eliciting 0-RTT and 1-RTT packets within its advertised
//# max_ack_delay
#[test]
fn handshakes_are_not_delayed() {
    for space in [Initial, Handshake] {
        let (mut acks, t) = (AckTracker::new(space, 20), now());
        receive(&mut acks, [0], t);
        assert!(acks.is_due(t));
    }
}

//= rfc9000#section-13.2.1 type=test
//# An endpoint MUST NOT send a non-ack-eliciting packet in response to a
//# non-ack-eliciting packet, even if there are packet gaps that precede the
//# received packet.
#[test]
fn acknowledgements_are_not_acknowledged() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 20), now());
    for pn in [0, 1, 5, 3] {
        assert!(acks.on_received(pn, false, Ecn::Ce, t));
    }
    assert!(!acks.is_due(t + Duration::from_secs(9)) && !acks.wants_to_send());
    // But they are reported along with others.
    receive(&mut acks, [6], t);
    assert_eq!(frame(&acks, t, 99).unwrap()[..5], [3, 6, 0, 2, 1]);
}

//= rfc9000#section-13.2.1 type=test
//# * when the packet has a packet number larger than the highest-numbered
//#   ack-eliciting packet that has been received and there are missing packets
//#   between that packet and this packet.
#[test]
fn disorder_is_reported_at_once() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 250), now());
    receive(&mut acks, [7, 8], t);
    assert!(!acks.is_due(t), "the first number may be any");
    receive(&mut acks, [10], t);
    assert!(acks.is_due(t), "9 is missing");
    acks.reported();
    receive(&mut acks, [11], t);
    assert!(!acks.is_due(t), "that was said");
    receive(&mut acks, [9], t);
    assert!(acks.is_due(t), "9 is late");
    acks.reported();
    // What does not elicit an acknowledgement fills gaps.
    assert!(acks.on_received(12, false, Ecn::NotEct, t));
    receive(&mut acks, [13], t);
    assert!(!acks.is_due(t));
    assert!(acks.on_received(14, true, Ecn::Ce, t));
    assert!(acks.is_due(t), "congestion is urgent");
}

#[test]
fn duplicates_change_nothing() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 20), now());
    assert!(acks.on_received(0, true, Ecn::Ect0, t));
    acks.reported();
    assert!(acks.is_duplicate(0) && !acks.is_duplicate(1));
    assert!(!acks.on_received(0, true, Ecn::Ect0, t));
    assert!(!acks.wants_to_send());
    assert_eq!(acks.marks.ect0, 1);
    assert_eq!(acks.largest(), Some(0));
}

#[test]
fn the_frame() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 20), now());
    assert_eq!(frame(&acks, t, 99), None);
    receive(&mut acks, [0, 1, 2, 5, 6, 10], t);
    // 1 ms is 125 times 8 µs.
    let expected = [2, 10, 125, 2, 0, 2, 1, 1, 2];
    assert_eq!(frame(&acks, t + ms(1), 99).unwrap(), expected);
    // The delay is that of the largest packet.
    receive(&mut acks, [4], t + ms(9));
    assert_eq!(frame(&acks, t + ms(1), 99).unwrap()[2], 125);
    for (ecn, pn) in [
        (Ecn::Ect0, 11),
        (Ecn::Ect1, 12),
        (Ecn::Ce, 13),
        (Ecn::Ect0, 14),
    ] {
        acks.on_received(pn, true, ecn, t);
    }
    let expected = [3, 14, 0, 2, 4, 2, 2, 0, 2, 2, 1, 1];
    assert_eq!(frame(&acks, t, 99).unwrap(), expected);
    acks.acked(6);
    assert_eq!(frame(&acks, t, 99).unwrap(), [3, 14, 0, 0, 4, 2, 1, 1]);
}

//= rfc9000#section-13.2.3 type=test
//# If it does not, then older ranges
//# (those with the smallest packet numbers) are omitted.
#[test]
fn the_frame_fits() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 20), now());
    receive(&mut acks, (0..64).map(|pn| pn * 1000), t);
    let mut longest = 0;
    for room in 0..200 {
        let Some(fields) = frame(&acks, t, room) else {
            assert!(
                room < 16,
                "the top range takes 8 bytes, or a few more with reserve"
            );
            continue;
        };
        assert_eq!(fields.len(), 5 + 2 * usize::try_from(fields[3]).unwrap());
        assert_eq!(fields[1], 63_000);
        assert!(fields[3] >= longest);
        longest = fields[3];
    }
    assert_eq!(longest, 31); // hardening A8
}

// hardening A34
#[test]
fn extremes_do_not_overflow() {
    let (mut acks, t) = (AckTracker::new(ApplicationData, 0), now());
    let last = (1 << 62) - 1;
    for pn in [0, last, last - 1, last - 3] {
        acks.on_received(pn, true, Ecn::NotEct, t);
    }
    let later = t + Duration::from_secs(u32::MAX.into());
    assert_eq!(frame(&acks, later, 99).unwrap()[1], last);
    let mut out = Vec::new();
    assert!(acks.encode(&mut out, later, 255).is_some());
}
