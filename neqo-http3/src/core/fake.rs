//! A transport made of queues, for tests.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
};

use bytes::Bytes;
use neqo_common::Role;
use neqo_transport::{Misuse, StreamId, StreamType};

use super::quic::{Quic, QuicRes, Urgency};
use crate::error::AppError;

/// One stream of a [`FakeQuic`].
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent facts that tests look at"
)]
pub(crate) struct FakeStream {
    incoming: VecDeque<Bytes>,
    incoming_fin: bool,
    recv: bool,
    pub(crate) send: bool,
    sent: Vec<u8>,
    /// How much of `sent` went to the other side.
    pub(crate) moved: usize,
    pub(crate) closed: bool,
    space: usize,
    pub(crate) watermark: usize,
    pub(crate) reset: Option<AppError>,
    pub(crate) stopped: Option<AppError>,
    pub(crate) keep_alive: bool,
    pub(crate) urgency: Option<Urgency>,
}

impl Default for FakeStream {
    fn default() -> Self {
        Self {
            incoming: VecDeque::new(),
            incoming_fin: false,
            recv: true,
            send: true,
            sent: Vec::new(),
            moved: 0,
            closed: false,
            space: 1 << 30,
            watermark: 1,
            reset: None,
            stopped: None,
            keep_alive: false,
            urgency: None,
        }
    }
}

impl FakeStream {
    /// What was sent from this offset on.
    pub(crate) fn sent_from(&self, offset: usize) -> &[u8] {
        &self.sent[offset..]
    }
}

/// A connection without packets.
#[derive(Debug)]
pub(crate) struct FakeQuic {
    role: Role,
    created: [u64; 2],
    pub(crate) limit: u64,
    /// How much may be sent on a stream that is created.
    pub(crate) space: usize,
    pub(crate) streams: BTreeMap<StreamId, FakeStream>,
}

impl FakeQuic {
    pub(crate) const fn new(role: Role) -> Self {
        Self {
            role,
            created: [0; 2],
            limit: 100,
            space: 1 << 30,
            streams: BTreeMap::new(),
        }
    }

    /// Everything that was sent on a stream.
    pub(crate) fn sent(&self, id: StreamId) -> &[u8] {
        &self.streams[&id].sent
    }

    pub(crate) fn set_space(&mut self, id: StreamId, space: usize) {
        self.stream(id).unwrap().space = space;
    }

    /// Something arrives. Returns whether the stream is new.
    pub(crate) fn deliver(&mut self, id: StreamId, data: &[u8], fin: bool) -> bool {
        let new = !self.streams.contains_key(&id);
        let stream = self.streams.entry(id).or_default();
        if !data.is_empty() {
            stream.incoming.push_back(Bytes::copy_from_slice(data));
        }
        stream.incoming_fin |= fin;
        new
    }

    /// A reset arrives.
    pub(crate) fn deliver_reset(&mut self, id: StreamId) {
        let stream = self.streams.entry(id).or_default();
        stream.recv = false;
        stream.incoming.clear();
    }

    /// STOP_SENDING arrives.
    pub(crate) fn deliver_stop_sending(&mut self, id: StreamId) {
        self.streams.entry(id).or_default().send = false;
    }

    fn stream(&mut self, id: StreamId) -> QuicRes<&mut FakeStream> {
        self.streams
            .get_mut(&id)
            .ok_or_else(|| Misuse::InvalidStreamId.into())
    }

    fn sender(&mut self, id: StreamId) -> QuicRes<&mut FakeStream> {
        let stream = self.stream(id)?;
        if stream.send && !stream.closed {
            Ok(stream)
        } else {
            Err(Misuse::InvalidStreamId.into())
        }
    }

    fn receiver(&mut self, id: StreamId) -> QuicRes<&mut FakeStream> {
        let stream = self.stream(id)?;
        if stream.recv {
            Ok(stream)
        } else {
            Err(Misuse::NoMoreData.into())
        }
    }
}

impl Quic for FakeQuic {
    fn stream_create(&mut self, stream_type: StreamType) -> QuicRes<StreamId> {
        let created = &mut self.created[usize::from(stream_type == StreamType::UniDi)];
        if *created >= self.limit {
            return Err(Misuse::StreamLimit.into());
        }
        let id = StreamId::nth(stream_type, self.role, *created);
        *created += 1;
        let stream = FakeStream {
            space: self.space,
            ..FakeStream::default()
        };
        self.streams.insert(id, stream);
        Ok(id)
    }

    fn stream_recv_bytes(&mut self, id: StreamId) -> QuicRes<(Option<Bytes>, bool)> {
        let stream = self.receiver(id)?;
        let chunk = stream.incoming.pop_front();
        let fin = stream.incoming_fin && stream.incoming.is_empty();
        stream.recv = !fin;
        Ok((chunk, fin))
    }

    fn stream_avail_send_space(&self, id: StreamId) -> QuicRes<usize> {
        self.streams
            .get(&id)
            .map(|s| s.space)
            .ok_or_else(|| Misuse::InvalidStreamId.into())
    }

    fn stream_send(&mut self, id: StreamId, data: &[u8]) -> QuicRes<usize> {
        let stream = self.sender(id)?;
        let n = data.len().min(stream.space);
        stream.sent.extend_from_slice(&data[..n]);
        stream.space -= n;
        Ok(n)
    }

    fn stream_send_bytes(&mut self, id: StreamId, data: Bytes) -> QuicRes<usize> {
        self.stream_send(id, &data)
    }

    fn stream_set_writable_event_low_watermark(
        &mut self,
        id: StreamId,
        watermark: NonZeroUsize,
    ) -> QuicRes<()> {
        self.sender(id)?.watermark = watermark.get();
        Ok(())
    }

    fn stream_close_send(&mut self, id: StreamId) -> QuicRes<()> {
        self.sender(id)?.closed = true;
        Ok(())
    }

    fn stream_reset_send(&mut self, id: StreamId, error: AppError) -> QuicRes<()> {
        let stream = self.stream(id)?;
        if !stream.send {
            return Err(Misuse::InvalidStreamId.into());
        }
        stream.send = false;
        stream.reset = Some(error);
        Ok(())
    }

    fn stream_stop_sending(&mut self, id: StreamId, error: AppError) -> QuicRes<()> {
        let stream = self.receiver(id)?;
        stream.recv = false;
        stream.stopped = Some(error);
        Ok(())
    }

    fn stream_keep_alive(&mut self, id: StreamId, keep: bool) -> QuicRes<()> {
        self.stream(id)?.keep_alive = keep;
        Ok(())
    }

    fn stream_urgency(&mut self, id: StreamId, urgency: Urgency) -> QuicRes<()> {
        self.sender(id)?.urgency = Some(urgency);
        Ok(())
    }
}
