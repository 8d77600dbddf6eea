//! The Huffman code of RFC 7541, Appendix B.
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their symbols, and longer codes
//! follow shorter ones. So the 257 lengths are the whole code, and every table here is computed from them when this is
//! compiled.
//!
//! Decoding looks the next 8 bits up, which finds every symbol that is common in field lines. Longer codes are found by
//! their length: the first length whose last code is not below the next bits.

/// Why a string cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The string contains the end-of-string symbol, or its padding is longer than 7 bits or not all ones.
    Invalid,
    /// The decoded string is longer than the limit.
    TooLong,
}

const SYMBOLS: usize = 257;
const MAX_LEN: usize = 30;

/// Lengths of the codes in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Everything that follows from the lengths.
struct Code {
    /// The code of each symbol, in its low bits.
    codes: [u32; SYMBOLS],
    /// Symbols in the order of their codes.
    sorted: [u16; SYMBOLS],
    /// For each length, one more than its last code, left-aligned to 32 bits (or the same for the length before).
    ends: [u64; MAX_LEN + 1],
    /// For each length, its first code less the place of that in `sorted`. Never negative, because each symbol before
    /// stands for at least one code of this length.
    offsets: [u32; MAX_LEN + 1],
    /// For each value of the next 8 bits, the symbol and the length of its code; the length is 0 when it is longer.
    short: [(u8, u8); 256],
}

const CODE: Code = build();
static CODES: [u32; SYMBOLS] = CODE.codes;
static SORTED: [u16; SYMBOLS] = CODE.sorted;
static ENDS: [u64; MAX_LEN + 1] = CODE.ends;
static OFFSETS: [u32; MAX_LEN + 1] = CODE.offsets;
static SHORT: [(u8, u8); 256] = CODE.short;

#[expect(
    clippy::cast_possible_truncation,
    reason = "runs in the compiler; symbols are below 257 and short ones below 256"
)]
const fn build() -> Code {
    let mut c = Code {
        codes: [0; SYMBOLS],
        sorted: [0; SYMBOLS],
        ends: [0; MAX_LEN + 1],
        offsets: [0; MAX_LEN + 1],
        short: [(0, 0); 256],
    };
    let (mut next, mut count, mut len) = (0_u32, 0_usize, 1_usize);
    while len <= MAX_LEN {
        next <<= 1;
        c.offsets[len] = next - count as u32;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == len {
                c.codes[symbol] = next;
                c.sorted[count] = symbol as u16;
                if len <= 8 {
                    let mut i = (next as usize) << (8 - len);
                    let end = ((next as usize) + 1) << (8 - len);
                    while i < end {
                        c.short[i] = (symbol as u8, len as u8);
                        i += 1;
                    }
                }
                next += 1;
                count += 1;
            }
            symbol += 1;
        }
        c.ends[len] = (next as u64) << (32 - len);
        len += 1;
    }
    // A prefix code without gaps: the lengths are plausible.
    assert!(next == 1 << MAX_LEN && count == SYMBOLS);
    c
}

/// How many bytes `input` takes when encoded.
#[must_use]
#[inline]
pub fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input
        .iter()
        .map(|&b| usize::from(LENGTHS[usize::from(b)]))
        .sum();
    bits.div_ceil(8)
}

/// Appends the encoded form of `input` to `out`.
#[inline]
pub fn encode(input: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0_u32);
    for &b in input {
        let symbol = usize::from(b);
        let len = u32::from(LENGTHS[symbol]);
        bits = bits << len | u64::from(CODES[symbol]);
        count += len;
        // At most 31 bits wait, so that the longest code fits above them.
        if count >= 32 {
            count -= 32;
            let word = (bits >> count) & u64::from(u32::MAX);
            out.extend_from_slice(&word.to_be_bytes()[4..]);
        }
    }
    let padding = count.wrapping_neg() % 8;
    bits = bits << padding | ((1 << padding) - 1);
    count += padding;
    while count > 0 {
        count -= 8;
        out.push((bits >> count).to_le_bytes()[0]);
    }
}

/// Appends the decoded form of `input`, which may be no longer than `limit` bytes, to `out`.
///
/// # Errors
/// [`DecodeError::Invalid`] when `input` is not a string of this code, [`DecodeError::TooLong`] when the limit is passed.
/// `out` then holds what was decoded so far.
pub fn decode(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let max = out.len().saturating_add(limit);
    out.reserve(input.len().saturating_mul(8).div_ceil(5).min(limit));
    let mut rest = input;
    // The next bits, left-aligned; those behind `count` are zero.
    let (mut bits, mut count) = (0_u64, 0_u32);
    loop {
        while count <= 56 {
            let Some((&b, r)) = rest.split_first() else {
                break;
            };
            bits |= u64::from(b) << (56 - count);
            count += 8;
            rest = r;
        }
        //= rfc7541#section-5.2
        //# A padding strictly longer than 7 bits MUST be treated as a decoding error.
        //# A padding not corresponding to the most significant bits of the code for the
        //# EOS symbol MUST be treated as a decoding error.
        if count < 8 && bits.leading_ones() >= count {
            // Nothing, or padding: the most significant bits of EOS. No symbol is all ones within 7 bits.
            return Ok(());
        }
        let (symbol, len) = next_symbol(bits)?;
        if len > count {
            return Err(DecodeError::Invalid);
        }
        if out.len() >= max {
            return Err(DecodeError::TooLong);
        }
        out.push(symbol);
        bits <<= len;
        count -= len;
    }
}

