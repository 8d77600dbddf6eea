use proptest::{collection::vec, prelude::*};

use super::{
    Buffer as _, Decoder, Encoder, IncrementalDecoderBuffer, IncrementalDecoderIgnore,
    IncrementalDecoderUint, MAX_VARINT, SliceBuf, varint,
};

//= rfc9000#section-a.1 type=test
//# the eight-byte sequence 0xc2197c5eff14e88c decodes to the decimal
//# value 151,288,809,941,952,652;
#[test]
fn varint_examples_of_the_rfc() {
    for (hex, v) in [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
    ] {
        let enc = Encoder::from_hex(hex);
        assert_eq!(varint::decode(enc.as_ref()), Some((v, hex.len() / 2)));
        assert_eq!(Encoder::new().encode_varint(v).as_ref(), enc.as_ref());
    }
    // Not minimal, and still valid.
    assert_eq!(varint::decode(&[0x40, 0x25]), Some((37, 2)));
}

#[test]
fn varint_boundaries() {
    for (v, len) in [
        (0, 1),
        (63, 1),
        (64, 2),
        (16_383, 2),
        (16_384, 4),
        ((1 << 30) - 1, 4),
        (1 << 30, 8),
        (MAX_VARINT, 8),
    ] {
        let mut buf = [0xff; 8];
        assert_eq!(varint::encode(v, &mut buf), Some(len));
        assert_eq!(varint::len(v), len);
        assert_eq!(varint::len_from_first(buf[0]), len);
        assert_eq!(varint::decode(&buf), Some((v, len)));
        assert_eq!(varint::decode(&buf[..len - 1]), None);
        assert_eq!(varint::encode(v, &mut buf[..len - 1]), None);
    }
    assert_eq!(varint::encode(MAX_VARINT + 1, &mut [0; 8]), None);
    assert_eq!(varint::len(u64::MAX), 8);
}

#[test]
#[should_panic(expected = "62 bits")]
fn encode_varint_refuses_what_has_no_encoding() {
    Encoder::new().encode_varint(MAX_VARINT + 1);
}

#[test]
fn decoder_moves_only_on_success() {
    let mut d = Decoder::new(&[0x02, 0xaa, 0xbb, 0x41]);
    assert_eq!(d.decode(5), None);
    assert_eq!(d.decode_n(9), None);
    assert_eq!(d.decode_uint::<u64>(), None);
    assert_eq!(d.decode_array::<5>(), None);
    assert_eq!(d.decode_vec(2), None);
    assert_eq!(d.offset(), 0);
    assert_eq!(d.decode_vvec(), Some(&[0xaa, 0xbb][..]));
    assert_eq!((d.offset(), d.remaining()), (3, 1));
    assert_eq!(d.decode_varint(), None);
    assert_eq!(d.decode_vvec(), None);
    assert_eq!(d.skip_vec(1), None);
    assert_eq!(d.peek_byte(), Some(0x41));
    assert_eq!(d.decode_byte(), Some(0x41));
    assert_eq!(d.peek_byte(), None);
    assert_eq!(d.decode_byte(), None);
    assert!(d.is_empty());
}

#[test]
fn decoder_reads_in_order() {
    let enc = Encoder::from_hex("0102030405060708090a0b0000000c02dddd01ee");
    let mut d = enc.as_decoder();
    assert_eq!(d.decode_uint(), Some(1_u8));
    assert_eq!(d.decode_uint(), Some(0x0203_u16));
    assert_eq!(d.decode_uint(), Some(0x0405_0607_u32));
    assert_eq!(d.decode_n(3), Some(0x08_090a));
    assert_eq!(d.decode_array(), Some(&[0x0b]));
    assert_eq!(d.skip_while(0), 3);
    assert_eq!(d.skip_while(0), 0);
    d.skip(1);
    let tail = d.as_ref();
    assert_eq!(d.skip_vvec(), Some(()));
    assert_eq!(d.skip_vec(1), Some(()));
    assert_eq!(tail.len(), 5);
    d.skip(1);
    assert!(d.decode_remainder().is_empty());
    assert_eq!(d.offset(), enc.len());
}

