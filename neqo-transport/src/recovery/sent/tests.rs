use std::{collections::BTreeMap, ops::RangeInclusive, time::Instant};

use proptest::{collection::vec, prelude::*};

use super::{DEAD_SLACK, Fate, MAX_ACK_ONLY, MAX_SKIPPED, SentPacket, SentPackets};
use crate::{
    PacketNumber,
    recovery::testing::{SIZE, ack_only, now, packet},
};

impl<T: Copy> SentPackets<T> {
    /// Counts everything anew.
    fn check(&self) {
        let open = || self.packets.iter().filter(|s| s.fate == Fate::Open);
        assert_eq!(self.len(), open().count());
        assert_eq!(
            self.bytes_in_flight,
            open()
                .filter(|s| s.packet.in_flight)
                .map(|s| usize::from(s.packet.size))
                .sum::<usize>()
        );
        assert_eq!(
            self.ack_eliciting,
            open().filter(|s| s.packet.ack_eliciting).count()
        );
        assert_eq!(
            self.ack_only,
            open().filter(|s| !s.packet.in_flight).count()
        );
        let mut next = self.base;
        for s in &self.packets {
            assert_eq!(s.first, next, "tokens lie one behind the other");
            next += u64::from(s.tokens);
        }
        assert_eq!(next, self.base + self.tokens.len() as u64);
    }
}

fn send(sent: &mut SentPackets<u32>, packet: SentPacket, tokens: &[u32]) {
    let mut draft = sent.draft();
    for t in tokens {
        draft.push(*t);
    }
    draft.sent(packet);
}

fn ack(sent: &mut SentPackets<u32>, range: RangeInclusive<PacketNumber>) -> Vec<(u64, Vec<u32>)> {
    let mut out = Vec::new();
    sent.acked(&range, |p, t| out.push((p.pn, t.copied().collect())));
    sent.release();
    out
}

fn lose(sent: &mut SentPackets<u32>) -> Option<(u64, bool, Vec<u32>)> {
    let mut out = None;
    sent.pop_lost(|p, between, t| out = Some((p.pn, between, t.copied().collect())));
    out
}

#[test]
fn an_aborted_draft_leaves_no_trace() {
    let mut sent = SentPackets::default();
    send(&mut sent, packet(0, now()), &[1, 2]);
    let mut draft = sent.draft();
    draft.push(3);
    drop(draft);
    send(&mut sent, packet(1, now()), &[4]);
    sent.check();
    assert_eq!(ack(&mut sent, 0..=1), [(0, vec![1, 2]), (1, vec![4])]);
    assert_eq!(sent.len(), 0);
    assert_eq!(sent.tokens.len(), 0);
}

#[test]
fn an_acknowledged_packet_is_told_once() {
    let mut sent = SentPackets::default();
    for pn in 0..5 {
        send(&mut sent, packet(pn, now()), &[0]);
    }
    assert_eq!(ack(&mut sent, 1..=3).len(), 3);
    assert!(ack(&mut sent, 1..=3).is_empty());
    assert_eq!(ack(&mut sent, 0..=4).len(), 2);
}

//= rfc9000#section-13.1 type=test
//# An endpoint SHOULD treat receipt of an acknowledgment for a packet it did not
//# send as a connection error of type PROTOCOL_VIOLATION, if it is able to detect
//# the condition.
#[test]
fn gaps_in_packet_numbers_are_remembered() {
    let mut sent = SentPackets::<u32>::default();
    let t = now();
    for pn in [7, 8, 10, 11, 12, 15] {
        send(&mut sent, packet(pn, t), &[]);
    }
    for pn in 0..20 {
        assert_eq!(
            sent.ever_sent_all(&(pn..=pn)),
            [7, 8, 10, 11, 12, 15].contains(&pn),
            "{pn}"
        );
    }
    assert!(sent.ever_sent_all(&(10..=12)));
    assert!(!sent.ever_sent_all(&(7..=10)));
    assert!(!sent.ever_sent_all(&(12..=15)));
    // They outlive the packets around them.
    ack(&mut sent, 0..=15);
    assert!(!sent.ever_sent_all(&(9..=9)));
    // But there is a bound.
    for i in 0..100 {
        send(&mut sent, packet(20 + 2 * i, t), &[]);
    }
    assert_eq!(sent.skipped.len(), MAX_SKIPPED);
    assert!(!sent.ever_sent_all(&(217..=217)));
}

