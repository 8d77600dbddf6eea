//! What the peer's frames do to streams.

use super::{Control, Half, Streams, Told, nth, store::Slot};
use crate::{
    AppError, Res, Violation,
    rx::payload::Payload,
    stream_id::{StreamId, StreamType},
};

/// A STREAM frame (RFC 9000 §19.8).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamFrame<'a> {
    /// The stream.
    pub(crate) stream_id: StreamId,
    /// Where the data belongs.
    pub(crate) offset: u64,
    /// The data.
    pub(crate) data: Payload<'a>,
    /// Whether the stream ends behind it.
    pub(crate) fin: bool,
}

impl Streams {
    /// The stream that a frame is about, opened if need be; nothing if it has ended.
    fn accept(&mut self, id: StreamId, half: Half) -> Res<Option<Slot>> {
        // hardening R3743
        let wrong_half = match half {
            //= rfc9000#section-19.8
            //# An endpoint MUST terminate the connection with error STREAM_STATE_ERROR
            //# if it receives a STREAM frame for a locally initiated stream that has
            //# not yet been created, or for a send-only stream.
            Half::Recv => id.is_send_only(self.role),
            //= rfc9000#section-19.5
            //# An endpoint that receives a STOP_SENDING frame for a receive-only stream
            //# MUST terminate the connection with error STREAM_STATE_ERROR.
            //= rfc9000#section-19.10
            //# An endpoint that receives a MAX_STREAM_DATA frame for a receive-only
            //# stream MUST terminate the connection with error STREAM_STATE_ERROR.
            Half::Send => id.is_recv_only(self.role),
        };
        if wrong_half {
            return Err(Violation::StreamState.into());
        }
        let (opened, index) = (self.store.opened(id), id.index());
        if index >= opened {
            //= rfc9000#section-19.10
            //# Receiving a MAX_STREAM_DATA frame for a locally initiated stream that
            //# has not yet been created MUST be treated as a connection error of type
            //# STREAM_STATE_ERROR.
            if id.is_self_initiated(self.role) {
                return Err(Violation::StreamState.into());
            }
            self.open_up_to(id, opened)?;
        }
        Ok(self.store.slot(id))
    }

    fn open_up_to(&mut self, id: StreamId, opened: u64) -> Res<()> {
        let stream_type = id.stream_type();
        //= rfc9000#section-4.6
        //# An endpoint that receives a frame with a stream ID exceeding the limit
        //# it has sent MUST treat this as a connection error of type
        //# STREAM_LIMIT_ERROR
        // hardening A12
        if !self.inbound[nth(stream_type)].open(id.index() + 1 - opened) {
            return Err(Violation::StreamLimit.into());
        }
        //= rfc9000#section-3.2
        //# Before a stream is created, all streams of the same type with
        //# lower-numbered stream IDs MUST be created.
        for index in opened..=id.index() {
            let slot = self.open(StreamId::nth(stream_type, id.role(), index));
            self.events.tell(&mut self.store, slot, Told::NEW);
        }
        Ok(())
    }

    /// A STREAM frame.
    pub(crate) fn on_stream(&mut self, frame: StreamFrame<'_>) -> Res<()> {
        let StreamFrame {
            stream_id,
            offset,
            data,
            fin,
        } = frame;
        let Some(slot) = self.accept(stream_id, Half::Recv)? else {
            return Ok(());
        };
        let Some((recv, mut lent)) = self.recv_part(slot) else {
            return Ok(());
        };
        if recv.on_data(offset, data, fin, &mut lent)? {
            self.events.tell(&mut self.store, slot, Told::READABLE);
        } else if recv.is_stopped() {
            self.after_consumed(slot);
            self.release(slot);
        }
        Ok(())
    }

    /// A `RESET_STREAM` frame.
    pub(crate) fn on_reset_stream(
        &mut self,
        id: StreamId,
        error: AppError,
        final_size: u64,
    ) -> Res<()> {
        let Some(slot) = self.accept(id, Half::Recv)? else {
            return Ok(());
        };
        let Some((recv, mut lent)) = self.recv_part(slot) else {
            return Ok(());
        };
        let tell = recv.on_reset(error, final_size, &mut lent)?;
        if tell {
            self.events.untell(&mut self.store, slot, Told::READABLE);
            self.events.tell(&mut self.store, slot, Told::RESET);
            self.uncontrol(slot, Control::MAX_DATA);
        }
        self.after_consumed(slot);
        self.release(slot);
        Ok(())
    }

