//! ACK frames: validated at once, iterated lazily, never allocated (RFC 9000 §19.3).

use std::ops::RangeInclusive;

use neqo_common::{Decoder, varint};

use super::kind::FrameType;
use crate::{PacketNumber, Violation, wire::put::Put};

/// How many packets arrived with each mark since the beginning (RFC 9000 §19.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EcnCounts {
    pub ect0: u64,
    pub ect1: u64,
    pub ce: u64,
}

/// An ACK frame whose ranges were checked but remain on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckFrame<'a> {
    /// The largest packet number acknowledged.
    pub largest: PacketNumber,
    /// The ACK Delay field, to be multiplied by 2^`ack_delay_exponent` microseconds.
    pub delay: u64,
    /// The ECN counts, if any.
    pub ecn: Option<EcnCounts>,
    /// The smallest packet number of the first range.
    smallest: PacketNumber,
    /// Pairs of gap and length.
    rest: &'a [u8],
}

impl<'a> AckFrame<'a> {
    /// Reads what follows the frame type.
    pub(super) fn decode(dec: &mut Decoder<'a>, with_ecn: bool) -> Result<Self, Violation> {
        const BAD: Violation = Violation::FrameEncoding;
        let mut int = || dec.decode_varint().ok_or(BAD);
        let (largest, delay, count, first) = (int()?, int()?, int()?, int()?);
        //= rfc9000#section-19.3.1
        //# If any computed packet number is negative, an endpoint MUST generate a
        //# connection error of type FRAME_ENCODING_ERROR.
        let smallest = largest.checked_sub(first).ok_or(BAD)?;
        let all = (*dec).as_ref();
        // hardening A8: a range takes two bytes at least, so a count that the packet cannot hold
        // costs nothing, and any other costs what its bytes do.
        if count > u64::try_from(all.len() / 2).unwrap_or(u64::MAX) {
            return Err(BAD);
        }
        let mut low = smallest;
        for _ in 0..count {
            (_, low) = next_range(dec, low).ok_or(BAD)?;
        }
        let rest = all.get(..all.len() - dec.remaining()).ok_or(BAD)?;
        let ecn = with_ecn.then(|| decode_ecn(dec).ok_or(BAD)).transpose()?;
        Ok(Self {
            largest,
            delay,
            ecn,
            smallest,
            rest,
        })
    }

    /// The acknowledged ranges, the largest numbers first. They neither overlap nor touch.
    pub(crate) const fn ranges(&self) -> Ranges<'a> {
        Ranges {
            first: Some(self.smallest..=self.largest),
            low: self.smallest,
            rest: Decoder::new(self.rest),
        }
    }
}

/// Reads a gap and a length below `low`; the largest and smallest number of the range.
#[inline]
fn next_range(dec: &mut Decoder<'_>, low: PacketNumber) -> Option<(PacketNumber, PacketNumber)> {
    let gap = dec.decode_varint()?;
    let len = dec.decode_varint()?;
    // A gap of 0 is one packet wide.
    let largest = low.checked_sub(gap)?.checked_sub(2)?;
    Some((largest, largest.checked_sub(len)?))
}

fn decode_ecn(dec: &mut Decoder<'_>) -> Option<EcnCounts> {
    Some(EcnCounts {
        ect0: dec.decode_varint()?,
        ect1: dec.decode_varint()?,
        ce: dec.decode_varint()?,
    })
}

/// Iterates the ranges of an [`AckFrame`].
#[derive(Clone, Debug)]
pub(crate) struct Ranges<'a> {
    first: Option<RangeInclusive<PacketNumber>>,
    low: PacketNumber,
    rest: Decoder<'a>,
}

impl Iterator for Ranges<'_> {
    type Item = RangeInclusive<PacketNumber>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let (largest, smallest) = next_range(&mut self.rest, self.low)?;
        self.low = smallest;
        Some(smallest..=largest)
    }
}

