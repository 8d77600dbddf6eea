//! What STREAM and flow control frames a packet carried.

use crate::stream_id::{StreamId, StreamType};

/// One frame of streams or flow control in a sent packet. Values that change (limits) are not
/// remembered: what is sent again is the current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// STREAM.
    Data {
        /// The stream.
        id: StreamId,
        /// The offset of the data.
        offset: u64,
        /// Its length in bytes.
        len: u32,
        /// Whether the frame ended the stream.
        fin: bool,
    },
    /// `RESET_STREAM`.
    Reset(StreamId),
    /// `STOP_SENDING`.
    StopSending(StreamId),
    /// `MAX_DATA`.
    MaxData,
    /// `MAX_STREAM_DATA`.
    MaxStreamData(StreamId),
    /// `MAX_STREAMS`.
    MaxStreams(StreamType),
    /// `DATA_BLOCKED`.
    DataBlocked,
    /// `STREAM_DATA_BLOCKED`.
    StreamDataBlocked(StreamId),
    /// `STREAMS_BLOCKED`.
    StreamsBlocked(StreamType),
}

// Tokens are stored per frame sent; two fit in a cache line.
const _: () = assert!(size_of::<Token>() <= 32);
