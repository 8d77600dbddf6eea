//! `Put`: where encoders write, be it a packet in the making or a plain vector.

use neqo_common::varint;

/// A place to append bytes to.
pub trait Put {
    /// How many bytes still fit.
    fn remaining(&self) -> usize;
    /// Appends `bytes`; the caller has checked that they fit.
    fn put(&mut self, bytes: &[u8]);
    /// Appends one byte.
    fn byte(&mut self, b: u8) {
        self.put(&[b]);
    }
    /// Appends a variable-length integer (RFC 9000 §16), at most 2^62-1.
    fn varint(&mut self, v: u64) {
        let mut buf = [0; 8];
        let n = varint::encode(v, &mut buf).unwrap_or_default();
        self.put(&buf[..n]);
    }
}

impl Put for Vec<u8> {
    fn remaining(&self) -> usize {
        isize::MAX.unsigned_abs() - self.len()
    }
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