/// Writes an ACK of as many of `ranges` as fit, the largest numbers first; they neither overlap
/// nor touch. Nothing is written, and false returned, if there is none or even one does not fit.
pub(crate) fn encode<I>(
    put: &mut impl Put,
    delay: u64,
    ecn: Option<EcnCounts>,
    mut ranges: I,
) -> bool
where
    I: Iterator<Item = RangeInclusive<PacketNumber>> + Clone,
{
    let Some(first) = ranges.next() else {
        return false;
    };
    let (smallest, largest) = first.into_inner();
    let Some(count) = fitting(put.remaining(), delay, ecn, smallest..=largest, &ranges) else {
        return false;
    };
    put.byte(if ecn.is_some() {
        FrameType::AckEcn.wire()
    } else {
        FrameType::Ack.wire()
    });
    put.varint(largest);
    put.varint(delay);
    put.varint(count);
    put.varint(largest - smallest);
    let mut low = smallest;
    for _ in 0..count {
        let Some((gap, len)) = ranges.next().and_then(|r| relative(low, &r)) else {
            break;
        };
        put.varint(gap);
        put.varint(len);
        low -= gap + 2 + len;
    }
    if let Some(ecn) = ecn {
        put.varint(ecn.ect0);
        put.varint(ecn.ect1);
        put.varint(ecn.ce);
    }
    true
}

/// The Gap and ACK Range Length fields of `range`, which lies below `low`.
fn relative(low: PacketNumber, range: &RangeInclusive<PacketNumber>) -> Option<(u64, u64)> {
    let gap = low.checked_sub(*range.end())?.checked_sub(2);
    debug_assert!(gap.is_some(), "ranges descend and do not touch");
    Some((gap?, range.end().checked_sub(*range.start())?))
}

/// How many ranges behind the first fit in `room` bytes; `None` if the first one does not.
fn fitting<I>(
    room: usize,
    delay: u64,
    ecn: Option<EcnCounts>,
    first: RangeInclusive<PacketNumber>,
    ranges: &I,
) -> Option<u64>
where
    I: Iterator<Item = RangeInclusive<PacketNumber>> + Clone,
{
    // The count has one byte if it is below 64, two below 16,384: two are set aside.
    const TYPE_AND_COUNT: usize = 1 + 2;
    let ecn_len = ecn.map_or(0, |e| {
        varint::len(e.ect0) + varint::len(e.ect1) + varint::len(e.ce)
    });
    let (mut low, largest) = first.into_inner();
    let fixed = TYPE_AND_COUNT
        + varint::len(largest)
        + varint::len(delay)
        + varint::len(largest.checked_sub(low)?)
        + ecn_len;
    let mut room = room.checked_sub(fixed)?;
    let mut count = 0;
    for range in ranges.clone().take(MAX_COUNT) {
        let Some((gap, len)) = relative(low, &range) else {
            break;
        };
        let Some(left) = room.checked_sub(varint::len(gap) + varint::len(len)) else {
            break;
        };
        room = left;
        count += 1;
        low = *range.start();
    }
    Some(count)
}

