//! What HTTP/3 wants of its transport: a few calls about streams, and nothing else.
//!
//! [`neqo_transport::Connection`] is the implementation. Another one, made of queues, lets the tests of [`super::Core`]
//! say every byte that a peer could say without a handshake.

use std::num::NonZeroUsize;

use bytes::Bytes;
use neqo_transport::{StreamId, StreamType};

use crate::error::AppError;

/// The result of a transport call.
pub(crate) type QuicRes<T> = Result<T, neqo_transport::Error>;

/// How urgent the data of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// What other streams may depend on.
    Control,
    /// A request or response (RFC 9218).
    Message(crate::Priority),
}

/// A connection with streams. The calls are those of [`neqo_transport::Connection`].
pub(crate) trait Quic {
    fn stream_create(&mut self, stream_type: StreamType) -> QuicRes<StreamId>;
    fn stream_recv_bytes(&mut self, id: StreamId) -> QuicRes<(Option<Bytes>, bool)>;
    fn stream_avail_send_space(&self, id: StreamId) -> QuicRes<usize>;
    fn stream_send(&mut self, id: StreamId, data: &[u8]) -> QuicRes<usize>;
    fn stream_send_bytes(&mut self, id: StreamId, data: Bytes) -> QuicRes<usize>;
    fn stream_set_writable_event_low_watermark(
        &mut self,
        id: StreamId,
        watermark: NonZeroUsize,
    ) -> QuicRes<()>;
    fn stream_close_send(&mut self, id: StreamId) -> QuicRes<()>;
    fn stream_reset_send(&mut self, id: StreamId, error: AppError) -> QuicRes<()>;
    fn stream_stop_sending(&mut self, id: StreamId, error: AppError) -> QuicRes<()>;
    /// Keeps the connection alive as long as this stream has not been read to its end.
    fn stream_keep_alive(&mut self, id: StreamId, keep: bool) -> QuicRes<()>;
    fn stream_urgency(&mut self, id: StreamId, urgency: Urgency) -> QuicRes<()>;
}
