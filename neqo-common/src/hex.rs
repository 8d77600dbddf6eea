//! Bytes as hexadecimal digits, for logs. Nothing is allocated.

use std::fmt::{self, Debug, Display, Formatter};

/// Writes `bytes` as hexadecimal digits.
fn write_hex(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const CHUNK: usize = 32;
    let mut digits = [0; 2 * CHUNK];
    for chunk in bytes.chunks(CHUNK) {
        let used = digits.split_at_mut(2 * chunk.len()).0;
        ::hex::encode_to_slice(chunk, used).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(used).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

/// All bytes: `c0ffee`.
#[derive(Clone, Copy)]
pub struct Hex<T>(T);

impl<T> Hex<T> {
    /// Wraps bytes for display.
    #[must_use]
    pub const fn new(v: T) -> Self {
        Self(v)
    }
}

impl<T: AsRef<[u8]>> Display for Hex<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0.as_ref())
    }
}

impl<T: AsRef<[u8]>> Debug for Hex<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// The number of bytes, then all of them: `[3]: c0ffee`.
#[derive(Clone, Copy)]
pub struct HexWithLen<T>(T);

impl<T> HexWithLen<T> {
    /// Wraps bytes for display.
    #[must_use]
    pub const fn new(v: T) -> Self {
        Self(v)
    }
}

impl<T: AsRef<[u8]>> Display for HexWithLen<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_ref();
        write!(f, "[{}]: ", bytes.len())?;
        write_hex(f, bytes)
    }
}

impl<T: AsRef<[u8]>> Debug for HexWithLen<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// The number of bytes, then the first and the last eight: `[20]: 0001020304050607..0c0d…`.
///
/// Sixteen bytes or fewer are shown whole.
#[derive(Clone, Copy)]
pub struct HexSnipMiddle<T>(T);

impl<T> HexSnipMiddle<T> {
    /// Wraps bytes for display.
    #[must_use]
    pub const fn new(v: T) -> Self {
        Self(v)
    }
}

impl<T: AsRef<[u8]>> Display for HexSnipMiddle<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const END: usize = 8;
        let bytes = self.0.as_ref();
        if bytes.len() <= 2 * END {
            return Display::fmt(&HexWithLen(bytes), f);
        }
        write!(f, "[{}]: ", bytes.len())?;
        write_hex(f, bytes.split_at(END).0)?;
        f.write_str("..")?;
        write_hex(f, bytes.split_at(bytes.len() - END).1)
    }
}

impl<T: AsRef<[u8]>> Debug for HexSnipMiddle<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_all() {
        assert_eq!(Hex::new([]).to_string(), "");
        assert_eq!(Hex::new([0xc0, 0xff, 0xee]).to_string(), "c0ffee");
        assert_eq!(format!("{:?}", HexWithLen::new([0x0a])), "[1]: 0a");
        let long = [0xab; 70];
        assert_eq!(Hex::new(long).to_string(), "ab".repeat(70));
    }

    #[test]
    fn snips_the_middle() {
        let bytes: Vec<u8> = (0..17).collect();
        assert_eq!(
            HexSnipMiddle::new(&bytes).to_string(),
            "[17]: 0001020304050607..090a0b0c0d0e0f10"
        );
        assert_eq!(
            format!("{:?}", HexSnipMiddle::new(bytes.split_last().unwrap().1)),
            "[16]: 000102030405060708090a0b0c0d0e0f"
        );
    }
}
