//! From what components want to say to a batch of datagrams.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{Batch as OwnedBatch, BatchRef, Datagram, Ecn, Role};

use super::{Connection, State, close::Closer};
use crate::{
    PacketNumber, Res,
    config::limits,
    path::PathId,
    recovery::sent::SentPacket,
    space::PacketNumberSpace,
    tx::{
        PacketBuilder, Tx,
        batch::{Batch, DatagramBuilder},
        packet::TAG_LEN,
        schedule::{self, Permit, Speakers},
    },
    wire::header::{
        LongType,
        encode::{self, LongHeader},
    },
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
        let max = max_datagrams.get().min(limits::BATCH_DATAGRAMS);
        let probe = self.paths.primary().pmtud.probe_size().unwrap_or_default();
        let mut buf = vec![0; (max * self.paths.largest_mtu()).max(probe)];
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
            State::Closing { .. } => self.paths.primary_id(),
            _ => self
                .paths
                .wants_to_probe()
                .unwrap_or_else(|| self.paths.primary_id()),
        };
        let mark = self.paths.get(path).ecn.mark();
        let probe = self.mtu_probe_size(now, path, buf.len());
        let segment = probe.unwrap_or_else(|| self.segment(path));
        let mut batch = Batch::new(buf, segment, max.get());
        let result = if probe.is_some() {
            self.write_mtu_probe(now, path, mark, &mut batch)
        } else {
            self.fill(now, path, mark, &mut batch)
        };
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
        if self.state == State::Init {
            self.set_state(State::WaitInitial);
        }
        let p = self.paths.get_mut(path);
        if probe.is_none() && self.state == State::Confirmed && len >= p.mtu() {
            p.pmtud.on_filled(now);
        }
        p.amplification.on_sent(len);
        self.stats.bytes_tx += len as u64;
        self.stats.datagrams_tx += count as u64;
        let (local, remote) = (p.local, p.remote);
        NonZeroUsize::new(segment).map_or(Transmit::None, |segment| {
            Transmit::Batch(BatchRef::new(local, remote, mark.into(), segment, payload))
        })
    }

    fn callback<'b>(&self, now: Instant) -> Transmit<'b> {
        self.next_instant(now).map_or(Transmit::None, |at| {
            Transmit::Callback(at.saturating_duration_since(now))
        })
    }

    fn fill(&mut self, now: Instant, path: PathId, mark: Ecn, batch: &mut Batch<'_>) -> Res<()> {
        if let Some(closer) = self.closer.take() {
            let closer = if closer.is_due() {
                self.write_close(&closer, path, batch)?;
                closer.after_sending()
            } else {
                closer
            };
            self.closer = Some(closer);
            return Ok(());
        }
        let mtu = self.paths.get(path).mtu();
        let mut budget = self.budget(now, path);
        loop {
            let limit = self.paths.get(path).amplification.limit();
            let Some(mut dgram) = batch.datagram(limit.saturating_sub(batch.len())) else {
                break;
            };
            let turn = Turn {
                now,
                path,
                mark,
                window_open: budget >= mtu,
            };
            let in_flight = self.write_datagram(&turn, &mut dgram)?;
            if dgram.is_empty() {
                break;
            }
            budget = budget.saturating_sub(in_flight);
            dgram.commit();
        }
        self.paths
            .get_mut(path)
            .sender
            .set_app_limited(budget >= mtu);
        Ok(())
    }

    /// How large datagrams are now.
    fn segment(&self, path: PathId) -> usize {
        let pmtud = &self.paths.get(path).pmtud;
        // What is lost without an answer may have been lost for its size.
        let probing = self.spaces.iter().any(|(_, s)| s.wants_pto_probe());
        if probing { pmtud.base() } else { pmtud.mtu() }
    }

    /// The size of the probe for a larger path MTU that is to be sent now, if it fits into `room`.
    fn mtu_probe_size(&mut self, now: Instant, path: PathId, room: usize) -> Option<usize> {
        let size = self.paths.get(path).pmtud.probe_size()?;
        let space = self.spaces.get(PacketNumberSpace::ApplicationData)?;
        //= rfc9000#section-14.3.1
        //# A QUIC sender can therefore enter the DPLPMTUD BASE state ({{Section 5.2
        //# of DPLPMTUD}}) when the QUIC connection handshake has been completed.
        let idle = self.state == State::Confirmed && !space.wants_probe();
        let usual = path == self.paths.primary_id()
            && self.paths.get(path).amplification.is_validated()
            && size <= room;
        //= rfc9000#section-14.4
        //# However, PMTU probes consume congestion window, which could delay subsequent
        //# transmission by an application.
        (idle && usual && self.budget(now, path) >= size).then_some(size)
    }

    fn write_mtu_probe(
        &mut self,
        now: Instant,
        path: PathId,
        mark: Ecn,
        batch: &mut Batch<'_>,
    ) -> Res<()> {
        let Some(mut dgram) = batch.datagram(usize::MAX) else {
            return Ok(());
        };
        let turn = Turn {
            now,
            path,
            mark,
            window_open: true,
        };
        let id = PacketNumberSpace::ApplicationData;
        let permit = (Permit::MtuProbe, false);
        self.write_packet(&turn, id, permit, &mut dgram, &mut Written::default())?;
        dgram.commit();
        Ok(())
    }

    /// How many bytes congestion control and the pacer let be sent now.
    fn budget(&mut self, now: Instant, path: PathId) -> usize {
        let path = self.paths.get_mut(path);
        let window = path.sender.available();
        window.min(path.sender.pacing_budget(now, &path.rtt))
    }

    /// Coalesces one packet of each space that has something to say. Returns the bytes in flight.
    fn write_datagram(&mut self, turn: &Turn, dgram: &mut DatagramBuilder<'_, '_>) -> Res<usize> {
        for id in PacketNumberSpace::ALL {
            self.fill_probe(id);
        }
        let speakers = self.speakers(turn);
        let mut written = Written::default();
        for id in PacketNumberSpace::ALL {
            let Some(permit) = speakers.permit(id) else {
                continue;
            };
            let later = speakers.later(id);
            self.write_packet(turn, id, (permit, later), dgram, &mut written)?;
            //= rfc9001#section-4.9.1
            //# a client MUST discard Initial keys when it first sends a Handshake packet
            if id == PacketNumberSpace::Handshake
                && self.role == Role::Client
                && written.last == Some(id)
            {
                self.discard_space(PacketNumberSpace::Initial);
            }
        }
        Ok(written.in_flight)
    }

    /// Which spaces have something to say, and how much they may.
    fn speakers(&self, turn: &Turn) -> Speakers {
        let mut speakers = Speakers::default();
        let elsewhere = turn.path != self.paths.primary_id();
        for (id, space) in self.spaces.iter().filter(|(_, s)| s.keys.can_seal()) {
            if elsewhere {
                if id == PacketNumberSpace::ApplicationData {
                    speakers.set(id, Permit::PathOnly);
                }
                continue;
            }
            if space.wants_probe() {
                speakers.set(id, Permit::Probe);
            } else if turn.window_open && self.wants_to_send(id) {
                speakers.set(id, Permit::All);
            } else if space.acks.is_due(turn.now) {
                speakers.set(id, Permit::AckOnly);
            }
        }
        speakers
    }

    /// Whether anything but acknowledgements waits to be said on the primary path in this space.
    pub(super) fn wants_to_send(&self, id: PacketNumberSpace) -> bool {
        let crypto = self
            .spaces
            .get(id)
            .is_some_and(|s| s.crypto.wants_to_send());
        let app = id == PacketNumberSpace::ApplicationData;
        crypto || (app && self.app_wants_to_send(self.paths.primary_id()))
    }

    pub(super) fn app_wants_to_send(&self, path: PathId) -> bool {
        self.streams.wants_to_send()
            || self.handshake_done_due
            || self.local_cids.wants_to_send()
            || self.remote_cids.wants_to_send()
            || self.paths.get(path).validation.wants_to_send()
    }

    /// Writes one packet, or leaves no trace. `later` tells whether another one follows it.
    fn write_packet(
        &mut self,
        turn: &Turn,
        id: PacketNumberSpace,
        (permit, later): (Permit, bool),
        dgram: &mut DatagramBuilder<'_, '_>,
        written: &mut Written,
    ) -> Res<()> {
        let (before, size) = (dgram.len(), dgram.size());
        let mut pkt = dgram.packet();
        let Some(pn) = self.write_header(id, &mut pkt) else {
            return Ok(());
        };
        let Some(space) = self.spaces.get_mut(id) else {
            return Ok(());
        };
        let path = self.paths.get_mut(turn.path);
        let path_frames = path.validation.wants_to_send()
            && id == PacketNumberSpace::ApplicationData
            && !matches!(permit, Permit::AckOnly | Permit::MtuProbe);
        let rtt = path.rtt.smoothed();
        let mut draft = space.loss.sent.draft();
        let mut tx = Tx {
            pkt: &mut pkt,
            tokens: &mut draft,
            stats: &mut self.stats.frame_tx,
            now: turn.now,
            rtt,
        };
        let acked = schedule::Parts {
            acks: &mut space.acks,
            crypto: &mut space.crypto,
            streams: &mut self.streams,
            local_cids: &mut self.local_cids,
            remote_cids: &mut self.remote_cids,
            path,
            handshake_done_due: &mut self.handshake_done_due,
        }
        .write(id, permit, &mut tx);
        if pkt.is_empty() {
            return Ok(());
        }
        written.pad |= schedule::demands_padding(id, self.role, &pkt, path_frames);
        let room = size.saturating_sub(before + pkt.len() + TAG_LEN);
        if written.pad && !(later && room >= LEAST_ROOM) {
            pkt.pad_to(limits::MIN_INITIAL_DATAGRAM.saturating_sub(before));
        }
        let (ack_eliciting, in_flight) = (pkt.is_ack_eliciting(), pkt.is_in_flight());
        let (keys, _) = space.keys.seal(pn)?;
        let size = pkt.seal(pn, keys)?;
        let sent = SentPacket {
            pn,
            time: turn.now,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            ack_eliciting,
            in_flight,
            path: turn.path,
            ecn: turn.mark,
            mtu_probe: permit == Permit::MtuProbe,
        };
        draft.sent(sent);
        space.pn.used(&mut self.random);
        if let Some(largest) = acked {
            space.keys.on_ack_sent(largest);
        }
        if ack_eliciting {
            space.probe_sent();
            self.idle.on_sent(turn.now);
        }
        self.paths.get_mut(turn.path).on_packet_sent(&sent);
        self.stats.packets_tx += 1;
        self.stats.pmtud_tx += u64::from(sent.mtu_probe);
        written.in_flight += if in_flight { size } else { 0 };
        written.last = Some(id);
        Ok(())
    }

    /// Writes the header of the next packet of a space, if it fits. Returns the packet's number.
    fn write_header(
        &self,
        id: PacketNumberSpace,
        pkt: &mut PacketBuilder<'_>,
    ) -> Option<PacketNumber> {
        let space = self.spaces.get(id)?;
        let pn = space.pn.peek();
        let number = (pn, space.loss.largest_acked());
        let (dcid, scid) = (self.remote_cids.current(), self.local_cids.first());
        let long = |kind, token| LongHeader {
            version: self.version,
            kind,
            dcid,
            scid,
            token,
        };
        let layout = match id {
            PacketNumberSpace::Initial => {
                long(LongType::Initial, &self.handshake.token).write(pkt, number)
            }
            PacketNumberSpace::Handshake => long(LongType::Handshake, &[]).write(pkt, number),
            PacketNumberSpace::ApplicationData => {
                encode::short(pkt, &dcid, space.keys.phase_bit(), number)
            }
        };
        pkt.header_done(layout?);
        Some(pn)
    }

    /// Says CONNECTION_CLOSE at every level that has keys, in one datagram.
    fn write_close(&mut self, closer: &Closer, path: PathId, batch: &mut Batch<'_>) -> Res<()> {
        let limit = self.paths.get(path).amplification.limit();
        let Some(mut dgram) = batch.datagram(limit) else {
            return Ok(());
        };
        let last = PacketNumberSpace::ALL
            .into_iter()
            .rfind(|id| self.spaces.get(*id).is_some_and(|s| s.keys.can_seal()));
        let mut pad = false;
        for id in PacketNumberSpace::ALL {
            let before = dgram.len();
            let mut pkt = dgram.packet();
            if !self.spaces.get(id).is_some_and(|s| s.keys.can_seal()) {
                continue;
            }
            let Some(pn) = self.write_header(id, &mut pkt) else {
                continue;
            };
            if !closer.write(id, &mut pkt) {
                continue;
            }
            pad |= schedule::demands_padding(id, self.role, &pkt, false);
            if pad && Some(id) == last {
                pkt.pad_to(limits::MIN_INITIAL_DATAGRAM.saturating_sub(before));
            }
            let Some(space) = self.spaces.get_mut(id) else {
                continue;
            };
            let (keys, _) = space.keys.seal(pn)?;
            pkt.seal(pn, keys)?;
            space.pn.used(&mut self.random);
            self.stats.packets_tx += 1;
            self.stats.frame_tx.connection_close += 1;
        }
        dgram.commit();
        Ok(())
    }
}

/// What stays the same while a datagram is written.
#[derive(Clone, Copy, Debug)]
struct Turn {
    now: Instant,
    path: PathId,
    /// How the datagrams of the batch are marked.
    mark: Ecn,
    /// Whether congestion control and the pacer let a full datagram go.
    window_open: bool,
}

/// What was written into a datagram so far.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    in_flight: usize,
    /// Whether the datagram must have at least [`limits::MIN_INITIAL_DATAGRAM`] bytes.
    pad: bool,
    last: Option<PacketNumberSpace>,
}

/// With this much room left, a packet that wants to follow is sure to say something.
const LEAST_ROOM: usize = 128;