// hardening A7
#[test]
fn ack_only_packets_behind_an_outstanding_one_are_forgotten() {
    let mut sent = SentPackets::default();
    let t = now();
    send(&mut sent, packet(0, t), &[0]);
    for pn in 1..100_000 {
        send(&mut sent, ack_only(pn, t), &[1]);
        assert!(sent.packets.len() <= 4 * MAX_ACK_ONLY + DEAD_SLACK);
        assert!(sent.tokens.len() <= 4 * MAX_ACK_ONLY + DEAD_SLACK);
    }
    sent.check();
    assert!(sent.get(0).is_some(), "what is in flight stays");
    assert!(sent.get(99_999).is_some(), "the newest stay");
    assert_eq!(ack(&mut sent, 99_999..=99_999), [(99_999, vec![1])]);
}

// hardening A7
#[test]
fn memory_follows_live_packets_and_not_the_span_of_their_numbers() {
    let mut sent = SentPackets::default();
    let t = now();
    send(&mut sent, packet(0, t), &[7]);
    for pn in 1..100_000_u64 {
        send(&mut sent, packet(pn, t), &[8, 9]);
        if pn >= 10 {
            assert_eq!(ack(&mut sent, pn - 9..=pn - 9).len(), 1);
        }
        assert!(sent.packets.len() <= 2 * sent.len() + DEAD_SLACK + 1);
        assert!(sent.tokens.len() <= 2 * sent.packets.len());
    }
    sent.check();
    assert_eq!(ack(&mut sent, 0..=0), [(0, vec![7])]);
}

#[test]
fn tokens_are_given_back_once() {
    let mut sent = SentPackets::default();
    let t = now();
    for pn in 0..4 {
        send(&mut sent, packet(pn, t), &[u32::try_from(pn).unwrap()]);
    }
    let mut probed = Vec::new();
    assert_eq!(sent.probe(2, |t| probed.extend(t.copied())), 2);
    assert_eq!(probed, [0, 1]);
    assert_eq!(sent.len(), 4, "a probe declares nothing lost");
    assert_eq!(sent.bytes_in_flight(), 4 * usize::from(SIZE));
    assert_eq!(sent.probe(9, |t| probed.extend(t.copied())), 2);
    assert_eq!(probed, [0, 1, 2, 3]);
    assert_eq!(sent.probe(9, |_| panic!("all are given back")), 0);
    // What was given back is not lost again; its acknowledgement still counts.
    assert_eq!(lose(&mut sent), Some((0, false, vec![])));
    assert_eq!(ack(&mut sent, 1..=1), [(1, vec![1])]);
    send(&mut sent, packet(4, t), &[4]);
    let mut left = Vec::new();
    sent.clear(|p, t| left.push((p.pn, t.copied().collect::<Vec<_>>())));
    assert_eq!(left, [(2, vec![]), (3, vec![]), (4, vec![4])]);
    assert_eq!(sent.next_pn(), 5);
    assert_eq!((sent.len(), sent.bytes_in_flight()), (0, 0));
    assert_eq!(sent.last_ack_eliciting(), None);
}

#[test]
fn acknowledgements_between_losses_survive_compaction() {
    let mut sent = SentPackets::default();
    let t = now();
    for pn in 0..200 {
        send(&mut sent, packet(pn, t), &[]);
    }
    ack(&mut sent, 1..=150);
    assert!(sent.packets.len() < 60, "it was compacted");
    assert_eq!(lose(&mut sent), Some((0, false, vec![])));
    assert_eq!(lose(&mut sent), Some((151, true, vec![])));
    assert_eq!(lose(&mut sent), Some((152, false, vec![])));
    ack(&mut sent, 153..=199);
    send(&mut sent, packet(200, t), &[]);
    assert_eq!(lose(&mut sent), Some((200, true, vec![])));
    assert_eq!(lose(&mut sent), None);
}

