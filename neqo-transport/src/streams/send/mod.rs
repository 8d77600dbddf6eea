//! The sending part of a stream.

pub(crate) mod buffer;
pub(crate) mod ranges;
pub(crate) mod state;
mod write;

use std::ops::Range;

pub(crate) use buffer::Buffer;
use bytes::Bytes;
use state::{Input, State};
pub(super) use write::Wrote;

use super::{
    flow::{Blocked, Credit},
    pool::Pool,
};
use crate::{AppError, Misuse, Res, config::limits};

/// Where the end of the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// The application may write more.
    Open,
    /// To be sent, for the first time or again.
    Due,
    /// In flight.
    Sent,
    /// Acknowledged.
    Acked,
}

/// Whether an atomic write failed for want of credit and not of space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    /// For the stream's credit.
    Stream,
    /// For the connection's: the stream stands in the list of those.
    Connection,
}

/// The sending part of a stream.
#[derive(Debug)]
pub(super) struct SendStream {
    state: State,
    buf: Buffer,
    credit: Credit,
    blocked: Blocked,
    fin: Fin,
    /// An empty frame is to be sent so that the peer learns of the stream.
    announce: bool,
    reset: Option<AppError>,
    /// The application wants to hear of space when there is this much.
    watermark: usize,
    /// The application has met a full buffer since it was last told of space.
    starved: bool,
    waiting: Waiting,
}

impl SendStream {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            state: State::Ready,
            buf: Buffer::default(),
            credit: Credit::new(limit),
            blocked: Blocked::default(),
            fin: Fin::Open,
            announce: false,
            reset: None,
            watermark: 1,
            starved: false,
            waiting: Waiting::No,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn buffer(&self) -> &Buffer {
        &self.buf
    }

    pub(super) const fn credit(&self) -> &Credit {
        &self.credit
    }

    /// How many bytes were written but never sent.
    pub(super) const fn unsent(&self) -> u64 {
        self.buf.unsent()
    }

    /// What `RESET_STREAM` says: the code and the final size, while it is to be sent.
    pub(super) fn reset_frame(&self) -> Option<(AppError, u64)> {
        self.reset
            .filter(|_| self.state == State::ResetSent)
            .map(|error| (error, self.credit.used()))
    }

    const fn go(&mut self, input: Input) {
        if let Some(next) = self.state.on(input) {
            self.state = next;
        }
    }

    /// Whether the application may write: [`Misuse::StreamState`] after the end or a reset.
    pub(super) fn check_writable(&self) -> Res<()> {
        if self.state.is_sending() && self.fin == Fin::Open {
            Ok(())
        } else {
            Err(Misuse::StreamState.into())
        }
    }

    /// How many bytes are held: never sent, or not acknowledged.
    pub(super) const fn held(&self) -> u64 {
        self.buf.unacked()
    }

    /// How many bytes the buffer takes now, when the connection holds at most `left` more.
    pub(super) fn space(&self, left: usize) -> usize {
        if !self.state.is_sending() || self.fin != Fin::Open {
            return 0;
        }
        let under =
            |limit: usize, used| limit.saturating_sub(usize::try_from(used).unwrap_or(usize::MAX));
        under(limits::MAX_SEND_UNSENT, self.buf.unsent())
            .min(under(limits::MAX_SEND_UNACKED, self.held()))
            .min(left.max(under(limits::SEND_FLOOR, self.held())))
    }

    /// How many more bytes the stream's credit covers than are buffered.
    pub(super) const fn spare_credit(&self) -> u64 {
        self.credit.available().saturating_sub(self.buf.unsent())
    }

    /// Asks to be told of space, unless there is.
    pub(super) fn note_starved(&mut self, left: usize) {
        self.starved = !self.is_writable(left);
    }

    /// Whether the application waits for space.
    pub(super) const fn is_starved(&self) -> bool {
        self.starved
    }

    /// Notes that an atomic write was refused for want of space.
    pub(super) const fn refuse_for_space(&mut self) {
        self.starved = true;
    }

    /// Notes that an atomic write was refused for want of credit, of the stream or of the
    /// connection. Says whether the stream is to be listed for the connection's.
    pub(super) fn refuse_for_credit(&mut self, connection: bool) -> bool {
        let listed = self.waiting == Waiting::Connection;
        if !listed {
            self.waiting = if connection {
                Waiting::Connection
            } else {
                Waiting::Stream
            };
        }
        connection && !listed
    }

    /// There is more credit, of the stream or of the connection. Says whether an atomic write
    /// waits for any.
    pub(super) fn more_credit(&mut self, connection: bool) -> bool {
        let waits = self.waiting != Waiting::No;
        if connection || self.waiting == Waiting::Stream {
            self.waiting = Waiting::No;
        }
        waits
    }

    /// Buffers what fits of `data`; returns how much.
    pub(super) fn send(&mut self, data: &[u8], pool: &mut Pool, left: usize) -> Res<usize> {
        self.check_writable()?;
        let n = self.space(left).min(data.len());
        self.buf.push(&data[..n], pool);
        self.note_starved(left.saturating_sub(n));
        Ok(n)
    }

