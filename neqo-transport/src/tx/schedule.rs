//! Which spaces speak in a datagram, and in which order components write into a packet.

use enum_map::EnumMap;
use neqo_common::Role;

use super::{PacketBuilder, Tx};
use crate::{
    PacketNumber,
    cid::{local::LocalCids, remote::RemoteCids},
    config::limits,
    handshake::stream::CryptoStream,
    path::Path,
    recovery::token::Token,
    space::{PacketNumberSpace, ack::AckTracker},
    streams::Streams,
    wire::frame::encode,
};

/// How much a packet may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Only an acknowledgement: the window is closed, or nothing else is there.
    AckOnly,
    /// Only what validates a path that is not in use.
    PathOnly,
    /// Only a PING, and PADDING to the size of the datagram: a probe for a larger path MTU.
    MtuProbe,
    /// Anything, whatever congestion control says; at least a PING (RFC 9002 §6.2.4).
    Probe,
    /// Anything.
    All,
}

/// The result of the interest pre-pass: who speaks in the next datagram.
#[derive(Debug, Default)]
pub struct Speakers(EnumMap<PacketNumberSpace, Option<Permit>>);

impl Speakers {
    /// Lets a space speak.
    pub fn set(&mut self, id: PacketNumberSpace, permit: Permit) {
        self.0[id] = Some(permit);
    }

    /// What a space may say, if anything.
    pub fn permit(&self, id: PacketNumberSpace) -> Option<Permit> {
        self.0[id]
    }

    /// Whether a space behind `id` in the datagram speaks.
    pub fn later(&self, id: PacketNumberSpace) -> bool {
        self.0
            .iter()
            .any(|(other, permit)| other > id && permit.is_some())
    }
}

/// The components that write into a packet of one space.
#[derive(Debug)]
pub struct Parts<'a> {
    pub acks: &'a mut AckTracker,
    pub crypto: &'a mut CryptoStream,
    pub streams: &'a mut Streams,
    pub local_cids: &'a mut LocalCids,
    pub remote_cids: &'a mut RemoteCids,
    pub path: &'a mut Path,
    pub handshake_done_due: &'a mut bool,
}

impl Parts<'_> {
    /// Lets each component write, the most urgent first. Returns the largest packet number that
    /// was acknowledged, if an ACK frame was written.
    pub fn write(
        &mut self,
        id: PacketNumberSpace,
        permit: Permit,
        tx: &mut Tx<'_, '_, '_>,
    ) -> Option<PacketNumber> {
        let app = id == PacketNumberSpace::ApplicationData;
        match permit {
            Permit::PathOnly => {
                self.write_path(tx);
                return None;
            }
            Permit::MtuProbe => {
                write_mtu_probe(tx);
                return None;
            }
            Permit::AckOnly | Permit::Probe | Permit::All => {}
        }
        let acked = self.acks.write(tx, limits::ACK_DELAY_EXPONENT);
        if permit == Permit::AckOnly {
            return acked;
        }
        if app {
            self.write_path(tx);
            self.write_handshake_done(tx);
            self.local_cids.write(tx);
            self.remote_cids.write(tx);
        }
        self.crypto.write(tx);
        if app {
            self.streams.write_control(tx);
            self.streams.write_data(tx);
        }
        if permit == Permit::Probe && !tx.pkt.is_ack_eliciting() {
            write_ping(tx);
        }
        acked
    }

    fn write_path(&mut self, tx: &mut Tx<'_, '_, '_>) {
        //= rfc9000#section-8.2.1
        //# An endpoint SHOULD NOT probe a new path with packets containing a PATH_CHALLENGE frame
        //# more frequently than it would send an Initial packet.
        let timeout = self.path.rtt.pto_base();
        self.path.validation.write(tx, timeout);
    }

    fn write_handshake_done(&mut self, tx: &mut Tx<'_, '_, '_>) {
        if *self.handshake_done_due && tx.remaining() > 0 {
            encode::handshake_done(tx.pkt);
            tx.push(Token::HandshakeDone);
            tx.stats.handshake_done += 1;
            *self.handshake_done_due = false;
        }
    }
}

fn write_ping(tx: &mut Tx<'_, '_, '_>) {
    if tx.remaining() > 0 {
        encode::ping(tx.pkt);
        tx.push(Token::Ping);
        tx.stats.ping += 1;
    }
}

//= rfc9000#section-14.4
//# Endpoints could limit the content of PMTU probes to PING and PADDING frames,
//# since packets that are larger than the current maximum datagram size are more
//# likely to be dropped by the network.
fn write_mtu_probe(tx: &mut Tx<'_, '_, '_>) {
    write_ping(tx);
    encode::padding(tx.pkt, tx.remaining());
}

/// Whether a packet makes the datagram that carries it one of at least
/// [`limits::MIN_INITIAL_DATAGRAM`] bytes.
pub fn demands_padding(
    id: PacketNumberSpace,
    role: Role,
    pkt: &PacketBuilder<'_>,
    path_frames: bool,
) -> bool {
    //= rfc9000#section-14.1
    //# A client MUST expand the payload of all UDP datagrams carrying
    //# Initial packets to at least the smallest allowed maximum datagram size of 1200 bytes
    //# Similarly, a server MUST expand the payload of all UDP datagrams carrying ack-eliciting Initial packets
    let initial =
        id == PacketNumberSpace::Initial && (role == Role::Client || pkt.is_ack_eliciting());
    //= rfc9000#section-8.2.1
    //# An endpoint MUST expand datagrams that contain a PATH_CHALLENGE frame
    //# to at least the smallest allowed maximum datagram size of 1200 bytes
    initial || path_frames
}
