//! What the application does with streams.

use std::num::NonZeroUsize;

use bytes::Bytes;

use super::{
    Control, Half, Pool, Streams, Told, nth,
    recv::RecvStream,
    sched::{Priority, RetransmissionPriority, SendGroupId, SendOrder, TransmissionPriority},
    send::SendStream,
    store::Slot,
};
use crate::{
    AppError, Error, Misuse, Res,
    config::limits,
    stream_id::{StreamId, StreamType},
};

/// The largest application error code: a variable-length integer.
const MAX_APP_ERROR: AppError = (1 << 62) - 1;

const fn check_code(error: AppError) -> Res<()> {
    if error > MAX_APP_ERROR {
        return Err(Error::Api(Misuse::InvalidInput));
    }
    Ok(())
}

/// Counters of a stream's sending part, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Taken from the application.
    pub written: u64,
    /// Sent at least once.
    pub sent: u64,
    /// Acknowledged without a gap.
    pub acked: u64,
}

/// Counters of a stream's receiving part, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecvStats {
    /// Received, counted by the largest offset.
    pub received: u64,
    /// Read by the application.
    pub read: u64,
}

impl Streams {
    /// A stream that is live and has this half; [`Misuse::InvalidStreamId`] otherwise.
    fn find(&self, id: StreamId, half: Half) -> Res<Slot> {
        self.store
            .slot(id)
            .filter(|slot| {
                self.store.get(*slot).is_some_and(|s| match half {
                    Half::Send => s.send.is_some(),
                    Half::Recv => s.recv.is_some(),
                })
            })
            .ok_or_else(|| Misuse::InvalidStreamId.into())
    }

    fn sender(&self, id: StreamId) -> Res<&SendStream> {
        self.store
            .slot(id)
            .and_then(|slot| self.store.get(slot)?.send.as_ref())
            .ok_or_else(|| Misuse::InvalidStreamId.into())
    }