#[test]
fn decoders_compare_what_is_left() {
    let mut a = Decoder::new(&[1, 2, 3]);
    a.skip(1);
    assert_eq!(a, Decoder::new(&[2, 3]));
    assert_ne!(a, Decoder::from(&vec![2]));
    assert_eq!(format!("{a:?}"), "Decoder@1 [2]: 0203");
}

#[test]
fn encoder_primitives() {
    let mut enc = Encoder::with_capacity(16);
    enc.encode_byte(1)
        .encode_uint(3, 0xff02_0304_u64)
        .encode([5, 6])
        .encode_vec(2, &[7])
        .encode_vvec(&[8, 9])
        .encode_len(70_usize);
    enc.pad_to(16, 0xee);
    enc.pad_to(3, 0);
    assert_eq!(
        enc,
        Encoder::from_hex("010203040506000107020809")
            .encode_varint(70_u8)
            .pad_ee()
    );
    enc.truncate(2);
    assert_eq!(format!("{enc:?}"), "Encoder [2]: 0102");
    enc.as_mut()[0] = 0xaa;
    enc.skip(1);
    assert_eq!(Vec::from(enc.clone()), [2]);
    enc.skip(2);
    assert!(enc.is_empty());
    assert_eq!(Encoder::vvec_len(64), 66);
}

impl Encoder {
    fn pad_ee(&mut self) -> Self {
        self.pad_to(16, 0xee);
        self.clone()
    }
}

#[test]
fn encoder_writes_text() {
    use std::fmt::Write as _;
    let mut enc = Encoder::new();
    write!(enc, "{}-{}", 1, 'x'.len_utf8()).unwrap();
    assert_eq!(enc.as_ref(), b"1-1");
    let mut small = [0; 2];
    assert!(write!(Encoder::new_borrowed_slice(&mut small), "abc").is_err());
}

#[test]
fn borrowed_vec_keeps_what_is_there() {
    let mut v = vec![1, 2];
    let mut enc = Encoder::new_borrowed_vec(&mut v);
    assert_eq!(enc.len(), 2);
    enc.encode_vvec_with(|e| {
        e.encode_byte(3);
    });
    assert_eq!(v, [1, 2, 1, 3]);
}

#[test]
#[should_panic(expected = "does not fit in 1 bytes")]
fn encode_vec_refuses_a_length_that_does_not_fit() {
    Encoder::new().encode_vec(1, &[0; 256]);
}

#[test]
fn slice_takes_all_or_nothing() {
    let mut mem = [0; 4];
    let mut enc = Encoder::new_borrowed_slice(&mut mem);
    enc.encode_uint(2, 0x0102_u16);
    assert_eq!(enc.remaining(), 2);
    enc.encode([3, 4, 5]);
    assert!(enc.has_overflowed());
    assert_eq!((enc.len(), enc.remaining()), (2, 0));
    // Nothing may follow a hole.
    enc.encode_byte(9);
    assert_eq!(enc.as_ref(), [1, 2]);
    enc.truncate(1);
    assert!(!enc.has_overflowed());
    enc.encode([7, 8, 9]);
    assert_eq!(enc.remaining(), 0);
    assert!(!enc.has_overflowed());
    assert_eq!(enc.into_written(), [1, 7, 8, 9]);
}

#[test]
fn slice_through_a_reference() {
    let mut mem = [0; 3];
    let mut buf = SliceBuf::new(&mut mem);
    let mut enc = Encoder::from_buffer(&mut buf);
    enc.encode_byte(1).encode_varint(MAX_VARINT);
    assert!(enc.has_overflowed());
    assert_eq!(buf.position(), 1);
    assert_eq!(buf.as_slice(), [1]);
    assert!(!buf.is_empty());
}

