//! Counters of an encoder or decoder.

/// What an encoder or decoder has seen so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Field sections encoded or decoded.
    pub field_sections: usize,
    /// Bytes of encoded field sections.
    pub encoded_bytes: usize,
    /// Bytes of the same field sections without compression (names and values, without the 32 bytes of overhead).
    pub field_bytes: usize,
    /// Stream Cancellation instructions received (encoder only).
    pub stream_cancelled_recv: usize,
}
