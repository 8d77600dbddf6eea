//! The configuration of an encoder and a decoder.

/// How field sections are compressed.
///
/// The dynamic table capacity and the number of blocked streams are zero, which are also the defaults of the settings
/// that announce them (RFC 9204, Section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    use_huffman: bool,
}

impl Settings {
    /// The default settings.
    #[must_use]
    pub const fn new() -> Self {
        Self { use_huffman: true }
    }

    /// Whether strings are Huffman encoded where that is shorter. On by default; without it encoding is faster and
    /// takes about a quarter more bytes.
    #[must_use]
    pub const fn use_huffman(mut self, v: bool) -> Self {
        self.use_huffman = v;
        self
    }

    /// Whether strings are Huffman encoded where that is shorter.
    #[must_use]
    pub const fn get_use_huffman(&self) -> bool {
        self.use_huffman
    }

    /// The value of `SETTINGS_QPACK_MAX_TABLE_CAPACITY` that a decoder announces, in bytes.
    #[must_use]
    pub const fn get_max_table_size_decoder(&self) -> u64 {
        0
    }

    /// The value of `SETTINGS_QPACK_BLOCKED_STREAMS` that a decoder announces.
    #[must_use]
    pub const fn get_max_blocked_streams(&self) -> u16 {
        0
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
