//! Packets that a connection would never send, sealed with its keys.

use neqo_common::{Datagram, Ecn, Role, Tos};

use super::{Pair, client_addr, server_addr};
use crate::{
    PacketNumber,
    connection::Connection,
    path::PathId,
    recovery::sent::SentPacket,
    space::PacketNumberSpace,
    tx::batch::Batch,
    wire::{
        header::{
            LongType,
            encode::{self, LongHeader},
        },
        put::Put as _,
    },
};

/// A packet to be forged.
#[derive(Clone, Debug)]
pub(super) struct Forged<'a> {
    pub space: PacketNumberSpace,
    /// The number; the next one of its sender if none is given.
    pub pn: Option<PacketNumber>,
    pub frames: &'a [u8],
    /// The token, if it is an Initial packet.
    pub token: &'a [u8],
    /// Bits that are flipped in the first byte before the packet is sealed.
    pub first_byte: u8,
}

impl<'a> Forged<'a> {
    pub(super) const fn new(space: PacketNumberSpace, frames: &'a [u8]) -> Self {
        Self {
            space,
            pn: None,
            frames,
            token: &[],
            first_byte: 0,
        }
    }

    /// The datagram, of at least 1,200 bytes if it is an Initial packet. Its sender knows that it
    /// sent it, but not what.
    pub(super) fn seal(&self, from: &mut Connection, now: std::time::Instant) -> Datagram {
        let mut buf = [0; 1500];
        let mut batch = Batch::new(&mut buf, 1400, 1);
        let space = from.spaces.get_mut(self.space).expect("the space");
        let pn = self.pn.unwrap_or_else(|| space.pn.peek());
        let number = (pn, None);
        let (dcid, scid) = (from.remote_cids.current(), from.local_cids.first());
        let long = |kind| LongHeader {
            version: from.version,
            kind,
            dcid,
            scid,
            token: self.token,
        };
        let mut header = Vec::new();
        let layout = match self.space {
            PacketNumberSpace::Initial => long(LongType::Initial).write(&mut header, number),
            PacketNumberSpace::Handshake => long(LongType::Handshake).write(&mut header, number),
            PacketNumberSpace::ApplicationData => {
                encode::short(&mut header, &dcid, space.keys.phase_bit(), number)
            }
        };
        header[0] ^= self.first_byte;
        let mut dgram = batch.datagram(usize::MAX).unwrap();
        let mut pkt = dgram.packet();
        pkt.put(&header);
        pkt.header_done(layout.unwrap());
        pkt.put(self.frames);
        if self.space == PacketNumberSpace::Initial {
            pkt.pad_to(1200);
        }
        let (keys, _) = space.keys.seal(pn).unwrap();
        pkt.seal(pn, keys).unwrap();
        if self.pn.is_none() {
            space.pn.used(&mut from.random);
            space.loss.sent.draft().sent(SentPacket {
                pn,
                time: now,
                size: 0,
                ack_eliciting: false,
                in_flight: false,
                path: PathId(0),
                ecn: Ecn::NotEct,
                mtu_probe: false,
            });
        }
        dgram.commit();
        let (payload, _) = batch.finish().unwrap();
        let (src, dst) = match from.role {
            Role::Client => (client_addr(), server_addr()),
            Role::Server => (server_addr(), client_addr()),
        };
        Datagram::new(src, dst, Tos::default(), payload.to_vec())
    }
}

impl Pair {
    /// A 1-RTT packet of `from` with these frames.
    pub(super) fn forge(&mut self, from: Role, frames: &[u8]) -> Datagram {
        let now = self.now;
        Forged::new(PacketNumberSpace::ApplicationData, frames).seal(self.side(from), now)
    }

    /// Lets `from` say these frames in a packet of `space`.
    pub(super) fn inject_in(&mut self, from: Role, space: PacketNumberSpace, frames: &[u8]) {
        let now = self.now;
        let d = Forged::new(space, frames).seal(self.side(from), now);
        self.deliver(from.remote(), d);
    }

    /// Lets `from` say these frames in a 1-RTT packet.
    pub(super) fn inject(&mut self, from: Role, frames: &[u8]) {
        self.inject_in(from, PacketNumberSpace::ApplicationData, frames);
    }
}
