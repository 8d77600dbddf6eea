//! The receiver's window: how much credit is given ahead of what was consumed, and how it grows.

use std::time::{Duration, Instant};

use super::credit::Credit;

/// A receive window, of a stream or of the connection, in bytes.
#[derive(Debug)]
pub(crate) struct Window {
    /// What was advertised, and the largest offset received (or their sum).
    credit: Credit,
    /// What the application read or what was discarded.
    consumed: u64,
    /// How far ahead of `consumed` credit is given.
    size: u64,
    /// How far `size` may grow.
    cap: u64,
    /// When the limit was last raised because half of the window was consumed.
    raised: Option<Instant>,
}

impl Window {
    /// A window of `size` that may grow to `cap`.
    pub(crate) const fn new(size: u64, cap: u64) -> Self {
        Self {
            credit: Credit::new(size),
            consumed: 0,
            size,
            cap: if cap > size { cap } else { size },
            raised: None,
        }
    }

    /// What was received in all, by largest offset.
    pub(crate) const fn received(&self) -> u64 {
        self.credit.used()
    }

    /// What was consumed in all.
    pub(crate) const fn consumed(&self) -> u64 {
        self.consumed
    }

    /// How far ahead credit is given.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Counts `n` more bytes received. The answer is no if the peer had no credit for that.
    pub(crate) const fn receive(&mut self, n: u64) -> bool {
        self.credit.take(n)
    }

    /// Counts `n` more bytes consumed, which were received before.
    pub(crate) const fn consume(&mut self, n: u64) {
        self.consumed += n;
        debug_assert!(self.consumed <= self.credit.used());
    }

    /// Whether the peer should be told of new credit: when half of the window is consumed.
    pub(crate) const fn is_due(&self) -> bool {
        self.next_limit() - self.credit.limit() >= self.size.div_ceil(2) && self.size > 0
    }

    const fn next_limit(&self) -> u64 {
        let next = self.consumed.saturating_add(self.size);
        if next > self.credit.limit() {
            next
        } else {
            self.credit.limit()
        }
    }

    /// Whether any credit can be given that was not, however little.
    pub(crate) const fn has_more(&self) -> bool {
        self.next_limit() > self.credit.limit()
    }

    /// Raises the limit, and the window if the last half of it went in less than two round trips:
    /// then the window and not the path held the sender back. Returns the limit to advertise.
    pub(crate) fn advertise(&mut self, now: Instant, rtt: Duration) -> u64 {
        if self.is_due() {
            let quick = self
                .raised
                .is_some_and(|t| now.saturating_duration_since(t) < rtt.saturating_mul(2));
            if quick {
                self.grow(self.size.saturating_mul(2));
            }
            self.raised = Some(now);
        }
        self.credit.raise(self.next_limit());
        self.credit.limit()
    }

    /// Makes the window at least `size`, as far as its cap allows.
    pub(crate) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size.min(self.cap));
    }

    /// Sets the window as the application wants it; it does not grow past that by itself.
    /// Credit that was given stays given (RFC 9000 §4.1).
    pub(crate) const fn set(&mut self, size: u64) {
        self.size = size;
        self.cap = size;
    }
}
