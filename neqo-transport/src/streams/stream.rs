//! One stream: its parts, and what of it waits to be told to the peer or to the application.

use super::{recv::RecvStream, sched::Priority, send::SendStream, store::Links};
use crate::{AppError, stream_id::StreamId};

/// Frames about one stream that wait to be sent, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control(u8);

impl Control {
    pub(super) const RESET: Self = Self(1);
    pub(super) const STOP_SENDING: Self = Self(2);
    pub(super) const MAX_DATA: Self = Self(4);
    pub(super) const BLOCKED: Self = Self(8);

    pub(super) const fn has(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }

    pub(super) const fn set(&mut self, bit: Self) {
        self.0 |= bit.0;
    }

    pub(super) const fn clear(&mut self, bit: Self) {
        self.0 &= !bit.0;
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Events about one stream that the application has not taken, as bits, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told(u8);

impl Told {
    pub(super) const NEW: Self = Self(1);
    pub(super) const READABLE: Self = Self(2);
    pub(super) const RESET: Self = Self(4);
    pub(super) const STOP_SENDING: Self = Self(8);
    pub(super) const WRITABLE: Self = Self(16);
    pub(super) const COMPLETE: Self = Self(32);

    pub(super) const fn set(&mut self, bit: Self) {
        self.0 |= bit.0;
    }

    pub(super) const fn clear(&mut self, bit: Self) {
        self.0 &= !bit.0;
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Takes the first event.
    pub(super) const fn take(&mut self) -> Option<Self> {
        if self.0 == 0 {
            return None;
        }
        let bit = Self(self.0 & self.0.wrapping_neg());
        self.clear(bit);
        Some(bit)
    }
}

/// A stream. A part that is done is gone; without parts and untold events the stream is gone.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) send: Option<SendStream>,
    pub(super) recv: Option<RecvStream>,
    pub(super) links: Links,
    pub(super) control: Control,
    pub(super) told: Told,
    pub(super) priority: Priority,
    pub(super) keep_alive: bool,
    /// The code of the peer's `STOP_SENDING`.
    pub(super) stop_error: Option<AppError>,
}

impl Stream {
    pub(super) fn new(id: StreamId, send: Option<SendStream>, recv: Option<RecvStream>) -> Self {
        Self {
            id,
            send,
            recv,
            links: Links::default(),
            control: Control::default(),
            told: Told::default(),
            priority: Priority::default(),
            keep_alive: false,
            stop_error: None,
        }
    }

    /// Whether nothing is left to do or to tell.
    pub(super) const fn is_done(&self) -> bool {
        self.send.is_none() && self.recv.is_none() && self.told.is_empty()
    }
}