#[test]
fn incremental_decoders_are_reusable_or_spent() {
    let mut uint = IncrementalDecoderUint::default();
    assert_eq!(uint.min_remaining(), 1);
    let mut d = Decoder::new(&[0x80, 0x00]);
    assert_eq!(uint.consume(&mut d), None);
    assert!(uint.decoding_in_progress());
    assert_eq!(uint.min_remaining(), 2);
    let mut d = Decoder::new(&[0x01, 0x02, 0x05, 0x06]);
    assert_eq!(uint.consume(&mut d), Some(0x0102));
    assert!(!uint.decoding_in_progress());
    assert_eq!(uint.consume(&mut d), Some(5));
    assert_eq!(d.remaining(), 1);

    let mut nothing = Decoder::default();
    assert_eq!(
        IncrementalDecoderBuffer::new(0).consume(&mut nothing),
        Some(vec![])
    );
    assert!(IncrementalDecoderIgnore::new(0).consume(&mut nothing));
    assert!(!IncrementalDecoderIgnore::new(usize::MAX).consume(&mut nothing));
}

/// Feeds `data` in pieces that end at `cuts` to `f` until it has an answer, and returns the answer
/// with the number of bytes consumed.
fn feed<T>(
    data: &[u8],
    cuts: &[usize],
    mut f: impl FnMut(&mut Decoder<'_>) -> Option<T>,
) -> Option<(T, usize)> {
    let mut ends: Vec<usize> = cuts.iter().map(|&c| c.min(data.len())).collect();
    ends.push(data.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        let mut d = Decoder::new(&data[start..end]);
        if let Some(v) = f(&mut d) {
            return Some((v, start + d.offset()));
        }
        assert_eq!(d.remaining(), 0, "an incomplete item takes everything");
        start = end;
    }
    None
}

/// Values whose lengths as varints are evenly spread.
fn any_varint() -> impl Strategy<Value = u64> {
    (0..=62_u32, any::<u64>()).prop_map(|(bits, v)| v & ((1 << bits) - 1))
}

proptest! {
    #[test]
    fn varint_round_trip(v in any_varint(), tail in vec(any::<u8>(), 0..4)) {
        let mut owned = Encoder::new();
        owned.encode_varint(v).encode(&tail);
        let mut mem = [0; 16];
        let mut slice = Encoder::new_borrowed_slice(&mut mem);
        slice.encode_varint(v).encode(&tail);
        prop_assert_eq!(owned.as_ref(), slice.as_ref());
        prop_assert_eq!(owned.len(), varint::len(v) + tail.len());
        let mut d = owned.as_decoder();
        prop_assert_eq!(d.decode_varint(), Some(v));
        prop_assert_eq!(d.decode_remainder(), &tail[..]);
    }

    #[test]
    fn varint_decoding_is_total(data in vec(any::<u8>(), 0..12)) {
        if let Some((v, n)) = varint::decode(&data) {
            prop_assert!(v <= MAX_VARINT);
            prop_assert!(varint::len(v) <= n && n <= data.len());
            prop_assert_eq!(varint::len_from_first(data[0]), n);
        } else {
            prop_assert!(data.first().is_none_or(|f| varint::len_from_first(*f) > data.len()));
        }
    }

    #[test]
    fn uint_round_trip(n in 1..=8_usize, v in any::<u64>()) {
        let v = v >> (64 - 8 * n);
        let mut enc = Encoder::new();
        enc.encode_uint(n, v);
        prop_assert_eq!(enc.len(), n);
        prop_assert_eq!(enc.as_decoder().decode_n(n), Some(v));
    }

    #[test]
    fn vec_with_equals_vec(data in vec(any::<u8>(), 0..20_000), n in 2..=8_usize) {
        let (mut a, mut b) = (Encoder::new(), Encoder::new());
        a.encode_byte(0xcc).encode_vvec(&data).encode_vec(n, &data);
        b.encode_byte(0xcc)
            .encode_vvec_with(|e| { e.encode(&data); })
            .encode_vec_with(n, |e| { e.encode(&data); });
        prop_assert_eq!(&a, &b);
        let mut d = a.as_decoder();
        d.skip(1);
        prop_assert_eq!(d.decode_vvec(), Some(&data[..]));
        prop_assert_eq!(d.decode_vec(n), Some(&data[..]));
        prop_assert!(d.is_empty());
    }

    #[test]
    fn slices_never_panic(
        room in 0..100_usize,
        ops in vec((0..7_u8, any_varint(), vec(any::<u8>(), 0..80)), 0..8),
    ) {
        let mut mem = vec![0; room];
        let mut slice = Encoder::new_borrowed_slice(&mut mem);
        let mut owned = Encoder::new();
        for (op, v, data) in ops {
            apply(&mut slice, op, v, &data);
            apply(&mut owned, op, v, &data);
        }
        prop_assert!(slice.len() <= room);
        prop_assert_eq!(slice.has_overflowed(), owned.len() > room);
        if !slice.has_overflowed() {
            prop_assert_eq!(slice.as_ref(), owned.as_ref());
        }
    }

    #[test]
    fn decoder_is_total(data in vec(any::<u8>(), 0..64), ops in vec((0..9_u8, any::<usize>()), 0..16)) {
        let mut d = Decoder::new(&data);
        for (op, n) in ops {
            match op {
                0 => { d.decode(n % 80); }
                1 => { d.decode_varint(); }
                2 => { d.decode_vvec(); }
                3 => { d.decode_vec(n % 10); }
                4 => { d.decode_n(n % 10); }
                5 => { d.decode_uint::<u32>(); }
                6 => { d.skip_while(0); }
                7 => { d.decode(n); }
                _ => d.skip(n % 8),
            }
            prop_assert_eq!(d.offset() + d.remaining(), data.len());
            prop_assert_eq!(d.as_ref(), &data[d.offset()..]);
        }
    }

    #[test]
    fn incremental_uint_equals_whole(
        data in vec(any::<u8>(), 0..12),
        cuts in vec(0..12_usize, 0..6),
    ) {
        let mut inc = IncrementalDecoderUint::default();
        let pieces = feed(&data, &cuts, |d| inc.consume(d));
        prop_assert_eq!(pieces, varint::decode(&data));
        prop_assert_eq!(inc.decoding_in_progress(), pieces.is_none() && !data.is_empty());
    }

    #[test]
    fn incremental_buffer_equals_whole(
        data in vec(any::<u8>(), 0..40),
        n in 0..50_usize,
        cuts in vec(0..40_usize, 0..6),
    ) {
        let mut buffer = IncrementalDecoderBuffer::new(n);
        let pieces = feed(&data, &cuts, |d| buffer.consume(d));
        prop_assert_eq!(pieces, data.get(..n).map(|v| (v.to_vec(), n)));
        prop_assert_eq!(buffer.min_remaining(), n.saturating_sub(data.len()));

        let mut ignore = IncrementalDecoderIgnore::new(n);
        let pieces = feed(&data, &cuts, |d| ignore.consume(d).then_some(()));
        prop_assert_eq!(pieces, data.get(..n).map(|_| ((), n)));
        prop_assert_eq!(ignore.min_remaining(), n.saturating_sub(data.len()));
    }
}

fn apply<B: super::Buffer>(enc: &mut Encoder<B>, op: u8, v: u64, data: &[u8]) {
    match op {
        0 => enc.encode(data),
        1 => enc.encode_varint(v),
        2 => enc.encode_vvec(data),
        3 => enc.encode_vec(1, data),
        4 => enc.encode_uint(8, v),
        5 => enc.encode_vvec_with(|e| {
            e.encode(data);
        }),
        _ => enc.encode_vec_with(2, |e| {
            e.encode(data);
        }),
    };
}
