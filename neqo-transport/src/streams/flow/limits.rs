//! Initial limits, as transport parameters carry them, and the limit on how many streams the peer
//! opens.

use super::credit::Credit;
use crate::wire::frame::MAX_STREAMS;

/// The six initial limits of one endpoint (RFC 9000 §18.2). "Local" and "remote" are seen from the
/// endpoint that announces them: local streams are those it initiates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the transport parameters"
)]
pub(crate) struct InitialLimits {
    /// Bytes on all streams together.
    pub(crate) max_data: u64,
    /// Bytes on each bidirectional stream that the announcing endpoint opens.
    pub(crate) max_stream_data_bidi_local: u64,
    /// Bytes on each bidirectional stream that the other endpoint opens.
    pub(crate) max_stream_data_bidi_remote: u64,
    /// Bytes on each unidirectional stream that the other endpoint opens.
    pub(crate) max_stream_data_uni: u64,
    /// Bidirectional streams that the other endpoint opens.
    pub(crate) max_streams_bidi: u64,
    /// Unidirectional streams that the other endpoint opens.
    pub(crate) max_streams_uni: u64,
}

/// What this endpoint announces.
pub(crate) type LocalLimits = InitialLimits;
/// What the peer announced.
pub(crate) type PeerLimits = InitialLimits;

/// How many streams of a type the peer may open.
///
/// The limit moves as streams *end*, and they end only when the application has seen all that
/// happened to them, so a peer that opens and resets in a loop does not outrun it (hardening A13).
#[derive(Debug)]
pub(crate) struct StreamsWindow {
    credit: Credit,
    ended: u64,
    size: u64,
}

impl StreamsWindow {
    pub(crate) fn new(size: u64) -> Self {
        let size = size.min(MAX_STREAMS);
        Self {
            credit: Credit::new(size),
            ended: 0,
            size,
        }
    }

    /// Counts `n` more streams opened. The answer is no if the limit does not allow them.
    pub(crate) const fn open(&mut self, n: u64) -> bool {
        self.credit.take(n)
    }

    /// Counts one more stream ended. Says whether the peer should be told of a new limit: when
    /// a quarter of the window is free again, or when the peer has nothing left.
    pub(crate) fn end(&mut self) -> bool {
        self.ended += 1;
        let more = self.next_limit() - self.credit.limit();
        more > 0 && (more >= self.size / 4 || self.credit.available() == 0)
    }

    /// Whether the limit can be raised at all.
    pub(crate) fn has_more(&self) -> bool {
        self.next_limit() > self.credit.limit()
    }

    fn next_limit(&self) -> u64 {
        (self.ended + self.size).min(MAX_STREAMS)
    }

    /// Raises the limit and returns it.
    pub(crate) fn advertise(&mut self) -> u64 {
        self.credit.raise(self.next_limit());
        self.credit.limit()
    }
}