    fn receiver(&self, id: StreamId) -> Res<&RecvStream> {
        self.store
            .slot(id)
            .and_then(|slot| self.store.get(slot)?.recv.as_ref())
            .ok_or_else(|| Misuse::InvalidStreamId.into())
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// [`Misuse::StreamLimit`] if the peer allows no more; `SendStreamCreatable` tells when it does.
    //= rfc9000#section-4.6
    //# Endpoints MUST NOT exceed the limit set by their peer.
    pub(crate) fn create(&mut self, stream_type: StreamType) -> Res<StreamId> {
        let i = nth(stream_type);
        let out = &mut self.outbound[i];
        let index = out.credit.used();
        if !out.credit.take(1) {
            self.due.streams_blocked[i] |= out.blocked.at(out.credit.limit());
            return Err(Misuse::StreamLimit.into());
        }
        let id = StreamId::nth(stream_type, self.role, index);
        self.open(id);
        Ok(id)
    }

    /// Runs a write of the application and brings the queues in line.
    fn write_with<T>(
        &mut self,
        id: StreamId,
        f: impl FnOnce(&mut SendStream, &mut Pool, usize) -> Res<T>,
    ) -> Res<T> {
        let slot = self.find(id, Half::Send)?;
        let res = self.with_send(slot, f).ok_or(Misuse::InvalidStreamId)?;
        self.note_crowded(slot);
        self.after_write(slot);
        res
    }

    /// The stream has more or less to send than before.
    pub(super) fn after_write(&mut self, slot: Slot) {
        self.sched.sync(&mut self.store, slot);
        if let Some(send) = self.store.get_mut(slot).and_then(|s| s.send.as_mut())
            && send.newly_blocked()
        {
            self.control(slot, Control::BLOCKED);
        }
    }

    /// Buffers as much of `data` as there is space for; returns how much that is.
    /// What the peer's limits do not allow yet is buffered all the same.
    pub(crate) fn send(&mut self, id: StreamId, data: &[u8]) -> Res<usize> {
        self.write_with(id, |send, pool, left| send.send(data, pool, left))
    }

    /// Like [`Self::send`] without a copy of long data.
    pub(crate) fn send_bytes(&mut self, id: StreamId, data: Bytes) -> Res<usize> {
        self.write_with(id, |send, pool, left| send.send_bytes(data, pool, left))
    }

    /// Buffers all of `data` if there is space and the peer's limits allow all of it now;
    /// else nothing, and `SendStreamWritable` tells when to try again.
    ///
    /// # Errors
    /// [`Misuse::TooMuchData`] if there could never be space.
    pub(crate) fn send_atomic(&mut self, id: StreamId, data: &[u8]) -> Res<bool> {
        if data.len() > limits::MAX_SEND_UNSENT {
            return Err(Misuse::TooMuchData.into());
        }
        let len = data.len() as u64;
        let conn = self.credit.available().saturating_sub(self.unsent);
        let (sent, list) = self.write_with(id, |send, pool, left| {
            send.check_writable()?;
            if data.len() > send.space(left) {
                send.refuse_for_space();
                return Ok((false, false));
            }
            if len > conn.min(send.spare_credit()) {
                return Ok((false, send.refuse_for_credit(len > conn)));
            }
            send.send(data, pool, left)?;
            Ok((true, false))
        })?;
        if list {
            self.waiting.push(id);
            self.due.data_blocked |= self.blocked.at(self.credit.limit());
        }
        Ok(sent)
    }

    /// How much [`Self::send`] would take now.
    pub(crate) fn avail_send_space(&self, id: StreamId) -> Res<usize> {
        Ok(self.sender(id)?.space(self.room.left()))
    }

    /// `SendStreamWritable` comes when there is space for `watermark` bytes (at most the size of
    /// the buffer), and not for less than a quarter of the buffer.
    pub(crate) fn set_writable_event_low_watermark(
        &mut self,
        id: StreamId,
        watermark: NonZeroUsize,
    ) -> Res<()> {
        self.write_with(id, |send, _, left| {
            send.set_watermark(watermark.get(), left);
            Ok(())
        })
    }

    /// Ends the stream behind what was written.
    pub(crate) fn close_send(&mut self, id: StreamId) -> Res<()> {
        self.write_with(id, |send, _, _| send.close())
    }

    /// Makes the peer learn of the stream, even if nothing was written yet.
    pub(crate) fn commit(&mut self, id: StreamId) -> Res<()> {
        self.write_with(id, |send, _, _| {
            send.commit();
            Ok(())
        })
    }

    /// Abandons sending: what is not sent is dropped, what is lost is not sent again.
    pub(crate) fn reset_send(&mut self, id: StreamId, error: AppError) -> Res<()> {
        check_code(error)?;
        if self.write_with(id, |send, pool, _| Ok(send.reset(error, pool)))? {
            let slot = self.find(id, Half::Send)?;
            self.control(slot, Control::RESET);
            self.uncontrol(slot, Control::BLOCKED);
            self.room.queue.remove(&mut self.store, slot);
            self.events.untell(&mut self.store, slot, Told::WRITABLE);
            self.after_freed();
        }
        Ok(())
    }

    /// Copies what can be read into `to`. Returns how much, and whether that was the end.
    ///
    /// # Errors
    /// [`Misuse::NoMoreData`] after the end, a reset or [`Self::stop_sending`].
    pub(crate) fn recv(&mut self, id: StreamId, to: &mut [u8]) -> Res<(usize, bool)> {
        let slot = self.find_readable(id)?;
        let (recv, lent) = self.recv_part(slot).ok_or(Misuse::NoMoreData)?;
        let (n, fin) = recv.read(to, lent.pool);
        self.after_read(slot, n as u64);
        Ok((n, fin))
    }

    /// Takes the next piece that can be read, without a copy, and says whether that was the end.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub(crate) fn recv_bytes(&mut self, id: StreamId) -> Res<(Option<Bytes>, bool)> {
        let slot = self.find_readable(id)?;
        let (recv, lent) = self.recv_part(slot).ok_or(Misuse::NoMoreData)?;
        let (b, fin) = recv.read_bytes(lent.pool);
        self.after_read(slot, b.as_ref().map_or(0, |b| b.len() as u64));
        Ok((b, fin))
    }

    fn find_readable(&self, id: StreamId) -> Res<Slot> {
        let slot = self.store.slot(id).ok_or(Misuse::InvalidStreamId)?;
        if id.is_send_only(self.role) {
            return Err(Misuse::InvalidStreamId.into());
        }
        self.store
            .get(slot)
            .and_then(|s| s.recv.as_ref())
            .filter(|r| !r.is_stopped() && r.reset_error().is_none())
            .map(|_| slot)
            .ok_or_else(|| Misuse::NoMoreData.into())
    }

