//! From a datagram to opened packets.

use std::{num::NonZeroUsize, ops::Range, time::Instant};

use bytes::BytesMut;
use neqo_common::{Datagram, Role, qtrace};
use neqo_crypto::Level;

use super::{
    Connection, Output, OutputBatch, State,
    dispatch::{Context, Seen},
};
use crate::{
    CloseReason, Error, Violation,
    cid::id::ConnectionId,
    config::limits,
    handshake::keys::OpenedWith,
    path::PathId,
    rx::{payload::Payload, saved::Meta},
    space::PacketNumberSpace,
    stats::DropReason,
    wire::header::{Packet, Protected, QuicBit},
};

/// A packet is dropped, or its sender broke the protocol.
enum Refusal {
    Drop(DropReason),
    Violation(Error),
}

impl From<DropReason> for Refusal {
    fn from(r: DropReason) -> Self {
        Self::Drop(r)
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        Self::Violation(e)
    }
}

impl From<Violation> for Refusal {
    fn from(v: Violation) -> Self {
        Self::Violation(v.into())
    }
}

impl Connection {
    /// Takes a datagram. It is decrypted in place; data that is not read at once is copied.
    pub fn process_input<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        mut d: Datagram<A>,
        now: Instant,
    ) {
        let meta = meta_of(&d);
        self.on_datagram(&meta, d.as_mut(), now);
        self.after_input(now);
    }

    /// Takes several datagrams.
    pub fn process_multiple_input<A, I>(&mut self, dgrams: I, now: Instant)
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        for mut d in dgrams {
            let meta = meta_of(&d);
            self.on_datagram(&meta, d.as_mut(), now);
        }
        self.after_input(now);
    }

    /// Takes datagrams of `stride` bytes each (the last may be shorter), one behind the other in
    /// one buffer, as generic receive offload delivers them. Stream data is kept as slices of the
    /// buffer where that wastes little memory, so it is not copied before the application reads it.
    pub fn process_input_owned(
        &mut self,
        d: Datagram<BytesMut>,
        stride: NonZeroUsize,
        now: Instant,
    ) {
        let meta = meta_of(&d);
        let mut data = d.into_data();
        // hardening A6: slices of a buffer that is mostly empty would pin all of it.
        let keep = data.len() >= data.capacity() / 2;
        while !data.is_empty() {
            let mut datagram = data.split_to(stride.get().min(data.len()));
            let is_short = datagram.first().is_some_and(|first| first & 0x80 == 0);
            if keep && is_short {
                self.on_short_datagram(&meta, datagram, now);
            } else {
                self.on_datagram(&meta, &mut datagram, now);
            }
        }
        self.after_input(now);
    }

    /// Takes a datagram, if there is one, and tells what to do next.
    #[must_use = "the output must be sent"]
    pub fn process<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        dgram: Option<Datagram<A>>,
        now: Instant,
    ) -> Output {
        if let Some(d) = dgram {
            self.process_input(d, now);
        }
        self.process_output(now)
    }

    /// Takes a datagram, if there is one, and tells what to do next, at most `max_datagrams`.
    #[must_use = "the output must be sent"]
    pub fn process_multiple<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        dgram: Option<Datagram<A>>,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch {
        if let Some(d) = dgram {
            self.process_input(d, now);
        }
        self.process_multiple_output(now, max_datagrams)
    }

    /// Counts a datagram that arrived. Whether it is to be looked into.
    fn admit(&mut self, meta: &Meta, len: usize) -> bool {
        self.stats.bytes_rx += len as u64;
        match &self.state {
            State::Closing { .. } => {
                if let Some(closer) = &mut self.closer {
                    closer.on_datagram();
                }
                // The amplification limit may hold back what is to be said.
                if let Some(id) = self.paths.find(meta.dst, meta.src) {
                    self.paths.get_mut(id).amplification.on_received(len);
                }
            }
            State::Draining { .. } | State::Closed(_) => {}
            _ => {
                if let Some(id) = self.paths.find(meta.dst, meta.src) {
                    self.paths.get_mut(id).amplification.on_received(len);
                    return true;
                }
                //= rfc9000#section-9
                //# If a client receives packets from an unknown server address, the client MUST
                //# discard these packets.
                if self.role == Role::Server && self.state == State::Confirmed {
                    return true;
                }
                self.stats.dropped[DropReason::Address] += 1;
                return false;
            }
        }
        self.stats.dropped[DropReason::Closed] += 1;
        false
    }

    fn on_datagram(&mut self, meta: &Meta, data: &mut [u8], now: Instant) {
        if !self.admit(meta, data.len()) {
            return;
        }
        let datagram_len = data.len();
        let mut rest = data;
        let mut first_dcid = None;
        while !rest.is_empty() && !self.state.closing() && !self.state.closed() {
            let p = match self.decode(rest, now) {
                Ok(Some(p)) => p,
                Ok(None) => return,
                Err(reason) => return self.refuse(Refusal::Drop(reason), rest, now),
            };
            //= rfc9000#section-12.2
            //# Receivers SHOULD ignore any subsequent packets with a different Destination
            //# Connection ID than the first packet in the datagram.
            // hardening A17
            if *first_dcid.get_or_insert_with(|| *p.dcid()) != *p.dcid() {
                self.stats.dropped[DropReason::ConnectionId] += 1;
                return;
            }
            let len = p.len().min(rest.len());
            let (packet, behind) = rest.split_at_mut(len);
            rest = behind;
            if p.level() == Level::Initial
                && self.role == Role::Server
                && datagram_len < limits::MIN_INITIAL_DATAGRAM
            {
                //= rfc9000#section-14.1
                //# A server MUST discard an Initial packet that is carried in a UDP
                //# datagram with a payload that is smaller than the smallest allowed
                //# maximum datagram size of 1200 bytes.
                self.stats.dropped[DropReason::ShortInitial] += 1;
                continue;
            }
            self.on_packet(meta, p, packet, now);
        }
    }

    fn on_packet(&mut self, meta: &Meta, p: Protected, packet: &mut [u8], now: Instant) {
        match self.open(meta, p, packet, now) {
            Ok((cx, range)) => {
                let payload = Payload::borrowed(packet.get(range).unwrap_or_default());
                self.deliver(&cx, meta, payload);
            }
            Err(refusal) => self.refuse(refusal, packet, now),
        }
    }

    /// A datagram that is one packet with a short header, in a buffer that may be kept.
    fn on_short_datagram(&mut self, meta: &Meta, mut data: BytesMut, now: Instant) {
        if !self.admit(meta, data.len()) {
            return;
        }
        let opened = match self.decode(&data, now) {
            Ok(Some(p)) => self.open(meta, p, &mut data, now),
            Ok(None) => return,
            Err(reason) => Err(reason.into()),
        };
        match opened {
            Ok((cx, range)) => {
                let owner = data.freeze();
                let payload = Payload::owned(owner.get(range).unwrap_or_default(), &owner);
                self.deliver(&cx, meta, payload);
            }
            Err(refusal) => self.refuse(refusal, &data, now),
        }
    }

    /// Parses the front of a datagram. Retry and Version Negotiation are dealt with here.
    fn decode(&mut self, data: &[u8], now: Instant) -> Result<Option<Protected>, DropReason> {
        match Packet::decode(data, self.local_cids.decoder(), QuicBit::Required)? {
            Packet::Protected(p) => return Ok(Some(p)),
            Packet::Retry(retry) => self.on_retry(&retry)?,
            Packet::VersionNegotiation(vn) => self.on_version_negotiation(&vn, now)?,
            Packet::OtherVersion(_) => return Err(DropReason::Version),
        }
        Ok(None)
    }

    /// Whether the fields that are not protected allow a packet here at all.
    fn check(&self, p: &Protected) -> Result<PacketNumberSpace, DropReason> {
        if p.version().is_some_and(|v| v != self.version) && !self.may_upgrade(p) {
            return Err(DropReason::Version);
        }
        let ours = self.local_cids.contains(p.dcid());
        let early = matches!(p.level(), Level::Initial | Level::ZeroRtt);
        let made_up =
            self.role == Role::Server && early && *p.dcid() == self.handshake.ids.initial_dcid;
        if !ours && !made_up {
            return Err(DropReason::ConnectionId);
        }
        // hardening R3814
        //= rfc9000#section-17.2.2
        //# Initial packets sent by the server MUST set the Token Length field to 0; clients that
        //# receive an Initial packet with a non-zero Token Length field MUST either discard
        //# the packet or generate a connection error of type PROTOCOL_VIOLATION.
        if self.role == Role::Client && p.has_token() {
            return Err(DropReason::UnexpectedType);
        }
        //= rfc9000#section-7.2
        //# Any further changes to the Destination Connection ID are only permitted if the values
        //# are taken from NEW_CONNECTION_ID frames; if subsequent Initial packets include a
        //# different Source Connection ID, they MUST be discarded.
        let known = self.handshake.ids.peer_scid;
        if p.level() != Level::OneRtt && known.is_some_and(|scid| scid != *p.scid()) {
            return Err(DropReason::ConnectionId);
        }
        match p.level() {
            // 0-RTT is neither offered nor accepted.
            Level::ZeroRtt => Err(DropReason::UnexpectedType),
            level => Ok(level.into()),
        }
    }

    /// Opens a packet in place. Returns what is known about it and where its frames are.
    fn open(
        &mut self,
        meta: &Meta,
        p: Protected,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<(Context, Range<usize>), Refusal> {
        let id = self.check(&p)?;
        if let Some(version) = p.version().filter(|v| *v != self.version) {
            self.upgrade(version, p.clone(), packet)?;
        }
        let (dcid, scid) = (*p.dcid(), *p.scid());
        let is_long = p.level() != Level::OneRtt;
        let space = self.spaces.get_mut(id).ok_or(DropReason::KeysDiscarded)?;
        //= rfc9001#section-5.7
        //# Even if it has 1-RTT secrets, an endpoint MUST NOT
        //# process incoming 1-RTT protected packets before the TLS handshake is complete.
        let early = !is_long && !self.state.connected();
        let Some(unmasker) = space.keys.unmasker().filter(|_| !early) else {
            return Err(self.save(id, meta, packet).into());
        };
        let unprotected = p.unmask(packet, |sample| unmasker.mask(sample))?;
        let pn = unprotected.packet_number(packet, space.acks.largest());
        if space.acks.is_duplicate(pn) {
            self.stats.dups_rx += 1;
            return Err(DropReason::Duplicate.into());
        }
        let (keys, with) = space
            .keys
            .opener(pn, unprotected.key_phase() && !is_long)
            .ok_or(DropReason::KeysPending)?;
        let opened = unprotected
            .open(packet, pn, keys)
            .map_err(|_| DropReason::Decrypt)?;
        let range = opened.payload()?;
        let rtt = &self.paths.primary().rtt;
        let keep = || (rtt.pto_base() + self.peer.max_ack_delay) * 3;
        match with {
            OpenedWith::Current => space.keys.on_opened(pn, now, keep),
            OpenedWith::Previous => {}
            OpenedWith::Next => space.keys.on_peer_update(pn, now, keep())?,
        }
        if is_long {
            self.on_first_words(id, scid);
        }
        let path = self
            .path_of(meta, packet.len(), now)
            .ok_or(DropReason::Address)?;
        let cx = Context {
            space: id,
            pn,
            path,
            dcid,
            now,
        };
        Ok((cx, range))
    }

    /// Keeps a packet whose keys will come, if they will.
    fn save(&mut self, id: PacketNumberSpace, meta: &Meta, packet: &[u8]) -> DropReason {
        if id != PacketNumberSpace::Initial && self.saved.save(id, *meta, packet) {
            self.stats.saved_datagrams += 1;
            //= rfc9002#section-6.2.3
            //# When a client receives Handshake or 1-RTT packets prior to obtaining Handshake keys,
            //# it may assume some or all of the server's Initial packets were lost.
            let keys = self.spaces.get(PacketNumberSpace::Handshake);
            if self.role == Role::Client && keys.is_some_and(|s| !s.keys.can_seal()) {
                self.speed_up(PacketNumberSpace::Initial);
            }
        }
        DropReason::KeysPending
    }

    /// What the first authentic packets of a handshake change.
    fn on_first_words(&mut self, id: PacketNumberSpace, scid: ConnectionId) {
        if self.handshake.ids.peer_scid.is_none() {
            self.handshake.ids.peer_scid = Some(scid);
            self.remote_cids.replace_first(scid);
        }
        if self.state == State::WaitInitial {
            self.set_state(State::Handshaking);
        }
        if self.role == Role::Server && id == PacketNumberSpace::Handshake {
            //= rfc9000#section-8.1
            //# Once an endpoint has successfully processed a Handshake packet from the peer, it
            //# can consider the peer address to have been validated.
            self.paths.primary_mut().amplification.validate();
            //= rfc9001#section-4.9.1
            //# a server MUST discard Initial keys when it first successfully processes a
            //# Handshake packet.
            if self.spaces.get(PacketNumberSpace::Initial).is_some() {
                self.discard_space(PacketNumberSpace::Initial);
            }
        }
    }

    fn path_of(&mut self, meta: &Meta, len: usize, now: Instant) -> Option<PathId> {
        let known = self.paths.find(meta.dst, meta.src);
        known.or_else(|| {
            let id = self.paths.add(meta.dst, meta.src, &self.params, now)?;
            let path = self.paths.get_mut(id);
            path.amplification.on_received(len);
            path.limit_mtu(usize::try_from(self.peer.max_udp_payload_size).unwrap_or(usize::MAX));
            Some(id)
        })
    }

    /// Hands the frames of an opened packet to the components, and notes that it came.
    fn deliver(&mut self, cx: &Context, meta: &Meta, payload: Payload<'_>) {
        let seen = match self.on_frames(cx, payload) {
            Ok(seen) => seen,
            Err(e) => return self.fail(e, cx.now),
        };
        self.stats.packets_rx += 1;
        self.idle.on_received(cx.now);
        let newest = self.spaces.get_mut(cx.space).is_some_and(|space| {
            let newest = space.acks.largest().is_none_or(|largest| cx.pn > largest);
            space
                .acks
                .on_received(cx.pn, seen.ack_eliciting, meta.tos.into(), cx.now);
            newest
        });
        if cx.path != self.paths.primary_id() {
            self.on_other_path(cx, seen, newest);
        }
        qtrace!("{self} received {:?} {}", cx.space, cx.pn);
    }

    /// The peer spoke from another address (RFC 9000 §9.3).
    fn on_other_path(&mut self, cx: &Context, seen: Seen, newest: bool) {
        let validated = self.paths.get(cx.path).amplification.is_validated();
        if !validated {
            let path = self.paths.get_mut(cx.path);
            let pto = path.rtt.pto_base();
            path.validation.begin(&mut self.random, cx.now, pto);
        }
        //= rfc9000#section-9.3
        //# An endpoint only changes the address to which it sends packets in response to the
        //# highest-numbered non-probing packet.
        if newest && seen.non_probing && self.role == Role::Server {
            self.paths.set_primary(cx.path);
        }
    }

    /// A packet was dropped, or breaks the protocol.
    fn refuse(&mut self, refusal: Refusal, packet: &[u8], now: Instant) {
        match refusal {
            Refusal::Violation(e) => self.fail(e, now),
            Refusal::Drop(reason) => {
                self.stats.dropped[reason] += 1;
                qtrace!("{self} drops a packet: {reason}");
                let strange = matches!(
                    reason,
                    DropReason::Decrypt
                        | DropReason::Duplicate
                        | DropReason::ConnectionId
                        | DropReason::Header
                );
                if strange && self.remote_cids.is_stateless_reset(packet) {
                    //= rfc9000#section-10.3.1
                    //# If the last 16 bytes of the datagram are identical in value to a stateless
                    //# reset token, the endpoint MUST enter the draining period and not send any
                    //# further packets on this connection.
                    self.drain(CloseReason::Transport(Error::StatelessReset), now);
                } else if reason == DropReason::Decrypt && self.integrity_exhausted() {
                    self.fail(Violation::AeadLimitReached.into(), now);
                }
            }
        }
    }

    fn integrity_exhausted(&self) -> bool {
        self.spaces
            .iter()
            .any(|(_, s)| s.keys.integrity_exhausted())
    }

    /// Opens saved packets whose keys came meanwhile.
    pub(super) fn after_input(&mut self, now: Instant) {
        while let Some(id) = self.unlocked.pop() {
            let ready = id != PacketNumberSpace::ApplicationData || self.state.connected();
            if !ready || self.state.closing() || self.state.closed() {
                continue;
            }
            for mut saved in self.saved.take(id) {
                if let Ok(Some(p)) = self.decode(&saved.data, now) {
                    self.on_packet(&saved.meta, p, &mut saved.data, now);
                }
            }
        }
        debug_assert!(self.consistent());
    }
}

const fn meta_of<D: AsRef<[u8]>>(d: &Datagram<D>) -> Meta {
    Meta {
        src: d.source(),
        dst: d.destination(),
        tos: d.tos(),
    }
}
