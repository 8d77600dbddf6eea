//! A peer that does TLS as it should and everything else as the input says.
//!
//! Frames and transport parameters come in packets that authenticate. A fuzzer cannot make those, so
//! a [`Puppet`] does: it is just enough of an endpoint to complete a handshake over a network that
//! loses nothing, and it seals whatever payload it is given.

use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use neqo_common::{Datagram, Decoder, Encoder, Role, Tos};
use neqo_crypto::{
    AuthenticationStatus, Direction, Event, Events, Identity, Level, OpenKeys, SealKeys, Session,
    TAG_LEN, Version, initial_keys,
};
use test_fixture::tls;

/// The ID that the puppet takes for itself.
const SCID: &[u8] = b"puppet!!";
/// The ID that it first calls a server by.
const FIRST_DCID: &[u8] = b"anything";
/// Packet numbers are sent with all bytes that they can have.
const PN_LEN: usize = 4;
/// What is left of a datagram of 1,200 bytes for CRYPTO data.
const CRYPTO_PER_PACKET: usize = 1100;
const DATAGRAM: usize = 1200;

const LEVELS: [Level; 3] = [Level::Initial, Level::Handshake, Level::OneRtt];

/// One packet number space with its keys and its part of the handshake.
#[derive(Debug, Default)]
struct Space {
    seal: Option<SealKeys>,
    open: Option<OpenKeys>,
    next_pn: u32,
    largest: Option<u64>,
    /// Handshake data to send, and how much of it went before.
    out: Vec<u8>,
    out_offset: u64,
    /// Handshake data that came, by offset, and how much of it TLS has.
    arrived: BTreeMap<u64, Vec<u8>>,
    read: u64,
}

/// An endpoint without judgement.
#[derive(Debug)]
pub struct Puppet {
    role: Role,
    session: Box<dyn Session>,
    params: Vec<u8>,
    spaces: [Space; 3],
    dcid: Vec<u8>,
    complete: bool,
    dead: bool,
    /// Where its datagrams say that they come from.
    pub source: SocketAddr,
    /// Where they go.
    pub destination: SocketAddr,
}

const fn index(level: Level) -> Option<usize> {
    match level {
        Level::Initial => Some(0),
        Level::Handshake => Some(1),
        Level::OneRtt => Some(2),
        Level::ZeroRtt => None,
    }
}

impl Puppet {
    /// A client that has its first flight to send and announces `params`.
    ///
    /// # Panics
    /// When TLS cannot be set up.
    #[must_use]
    pub fn client(identity: &Identity, params: &[u8], ends: (SocketAddr, SocketAddr)) -> Self {
        let session = tls::client(identity)
            .session(tls::NAME, &[tls::ALPN.into()], params)
            .expect("a session");
        let mut this = Self::new(Role::Client, session, params, FIRST_DCID, ends);
        let mut events = Events::default();
        let started = this.session.start(test_fixture::now(), &mut events);
        started.expect("a first flight");
        this.act(events, test_fixture::now());
        this.install_initial(FIRST_DCID);
        this
    }

    /// A server for the client whose first datagram begins as `first` does. It announces what
    /// `params` makes of the connection ID that the client chose, and its own.
    ///
    /// # Panics
    /// When TLS cannot be set up or `first` has no long header.
    #[must_use]
    pub fn server(
        identity: &Identity,
        params: impl FnOnce(&[u8], &[u8]) -> Vec<u8>,
        first: &[u8],
        ends: (SocketAddr, SocketAddr),
    ) -> Self {
        let (dcid, scid) = connection_ids(first).expect("a long header");
        let session = tls::server(identity.clone())
            .session(&[tls::ALPN.into()])
            .expect("a session");
        let params = params(dcid, SCID);
        let mut this = Self::new(Role::Server, session, &params, scid, ends);
        let mut events = Events::default();
        let started = this.session.start(test_fixture::now(), &mut events);
        started.expect("nothing to fail");
        this.install_initial(dcid);
        this
    }

