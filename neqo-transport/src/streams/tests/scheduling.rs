//! Who sends first, and how packets are filled.

use super::{
    super::{RetransmissionPriority, SendGroupId, TransmissionPriority},
    Pair, ROOM, WIDE, limits, uni,
};
use crate::stream_id::StreamId;

const WIDE_STREAMS: super::InitialLimits = limits(1 << 30, 1 << 30, 1 << 20);

fn pair(n: usize, each: usize) -> (Pair, Vec<StreamId>) {
    let mut p = Pair::with(WIDE, WIDE_STREAMS);
    let ids: Vec<_> = (0..n)
        .map(|_| {
            let id = uni(&mut p.client);
            p.client.s.send(id, &vec![1; each]).unwrap();
            id
        })
        .collect();
    (p, ids)
}

/// The streams of the next packets, one for each run of frames of the same stream.
fn order(p: &mut Pair, packets: usize) -> Vec<StreamId> {
    let mut ids: Vec<_> = (0..packets)
        .filter_map(|_| p.client.write(ROOM))
        .flat_map(|p| p.data())
        .map(|d| d.0)
        .collect();
    ids.dedup();
    ids
}

#[test]
fn packets_are_filled_exactly() {
    let (mut p, ids) = pair(1, 100_000);
    for packet in p.client.write_all().iter().rev().skip(1) {
        assert_eq!(packet.0.len(), ROOM);
        assert_eq!(packet.data().len(), 1);
        // The first byte: no Length field.
        assert_eq!(packet.0[0] & 0x02, 0);
    }
    drop(ids);
    // With frames of all lengths, of several streams, all but the last are full.
    for each in 1..400 {
        let (mut p, _) = pair(40, each);
        let packets = p.client.write_all();
        let (_, full) = packets.split_last().unwrap();
        for packet in full {
            assert_eq!(packet.0.len(), ROOM, "{each} {:?}", packet.data());
        }
        let sent: usize = packets
            .iter()
            .flat_map(super::Packet::data)
            .map(|d| d.1)
            .sum();
        assert_eq!(sent, 40 * each);
    }
}

#[test]
fn unfair_streams_go_on_until_they_are_done() {
    let (mut p, ids) = pair(3, 3 * ROOM);
    assert_eq!(order(&mut p, 20), ids);
}

#[test]
fn fair_streams_take_turns() {
    let (mut p, ids) = pair(3, 5 * ROOM);
    for id in &ids {
        p.client.s.fairness(*id, true).unwrap();
    }
    let [a, b, c] = ids[..] else { unreachable!() };
    assert_eq!(order(&mut p, 6), [a, b, c, a, b, c]);
    // One that goes on goes first.
    p.client.s.fairness(b, false).unwrap();
    assert_eq!(order(&mut p, 3), [b]);
}

#[test]
fn levels_are_strict() {
    use TransmissionPriority as P;
    let (mut p, ids) = pair(5, ROOM);
    let levels = [P::Low, P::Normal, P::Critical, P::High, P::Important];
    for (id, level) in ids.iter().zip(levels) {
        let r = RetransmissionPriority::default();
        p.client.s.priority(*id, level, r).unwrap();
    }
    assert_eq!(order(&mut p, 10), [ids[2], ids[4], ids[3], ids[1], ids[0]]);
}

#[test]
fn lost_data_has_a_level_of_its_own() {
    use RetransmissionPriority as R;
    use TransmissionPriority as P;
    for (retransmission, first) in [
        (R::Same, false),
        (R::Higher, true),
        (R::Fixed(P::Low), false),
        (R::Fixed(P::Critical), true),
    ] {
        let (mut p, ids) = pair(2, 2 * ROOM);
        p.client.s.priority(ids[1], P::High, R::Same).unwrap();
        p.client
            .s
            .priority(ids[0], P::Critical, retransmission)
            .unwrap();
        let lost = p.client.write(ROOM).unwrap();
        assert_eq!(lost.data()[0].0, ids[0]);
        p.client
            .s
            .priority(ids[0], P::Normal, retransmission)
            .unwrap();
        p.client.lost(&lost);
        if retransmission == R::Higher {
            // As urgent as the new data of the other, and lost data goes first.
            assert_eq!(R::Higher.level(P::Normal), P::High);
        }
        let next = p.client.write(ROOM).unwrap().data()[0].0;
        assert_eq!(next == ids[0], first, "{retransmission:?}");
    }
}

#[test]
fn order_within_a_group_and_turns_between_groups() {
    let (mut pair, ids) = pair(6, 8 * ROOM);
    let (one, two) = (SendGroupId::new(1), SendGroupId::new(2));
    let [low, high, equal, behind, loose, plain] = ids[..] else {
        unreachable!()
    };
    let streams = &mut pair.client.s;
    for id in &ids {
        streams.fairness(*id, true).unwrap();
    }
    for (id, group, order) in [
        (low, Some(one), Some(1)),
        (high, Some(one), Some(7)),
        (equal, Some(one), Some(7)),
        (behind, Some(two), Some(-5)),
        (loose, Some(two), None),
        (plain, None, None),
    ] {
        streams.sendgroup(id, group).unwrap();
        streams.sendorder(id, order).unwrap();
    }
    // Plain streams and groups alternate; in the first group two go before the third.
    assert_eq!(
        order(&mut pair, 8),
        [plain, high, plain, loose, plain, behind, plain, equal]
    );
    // When its betters are done, the third gets the turns of the group.
    pair.client.s.reset_send(high, 0).unwrap();
    pair.client.s.reset_send(equal, 0).unwrap();
    pair.client.s.reset_send(plain, 0).unwrap();
    assert_eq!(order(&mut pair, 3), [loose, behind, low]);
    pair.client.s.sendorder(behind, None).unwrap();
    pair.client.s.sendgroup(behind, None).unwrap();
    assert_eq!(order(&mut pair, 4), [behind, loose, behind, low]);
}

#[test]
fn ten_thousand_streams() {
    let (mut p, ids) = pair(10_000, 1);
    for id in &ids[5000..] {
        p.client.s.fairness(*id, true).unwrap();
    }
    let mut sent = 0;
    while let Some(packet) = p.client.write(ROOM) {
        sent += packet.data().len();
        p.client.acked(&packet);
    }
    assert_eq!(sent, 10_000);
    for id in ids {
        p.client.s.close_send(id).unwrap();
    }
    p.settle();
    assert_eq!(p.client.events().len(), 10_000);
    assert_eq!(p.client.s.len(), 0);
}
