//! From connections and the server's own answers to batches of datagrams.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{BatchRef, Datagram, Tos};

use super::{ConnectionHandle, Server, table::Stage};
use crate::connection::{Output, OutputBatch, Transmit};

/// What one GSO send takes.
const SCRATCH: usize = 1 << 16;

/// A batch that was written to the front of the caller's memory.
#[derive(Clone, Copy, Debug)]
struct Written {
    source: SocketAddr,
    destination: SocketAddr,
    tos: Tos,
    size: NonZeroUsize,
    len: usize,
}

impl Written {
    fn batch<'b>(&self, buf: &'b [u8]) -> BatchRef<'b> {
        let payload = buf.get(..self.len).unwrap_or_default();
        BatchRef::new(self.source, self.destination, self.tos, self.size, payload)
    }
}

impl From<BatchRef<'_>> for Written {
    fn from(b: BatchRef<'_>) -> Self {
        Self {
            source: b.source(),
            destination: b.destination(),
            tos: b.tos(),
            size: b.datagram_size(),
            len: b.data().len(),
        }
    }
}

impl Server {
    /// Takes datagrams, and tells what to do next.
    #[must_use = "the output must be sent"]
    pub fn process<A, I>(&mut self, dgrams: I, now: Instant) -> Output
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        self.process_multiple_input(dgrams, now);
        self.process_output(now)
    }

    /// Takes datagrams, and tells what to do next, at most `max_datagrams`.
    #[must_use = "the output must be sent"]
    pub fn process_multiple<A, I>(
        &mut self,
        dgrams: I,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        self.process_multiple_input(dgrams, now);
        self.process_multiple_output(now, max_datagrams)
    }

    /// The next datagram to send, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_output(&mut self, now: Instant) -> Output {
        match self.process_multiple_output(now, NonZeroUsize::MIN) {
            OutputBatch::None => Output::None,
            OutputBatch::Callback(t) => Output::Callback(t),
            OutputBatch::DatagramBatch(b) => {
                Datagram::try_from(b).map_or(Output::None, Output::Datagram)
            }
        }
    }

    /// The next datagrams to send, at most `max_datagrams`, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_multiple_output(
        &mut self,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch {
        let mut buf = std::mem::take(&mut self.scratch);
        buf.resize(SCRATCH, 0);
        let output = match self.write_batch(now, &mut buf, max_datagrams) {
            Transmit::None => OutputBatch::None,
            Transmit::Callback(t) => OutputBatch::Callback(t),
            Transmit::Batch(b) => OutputBatch::DatagramBatch(b.to_batch()),
        };
        self.scratch = buf;
        output
    }

    /// Fills `buf` with up to `max` datagrams of one size for one destination; the last may be
    /// shorter. `buf` must hold the largest datagram that a path can carry; 64 KiB is what one GSO
    /// send can take. The connections that have something to send take turns, a batch each.
    ///
    /// [`Transmit::None`] says that nothing will happen until a datagram arrives.
    pub fn write_batch<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut [u8],
        max: NonZeroUsize,
    ) -> Transmit<'b> {
        self.roster.reap();
        self.roster.fire(now);
        // Answers and connections alternate, so that neither can hold up the other.
        self.answers_first = !self.answers_first;
        let answer = if self.answers_first {
            self.write_response(buf)
        } else {
            None
        };
        let written = answer
            .or_else(|| self.write_connection(now, buf, max))
            .or_else(|| self.write_response(buf));
        match written {
            Some(written) => Transmit::Batch(written.batch(buf)),
            None => self.roster.earliest().map_or(Transmit::None, |at| {
                Transmit::Callback(at.saturating_duration_since(now))
            }),
        }
    }

    fn write_response(&mut self, buf: &mut [u8]) -> Option<Written> {
        let d = self.responses.pop(buf.len())?;
        let size = NonZeroUsize::new(d.len())?;
        buf.get_mut(..d.len())?.copy_from_slice(&d);
        Some(Written {
            source: d.source(),
            destination: d.destination(),
            tos: d.tos(),
            size,
            len: d.len(),
        })
    }

    fn write_connection(
        &mut self,
        now: Instant,
        buf: &mut [u8],
        max: NonZeroUsize,
    ) -> Option<Written> {
        while let Some(handle) = self.roster.next_ready() {
            self.end_if_late(handle, now);
            let Some(entry) = self.roster.get_mut(handle) else {
                continue;
            };
            let (written, wait) = match entry.conn.write_batch(now, buf, max) {
                Transmit::Batch(b) => (Some(Written::from(b)), None),
                Transmit::Callback(wait) => (None, Some(wait)),
                Transmit::None => (None, None),
            };
            if written.is_some() {
                self.roster.wake(handle);
            } else {
                self.roster.wait(handle, wait.and_then(|t| after(now, t)));
            }
            self.roster.sync(handle);
            if written.is_some() {
                return written;
            }
        }
        None
    }

    /// Closes a connection whose handshake takes too long.
    // hardening A18
    fn end_if_late(&mut self, handle: ConnectionHandle, now: Instant) {
        if let Some(entry) = self.roster.get_mut(handle)
            && let Stage::HalfOpen(end) = entry.stage
            && end <= now
        {
            entry.stage = Stage::Late;
            entry.conn.close(now, 0, "the handshake took too long");
            self.stats.late += 1;
        }
    }
}

/// A time so far away that it cannot be represented never comes.
fn after(now: Instant, wait: Duration) -> Option<Instant> {
    now.checked_add(wait)
}
