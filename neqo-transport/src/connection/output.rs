//! From what components want to say to a batch of datagrams.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{Batch as OwnedBatch, BatchRef, Datagram, Ecn, Role, Tos};

use super::{Connection, State};
use crate::{
    Res,
    config::limits,
    path::PathId,
    recovery::sent::SentPacket,
    space::PacketNumberSpace,
    tx::{
        batch::{Batch, DatagramBuilder},
        schedule::{self, Permit, Speakers},
    },
    wire::header::{LongType, encode as header},
};

/// What a connection wants of its host, with memory of the connection's own.
#[derive(Clone, Debug, Default)]
pub enum Output {
    /// Nothing, ever again.
    #[default]
    None,
    /// Send this.
    Datagram(Datagram),
    /// Call again when this much time has passed.
    Callback(Duration),
}

/// [`Output`] with many datagrams of one size.
#[derive(Clone, Debug, Default)]
pub enum OutputBatch {
    /// Nothing, ever again.
    #[default]
    None,
    /// Send these.
    DatagramBatch(OwnedBatch),
    /// Call again when this much time has passed.
    Callback(Duration),
}

/// What a connection wants of its host, in memory that the host lent.
#[derive(Clone, Copy, Debug)]
pub enum Transmit<'b> {
    /// Nothing, ever again.
    None,
    /// Send these datagrams of one size to one address.
    Batch(BatchRef<'b>),
    /// Call again when this much time has passed.
    Callback(Duration),
}

impl Output {
    /// The datagram, if there is one.
    #[must_use]
    pub fn dgram(self) -> Option<Datagram> {
        match self {
            Self::Datagram(d) => Some(d),
            Self::None | Self::Callback(_) => None,
        }
    }

    /// A reference to the datagram, if there is one.
    #[must_use]
    pub const fn as_dgram_ref(&self) -> Option<&Datagram> {
        match self {
            Self::Datagram(d) => Some(d),
            Self::None | Self::Callback(_) => None,
        }
    }

    /// How long to wait, zero unless this is a callback.
    #[must_use]
    pub const fn callback(&self) -> Duration {
        match self {
            Self::Callback(t) => *t,
            Self::None | Self::Datagram(_) => Duration::ZERO,
        }
    }
}

impl OutputBatch {
    /// The batch, if there is one.
    #[must_use]
    pub fn dgram(self) -> Option<OwnedBatch> {
        match self {
            Self::DatagramBatch(b) => Some(b),
            Self::None | Self::Callback(_) => None,
        }
    }
}