/// What a two-byte count can say.
const MAX_COUNT: usize = (1 << 14) - 1;

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use neqo_common::Decoder;
    use proptest::prelude::*;

    use super::{AckFrame, EcnCounts, encode};
    use crate::{
        Violation,
        wire::{
            frame::{Frame, encode as frames},
            put::Put,
        },
    };

    /// Memory of a fixed size.
    struct Room(Vec<u8>, usize);

    impl Put for Room {
        fn remaining(&self) -> usize {
            self.1 - self.0.len()
        }
        fn put(&mut self, bytes: &[u8]) {
            assert!(bytes.len() <= self.remaining());
            self.0.extend_from_slice(bytes);
        }
    }

    fn decode(bytes: &[u8]) -> Result<AckFrame<'_>, Violation> {
        let mut dec = Decoder::new(bytes);
        match Frame::decode(&mut dec)? {
            Frame::Ack(ack) => {
                assert_eq!(dec.remaining(), 0);
                Ok(ack)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ack(fields: &[u64]) -> Vec<u8> {
        let mut out = vec![0x02];
        for f in fields {
            out.varint(*f);
        }
        out
    }

    /// Descending ranges that neither overlap nor touch, from gaps and lengths.
    fn ranges(top: u64, steps: &[(u64, u64)]) -> Vec<RangeInclusive<u64>> {
        let mut out = Vec::new();
        let mut high = top;
        for (gap, len) in steps {
            let Some(low) = high.checked_sub(*len) else {
                break;
            };
            out.push(low..=high);
            let Some(next) = low.checked_sub(gap + 2) else {
                break;
            };
            high = next;
        }
        out
    }

    #[test]
    fn gaps_and_lengths() {
        let bytes = ack(&[1000, 7, 2, 10, 0, 0, 5, 5]);
        let frame = decode(&bytes).unwrap();
        assert_eq!((frame.largest, frame.delay), (1000, 7));
        assert!(frame.ranges().eq([990..=1000, 988..=988, 976..=981]));
        assert_eq!(frame.ecn, None);
    }

    #[test]
    //= rfc9000#section-19.3.1 type=test
    //# If any computed packet number is negative, an endpoint MUST generate a
    //# connection error of type FRAME_ENCODING_ERROR.
    fn below_zero() {
        // hardening A8
        for fields in [
            &[5, 0, 0, 6][..],
            &[5, 0, 1, 5, 0, 0],
            &[5, 0, 1, 3, 0, 1],
            &[5, 0, 1, 3, 1, 0],
            &[5, 0, 1, 3, (1 << 62) - 1, 0],
            &[5, 0, 1, 3, 0, (1 << 62) - 1],
        ] {
            assert_eq!(decode(&ack(fields)), Err(Violation::FrameEncoding));
        }
        assert!(decode(&ack(&[5, 0, 1, 3, 0, 0])).is_ok());
        assert!(decode(&ack(&[5, 0, 0, 5])).is_ok());
    }

    #[test]
    fn count_beyond_the_packet() {
        // hardening A8
        for count in [3, 1 << 14, (1 << 62) - 1] {
            let bytes = ack(&[100, 0, count, 0, 0, 0, 0, 0]);
            assert_eq!(decode(&bytes), Err(Violation::FrameEncoding));
        }
    }

    #[test]
    fn many_ranges_cost_their_bytes() {
        // hardening A8: 2^14 ranges, one pass over 32 KiB
        const N: u64 = 1 << 14;
        let mut fields = vec![4 * N, 0, N, 0];
        fields.extend((0..2 * N).map(|_| 0));
        let bytes = ack(&fields);
        let frame = decode(&bytes).unwrap();
        assert_eq!(frame.ranges().count(), usize::try_from(N).unwrap() + 1);
        assert_eq!(frame.ranges().last(), Some(2 * N..=2 * N));
    }

    #[test]
    fn as_many_as_fit() {
        let all = ranges(10_000, &[(100, 100); 20]);
        for room in 0..120 {
            let mut put = Room(Vec::new(), room);
            if !encode(&mut put, 3, None, all.iter().cloned()) {
                assert!(put.0.is_empty());
                assert!(room < 9, "the first range alone needs no more");
                continue;
            }
            let frame = decode(&put.0).unwrap();
            let n = frame.ranges().count();
            assert!(frame.ranges().eq(all.iter().take(n).cloned()));
            assert!(n == all.len() || put.remaining() < 2 + 2 + 1);
        }
    }

    #[test]
    fn nothing_to_acknowledge() {
        let mut out = Vec::new();
        assert!(!encode(&mut out, 0, None, std::iter::empty()));
        assert!(out.is_empty());
    }

    #[test]
    fn truncated_ecn_counts() {
        let mut out = Vec::new();
        let ecn = EcnCounts {
            ect0: 1,
            ect1: 2,
            ce: 300,
        };
        assert!(encode(&mut out, 0, Some(ecn), [4..=9].into_iter()));
        assert_eq!(decode(&out).unwrap().ecn, Some(ecn));
        for cut in 1..out.len() {
            let mut dec = Decoder::new(&out[..cut]);
            assert_eq!(Frame::decode(&mut dec), Err(Violation::FrameEncoding));
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            top in 0_u64..1 << 62,
            steps in prop::collection::vec((0_u64..1 << 20, 0_u64..1 << 20), 1..40),
            delay in 0_u64..1 << 62,
            counts in prop::option::of(prop::array::uniform3(0_u64..1 << 62)),
        ) {
            let all = ranges(top, &steps);
            prop_assume!(!all.is_empty());
            let ecn = counts.map(|[ect0, ect1, ce]| EcnCounts { ect0, ect1, ce });
            let mut out = Vec::new();
            prop_assert!(frames::ack(&mut out, delay, ecn, all.iter().cloned()));
            let frame = decode(&out).unwrap();
            prop_assert_eq!((frame.largest, frame.delay, frame.ecn), (top, delay, ecn));
            prop_assert!(frame.ranges().eq(all.iter().cloned()));
        }
    }
}
