//! Credit under an absolute limit, the same for sender and receiver: bytes of a stream, bytes of
//! the connection, or streams of a type (RFC 9000 §4).

/// How much may be used in all, and how much is. Never `used > limit`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Credit {
    limit: u64,
    used: u64,
}

impl Credit {
    /// No use yet, up to `limit`.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// The absolute limit.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// What was used in all.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// What is left.
    pub(crate) const fn available(&self) -> u64 {
        self.limit - self.used
    }

    /// Lifts the limit. Says whether it was lower.
    //= rfc9000#section-4.1
    //# A sender MUST ignore any MAX_STREAM_DATA or MAX_DATA frames that do not
    //# increase flow control limits.
    pub(crate) const fn raise(&mut self, limit: u64) -> bool {
        let more = limit > self.limit;
        if more {
            self.limit = limit;
        }
        more
    }

    /// Uses `n`, if that much is left. Otherwise nothing changes and the answer is no.
    pub(crate) const fn take(&mut self, n: u64) -> bool {
        let fits = n <= self.available();
        if fits {
            self.used += n;
        }
        fits
    }
}

/// Whether being blocked was told to the peer: once per limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blocked(Option<u64>);

impl Blocked {
    /// Notes being blocked at `limit`. Says whether that is news.
    pub(crate) fn at(&mut self, limit: u64) -> bool {
        self.0.replace(limit) != Some(limit)
    }

    /// The limit at which it was blocked last.
    pub(crate) const fn limit(&self) -> Option<u64> {
        self.0
    }
}
