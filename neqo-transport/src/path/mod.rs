//! Network paths: addresses, round-trip time, congestion control and validation of each.

pub(crate) mod amplification;
pub(crate) mod ecn;
pub(crate) mod pmtud;
pub(crate) mod set;
pub(crate) mod validate;

use std::{net::SocketAddr, time::Instant};

use amplification::Amplification;
use ecn::EcnPath;
use pmtud::Pmtud;
use validate::Validation;

use neqo_common::qdebug;

use crate::{
    Stats,
    cc::sender::PacketSender,
    config::params::ConnectionParameters,
    recovery::{rtt::Rtt, sent::SentPacket},
};

/// A path of a connection: an index into the table that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub(crate) u8);

/// Two addresses, and all that is known about the way between them.
#[derive(Debug)]
pub struct Path {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Its round-trip time.
    pub rtt: Rtt,
    /// Its congestion window, pacer and bytes in flight.
    pub sender: PacketSender,
    /// How much may be sent before the address is validated.
    pub amplification: Amplification,
    /// Challenges and responses.
    pub validation: Validation,
    /// Whether it carries ECN marks.
    pub ecn: EcnPath,
    /// The size of datagrams.
    pub pmtud: Pmtud,
}

impl Path {
    /// A path on which nothing was sent.
    pub fn new(
        local: SocketAddr,
        remote: SocketAddr,
        validated: bool,
        params: &ConnectionParameters,
        now: Instant,
    ) -> Self {
        let mtu = params.get_mtu();
        Self {
            local,
            remote,
            rtt: Rtt::new(params.get_initial_rtt()),
            sender: PacketSender::new(
                params.get_congestion_control(),
                params.get_slow_start(),
                params.pacing_enabled(),
                mtu,
                now,
            ),
            amplification: Amplification::new(validated),
            validation: Validation::default(),
            ecn: EcnPath::new(),
            pmtud: Pmtud::new(remote.ip(), params),
        }
    }

    /// The size of UDP payloads sent, in bytes.
    pub const fn mtu(&self) -> usize {
        self.pmtud.mtu()
    }

    /// The peer takes no larger UDP payloads than this (`max_udp_payload_size`, RFC 9000 §18.2).
    pub fn limit_mtu(&mut self, largest: usize) {
        if self.pmtud.limit(largest) {
            self.sender.set_mtu(self.pmtud.mtu());
        }
    }

    /// A packet was sent on this path.
    pub fn on_packet_sent(&mut self, p: &SentPacket) {
        self.sender.on_packet_sent(p);
        self.ecn.on_sent(p.ecn);
        if p.mtu_probe {
            self.pmtud.probe_sent(p.pn, p.size.into());
        }
    }

    /// A packet that was sent on this path arrived.
    pub fn on_packet_acked(&mut self, p: &SentPacket, stats: &mut Stats) {
        self.sender.on_packet_acked(p);
        let verdict = self.pmtud.on_acked(p);
        stats.pmtud_ack += u64::from(verdict.probe);
        if let Some(mtu) = verdict.mtu {
            qdebug!("path to {} carries {mtu} bytes", self.remote);
            self.sender.set_mtu(mtu);
        }
    }

    /// A packet that was sent on this path was lost.
    pub fn on_packet_lost(&mut self, p: &SentPacket, stats: &mut Stats) {
        self.sender.on_packet_lost(p);
        stats.pmtud_lost += u64::from(self.pmtud.on_lost(p));
    }

    /// All packets that were found to be lost were told.
    pub fn on_loss_end(&mut self, now: Instant) {
        if let Some(mtu) = self.pmtud.on_loss_end(now) {
            qdebug!("path to {} swallows large datagrams", self.remote);
            self.sender.set_mtu(mtu);
        }
    }
}
