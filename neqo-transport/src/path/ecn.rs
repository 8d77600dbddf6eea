//! Explicit congestion notification on one path (RFC 9000 §13.4): what outgoing packets are marked
//! with, and whether the counts that come back can be believed.

use enum_map::EnumMap;
use neqo_common::{Ecn, qdebug};

use crate::{space::PacketNumberSpace, wire::frame::EcnCounts};

/// So many packets are marked before the first of them must be reported as marked.
const TEST_PACKETS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first packets are marked.
    Testing,
    /// Enough were marked, and none was acknowledged yet: nothing more is marked meanwhile.
    Unknown,
    /// Marks arrive.
    Capable,
    /// They do not, or are reported wrongly. Nothing is ever marked again on this path.
    Failed,
}

/// Whether a path carries ECN marks.
#[derive(Clone, Copy, Debug)]
pub struct EcnPath {
    state: State,
    /// How many packets were sent marked on this path.
    tested: u64,
    /// How many packets were sent marked in all: the peer counts those of all paths together.
    sent: u64,
    /// What the peer counted in each space when it last told.
    counts: EnumMap<PacketNumberSpace, EcnCounts>,
}

impl EcnPath {
    /// Nothing is known.
    pub fn new() -> Self {
        Self {
            state: State::Testing,
            tested: 0,
            sent: 0,
            counts: EnumMap::default(),
        }
    }

    /// Nothing is known of a new path, but the peer goes on counting where it was on `other`.
    pub const fn after(other: &Self) -> Self {
        Self {
            state: State::Testing,
            tested: 0,
            ..*other
        }
    }

    /// How the next packets are to be marked.
    pub const fn mark(&self) -> Ecn {
        match self.state {
            State::Testing | State::Capable => Ecn::Ect0,
            State::Unknown | State::Failed => Ecn::NotEct,
        }
    }

    /// A packet was sent with this mark.
    pub const fn on_sent(&mut self, mark: Ecn) {
        if matches!(mark, Ecn::Ect0) {
            self.sent += 1;
            self.tested += 1;
            if matches!(self.state, State::Testing) && self.tested >= TEST_PACKETS {
                self.state = State::Unknown;
            }
        }
    }

    /// An ACK frame that raised the largest acknowledged number newly acknowledged `marked` packets
    /// that were sent marked. Whether the peer saw congestion.
    //= rfc9000#section-13.4.2.1
    //# Performing this validation depends on comparing the ECN counts in received ACK frames
    // hardening A33
    pub fn on_ack(
        &mut self,
        space: PacketNumberSpace,
        marked: u64,
        counts: Option<EcnCounts>,
    ) -> bool {
        if self.state == State::Failed {
            return false;
        }
        let Some(new) = counts else {
            //= rfc9000#section-13.4.2.1
            //# If an ACK frame newly acknowledges a packet that the endpoint sent with
            //# either the ECT(0) or ECT(1) codepoint set, ECN validation fails if the
            //# corresponding ECN counts are not present in the ACK frame.
            if marked > 0 {
                self.fail("no counts");
            }
            return false;
        };
        let old = std::mem::replace(&mut self.counts[space], new);
        let (Some(ect0), Some(ce)) = (new.ect0.checked_sub(old.ect0), new.ce.checked_sub(old.ce))
        else {
            self.fail("counts decreased");
            return false;
        };
        //= rfc9000#section-13.4.2.1
        //# ECN validation also fails if the sum of the increase in ECT(0) and
        //# ECN-CE counts is less than the number of newly acknowledged packets that
        //# were originally sent with an ECT(0) marking.
        if ect0.saturating_add(ce) < marked {
            self.fail("marks were removed");
            return false;
        }
        //= rfc9000#section-13.4.2.1
        //# ECN validation can fail if the received total count for either ECT(0) or ECT(1)
        //# exceeds the total number of packets sent with each corresponding ECT codepoint.
        if new.ect1 > 0 || new.ect0 > self.sent || new.ce > self.sent {
            self.fail("more marks than packets");
            return false;
        }
        if marked > 0 {
            self.state = State::Capable;
        }
        ce > 0
    }

    fn fail(&mut self, why: &str) {
        qdebug!("ECN validation failed: {why}");
        self.state = State::Failed;
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Ecn;

    use super::{EcnPath, TEST_PACKETS};
    use crate::{space::PacketNumberSpace::ApplicationData, wire::frame::EcnCounts};

    const fn counts(ect0: u64, ect1: u64, ce: u64) -> EcnCounts {
        EcnCounts { ect0, ect1, ce }
    }

    fn tested() -> EcnPath {
        let mut p = EcnPath::new();
        for _ in 0..TEST_PACKETS {
            assert_eq!(p.mark(), Ecn::Ect0);
            p.on_sent(p.mark());
        }
        assert_eq!(p.mark(), Ecn::NotEct, "waits for the verdict");
        p
    }

    #[test]
    fn marks_that_arrive_go_on() {
        let mut p = tested();
        assert!(!p.on_ack(ApplicationData, 4, Some(counts(4, 0, 0))));
        assert_eq!(p.mark(), Ecn::Ect0);
        p.on_sent(Ecn::Ect0);
        assert!(
            p.on_ack(ApplicationData, 2, Some(counts(5, 0, 1))),
            "one of them saw congestion"
        );
        assert!(!p.on_ack(ApplicationData, 1, Some(counts(6, 0, 1))));
        assert_eq!(p.mark(), Ecn::Ect0);
    }

    //= rfc9000#section-13.4.2.1 type=test
    //# If an ACK frame newly acknowledges a packet that the endpoint sent with
    //# either the ECT(0) or ECT(1) codepoint set, ECN validation fails if the
    //# corresponding ECN counts are not present in the ACK frame.
    #[test]
    fn lies_end_it() {
        // hardening A33
        type Acks<'a> = &'a [(u64, Option<EcnCounts>)];
        let lies: [Acks<'_>; 5] = [
            &[(1, None)],
            &[(2, Some(counts(1, 0, 0)))],
            &[(1, Some(counts(1, 1, 0)))],
            &[(1, Some(counts(11, 0, 0)))],
            &[(3, Some(counts(3, 0, 0))), (0, Some(counts(2, 0, 0)))],
        ];
        for acks in lies {
            let mut p = tested();
            for (marked, counts) in acks {
                assert!(!p.on_ack(ApplicationData, *marked, *counts));
            }
            assert_eq!(p.mark(), Ecn::NotEct, "{acks:?}");
            assert!(
                !p.on_ack(ApplicationData, 1, Some(counts(9, 0, 9))),
                "and stays so"
            );
        }
    }

    #[test]
    fn a_new_path_goes_on_counting() {
        let mut old = tested();
        assert!(!old.on_ack(ApplicationData, 10, Some(counts(10, 0, 0))));
        let mut new = EcnPath::after(&old);
        for _ in 0..3 {
            assert_eq!(new.mark(), Ecn::Ect0);
            new.on_sent(new.mark());
        }
        assert!(new.on_ack(ApplicationData, 3, Some(counts(12, 0, 1))));
        assert_eq!(new.mark(), Ecn::Ect0);
    }

    #[test]
    fn unmarked_packets_prove_nothing() {
        let mut p = tested();
        assert!(!p.on_ack(ApplicationData, 0, None));
        assert_eq!(p.mark(), Ecn::NotEct);
        assert!(!p.on_ack(ApplicationData, 1, Some(counts(1, 0, 0))));
        assert_eq!(p.mark(), Ecn::Ect0);
    }
}
