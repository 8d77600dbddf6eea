//! Packet numbers as they stand in headers: the low 1 to 4 bytes (RFC 9000 §17.1).

use super::put::Put;
use crate::PacketNumber;

/// The most bytes that a packet number has in a header.
pub(crate) const MAX_LEN: usize = 4;

/// One more than the greatest packet number (RFC 9000 §12.3).
const END: PacketNumber = 1 << 62;

/// How many bytes `pn` needs, 1 to 4, if the peer has acknowledged packets up to `largest_acked`
/// in the same space.
//= rfc9000#section-17.1
//# After an acknowledgment is received for a packet number space, the sender MUST
//# use a packet number size able to represent more than twice as large a range as
//# the difference between the largest acknowledged packet number and the packet
pub(crate) const fn len(pn: PacketNumber, largest_acked: Option<PacketNumber>) -> usize {
    let unacked = match largest_acked {
        Some(acked) => pn.saturating_sub(acked),
        None => pn.saturating_add(1),
    };
    match unacked {
        0..0x80 => 1,
        0x80..0x8000 => 2,
        0x8000..0x80_0000 => 3,
        _ => MAX_LEN,
    }
}

/// Writes the low `len` bytes of `pn`.
pub(crate) fn encode(put: &mut impl Put, pn: PacketNumber, len: usize) {
    let bytes = pn.to_be_bytes();
    debug_assert!((1..=MAX_LEN).contains(&len));
    if let Some(low) = bytes.len().checked_sub(len).and_then(|i| bytes.get(i..)) {
        put.put(low);
    }
}

/// The packet number whose low bytes are `bytes` (1 to 4) and that is closest to the one behind
/// `largest`, the largest one opened so far in this space.
//= rfc9000#section-17.1
//# Once header protection is removed, the packet number is decoded by finding the
//# packet number value that is closest to the next expected packet.  The next
//# expected packet is the highest received packet number plus one.
pub(crate) fn decode(bytes: &[u8], largest: Option<PacketNumber>) -> PacketNumber {
    debug_assert!((1..=MAX_LEN).contains(&bytes.len()));
    let truncated = bytes.iter().fold(0, |n, b| (n << 8) | u64::from(*b));
    let window = 1_u64 << (8 * bytes.len());
    let half = window / 2;
    let expected = largest.map_or(0, |l| l + 1);
    let candidate = (expected & !(window - 1)) | truncated;
    if candidate + half <= expected && candidate < END - window {
        candidate + window
    } else if candidate >= window && (candidate > expected + half || candidate >= END) {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode, len};

    fn encoded(pn: u64, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, pn, len);
        out
    }

    #[test]
    fn rfc_9000_a_2() {
        assert_eq!(len(0xac_5c02, Some(0xab_e8b3)), 2);
        assert_eq!(len(0xac_e8fe, Some(0xab_e8b3)), 3);
        assert_eq!(encoded(0xac_5c02, 2), [0x5c, 0x02]);
        assert_eq!(encoded(0xac_e8fe, 3), [0xac, 0xe8, 0xfe]);
    }

    #[test]
    fn rfc_9000_a_3() {
        assert_eq!(decode(&[0x9b, 0x32], Some(0xa82f_30ea)), 0xa82f_9b32);
    }

    #[test]
    //= rfc9000#section-17.1 type=test
    //# After an acknowledgment is received for a packet number space, the sender MUST
    //# use a packet number size able to represent more than twice as large a range as
    //# the difference between the largest acknowledged packet number and the packet
    fn more_than_twice_the_range() {
        for (unacked, bytes) in [
            (1, 1),
            (127, 1),
            (128, 2),
            (0x7fff, 2),
            (0x8000, 3),
            (0x7f_ffff, 3),
            (0x80_0000, 4),
            (1 << 40, 4),
        ] {
            assert_eq!(len(1000 + unacked, Some(1000)), bytes);
            assert_eq!(len(unacked - 1, None), bytes);
        }
    }

    #[test]
    fn first_packets() {
        assert_eq!(decode(&[0], None), 0);
        assert_eq!(decode(&[0x80], None), 0x80);
        assert_eq!(decode(&[0xff], None), 0xff);
        assert_eq!(decode(&[0xff], Some(0)), 0xff);
    }

    #[test]
    fn near_the_end_of_the_range() {
        const LAST: u64 = (1 << 62) - 1;
        assert_eq!(decode(&encoded(LAST, 1), Some(LAST - 1)), LAST);
        assert_eq!(decode(&encoded(LAST, 4), Some(LAST)), LAST);
        assert!(decode(&[0], Some(LAST)) <= LAST);
    }

    proptest! {
        #[test]
        //= rfc9000#section-17.1 type=test
        //# Once header protection is removed, the packet number is decoded by finding the
        //# packet number value that is closest to the next expected packet.  The next
        //# expected packet is the highest received packet number plus one.
        fn what_is_sent_is_decoded(
            acked in 0_u64..1 << 61, unacked in 1_u64..1 << 31, received in any::<u64>()
        ) {
            // The receiver has got something between what it acknowledged and this packet.
            let (pn, largest) = (acked + unacked, acked + received % unacked);
            let bytes = encoded(pn, len(pn, Some(acked)));
            prop_assert_eq!(decode(&bytes, Some(largest)), pn);
        }

        #[test]
        fn never_out_of_range(
            bytes in prop::collection::vec(any::<u8>(), 1..=4), largest in 0_u64..1 << 62
        ) {
            prop_assert!(decode(&bytes, Some(largest)) < 1 << 62);
        }
    }
}
