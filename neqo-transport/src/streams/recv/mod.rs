//! The receiving part of a stream.

pub(crate) mod reassembly;
pub(crate) mod state;

use bytes::Bytes;
pub(crate) use reassembly::{Reassembly, TooScattered};
use state::{Input, State};

use super::{flow::Window, pool::Pool};
use crate::{AppError, Res, Violation, rx::payload::Payload, wire::frame::MAX_OFFSET};

/// What a part of a stream is lent: the connection's receive window and spare memory.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    pub(super) window: &'a mut Window,
    pub(super) pool: &'a mut Pool,
}

/// The receiving part of a stream.
#[derive(Debug)]
pub(super) struct RecvStream {
    state: State,
    window: Window,
    buf: Reassembly,
    final_size: Option<u64>,
    /// The code of our `STOP_SENDING`: what arrives is discarded.
    stopped: Option<AppError>,
    /// The code of the peer's `RESET_STREAM`.
    reset: Option<AppError>,
}

impl RecvStream {
    pub(super) fn new(window: u64, cap: u64) -> Self {
        Self {
            state: State::Recv,
            window: Window::new(window, cap),
            buf: Reassembly::default(),
            final_size: None,
            stopped: None,
            reset: None,
        }
    }

    pub(super) const fn window(&self) -> &Window {
        &self.window
    }

    pub(super) const fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// The code of our `STOP_SENDING`, while there is a point in sending it.
    pub(super) fn stop_error(&self) -> Option<AppError> {
        self.stopped.filter(|_| self.state.is_receiving())
    }

    /// The code of the peer's `RESET_STREAM`.
    pub(super) const fn reset_error(&self) -> Option<AppError> {
        self.reset
    }

    /// How many bytes the application took.
    pub(super) const fn read_to(&self) -> u64 {
        self.buf.read_to()
    }

    /// Whether the application could read data or the end.
    pub(super) fn is_readable(&self) -> bool {
        self.buf.readable() > 0 || self.state == State::DataRecvd
    }

    /// Whether everything that could happen has happened.
    pub(super) fn is_done(&self) -> bool {
        // Once the final size is known, all credit is accounted for, and nobody wants the data.
        self.state.is_terminal() || (self.stopped.is_some() && self.state != State::Recv)
    }

    const fn go(&mut self, input: Input) {
        if let Some(next) = self.state.on(input) {
            self.state = next;
        }
    }

    /// Accounts for the largest offset seen, in both windows.
    fn receive(&mut self, end: u64, lent: &mut Lent<'_>) -> Res<()> {
        let more = end.saturating_sub(self.window.received());
        //= rfc9000#section-4.1
        //# A receiver MUST close the connection with an error of type
        //# FLOW_CONTROL_ERROR if the sender violates the advertised connection or
        //# stream data limits
        // hardening A15
        if self.window.receive(more) && lent.window.receive(more) {
            Ok(())
        } else {
            Err(Violation::FlowControl.into())
        }
    }

    /// Gives up all credit that is not consumed yet.
    fn discard(&mut self, lent: &mut Lent<'_>) {
        self.buf.clear(lent.pool);
        let n = self.window.received() - self.window.consumed();
        self.window.consume(n);
        lent.window.consume(n);
    }

    /// A STREAM frame. Says whether there is something new to read.
    pub(super) fn on_data(
        &mut self,
        offset: u64,
        data: Payload<'_>,
        fin: bool,
        lent: &mut Lent<'_>,
    ) -> Res<bool> {
        let end = offset
            .checked_add(data.bytes().len() as u64)
            .filter(|end| *end <= MAX_OFFSET)
            .ok_or(Violation::FlowControl)?;
        //= rfc9000#section-4.5
        //# Once a final size for a stream is known, it cannot change.
        let allowed = match self.final_size {
            Some(size) => end <= size && (!fin || end == size),
            None => !fin || end >= self.window.received(),
        };
        if !allowed {
            return Err(Violation::FinalSize.into());
        }
        if !self.state.is_receiving() {
            return Ok(false);
        }
        self.receive(end, lent)?;
        if fin {
            self.final_size = Some(end);
            self.go(Input::Fin);
        }
        if self.stopped.is_some() {
            //= rfc9000#section-3.5
            //# STREAM frames received after sending a STOP_SENDING frame are still
            //# counted toward connection and stream flow control, even though these
            //# frames can be discarded upon receipt.
            self.discard(lent);
            return Ok(false);
        }
        let before = self.buf.received_to();
        self.buf
            .insert(offset, data, lent.pool)
            .map_err(|TooScattered| Violation::ProtocolViolation("too many gaps in a stream"))?;
        if self.final_size == Some(self.buf.received_to()) {
            self.go(Input::AllData);
        }
        Ok(self.buf.received_to() > before || self.state == State::DataRecvd)
    }

    /// A `RESET_STREAM` frame. Says whether the application must hear of it.
    pub(super) fn on_reset(
        &mut self,
        error: AppError,
        final_size: u64,
        lent: &mut Lent<'_>,
    ) -> Res<bool> {
        let allowed = match self.final_size {
            Some(size) => final_size == size,
            None => final_size >= self.window.received(),
        };
        if !allowed {
            return Err(Violation::FinalSize.into());
        }
        if !self.state.is_receiving() {
            return Ok(false);
        }
        //= rfc9000#section-4.5
        //# The receiver MUST use the final size of the stream to account for all
        //# bytes sent on the stream in its connection-level flow controller.
        self.receive(final_size, lent)?;
        self.discard(lent);
        self.final_size = Some(final_size);
        self.reset = Some(error);
        self.go(Input::Reset);
        Ok(self.stopped.is_none())
    }

    /// The application was told of the reset.
    pub(super) const fn reset_read(&mut self) {
        self.go(Input::ReadReset);
    }

    /// The application gives up. Says whether `STOP_SENDING` is worth sending.
    pub(super) fn stop(&mut self, error: AppError, lent: &mut Lent<'_>) -> bool {
        let receiving = self.state.is_receiving();
        self.discard(lent);
        self.stopped.get_or_insert(error);
        receiving
    }

    /// Whether the application gave up.
    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether more credit is of any use to the peer: `MAX_STREAM_DATA` is sent in "Recv" only.
    pub(super) fn wants_credit(&self) -> bool {
        self.state == State::Recv && self.stopped.is_none()
    }

    /// Copies data out. Returns how much, and whether that was the end.
    pub(super) fn read(&mut self, to: &mut [u8], pool: &mut Pool) -> (usize, bool) {
        let n = self.buf.read(to, pool);
        (n, self.after_read())
    }

    /// Takes one piece of data without a copy, and whether that was the end.
    pub(super) fn read_bytes(&mut self, pool: &mut Pool) -> (Option<Bytes>, bool) {
        let b = self.buf.read_bytes(pool);
        (b, self.after_read())
    }

    fn after_read(&mut self) -> bool {
        let fin = self.state == State::DataRecvd && self.buf.readable() == 0;
        if fin {
            self.go(Input::ReadAll);
        }
        fin
    }

    /// Whether the books balance.
    pub(super) const fn consistent(&self) -> bool {
        self.window.consumed() <= self.window.received()
            && self.buf.read_to() <= self.buf.received_to()
    }
}
