//! What streams write, and what becomes of it.

use super::{
    Control, Pool, Streams, Token, Told,
    events::Events,
    nth,
    sched::Turn,
    send::{SendStream, Wrote, state::State},
    store::Slot,
};
use crate::{
    recovery::token::Token as Sent,
    stats::FrameStats,
    stream_id::StreamId,
    tx::{PacketBuilder, Tx},
    wire::frame::encode,
};

impl Streams {
    /// Whether a packet is worth making for streams.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.wants_control()
            || self.sched.has_free()
            || (self.credit.available() > 0 && self.sched.has_fresh())
    }

    /// Whether frames other than STREAM wait.
    fn wants_control(&self) -> bool {
        self.due.max_data
            || self.due.data_blocked
            || self.due.max_streams.contains(&true)
            || self.due.streams_blocked.contains(&true)
            || !self.control.is_empty()
    }

    /// Writes what waits of `RESET_STREAM`, `STOP_SENDING`, MAX_* and *_BLOCKED, as far as it fits.
    pub(crate) fn write_control(&mut self, tx: &mut Tx<'_, '_, '_>) {
        self.write_connection_limits(tx);
        self.write_stream_counts(tx);
        while let Some(slot) = self.control.front() {
            if !self.write_stream_control(slot, tx) {
                return;
            }
        }
        // A stream's window may have made the connection's grow.
        self.write_connection_limits(tx);
    }

    fn write_connection_limits(&mut self, tx: &mut Tx<'_, '_, '_>) {
        if self.due.max_data {
            let max = self.window.advertise(tx.now, tx.rtt);
            let len = encode::max_data_len(max);
            self.due.max_data = !put(tx, Token::MaxData, len, |p| encode::max_data(p, max));
        }
        if self.due.data_blocked {
            let limit = self.credit.limit();
            let len = encode::data_blocked_len(limit);
            self.due.data_blocked = !put(tx, Token::DataBlocked, len, |p| {
                encode::data_blocked(p, limit);
            });
        }
    }

    fn write_stream_counts(&mut self, tx: &mut Tx<'_, '_, '_>) {
        for t in Events::TYPES {
            let i = nth(t);
            if self.due.max_streams[i] {
                let max = self.inbound[i].advertise();
                let len = encode::max_streams_len(max);
                self.due.max_streams[i] = !put(tx, Token::MaxStreams(t), len, |p| {
                    encode::max_streams(p, t, max);
                });
            }
            if self.due.streams_blocked[i] {
                let limit = self.outbound[i].credit.limit();
                let len = encode::streams_blocked_len(limit);
                self.due.streams_blocked[i] = !put(tx, Token::StreamsBlocked(t), len, |p| {
                    encode::streams_blocked(p, t, limit);
                });
            }
        }
    }

    /// Writes the frames that wait for one stream and takes it out of the queue. The answer is no
    /// if the packet is full.
    fn write_stream_control(&mut self, slot: Slot, tx: &mut Tx<'_, '_, '_>) -> bool {
        for (bit, write) in [
            (
                Control::RESET,
                Self::write_reset as fn(&mut Self, _, &mut Tx<'_, '_, '_>) -> _,
            ),
            (Control::STOP_SENDING, Self::write_stop_sending),
            (Control::MAX_DATA, Self::write_max_stream_data),
            (Control::BLOCKED, Self::write_stream_data_blocked),
        ] {
            if self.store.get(slot).is_some_and(|s| s.control.has(bit)) {
                // What does not matter any more is done, too.
                if write(self, slot, tx) == Some(false) {
                    return false;
                }
                self.uncontrol(slot, bit);
            }
        }
        // Whatever was queued without a bit must not stay in front.
        self.control.remove(&mut self.store, slot);
        true
    }

    fn write_reset(&mut self, slot: Slot, tx: &mut Tx<'_, '_, '_>) -> Option<bool> {
        let stream = self.store.get(slot)?;
        let id = stream.id;
        let (error, size) = stream.send.as_ref()?.reset_frame()?;
        let len = encode::reset_stream_len(id, error, size);
        Some(put(tx, Token::Reset(id), len, |p| {
            encode::reset_stream(p, id, error, size);
        }))
    }

    fn write_stop_sending(&mut self, slot: Slot, tx: &mut Tx<'_, '_, '_>) -> Option<bool> {
        let stream = self.store.get(slot)?;
        let id = stream.id;
        let error = stream.recv.as_ref()?.stop_error()?;
        let len = encode::stop_sending_len(id, error);
        Some(put(tx, Token::StopSending(id), len, |p| {
            encode::stop_sending(p, id, error);
        }))
    }

    fn write_max_stream_data(&mut self, slot: Slot, tx: &mut Tx<'_, '_, '_>) -> Option<bool> {
        let stream = self.store.get_mut(slot)?;
        let id = stream.id;
        let recv = stream.recv.as_mut().filter(|r| r.wants_credit())?;
        let max = recv.window_mut().advertise(tx.now, tx.rtt);
        let len = encode::max_stream_data_len(id, max);
        let written = put(tx, Token::MaxStreamData(id), len, |p| {
            encode::max_stream_data(p, id, max);
        });
        if written {
            // One stream alone must not be held back by the connection's window.
            let size = recv.window().size();
            self.window.grow(size.saturating_add(size / 2));
            self.due.max_data |= self.window.is_due();
        }
        Some(written)
    }

    fn write_stream_data_blocked(&mut self, slot: Slot, tx: &mut Tx<'_, '_, '_>) -> Option<bool> {
        let stream = self.store.get_mut(slot)?;
        let id = stream.id;
        let send = stream.send.as_mut()?;
        let limit = send.blocked_at()?;
        let len = encode::stream_data_blocked_len(id, limit);
        let written = put(tx, Token::StreamDataBlocked(id), len, |p| {
            encode::stream_data_blocked(p, id, limit);
        });
        if written {
            send.blocked_sent();
        }
        Some(written)
    }

    /// Writes STREAM frames, as the scheduler says, until the packet is full or nothing may be
    /// sent.
    pub(crate) fn write_data(&mut self, tx: &mut Tx<'_, '_, '_>) {
        while let Some(turn) = self.sched.next(self.credit.available() > 0) {
            match self.write_turn(turn, tx) {
                Wrote::Frame => {}
                Wrote::NoRoom => {
                    // Datagrams of a batch have one size, and there is more to send.
                    if tx.pkt.is_ack_eliciting() {
                        encode::padding(tx.pkt, tx.remaining());
                    }
                    break;
                }
                Wrote::Nothing => {
                    debug_assert!(false, "a stream in a queue has something to send");
                    break;
                }
            }
        }
        if self.credit.available() == 0 && self.sched.has_fresh() {
            self.due.data_blocked |= self.blocked.at(self.credit.limit());
        }
    }

    fn write_turn(&mut self, turn: Turn, tx: &mut Tx<'_, '_, '_>) -> Wrote {
        let (slot, conn) = match turn {
            Turn::Free(slot) => (slot, None),
            Turn::Fresh(slot) => (slot, Some(&mut self.credit)),
        };
        let Some(stream) = self.store.get_mut(slot) else {
            return Wrote::Nothing;
        };
        let Some(send) = stream.send.as_mut() else {
            return Wrote::Nothing;
        };
        let before = send.unsent();
        let wrote = send.write(stream.id, conn, tx);
        if wrote == Wrote::Frame {
            self.unsent -= before - send.unsent();
            self.check_writable(slot);
            self.sched.turn(&mut self.store, turn);
            self.after_write(slot);
        }
        wrote
    }

    /// The frame arrived.
    pub(crate) fn acked(&mut self, token: Token) {
        match token {
            Token::Data {
                id,
                offset,
                len,
                fin,
            } => self.data_acked(id, offset, u64::from(len), fin),
            Token::Reset(id) => {
                let Some(slot) = self.store.slot(id) else {
                    return;
                };
                let Some(send) = self.send_part(slot) else {
                    return;
                };
                send.reset_acked();
                if send.state().is_terminal() {
                    self.drop_send(slot);
                    self.release(slot);
                }
            }
            Token::StopSending(_)
            | Token::MaxData
            | Token::MaxStreamData(_)
            | Token::MaxStreams(_)
            | Token::DataBlocked
            | Token::StreamDataBlocked(_)
            | Token::StreamsBlocked(_) => {}
        }
    }

    fn data_acked(&mut self, id: StreamId, offset: u64, len: u64, fin: bool) {
        let Some(slot) = self.store.slot(id) else {
            return;
        };
        let acked =
            |send: &mut SendStream, pool: &mut Pool, _| send.acked(offset..offset + len, fin, pool);
        let Some(done) = self.with_send(slot, acked) else {
            return;
        };
        if done {
            self.drop_send(slot);
            self.events.tell(&mut self.store, slot, Told::COMPLETE);
        } else {
            self.check_writable(slot);
            self.sched.sync(&mut self.store, slot);
        }
        self.after_freed();
    }

    /// The frame was lost: what it said is said again if it still matters (RFC 9000 §13.3).
    pub(crate) fn lost(&mut self, token: Token) {
        match token {
            Token::Data {
                id,
                offset,
                len,
                fin,
            } => {
                if let Some(slot) = self.store.slot(id)
                    && let Some(send) = self.send_part(slot)
                {
                    send.lost(offset..offset + u64::from(len), fin);
                    self.sched.sync(&mut self.store, slot);
                }
            }
            Token::Reset(id) => self.control_lost(id, Control::RESET),
            Token::StopSending(id) => self.control_lost(id, Control::STOP_SENDING),
            Token::MaxStreamData(id) => self.control_lost(id, Control::MAX_DATA),
            Token::StreamDataBlocked(id) => self.control_lost(id, Control::BLOCKED),
            Token::MaxData => self.due.max_data = true,
            Token::MaxStreams(t) => self.due.max_streams[nth(t)] = true,
            Token::DataBlocked => {
                self.due.data_blocked |= self.credit.available() == 0 && self.sched.has_fresh();
            }
            Token::StreamsBlocked(t) => {
                let out = &self.outbound[nth(t)];
                self.due.streams_blocked[nth(t)] |= out.blocked.limit() == Some(out.credit.limit());
            }
        }
    }

    fn control_lost(&mut self, id: StreamId, what: Control) {
        let Some(slot) = self.store.slot(id) else {
            return;
        };
        let Some(stream) = self.store.get(slot) else {
            return;
        };
        let (send, recv) = (stream.send.as_ref(), stream.recv.as_ref());
        let matters = match what {
            Control::RESET => send.is_some_and(|s| s.state() == State::ResetSent),
            Control::STOP_SENDING => recv.is_some_and(|r| r.stop_error().is_some()),
            Control::MAX_DATA => recv.is_some_and(super::recv::RecvStream::wants_credit),
            _ => send.is_some_and(|s| s.blocked_at().is_some()),
        };
        if matters {
            self.control(slot, what);
        }
    }
}

/// Writes a control frame of `len` bytes and notes it, if it fits. Whether it did.
fn put(
    tx: &mut Tx<'_, '_, '_>,
    token: Token,
    len: usize,
    write: impl FnOnce(&mut PacketBuilder<'_>),
) -> bool {
    let fits = len <= tx.remaining();
    if fits {
        write(tx.pkt);
        tx.push(Sent::Stream(token));
        *counter(tx.stats, token) += 1;
    }
    fits
}

const fn counter(stats: &mut FrameStats, token: Token) -> &mut u64 {
    match token {
        Token::Data { .. } => &mut stats.stream,
        Token::Reset(_) => &mut stats.reset_stream,
        Token::StopSending(_) => &mut stats.stop_sending,
        Token::MaxData => &mut stats.max_data,
        Token::MaxStreamData(_) => &mut stats.max_stream_data,
        Token::MaxStreams(_) => &mut stats.max_streams,
        Token::DataBlocked => &mut stats.data_blocked,
        Token::StreamDataBlocked(_) => &mut stats.stream_data_blocked,
        Token::StreamsBlocked(_) => &mut stats.streams_blocked,
    }
}