/// The symbol that left-aligned `bits` begin with, and the length of its code.
#[inline]
fn next_symbol(bits: u64) -> Result<(u8, u32), DecodeError> {
    let (symbol, len) = SHORT[usize::from(bits.to_be_bytes()[0])];
    if len != 0 {
        return Ok((symbol, u32::from(len)));
    }
    let word = bits >> 32;
    let longer = ENDS.iter().zip(&OFFSETS).zip(0_u32..).skip(10);
    for ((&end, &offset), len) in longer {
        if word < end {
            let at = (word >> (32 - len)) - u64::from(offset);
            let symbol = usize::try_from(at).ok().and_then(|at| SORTED.get(at));
            //= rfc7541#section-5.2
            //# A Huffman-encoded string literal containing the EOS symbol MUST be treated as
            //# a decoding error.
            return symbol
                .and_then(|&s| u8::try_from(s).ok())
                .map(|s| (s, len))
                .ok_or(DecodeError::Invalid);
        }
    }
    Err(DecodeError::Invalid)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

    use super::{CODES, DecodeError, LENGTHS, decode, encode, encoded_len};

    fn decoded(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        decode(input, usize::MAX, &mut out).map(|()| out)
    }

    fn encoded(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(input, &mut out);
        out
    }

    /// RFC 7541, Sections C.4 and C.6.
    #[test]
    fn rfc7541_examples() {
        for (hex, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
                "https://www.example.com",
            ),
            ("640eff", "307"),
            (
                "d07abe941054d444a8200595040b8166e084a62d1bff",
                "Mon, 21 Oct 2013 20:13:22 GMT",
            ),
            ("9bd9ab", "gzip"),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ] {
            let bytes = hex::decode(hex).unwrap();
            assert_eq!(decoded(&bytes).unwrap(), text.as_bytes());
            assert_eq!(encoded(text.as_bytes()), bytes);
            assert_eq!(encoded_len(text.as_bytes()), bytes.len());
        }
    }

    #[test]
    fn codes_of_the_appendix() {
        for (symbol, code, len) in [
            (0, 0x1ff8, 13),
            (usize::from(b' '), 0x14, 6),
            (usize::from(b'0'), 0, 5),
            (usize::from(b'\\'), 0x7fff0, 19),
            (usize::from(b'z'), 0x7b, 7),
            (128, 0xfffe6, 20),
            (203, 0x7ff_ffde, 27),
            (255, 0x3ff_ffee, 26),
            (256, 0x3fff_ffff, 30),
        ] {
            assert_eq!((CODES[symbol], LENGTHS[symbol]), (code, len), "{symbol}");
        }
    }

    #[test]
    fn every_byte() {
        for b in 0..=u8::MAX {
            for n in 1..10 {
                let text = vec![b; n];
                assert_eq!(decoded(&encoded(&text)).unwrap(), text);
            }
        }
    }

    //= rfc7541#section-5.2 type=test
    //# A padding strictly longer than 7 bits MUST be treated as a decoding error.
    //# A padding not corresponding to the most significant bits of the code for the
    //# EOS symbol MUST be treated as a decoding error.
    #[test]
    fn padding() {
        assert_eq!(decoded(&[]).unwrap(), b"");
        // '0' is 00000.
        assert_eq!(decoded(&[0b0000_0111]).unwrap(), b"0");
        assert_eq!(decoded(&[0b0000_0110]), Err(DecodeError::Invalid));
        assert_eq!(decoded(&[0b0000_0000]), Err(DecodeError::Invalid));
        assert_eq!(decoded(&[0b0000_0111, 0xff]), Err(DecodeError::Invalid));
        for n in 1..8 {
            assert_eq!(decoded(&vec![0xff; n]), Err(DecodeError::Invalid), "{n}");
        }
    }

    //= rfc7541#section-5.2 type=test
    //# A Huffman-encoded string literal containing the EOS symbol MUST be treated as
    //# a decoding error.
    #[test]
    fn eos() {
        assert_eq!(
            decoded(&[0xff, 0xff, 0xff, 0xfc]),
            Err(DecodeError::Invalid)
        );
        assert_eq!(
            decoded(&[0xff, 0xff, 0xff, 0xff]),
            Err(DecodeError::Invalid)
        );
        // '0', EOS, '0', padding.
        assert_eq!(
            decoded(&[0x07, 0xff, 0xff, 0xff, 0xe0, 0xff]),
            Err(DecodeError::Invalid)
        );
    }

    #[test]
    fn limit() {
        let bytes = encoded(b"custom-key");
        let mut out = b"before".to_vec();
        assert_eq!(decode(&bytes, 9, &mut out), Err(DecodeError::TooLong));
        assert!(out.len() <= 15);
        out.clear();
        assert_eq!(decode(&bytes, 10, &mut out), Ok(()));
        assert_eq!(out, b"custom-key");
        out.clear();
        assert_eq!(decode(&[], 0, &mut out), Ok(()));
    }

    proptest! {
        #[test]
        fn inverse(text in vec(any::<u8>(), 0..200)) {
            let bytes = encoded(&text);
            prop_assert_eq!(bytes.len(), encoded_len(&text));
            prop_assert_eq!(decoded(&bytes).unwrap(), text);
        }

        /// What decodes is the only encoding of its text.
        #[test]
        fn arbitrary(bytes in vec(any::<u8>(), 0..64)) {
            if let Ok(text) = decoded(&bytes) {
                prop_assert!(text.len() <= bytes.len() * 8 / 5);
                prop_assert_eq!(encoded(&text), bytes);
            }
        }
    }
}
