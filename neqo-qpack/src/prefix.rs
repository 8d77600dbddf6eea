//! Prefixed integers (RFC 7541, Section 5.1), bounded to the 62 bits that RFC 9204, Section 4.1.1 asks for.

/// The largest integer that is accepted.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// An integer is longer than 62 bits, or bytes are missing where they cannot come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends `value` with a prefix of `bits` bits (1 to 8) to `out`. `flags` fills the bits above the prefix.
#[inline]
pub(crate) fn encode(value: u64, bits: u8, flags: u8, out: &mut Vec<u8>) {
    debug_assert!((1..=8).contains(&bits) && value <= MAX);
    let full = u8::MAX >> (8 - bits);
    debug_assert_eq!(flags & full, 0);
    if value < u64::from(full) {
        out.push(flags | value.to_le_bytes()[0]);
        return;
    }
    out.push(flags | full);
    let mut rest = value - u64::from(full);
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// An integer whose prefix was all ones, to be completed byte by byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntReader {
    value: u64,
    shift: u32,
}

impl IntReader {
    /// Reads the last `bits` bits of `first`: the integer, or a reader for the bytes that follow.
    #[inline]
    pub(crate) const fn start(first: u8, bits: u8) -> Result<u64, Self> {
        let full = u8::MAX >> (8 - bits);
        let value = (first & full) as u64;
        if value < full as u64 {
            Ok(value)
        } else {
            Err(Self { value, shift: 0 })
        }
    }

    /// Takes the next byte and returns the integer when that was its last.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) -> Result<Option<u64>, Malformed> {
        let part = u64::from(byte & 0x7f);
        // The shift bounds the encoded length too: a tenth continuation byte is never accepted.
        //= rfc9204#section-4.1.1
        //# QPACK implementations MUST be able to decode integers up to and including 62
        //# bits long.
        if self.shift > 56 || part > MAX >> self.shift {
            return Err(Malformed);
        }
        self.value += part << self.shift;
        if self.value > MAX {
            return Err(Malformed);
        }
        self.shift += 7;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

/// Reads a field section that is complete in memory, so that missing bytes are an error.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from `data`.
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// The next byte, unless this is the end.
    #[inline]
    pub(crate) const fn byte(&mut self) -> Option<u8> {
        if let [first, rest @ ..] = self.rest {
            self.rest = rest;
            Some(*first)
        } else {
            None
        }
    }

    /// The integer whose prefix is the last `bits` bits of `first`.
    #[inline]
    pub(crate) fn int(&mut self, first: u8, bits: u8) -> Result<u64, Malformed> {
        let mut reader = match IntReader::start(first, bits) {
            Ok(value) => return Ok(value),
            Err(reader) => reader,
        };
        loop {
            let byte = self.byte().ok_or(Malformed)?;
            if let Some(value) = reader.push(byte)? {
                return Ok(value);
            }
        }
    }

    /// The next `n` bytes.
    #[inline]
    pub(crate) fn take(&mut self, n: u64) -> Result<&'a [u8], Malformed> {
        let n = usize::try_from(n).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `n` bytes, or all there are.
    #[inline]
    pub(crate) fn take_up_to(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{MAX, Malformed, Reader, encode};

    fn decode(data: &[u8], bits: u8) -> Result<u64, Malformed> {
        let mut r = Reader::new(data);
        let first = r.byte().unwrap();
        let v = r.int(first, bits)?;
        assert_eq!(r.byte(), None, "everything was read");
        Ok(v)
    }

    #[test]
    fn rfc7541_examples() {
        for (value, bits, bytes) in [
            (10, 5, &[0b0000_1010][..]),
            (1337, 5, &[0b0001_1111, 0b1001_1010, 0b0000_1010]),
            (42, 8, &[0b0010_1010]),
        ] {
            let mut out = Vec::new();
            encode(value, bits, 0, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(decode(bytes, bits), Ok(value));
        }
    }

    #[test]
    fn flags_stay_above_the_prefix() {
        let mut out = Vec::new();
        encode(63, 6, 0xc0, &mut out);
        assert_eq!(out, [0xff, 0]);
        assert_eq!(decode(&out, 6), Ok(63));
    }

    //= rfc9204#section-4.1.1 type=test
    //# QPACK implementations MUST be able to decode integers up to and including 62
    //# bits long.
    #[test]
    fn limits() {
        for bits in 1..=8 {
            let mut out = Vec::new();
            encode(MAX, bits, 0, &mut out);
            assert_eq!(decode(&out, bits), Ok(MAX), "{bits}");
        }
        // One more than 62 bits.
        let mut over = vec![0x01];
        over.extend([0xff; 8]);
        over.push(0x3f);
        assert_eq!(decode(&over, 1), Err(Malformed));
        // Nine continuation bytes of zeros, then a tenth.
        let mut long = vec![0xff];
        long.extend([0x80; 9]);
        long.push(0);
        assert_eq!(decode(&long, 8), Err(Malformed));
        // Endless.
        assert_eq!(decode(&[0xff; 64], 8), Err(Malformed));
        assert_eq!(decode(&[0xff, 0x80], 8), Err(Malformed), "truncated");
    }

    proptest! {
        #[test]
        fn inverse(value in 0..=MAX, bits in 1..=8_u8) {
            let mut out = Vec::new();
            encode(value, bits, 0, &mut out);
            prop_assert_eq!(decode(&out, bits), Ok(value));
            for end in 1..out.len() {
                prop_assert!(decode(&out[..end], bits).is_err());
            }
        }
    }
}