    fn new(
        role: Role,
        session: Box<dyn Session>,
        params: &[u8],
        dcid: &[u8],
        ends: (SocketAddr, SocketAddr),
    ) -> Self {
        Self {
            role,
            session,
            params: params.to_vec(),
            spaces: Default::default(),
            dcid: dcid.to_vec(),
            complete: false,
            dead: false,
            source: ends.0,
            destination: ends.1,
        }
    }

    fn install_initial(&mut self, dcid: &[u8]) {
        let keys = initial_keys(Version::Version1, dcid, self.role).expect("keys of any ID");
        let [initial, ..] = &mut self.spaces;
        (initial.seal, initial.open) = (Some(keys.0), Some(keys.1));
    }

    /// Whether TLS is complete.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.complete
    }

    /// The connection ID that the puppet goes by.
    #[must_use]
    pub const fn scid() -> &'static [u8] {
        SCID
    }

    /// Leaves packet numbers out.
    pub fn skip(&mut self, level: Level, n: u8) {
        if let Some(space) = index(level).and_then(|i| self.spaces.get_mut(i)) {
            space.next_pn = space.next_pn.saturating_add(n.into());
        }
    }

    /// Uses the next generation of keys without being asked. It is for whoever makes packets to say so
    /// in the Key Phase bit, or not.
    pub fn update_keys(&mut self) {
        let [.., application] = &mut self.spaces;
        if let Some(next) = application.seal.as_ref().and_then(|keys| keys.next().ok()) {
            application.seal = Some(next);
        }
    }

    /// An ACK frame for the largest packet that arrived.
    #[must_use]
    pub fn ack(&self, level: Level) -> Vec<u8> {
        let space = index(level).and_then(|i| self.spaces.get(i));
        let mut frame = Encoder::new();
        if let Some(largest) = space.and_then(|s| s.largest) {
            frame.encode_byte(2).encode_varint(largest);
            frame.encode([0, 0, 0]);
        }
        frame.as_ref().to_vec()
    }

    /// A datagram with one packet of this payload; `None` without keys. Initial packets are padded.
    ///
    /// `first` is mixed into the bits of the first byte that have no say in how it is read.
    pub fn packet(&mut self, level: Level, payload: &[u8], first: u8) -> Option<Datagram> {
        let space = index(level).and_then(|i| self.spaces.get_mut(i))?;
        let keys = space.seal.as_mut()?;
        let mut payload = payload.to_vec();
        let overhead = 7 + self.dcid.len() + SCID.len() + 1 + 2 + PN_LEN + TAG_LEN;
        if level == Level::Initial {
            payload.resize(payload.len().max(DATAGRAM.saturating_sub(overhead)), 0);
        }
        payload.truncate(16_000);
        let header = header(level, &self.dcid, payload.len(), space.next_pn, first);
        let pn = space.next_pn;
        space.next_pn = pn.saturating_add(1);
        let packet = seal(keys, pn, header, &payload)?;
        Some(self.datagram(packet))
    }

    /// A datagram with these bytes.
    #[must_use]
    pub fn datagram(&self, bytes: Vec<u8>) -> Datagram {
        Datagram::new(self.source, self.destination, Tos::default(), bytes)
    }

    /// What the handshake has to say, each packet with an ACK.
    pub fn flight(&mut self) -> Vec<Datagram> {
        let mut out = Vec::new();
        for level in LEVELS {
            while let Some(space) = index(level).and_then(|i| self.spaces.get_mut(i)) {
                if space.out.is_empty() || space.seal.is_none() {
                    break;
                }
                let n = space.out.len().min(CRYPTO_PER_PACKET);
                let data: Vec<u8> = space.out.drain(..n).collect();
                let offset = space.out_offset;
                space.out_offset += n as u64;
                let mut payload = Encoder::new();
                payload.encode(self.ack(level));
                payload
                    .encode_byte(6)
                    .encode_varint(offset)
                    .encode_vvec(&data);
                out.extend(self.packet(level, payload.as_ref(), 0));
            }
        }
        out
    }

    /// Takes what the other end sent.
    pub fn input(&mut self, d: &Datagram, now: Instant) {
        let mut bytes = d.to_vec();
        let mut rest = &mut bytes[..];
        while let Some((level, pn_at, len)) = self.packet_at(rest) {
            let (packet, next) = rest.split_at_mut(len);
            self.open(level, pn_at, packet, now);
            rest = next;
        }
    }

    /// The level of the packet at the start of `bytes`, where its number stands and how long it is.
    fn packet_at(&mut self, bytes: &[u8]) -> Option<(Level, usize, usize)> {
        let first = *bytes.first()?;
        if first & 0x80 == 0 {
            return Some((Level::OneRtt, 1 + SCID.len(), bytes.len()));
        }
        let (_, scid) = connection_ids(bytes)?;
        let mut d = Decoder::new(bytes);
        d.decode(5)?;
        d.skip_vec(1)?;
        d.skip_vec(1)?;
        let level = match first >> 4 & 3 {
            0 => Level::Initial,
            2 => Level::Handshake,
            _ => return None,
        };
        if level == Level::Initial {
            d.skip_vvec()?;
        }
        let len = usize::try_from(d.decode_varint()?).ok()?;
        let pn_at = d.offset();
        d.decode(len)?;
        self.dcid = scid.to_vec();
        Some((level, pn_at, d.offset()))
    }

    fn open(&mut self, level: Level, pn_at: usize, packet: &mut [u8], now: Instant) -> Option<()> {
        let i = index(level)?;
        let space = self.spaces.get_mut(i)?;
        let keys = space.open.as_mut()?;
        let sample = packet.get(pn_at + PN_LEN..)?.first_chunk()?;
        let mask = keys.mask(sample);
        let bits = if level == Level::OneRtt { 0x1f } else { 0xf };
        *packet.first_mut()? ^= mask[0] & bits;
        let pn_len = usize::from(packet.first()? & 3) + 1;
        for (byte, mask) in packet
            .get_mut(pn_at..pn_at + pn_len)?
            .iter_mut()
            .zip(&mask[1..])
        {
            *byte ^= mask;
        }
        let (header, body) = packet.split_at_mut(pn_at + pn_len);
        let truncated = Decoder::new(header.get(pn_at..)?).decode_n(pn_len)?;
        let pn = expand(space.largest.map_or(0, |l| l + 1), truncated, pn_len);
        let payload = keys.open(pn, header, body).ok()?.to_vec();
        space.largest = space.largest.max(Some(pn));
        if level != Level::OneRtt {
            self.take_crypto(i, &payload);
            self.feed(i, level, now);
        }
        Some(())
    }

    /// Notes the CRYPTO frames of a payload.
    fn take_crypto(&mut self, space: usize, payload: &[u8]) -> Option<()> {
        let space = self.spaces.get_mut(space)?;
        let mut d = Decoder::new(payload);
        loop {
            match d.decode_varint()? {
                0 | 1 => {}
                2 => {
                    d.decode_varint()?;
                    d.decode_varint()?;
                    let ranges = d.decode_varint()?;
                    for _ in 0..=ranges * 2 {
                        d.decode_varint()?;
                    }
                }
                6 => {
                    let offset = d.decode_varint()?;
                    space.arrived.insert(offset, d.decode_vvec()?.to_vec());
                }
                _ => return None,
            }
        }
    }

    /// Gives TLS what is in order.
    fn feed(&mut self, space: usize, level: Level, now: Instant) {
        let Some(space) = self.spaces.get_mut(space) else {
            return;
        };
        let mut ready = Vec::new();
        while let Some((offset, data)) = space.arrived.pop_first() {
            if offset > space.read {
                space.arrived.insert(offset, data);
                break;
            }
            let known = usize::try_from(space.read - offset).unwrap_or(usize::MAX);
            let new = data.get(known..).unwrap_or_default();
            ready.extend_from_slice(new);
            space.read += new.len() as u64;
        }
        if self.dead || ready.is_empty() {
            return;
        }
        let mut events = Events::default();
        self.dead = self.session.read(level, &ready, now, &mut events).is_err();
        self.act(events, now);
    }

    fn act(&mut self, mut events: Events, now: Instant) {
        while let Some(event) = events.pop() {
            let result = match event {
                Event::Crypto { level, data } => {
                    if let Some(space) = index(level).and_then(|i| self.spaces.get_mut(i)) {
                        space.out.extend_from_slice(&data);
                    }
                    Ok(())
                }
                Event::Secret(secret) => {
                    if let Some(space) = index(secret.level).and_then(|i| self.spaces.get_mut(i)) {
                        match secret.direction {
                            Direction::Write => {
                                space.seal = SealKeys::new(Version::Version1, &secret).ok();
                            }
                            Direction::Read => {
                                space.open = OpenKeys::new(Version::Version1, &secret).ok();
                            }
                        }
                    }
                    Ok(())
                }
                Event::PeerParams(_) if self.role == Role::Server => {
                    self.session
                        .set_local_params(&self.params, now, &mut events)
                }
                Event::AuthenticationNeeded(_) => {
                    let verdict = AuthenticationStatus::Ok;
                    self.session.authenticated(verdict, now, &mut events)
                }
                Event::Complete => {
                    self.complete = true;
                    Ok(())
                }
                _ => Ok(()),
            };
            self.dead |= result.is_err();
        }
    }
}

