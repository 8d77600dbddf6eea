//! What HTTP/3 wants of its transport: a few calls about streams, and nothing else.
//!
//! [`neqo_transport::Connection`] is the implementation. Another one, made of queues, lets the tests of [`super::Core`]
//! say every byte that a peer could say without a handshake.

use std::num::NonZeroUsize;

use bytes::Bytes;
use neqo_transport::{
    Connection, StreamId, StreamType,
    streams::{RetransmissionPriority, TransmissionPriority},
};

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

impl Urgency {
    /// The transport's levels. Requests share three of them, so that what is not a request can be above and below.
    const fn level(self) -> TransmissionPriority {
        match self {
            Self::Control => TransmissionPriority::Important,
            Self::Message(p) => match p.urgency() {
                0..=2 => TransmissionPriority::High,
                3..=5 => TransmissionPriority::Normal,
                _ => TransmissionPriority::Low,
            },
        }
    }
}

impl Quic for Connection {
    fn stream_create(&mut self, stream_type: StreamType) -> QuicRes<StreamId> {
        Self::stream_create(self, stream_type)
    }

    #[inline]
    fn stream_recv_bytes(&mut self, id: StreamId) -> QuicRes<(Option<Bytes>, bool)> {
        Self::stream_recv_bytes(self, id)
    }

    #[inline]
    fn stream_avail_send_space(&self, id: StreamId) -> QuicRes<usize> {
        Self::stream_avail_send_space(self, id)
    }

    #[inline]
    fn stream_send(&mut self, id: StreamId, data: &[u8]) -> QuicRes<usize> {
        Self::stream_send(self, id, data)
    }

    #[inline]
    fn stream_send_bytes(&mut self, id: StreamId, data: Bytes) -> QuicRes<usize> {
        Self::stream_send_bytes(self, id, data)
    }

    fn stream_set_writable_event_low_watermark(
        &mut self,
        id: StreamId,
        watermark: NonZeroUsize,
    ) -> QuicRes<()> {
        Self::stream_set_writable_event_low_watermark(self, id, watermark)
    }

    fn stream_close_send(&mut self, id: StreamId) -> QuicRes<()> {
        Self::stream_close_send(self, id)
    }

    fn stream_reset_send(&mut self, id: StreamId, error: AppError) -> QuicRes<()> {
        Self::stream_reset_send(self, id, error)
    }

    fn stream_stop_sending(&mut self, id: StreamId, error: AppError) -> QuicRes<()> {
        Self::stream_stop_sending(self, id, error)
    }

    fn stream_keep_alive(&mut self, id: StreamId, keep: bool) -> QuicRes<()> {
        Self::stream_keep_alive(self, id, keep)
    }

    fn stream_urgency(&mut self, id: StreamId, urgency: Urgency) -> QuicRes<()> {
        self.stream_priority(id, urgency.level(), RetransmissionPriority::default())?;
        let incremental = matches!(urgency, Urgency::Message(p) if p.incremental());
        self.stream_fairness(id, incremental)
    }
}