    fn after_read(&mut self, slot: Slot, n: u64) {
        if let Some((recv, lent)) = self.recv_part(slot) {
            recv.window_mut().consume(n);
            lent.window.consume(n);
        }
        self.after_consumed(slot);
        self.release(slot);
    }

    /// Gives up reading and asks the peer to stop. What arrives is discarded.
    pub(crate) fn stop_sending(&mut self, id: StreamId, error: AppError) -> Res<()> {
        check_code(error)?;
        let slot = self.find(id, Half::Recv)?;
        let (recv, mut lent) = self.recv_part(slot).ok_or(Misuse::InvalidStreamId)?;
        if recv.stop(error, &mut lent) {
            self.control(slot, Control::STOP_SENDING);
        }
        self.uncontrol(slot, Control::MAX_DATA);
        self.events.untell(&mut self.store, slot, Told::READABLE);
        self.after_consumed(slot);
        self.release(slot);
        Ok(())
    }

    /// Sets how far ahead of what was read the peer may send on this stream, in bytes.
    pub(crate) fn set_max_data(&mut self, id: StreamId, size: u64) -> Res<()> {
        let slot = self.find(id, Half::Recv)?;
        if let Some((recv, _)) = self.recv_part(slot) {
            recv.window_mut().set(size.min(limits::MAX_STREAM_WINDOW));
            if recv.wants_credit() && recv.window().has_more() {
                self.control(slot, Control::MAX_DATA);
            }
        }
        Ok(())
    }

    /// Whether the connection is kept alive for this stream, until it was read to its end.
    pub(crate) fn keep_alive(&mut self, id: StreamId, keep: bool) -> Res<()> {
        let slot = self.find(id, Half::Recv)?;
        if let Some(stream) = self.store.get_mut(slot) {
            let before = std::mem::replace(&mut stream.keep_alive, keep);
            self.keep_alive = self.keep_alive + usize::from(keep) - usize::from(before);
        }
        Ok(())
    }

    fn set_priority(&mut self, id: StreamId, f: impl FnOnce(&mut Priority)) -> Res<()> {
        let slot = self.find(id, Half::Send)?;
        self.sched.remove(&mut self.store, slot);
        if let Some(stream) = self.store.get_mut(slot) {
            f(&mut stream.priority);
        }
        self.sched.sync(&mut self.store, slot);
        Ok(())
    }

    /// Sets how urgent the stream is.
    pub(crate) fn priority(
        &mut self,
        id: StreamId,
        transmission: TransmissionPriority,
        retransmission: RetransmissionPriority,
    ) -> Res<()> {
        self.set_priority(id, |p| {
            p.transmission = transmission;
            p.retransmission = retransmission;
        })
    }

    /// Whether the stream takes turns with others of its level.
    pub(crate) fn fairness(&mut self, id: StreamId, fair: bool) -> Res<()> {
        self.set_priority(id, |p| p.fair = fair)
    }

    /// Sets the order of the stream within its group. Only fair streams are ordered.
    pub(crate) fn sendorder(&mut self, id: StreamId, order: Option<SendOrder>) -> Res<()> {
        self.set_priority(id, |p| p.order = order)
    }

    /// Puts the stream in a group. Only fair streams are grouped.
    pub(crate) fn sendgroup(&mut self, id: StreamId, group: Option<SendGroupId>) -> Res<()> {
        self.set_priority(id, |p| p.group = group)
    }

    /// Counters of the sending part.
    pub(crate) fn send_stats(&self, id: StreamId) -> Res<SendStats> {
        let buf = self.sender(id)?.buffer();
        Ok(SendStats {
            written: buf.end(),
            sent: buf.next(),
            acked: buf.acked_to(),
        })
    }

    /// Counters of the receiving part.
    pub(crate) fn recv_stats(&self, id: StreamId) -> Res<RecvStats> {
        let recv = self.receiver(id)?;
        Ok(RecvStats {
            received: recv.window().received(),
            read: recv.read_to(),
        })
    }

    /// Whether the peer's limit allows this stream, which this side would open.
    pub(crate) const fn is_allowed(&self, id: StreamId) -> bool {
        id.is_self_initiated(self.role)
            && id.index() < self.outbound[nth(id.stream_type())].credit.limit()
    }
}

#[cfg(test)]
impl Streams {
    /// The size of a stream's receive window.
    pub(super) fn recv_window(&self, id: StreamId) -> u64 {
        self.receiver(id)
            .map_or_else(|_| self.recv_limit(id), |r| r.window().size())
    }
}