/// The Destination and the Source Connection ID of a long header.
#[must_use]
pub fn connection_ids(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut d = Decoder::new(packet);
    d.decode(5)?;
    Some((d.decode_vec(1)?, d.decode_vec(1)?))
}

fn header(level: Level, dcid: &[u8], payload: usize, pn: u32, first: u8) -> Vec<u8> {
    const PN_LEN_BITS: u8 = 3;
    let mut h = Encoder::new();
    if level == Level::OneRtt {
        // The spin bit, the reserved bits and the key phase.
        h.encode_byte(0x40 | first & 0x3c | PN_LEN_BITS);
        h.encode(dcid);
    } else {
        let kind = if level == Level::Initial { 0 } else { 0x20 };
        h.encode_byte(0xc0 | kind | first & 0xc | PN_LEN_BITS);
        h.encode_uint(4, Version::Version1.wire_version());
        h.encode_vec(1, dcid).encode_vec(1, SCID);
        if level == Level::Initial {
            h.encode_byte(0);
        }
        let len = (PN_LEN + payload + TAG_LEN) as u64;
        h.encode_uint(2, 0x4000 | len);
    }
    h.encode_uint(PN_LEN, pn);
    h.as_ref().to_vec()
}

fn seal(keys: &mut SealKeys, pn: u32, header: Vec<u8>, payload: &[u8]) -> Option<Vec<u8>> {
    let header_len = header.len();
    let mut packet = header;
    packet.extend_from_slice(payload);
    packet.extend_from_slice(&[0; TAG_LEN]);
    keys.seal(pn.into(), &mut packet, header_len).ok()?;
    let mask = keys.mask(packet.get(header_len..)?.first_chunk()?);
    let first = packet.first_mut()?;
    *first ^= mask[0] & if *first & 0x80 == 0 { 0x1f } else { 0xf };
    let pn_bytes = packet.get_mut(header_len - PN_LEN..header_len)?;
    for (byte, mask) in pn_bytes.iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
    Some(packet)
}

/// The packet number near `expected` that ends with `truncated` (RFC 9000, Section A.3).
fn expand(expected: u64, truncated: u64, len: usize) -> u64 {
    let window = 1_u64 << (len * 8);
    let candidate = expected & !(window - 1) | truncated;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}