    /// Queues what fits of `data`; returns how much.
    pub(super) fn send_bytes(
        &mut self,
        mut data: Bytes,
        pool: &mut Pool,
        left: usize,
    ) -> Res<usize> {
        self.check_writable()?;
        let n = self.space(left).min(data.len());
        data.truncate(n);
        if n > 0 {
            self.buf.push_bytes(data, pool);
        }
        self.note_starved(left.saturating_sub(n));
        Ok(n)
    }

    /// Ends the stream. Idempotent.
    pub(super) fn close(&mut self) -> Res<()> {
        if !self.state.is_sending() {
            return Err(Misuse::StreamState.into());
        }
        if self.fin == Fin::Open {
            self.fin = Fin::Due;
        }
        Ok(())
    }

    /// Makes the stream known to the peer even without data.
    pub(super) fn commit(&mut self) {
        self.announce = self.state == State::Ready;
    }

    /// Abandons the stream. Says whether `RESET_STREAM` is to be sent.
    pub(super) fn reset(&mut self, error: AppError, pool: &mut Pool) -> bool {
        let sending = self.state.is_sending();
        if sending {
            self.go(Input::Reset);
            self.reset = Some(error);
            self.buf.clear(pool);
            self.announce = false;
        }
        sending
    }

    /// The peer gives more credit. Says whether it does.
    pub(super) const fn on_max_data(&mut self, limit: u64) -> bool {
        self.credit.raise(limit)
    }

    /// Data was acknowledged. Says whether that was the last of it.
    pub(super) fn acked(&mut self, data: Range<u64>, fin: bool, pool: &mut Pool) -> bool {
        if !self.state.is_sending() {
            return false;
        }
        self.buf.acked(data.start, data.end - data.start, pool);
        if fin {
            self.fin = Fin::Acked;
        }
        if self.fin == Fin::Acked && self.buf.unacked() == 0 {
            self.go(Input::AllAcked);
        }
        self.state.is_terminal()
    }

    /// `RESET_STREAM` was acknowledged.
    pub(super) const fn reset_acked(&mut self) {
        self.go(Input::ResetAcked);
    }

    /// Data was lost.
    pub(super) fn lost(&mut self, data: Range<u64>, fin: bool) {
        if !self.state.is_sending() {
            return;
        }
        self.buf.lost(data.start, data.end - data.start);
        if fin && self.fin == Fin::Sent {
            self.fin = Fin::Due;
        }
        if data.is_empty() && !fin && self.buf.next() == 0 {
            self.announce = true;
        }
    }

    /// Whether something is to be sent that needs no credit.
    pub(super) fn has_free(&self) -> bool {
        self.state.is_sending()
            && (self.buf.has_lost()
                || (self.buf.unsent() == 0 && (self.fin == Fin::Due || self.announce)))
    }

    /// Whether there is data that was never sent and that the stream's credit allows.
    pub(super) const fn has_fresh(&self) -> bool {
        self.state.is_sending() && self.buf.unsent() > 0 && self.credit.available() > 0
    }

    /// Whether it is blocked by its own credit, and that was not told yet: the limit then.
    pub(super) fn newly_blocked(&mut self) -> bool {
        self.blocked_at()
            .is_some_and(|limit| self.blocked.at(limit))
    }

    /// The limit that blocks it now.
    pub(super) fn blocked_at(&self) -> Option<u64> {
        let blocked =
            self.state.is_sending() && self.buf.unsent() > 0 && self.credit.available() == 0;
        blocked.then_some(self.credit.limit())
    }

    /// `STREAM_DATA_BLOCKED` is sent, which puts the stream in the "Send" state.
    pub(super) const fn blocked_sent(&mut self) {
        self.go(Input::SendData);
    }

    /// How much space makes it writable again: telling the application of every packet's worth
    /// of space would wake it up for each.
    fn threshold(&self) -> usize {
        let most = limits::MAX_SEND_UNSENT;
        self.watermark.max(most / 4).min(most)
    }

    /// Whether there is enough space to tell the application of. While the connection holds all
    /// that it may, what is left to each stream must do.
    fn is_writable(&self, left: usize) -> bool {
        let space = self.space(left);
        space >= self.threshold()
            || (left < limits::MAX_SEND_UNSENT && space >= limits::SEND_FLOOR.max(self.watermark))
    }

    pub(super) fn set_watermark(&mut self, watermark: usize, left: usize) {
        self.watermark = watermark;
        self.note_starved(left);
    }

    /// Whether the application waits for space and there is enough now. Asked again, it is no.
    pub(super) fn newly_writable(&mut self, left: usize) -> bool {
        let enough = self.starved && self.is_writable(left);
        if enough {
            self.starved = false;
        }
        enough
    }

    /// Whether the books balance.
    pub(super) const fn consistent(&self) -> bool {
        let sent = self.buf.next();
        sent == self.credit.used() && sent <= self.credit.limit()
    }
}