impl Connection {
    /// The next datagram to send, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_output(&mut self, now: Instant) -> Output {
        match self.process_multiple_output(now, NonZeroUsize::MIN) {
            OutputBatch::None => Output::None,
            OutputBatch::Callback(t) => Output::Callback(t),
            OutputBatch::DatagramBatch(b) => Datagram::try_from(b).map_or(Output::None, Output::Datagram),
        }
    }

    /// The next datagrams to send, at most `max_datagrams`, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_multiple_output(
        &mut self,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch {
        let max = max_datagrams.get().min(limits::BATCH_DATAGRAMS);
        let mut buf = vec![0; max * self.paths.largest_mtu()];
        match self.write_batch(now, &mut buf, max_datagrams) {
            Transmit::None => OutputBatch::None,
            Transmit::Callback(t) => OutputBatch::Callback(t),
            Transmit::Batch(b) => OutputBatch::DatagramBatch(b.to_batch()),
        }
    }

    /// Fills `buf` with up to `max` datagrams of one size for one destination; the last may be
    /// shorter. `buf` must hold a datagram of the path's MTU, at most 65,535 bytes; 64 KiB is
    /// what one GSO send can take.
    pub fn write_batch<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut [u8],
        max: NonZeroUsize,
    ) -> Transmit<'b> {
        self.on_timers(now);
        let path = match &self.state {
            State::Closed(_) => return Transmit::None,
            State::Draining { .. } => return self.callback(now),
            _ => self.paths.wants_to_probe().unwrap_or_else(|| self.paths.primary_id()),
        };
        let mut batch = Batch::new(buf, self.paths.get(path).mtu, max.get());
        let result = self.fill(now, path, &mut batch);
        debug_assert!(self.consistent());
        let (count, len) = (batch.count(), batch.len());
        let Some((payload, segment)) = batch.finish() else {
            if let Err(e) = result {
                self.fail(e, now);
                return Transmit::Callback(Duration::ZERO);
            }
            return self.callback(now);
        };
        if let Err(e) = result {
            self.fail(e, now);
        }
        let p = self.paths.get_mut(path);
        p.amplification.on_sent(len);
        self.stats.bytes_tx += len as u64;
        self.stats.datagrams_tx += count as u64;
        let (local, remote) = (p.local, p.remote);
        NonZeroUsize::new(segment).map_or(Transmit::None, |segment| {
            Transmit::Batch(BatchRef::new(local, remote, Tos::default(), segment, payload))
        })
    }

    fn callback<'b>(&self, now: Instant) -> Transmit<'b> {
        self.next_instant(now).map_or(Transmit::None, |at| {
            Transmit::Callback(at.saturating_duration_since(now))
        })
    }

    fn fill(&mut self, now: Instant, path: PathId, batch: &mut Batch<'_>) -> Res<()> {
        if self.closer.is_some() {
            return self.write_close(now, path, batch);
        }
        let mut budget = self.budget(now, path);
        loop {
            let written = batch.len();
            let limit = self.paths.get(path).amplification.limit();
            let Some(mut dgram) = batch.datagram(limit.saturating_sub(written)) else {
                return Ok(());
            };
            let in_flight = self.write_datagram(now, path, budget, &mut dgram)?;
            if dgram.len() == 0 {
                return Ok(());
            }
            budget = budget.saturating_sub(in_flight);
            dgram.commit();
        }
    }

    /// How many bytes congestion control and the pacer let be sent now.
    fn budget(&mut self, now: Instant, path: PathId) -> usize {
        let path = self.paths.get_mut(path);
        let window = path.sender.available();
        window.min(path.sender.pacing_budget(now, &path.rtt))
    }

    /// Coalesces one packet of each space that has something to say. Returns the bytes in flight.
    fn write_datagram(
        &mut self,
        now: Instant,
        path: PathId,
        budget: usize,
        dgram: &mut DatagramBuilder<'_, '_>,
    ) -> Res<usize> {
        let speakers = self.speakers(now, path, budget >= dgram.size());
        let mut in_flight = 0;
        for id in PacketNumberSpace::ALL {
            if let Some(permit) = speakers.permit(id) {
                in_flight += self.write_packet(now, path, (id, permit), &speakers, dgram)?;
            }
        }
        Ok(in_flight)
    }

    /// Which spaces have something to say, and how much they may.
    fn speakers(&self, now: Instant, path: PathId, window_open: bool) -> Speakers {
        let mut speakers = Speakers::default();
        let probing = path != self.paths.primary_id();
        for (id, space) in self.spaces.iter().filter(|(_, s)| s.keys.can_seal()) {
            let app = id == PacketNumberSpace::ApplicationData;
            if probing && !app {
                continue;
            }
            let permit = if probing {
                Some(Permit::PathOnly)
            } else if space.ping || self.pto.is_probing(id) {
                Some(Permit::Probe)
            } else if window_open
                && (space.crypto.wants_to_send() || (app && self.app_wants_to_send(path)))
            {
                Some(Permit::All)
            } else if space.acks.is_due(now) {
                Some(Permit::AckOnly)
            } else {
                None
            };
            if let Some(permit) = permit {
                speakers.set(id, permit);
            }
        }
        speakers
    }

    fn app_wants_to_send(&self, path: PathId) -> bool {
        self.streams.wants_to_send()
            || self.handshake_done_due
            || self.local_cids.wants_to_send()
            || self.remote_cids.wants_to_send()
            || self.paths.get(path).validation.wants_to_send()
    }

    /// Writes one packet, or leaves no trace. Returns the bytes in flight.
    fn write_packet(
        &mut self,
        now: Instant,
        path_id: PathId,
        (id, permit): (PacketNumberSpace, Permit),
        speakers: &Speakers,
        dgram: &mut DatagramBuilder<'_, '_>,
    ) -> Res<usize> {
        let (before, size) = (dgram.len(), dgram.size());
        let mut pkt = dgram.packet();
        let Some(space) = self.spaces.get_mut(id) else {
            return Ok(0);
        };
        let pn = space.pn.peek();
        let acked = space.loss.largest_acked();
        let dcid = self.remote_cids.current();
        let scid = self.local_cids.first();
        let (keys, phase) = space.keys.seal(pn)?;
        let layout = match id {
            PacketNumberSpace::Initial => header::long(
                &mut pkt,
                (self.version, LongType::Initial),
                (&dcid, &scid),
                &self.handshake.token,
                (pn, acked),
            ),
            PacketNumberSpace::Handshake => header::long(
                &mut pkt,
                (self.version, LongType::Handshake),
                (&dcid, &scid),
                &[],
                (pn, acked),
            ),
            PacketNumberSpace::ApplicationData => header::short(&mut pkt, &dcid, phase, (pn, acked)),
        };
        let Some(layout) = layout else {
            return Ok(0);
        };
        pkt.header_done(layout);
        let path = self.paths.get_mut(path_id);
        let mut draft = space.loss.sent.draft();
        let mut parts = schedule::Parts {
            acks: &mut space.acks,
            crypto: &mut space.crypto,
            streams: &mut self.streams,
            local_cids: &mut self.local_cids,
            remote_cids: &mut self.remote_cids,
            path,
            handshake_done_due: &mut self.handshake_done_due,
            ack_delay_exponent: limits::ACK_DELAY_EXPONENT,
        };
        schedule::write(
            &mut parts,
            (id, permit),
            &mut pkt,
            &mut draft,
            (&mut self.stats.frame_tx, now),
        );
        if pkt.is_empty() {
            return Ok(0);
        }
        let must_pad = schedule::must_pad(id, self.role, &pkt, speakers);
        Ok(0)
    }
}
