//! Counters of a connection.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use enum_map::{Enum, EnumMap};
use neqo_crypto::Version;
use strum::{Display as StrumDisplay, EnumIter, IntoEnumIterator as _};

/// How many frames of each kind went in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field counts the frames of its name")]
pub struct FrameStats {
    pub ack: u64,
    pub largest_acknowledged: u64,
    pub crypto: u64,
    pub stream: u64,
    pub reset_stream: u64,
    pub stop_sending: u64,
    pub ping: u64,
    pub padding: u64,
    pub max_streams: u64,
    pub streams_blocked: u64,
    pub max_data: u64,
    pub data_blocked: u64,
    pub max_stream_data: u64,
    pub stream_data_blocked: u64,
    pub new_connection_id: u64,
    pub retire_connection_id: u64,
    pub path_challenge: u64,
    pub path_response: u64,
    pub connection_close: u64,
    pub handshake_done: u64,
    pub new_token: u64,
    pub datagram: u64,
}

/// Why a datagram, or a packet in it, was dropped.
#[derive(Clone, Copy, Debug, Enum, EnumIter, StrumDisplay, PartialEq, Eq)]
#[strum(serialize_all = "snake_case")]
pub enum DropReason {
    /// The header could not be parsed.
    Header,
    /// A version that is not in use on this connection.
    Version,
    /// A Destination Connection ID that is not ours.
    ConnectionId,
    /// Keys were not there yet and the store for such packets is full.
    KeysPending,
    /// Keys were discarded.
    KeysDiscarded,
    /// It does not authenticate.
    Decrypt,
    /// It was received before.
    Duplicate,
    /// A packet of this type makes no sense in this state.
    UnexpectedType,
    /// An Initial in a datagram of less than 1,200 bytes (RFC 9000 §14.1).
    ShortInitial,
    /// A Retry that does not authenticate or comes too late.
    Retry,
    /// A Version Negotiation that does not authenticate or comes too late.
    VersionNegotiation,
    /// From an address from which nothing is accepted.
    Address,
    /// The connection is closed.
    Closed,
}

/// What happened on a connection. Sizes are in bytes.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// UDP payload bytes received.
    pub bytes_rx: u64,
    /// UDP payload bytes sent.
    pub bytes_tx: u64,
    /// UDP datagrams sent.
    pub datagrams_tx: u64,
    /// Packets received, opened and new.
    pub packets_rx: u64,
    /// Packets sent.
    pub packets_tx: u64,
    /// Packets received twice.
    pub dups_rx: u64,
    /// Datagrams and packets dropped, by reason.
    pub dropped: EnumMap<DropReason, u64>,
    /// Packets kept until their keys arrived.
    pub saved_datagrams: u64,
    /// Packets declared lost.
    pub lost: u64,
    /// Packets declared lost and acknowledged later.
    pub late_ack: u64,
    /// Probe timeouts in a row, counted by how many there were.
    pub pto_counts: [u64; Self::MAX_PTO_COUNTS],
    /// Congestion events (RFC 9002 §7.3.2).
    pub congestion_events: u64,
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Round-trip time variation.
    pub rttvar: Duration,
    /// Smallest round-trip time seen.
    pub min_rtt: Duration,
    /// Congestion window.
    pub cwnd: u64,
    /// Probes for larger datagrams sent.
    pub pmtud_tx: u64,
    /// Such probes acknowledged.
    pub pmtud_ack: u64,
    /// Such probes lost.
    pub pmtud_lost: u64,
    /// Size of UDP payloads in use.
    pub pmtud_pmtu: usize,
    /// The MTU of the interface as the host told it, as IP packets count; zero if it did not.
    pub pmtud_iface_mtu: usize,
    /// The largest UDP payload that the peer takes, once it has said so.
    pub pmtud_peer_max_udp_payload: Option<usize>,
    /// Frames received.
    pub frame_rx: FrameStats,
    /// Frames sent.
    pub frame_tx: FrameStats,
    /// The version in use.
    pub version: Version,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
}

impl Stats {
    /// How many probe timeouts in a row are counted apart.
    pub const MAX_PTO_COUNTS: usize = 16;

    /// Datagrams and packets dropped for any reason.
    #[must_use]
    pub fn dropped_rx(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Counts the `count`th probe timeout in a row.
    pub(crate) fn add_pto(&mut self, count: u32) {
        let i = usize::try_from(count).unwrap_or(usize::MAX);
        let last = Self::MAX_PTO_COUNTS;
        self.pto_counts[i.clamp(1, last) - 1] += 1;
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  rx: {} packets, {} bytes, {} dropped, {} duplicates, {} saved",
            self.packets_rx,
            self.bytes_rx,
            self.dropped_rx(),
            self.dups_rx,
            self.saved_datagrams
        )?;
        for reason in DropReason::iter().filter(|r| self.dropped[*r] > 0) {
            writeln!(f, "      dropped {reason}: {}", self.dropped[reason])?;
        }
        writeln!(
            f,
            "  tx: {} packets, {} bytes, {} lost, {} late acks, {} congestion events",
            self.packets_tx, self.bytes_tx, self.lost, self.late_ack, self.congestion_events
        )?;
        write!(
            f,
            "  rtt: {:?} ± {:?}, min {:?}; cwnd {}; pmtu {}",
            self.rtt, self.rttvar, self.min_rtt, self.cwnd, self.pmtud_pmtu
        )
    }
}