/// What the ring is measured against: a map that forgets nothing and does everything slowly.
#[derive(Default)]
struct Naive {
    open: BTreeMap<PacketNumber, (SentPacket, Vec<u32>)>,
    probed: Vec<PacketNumber>,
    acked: Vec<PacketNumber>,
    last_lost: Option<PacketNumber>,
}

#[derive(Clone, Debug)]
enum Op {
    Send { skip: u64, tokens: Vec<u32> },
    Abort { tokens: Vec<u32> },
    Ack { from: u64, len: u64 },
    Lose,
    Probe,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop_oneof![9 => Just(0_u64), 1 => 1..4_u64], vec(any::<u32>(), 0..4))
            .prop_map(|(skip, tokens)| Op::Send { skip, tokens }),
        1 => vec(any::<u32>(), 0..4).prop_map(|tokens| Op::Abort { tokens }),
        3 => (0..60_u64, 0..20_u64).prop_map(|(from, len)| Op::Ack { from, len }),
        1 => Just(Op::Lose),
        1 => Just(Op::Probe),
    ]
}

impl Naive {
    fn ack(&mut self, range: &RangeInclusive<PacketNumber>) -> Vec<(u64, Vec<u32>)> {
        let pns: Vec<_> = self.open.range(range.clone()).map(|(pn, _)| *pn).collect();
        self.acked.extend(&pns);
        let take = |pn| self.open.remove(pn).map(|(_, t)| (*pn, t));
        pns.iter().filter_map(take).collect()
    }

    fn lose(&mut self) -> Option<(u64, bool, Vec<u32>)> {
        let (pn, (_, tokens)) = self.open.pop_first()?;
        let last = self.last_lost.replace(pn);
        let between = self
            .acked
            .iter()
            .any(|a| *a < pn && last.is_none_or(|l| *a > l));
        let kept = if self.probed.contains(&pn) {
            vec![]
        } else {
            tokens
        };
        Some((pn, between, kept))
    }

    fn probe(&mut self) -> Vec<u32> {
        let mut out = Vec::new();
        for (pn, (_, tokens)) in &self.open {
            if !self.probed.contains(pn) {
                self.probed.push(*pn);
                if !tokens.is_empty() {
                    out.extend(tokens);
                    break;
                }
            }
        }
        out
    }
}

fn apply(op: Op, sent: &mut SentPackets<u32>, naive: &mut Naive, t: Instant) {
    match op {
        Op::Send { skip, tokens } => {
            let p = packet(sent.next_pn() + skip, t);
            send(sent, p, &tokens);
            naive.open.insert(p.pn, (p, tokens));
        }
        Op::Abort { tokens } => {
            let mut draft = sent.draft();
            for t in tokens {
                draft.push(t);
            }
        }
        Op::Ack { from, len } => {
            // Counted from the top, where acknowledgements are.
            let end = sent.next_pn().saturating_sub(from);
            let range = end.saturating_sub(len)..=end;
            assert_eq!(ack(sent, range.clone()), naive.ack(&range));
        }
        Op::Lose => assert_eq!(lose(sent), naive.lose()),
        Op::Probe => {
            let mut out = Vec::new();
            sent.probe(1, |t| out.extend(t.copied()));
            assert_eq!(out, naive.probe());
        }
    }
}

proptest! {
    #[test]
    fn the_ring_is_a_map(ops in vec(op(), 1..400)) {
        let (mut sent, mut naive, t) = (SentPackets::default(), Naive::default(), now());
        for op in ops {
            apply(op, &mut sent, &mut naive, t);
            sent.check();
            prop_assert_eq!(sent.len(), naive.open.len());
            prop_assert!(sent.packets.len() <= 2 * sent.len() + DEAD_SLACK + 1);
            for pn in sent.next_pn().saturating_sub(70)..=sent.next_pn() {
                prop_assert_eq!(sent.get(pn).is_some(), naive.open.contains_key(&pn));
            }
        }
    }
}