    /// A `STOP_SENDING` frame.
    pub(crate) fn on_stop_sending(&mut self, id: StreamId, error: AppError) -> Res<()> {
        let Some(slot) = self.accept(id, Half::Send)? else {
            return Ok(());
        };
        //= rfc9000#section-3.5
        //# An endpoint that receives a STOP_SENDING frame MUST send a RESET_STREAM
        //# frame if the stream is in the "Ready" or "Send" state.
        if self.with_send(slot, |send, pool, _| send.reset(error, pool)) == Some(true) {
            if let Some(stream) = self.store.get_mut(slot) {
                stream.stop_error = Some(error);
            }
            self.sched.sync(&mut self.store, slot);
            self.control(slot, Control::RESET);
            self.uncontrol(slot, Control::BLOCKED);
            self.room.queue.remove(&mut self.store, slot);
            self.events.untell(&mut self.store, slot, Told::WRITABLE);
            self.events.tell(&mut self.store, slot, Told::STOP_SENDING);
            self.after_freed();
        }
        Ok(())
    }

    /// A `MAX_DATA` frame.
    pub(crate) fn on_max_data(&mut self, max: u64) {
        if !self.credit.raise(max) {
            return;
        }
        self.due.data_blocked = false;
        // Each was put there by one call of the application, so this is no work that the peer
        // can make more of.
        for id in std::mem::take(&mut self.waiting) {
            if let Some(slot) = self.store.slot(id) {
                self.tell_credit(slot, true);
            }
        }
    }

    /// An atomic write that failed for want of credit may succeed now.
    fn tell_credit(&mut self, slot: Slot, connection: bool) {
        if let Some(send) = self.send_part(slot)
            && send.more_credit(connection)
        {
            self.events.tell(&mut self.store, slot, Told::WRITABLE);
        }
    }

    /// A `MAX_STREAM_DATA` frame.
    pub(crate) fn on_max_stream_data(&mut self, id: StreamId, max: u64) -> Res<()> {
        if let Some(slot) = self.accept(id, Half::Send)? {
            self.raise_stream(slot, max);
        }
        Ok(())
    }

    pub(super) fn raise_stream(&mut self, slot: Slot, max: u64) {
        if let Some(send) = self.send_part(slot)
            && send.on_max_data(max)
        {
            self.uncontrol(slot, Control::BLOCKED);
            self.sched.sync(&mut self.store, slot);
            self.tell_credit(slot, false);
        }
    }

    /// A `MAX_STREAMS` frame; `max` is at most 2^60.
    pub(crate) const fn on_max_streams(&mut self, stream_type: StreamType, max: u64) {
        let i = nth(stream_type);
        //= rfc9000#section-4.6
        //# MAX_STREAMS frames that do not increase the stream limit MUST be
        //# ignored.
        if self.outbound[i].credit.raise(max) {
            self.due.streams_blocked[i] = false;
            self.events.creatable[i] = true;
        }
    }

    /// A `DATA_BLOCKED` frame: what credit there is, is given.
    pub(crate) const fn on_data_blocked(&mut self, _limit: u64) {
        self.due.max_data |= self.window.has_more();
    }

    /// A `STREAM_DATA_BLOCKED` frame.
    pub(crate) fn on_stream_data_blocked(&mut self, id: StreamId, _limit: u64) -> Res<()> {
        let Some(slot) = self.accept(id, Half::Recv)? else {
            return Ok(());
        };
        if let Some((recv, _)) = self.recv_part(slot)
            && recv.wants_credit()
            && recv.window().has_more()
        {
            self.control(slot, Control::MAX_DATA);
        }
        Ok(())
    }

    /// A `STREAMS_BLOCKED` frame; the limit is at most 2^60.
    pub(crate) fn on_streams_blocked(&mut self, stream_type: StreamType, _limit: u64) {
        let i = nth(stream_type);
        self.due.max_streams[i] |= self.inbound[i].has_more();
    }
}
