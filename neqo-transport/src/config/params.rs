//! What the host chooses for a connection.

use std::{num::NonZeroUsize, time::Duration};

use super::limits;
pub use crate::cc::{CongestionControl, SlowStart};
use crate::{
    Res,
    stream_id::StreamType,
    version::{self, Version},
};

/// The configuration of a connection, built by chaining: each method takes the value and returns
/// the whole. The default is a fast endpoint that bounds what its peer can make it keep.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of a configuration"
)]
pub struct ConnectionParameters {
    versions: version::Config,
    congestion_control: CongestionControl,
    slow_start: SlowStart,
    max_data: u64,
    max_stream_data_bidi_local: u64,
    max_stream_data_bidi_remote: u64,
    max_stream_data_uni: u64,
    max_streams_bidi: u64,
    max_streams_uni: u64,
    ack_ratio: u8,
    idle_timeout: Duration,
    keep_alive: Option<Duration>,
    initial_rtt: Duration,
    max_pto: Option<NonZeroUsize>,
    mtu: usize,
    pmtud: bool,
    interface_mtu: Option<usize>,
    active_connection_id_limit: u64,
    disable_migration: bool,
    grease: bool,
    pacing: bool,
    randomize_first_pn: bool,
    client_tls: Option<neqo_crypto::Client>,
    seed: Option<[u8; 32]>,
}

impl Default for ConnectionParameters {
    fn default() -> Self {
        Self {
            versions: version::Config::default(),
            congestion_control: CongestionControl::default(),
            slow_start: SlowStart::default(),
            max_data: limits::INITIAL_CONNECTION_WINDOW,
            max_stream_data_bidi_local: limits::INITIAL_STREAM_WINDOW,
            max_stream_data_bidi_remote: limits::INITIAL_STREAM_WINDOW,
            max_stream_data_uni: limits::INITIAL_STREAM_WINDOW,
            max_streams_bidi: limits::MAX_STREAMS_BIDI,
            max_streams_uni: limits::MAX_STREAMS_UNI,
            ack_ratio: Self::DEFAULT_ACK_RATIO,
            idle_timeout: Self::DEFAULT_IDLE_TIMEOUT,
            keep_alive: None,
            initial_rtt: Self::DEFAULT_INITIAL_RTT,
            max_pto: NonZeroUsize::new(limits::MAX_PTO_COUNT),
            mtu: Self::DEFAULT_MTU,
            pmtud: true,
            interface_mtu: None,
            active_connection_id_limit: u64::try_from(limits::REMOTE_ACTIVE_CIDS)
                .unwrap_or(u64::MAX),
            disable_migration: false,
            grease: true,
            pacing: true,
            randomize_first_pn: true,
            client_tls: None,
            seed: None,
        }
    }
}

/// The greatest value of a variable-length integer (RFC 9000 §16).
const MAX_VARINT: u64 = (1 << 62) - 1;
/// The most streams of one type that stream IDs can number (RFC 9000 §4.6).
const MAX_STREAMS: u64 = 1 << 60;

impl ConnectionParameters {
    /// The unit of [`Self::ack_ratio`].
    pub const ACK_RATIO_SCALE: u8 = 10;
    /// Two packets of the scale: every second packet is acknowledged (RFC 9000 §13.2.2).
    pub const DEFAULT_ACK_RATIO: u8 = 2 * Self::ACK_RATIO_SCALE;
    /// Half a minute, as most stacks have it: what NATs keep, and not much more.
    pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
    /// RFC 9002 §6.2.2.
    pub const DEFAULT_INITIAL_RTT: Duration = Duration::from_millis(333);

    /// What fits in the smallest MTU of IPv6, 1,280 bytes, behind 48 bytes of headers.
    pub const DEFAULT_MTU: usize = 1232;
    /// What every path must carry (RFC 9000 §14.1).
    pub const MIN_MTU: usize = 1200;
    /// What a UDP datagram over IPv4 can carry.
    pub const MAX_MTU: usize = 65_507;

    /// Which version a client starts with, and all that are enabled, the preferred one first.
    #[must_use]
    pub fn versions(mut self, initial: Version, all: Vec<Version>) -> Self {
        self.versions = version::Config::new(initial, all);
        self
    }

    /// The versions.
    #[must_use]
    pub const fn get_versions(&self) -> &version::Config {
        &self.versions
    }

    /// Which congestion controller is used.
    #[must_use]
    pub const fn congestion_control(mut self, v: CongestionControl) -> Self {
        self.congestion_control = v;
        self
    }

    /// The congestion controller.
    #[must_use]
    pub const fn get_congestion_control(&self) -> CongestionControl {
        self.congestion_control
    }

    /// How the congestion window grows at first.
    #[must_use]
    pub const fn slow_start(mut self, v: SlowStart) -> Self {
        self.slow_start = v;
        self
    }

    /// How the congestion window grows at first.
    #[must_use]
    pub const fn get_slow_start(&self) -> SlowStart {
        self.slow_start
    }

    /// How many bytes the peer may send on all streams at first; at most 2^62-1.
    #[must_use]
    pub const fn max_data(mut self, v: u64) -> Self {
        self.max_data = at_most(v, MAX_VARINT);
        self
    }

    /// How many bytes the peer may send on all streams at first.
    #[must_use]
    pub const fn get_max_data(&self) -> u64 {
        self.max_data
    }

    /// How many bytes the peer may send at first on a stream of this type that it (`remote`) or
    /// this side opens; at most 2^62-1. Nothing is received on a unidirectional stream of one's
    /// own, so that combination is ignored.
    #[must_use]
    pub fn max_stream_data(mut self, stream_type: StreamType, remote: bool, v: u64) -> Self {
        let v = at_most(v, MAX_VARINT);
        match (stream_type, remote) {
            (StreamType::BiDi, false) => self.max_stream_data_bidi_local = v,
            (StreamType::BiDi, true) => self.max_stream_data_bidi_remote = v,
            (StreamType::UniDi, true) => self.max_stream_data_uni = v,
            (StreamType::UniDi, false) => {
                debug_assert!(
                    false,
                    "nothing is received on a unidirectional stream of ours"
                );
            }
        }
        self
    }

    /// What [`Self::max_stream_data`] set; zero for unidirectional streams of one's own.
    #[must_use]
    pub const fn get_max_stream_data(&self, stream_type: StreamType, remote: bool) -> u64 {
        match (stream_type, remote) {
            (StreamType::BiDi, false) => self.max_stream_data_bidi_local,
            (StreamType::BiDi, true) => self.max_stream_data_bidi_remote,
            (StreamType::UniDi, true) => self.max_stream_data_uni,
            (StreamType::UniDi, false) => 0,
        }
    }

    /// How many streams of this type the peer may have open; at most 2^60.
    #[must_use]
    pub const fn max_streams(mut self, stream_type: StreamType, v: u64) -> Self {
        let v = at_most(v, MAX_STREAMS);
        match stream_type {
            StreamType::BiDi => self.max_streams_bidi = v,
            StreamType::UniDi => self.max_streams_uni = v,
        }
        self
    }

    /// How many streams of this type the peer may have open.
    #[must_use]
    pub const fn get_max_streams(&self, stream_type: StreamType) -> u64 {
        match stream_type {
            StreamType::BiDi => self.max_streams_bidi,
            StreamType::UniDi => self.max_streams_uni,
        }
    }

    /// After how many packets an acknowledgement is sent, in units of 1 /
    /// [`Self::ACK_RATIO_SCALE`]; at least one packet.
    #[must_use]
    pub const fn ack_ratio(mut self, ack_ratio: u8) -> Self {
        self.ack_ratio = if ack_ratio < Self::ACK_RATIO_SCALE {
            Self::ACK_RATIO_SCALE
        } else {
            ack_ratio
        };
        self
    }

    /// After how many packets an acknowledgement is sent, in units of 1 /
    /// [`Self::ACK_RATIO_SCALE`].
    #[must_use]
    pub const fn get_ack_ratio(&self) -> u8 {
        self.ack_ratio
    }

    /// How long a connection may be silent before it ends (RFC 9000 §10.1), in whole
    /// milliseconds; zero: as long as the peer likes.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout.min(Duration::from_millis(MAX_VARINT));
        self
    }

    /// How long a connection may be silent before it ends.
    #[must_use]
    pub const fn get_idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Sends PING when nothing was heard for this long (RFC 9000 §10.1.2). `None`, the default:
    /// only while a stream asks for it.
    #[must_use]
    pub const fn keep_alive(mut self, interval: Option<Duration>) -> Self {
        self.keep_alive = interval;
        self
    }

    /// After how much silence PING is sent.
    #[must_use]
    pub const fn get_keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// The round-trip time that is assumed before one was measured: from a millisecond to a
    /// minute.
    #[must_use]
    pub fn initial_rtt(mut self, init_rtt: Duration) -> Self {
        self.initial_rtt = init_rtt.clamp(Duration::from_millis(1), Duration::from_mins(1));
        self
    }

    /// The round-trip time that is assumed before one was measured.
    #[must_use]
    pub const fn get_initial_rtt(&self) -> Duration {
        self.initial_rtt
    }

    /// How many probe timeouts in a row end the connection; `None`: only the idle timeout does.
    #[must_use]
    pub const fn max_pto(mut self, count: Option<NonZeroUsize>) -> Self {
        self.max_pto = count;
        self
    }

    /// How many probe timeouts in a row end the connection.
    #[must_use]
    pub const fn get_max_pto(&self) -> Option<NonZeroUsize> {
        self.max_pto
    }

    /// How large the UDP payloads are that are sent, in bytes, at least [`Self::MIN_MTU`] and at
    /// most [`Self::MAX_MTU`], unless [`Self::pmtud`] finds larger ones. The path must carry them.
    #[must_use]
    pub fn mtu(mut self, v: usize) -> Self {
        self.mtu = v.clamp(Self::MIN_MTU, Self::MAX_MTU);
        self
    }

    /// How large the UDP payloads are that are sent, in bytes.
    #[must_use]
    pub const fn get_mtu(&self) -> usize {
        self.mtu
    }

    /// Whether connections that fill their datagrams search for larger ones that the path carries
    /// (RFC 9000 §14.3). It is of use only where the host's socket forbids fragmentation.
    #[must_use]
    pub const fn pmtud(mut self, pmtud: bool) -> Self {
        self.pmtud = pmtud;
        self
    }

    /// Whether larger datagrams are searched for.
    #[must_use]
    pub const fn pmtud_enabled(&self) -> bool {
        self.pmtud
    }

    /// The MTU of the interface that packets leave by, in bytes of IP packet, which bounds the
    /// search of [`Self::pmtud`]. `None`, the default: 1,500 bytes are assumed, and larger ones not
    /// tried. It never lowers [`Self::mtu`].
    #[must_use]
    pub const fn interface_mtu(mut self, mtu: Option<usize>) -> Self {
        self.interface_mtu = mtu;
        self
    }

    /// The MTU of the interface that packets leave by.
    #[must_use]
    pub const fn get_interface_mtu(&self) -> Option<usize> {
        self.interface_mtu
    }

    /// How many connection IDs of the peer's are kept, at least 2 and at most
    /// [`limits::REMOTE_ACTIVE_CIDS`].
    #[must_use]
    pub fn active_connection_id_limit(mut self, v: u64) -> Self {
        const LEAST: u64 = 2;
        let most = u64::try_from(limits::REMOTE_ACTIVE_CIDS).unwrap_or(u64::MAX);
        self.active_connection_id_limit = v.clamp(LEAST, most);
        self
    }

    /// How many connection IDs of the peer's are kept.
    #[must_use]
    pub const fn get_active_connection_id_limit(&self) -> u64 {
        self.active_connection_id_limit
    }

    /// Asks the peer not to migrate (RFC 9000 §18.2).
    #[must_use]
    pub const fn disable_migration(mut self, disable_migration: bool) -> Self {
        self.disable_migration = disable_migration;
        self
    }

    /// Whether the peer is asked not to migrate.
    #[must_use]
    pub const fn migration_disabled(&self) -> bool {
        self.disable_migration
    }

    /// Whether values without meaning are sent, so that peers keep ignoring them.
    #[must_use]
    pub const fn grease(mut self, grease: bool) -> Self {
        self.grease = grease;
        self
    }

    /// Whether values without meaning are sent.
    #[must_use]
    pub const fn is_greasing(&self) -> bool {
        self.grease
    }

    /// Whether sending is spread over the round-trip time (RFC 9002 §7.7).
    #[must_use]
    pub const fn pacing(mut self, pacing: bool) -> Self {
        self.pacing = pacing;
        self
    }

    /// Whether sending is spread over the round-trip time.
    #[must_use]
    pub const fn pacing_enabled(&self) -> bool {
        self.pacing
    }

    /// Whether packet numbers start at a random one and not at zero.
    #[must_use]
    pub const fn randomize_first_pn(mut self, randomize_first_pn: bool) -> Self {
        self.randomize_first_pn = randomize_first_pn;
        self
    }

    /// Whether packet numbers start at a random one.
    #[must_use]
    pub const fn randomize_first_pn_enabled(&self) -> bool {
        self.randomize_first_pn
    }

    /// How a client does TLS.
    #[must_use]
    pub fn client_tls(mut self, tls: neqo_crypto::Client) -> Self {
        self.client_tls = Some(tls);
        self
    }

    /// How a client does TLS: as configured, else verifying against the platform's roots.
    ///
    /// # Errors
    /// When TLS cannot be configured.
    pub fn get_client_tls(&self) -> Res<neqo_crypto::Client> {
        match &self.client_tls {
            Some(tls) => Ok(tls.clone()),
            None => Ok(neqo_crypto::Client::builder().build()?),
        }
    }

    /// Where all randomness of the transport comes from, so that a simulation can be repeated.
    /// `None`, the default and the only safe choice on a network: from the system.
    #[must_use]
    pub const fn seed(mut self, seed: Option<[u8; 32]>) -> Self {
        self.seed = seed;
        self
    }

    /// Where all randomness of the transport comes from.
    #[must_use]
    pub const fn get_seed(&self) -> Option<[u8; 32]> {
        self.seed
    }
}

const fn at_most(v: u64, max: u64) -> u64 {
    if v < max { v } else { max }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CongestionControl, ConnectionParameters as Params, MAX_STREAMS, MAX_VARINT};
    use crate::{config::limits, stream_id::StreamType};

    #[test]
    fn defaults_are_within_the_limits() {
        let p = Params::default();
        assert!(p.get_max_data() <= limits::MAX_CONNECTION_WINDOW);
        for (stream_type, remote) in [
            (StreamType::BiDi, false),
            (StreamType::BiDi, true),
            (StreamType::UniDi, true),
        ] {
            let v = p.get_max_stream_data(stream_type, remote);
            assert!(v > 0 && v <= p.get_max_data() && v <= limits::MAX_STREAM_WINDOW);
        }
        assert_eq!(p.get_max_stream_data(StreamType::UniDi, false), 0);
        assert!((Params::MIN_MTU..=Params::MAX_MTU).contains(&p.get_mtu()));
        assert_eq!(p.get_seed(), None);
    }

    #[test]
    fn values_that_the_wire_cannot_carry_are_clamped() {
        let p = Params::default()
            .max_data(u64::MAX)
            .max_stream_data(StreamType::BiDi, true, u64::MAX)
            .max_streams(StreamType::UniDi, u64::MAX)
            .idle_timeout(Duration::MAX)
            .active_connection_id_limit(0)
            .initial_rtt(Duration::ZERO)
            .ack_ratio(0)
            .mtu(10);
        assert_eq!(p.get_max_data(), MAX_VARINT);
        assert_eq!(p.get_max_stream_data(StreamType::BiDi, true), MAX_VARINT);
        assert_eq!(p.get_max_streams(StreamType::UniDi), MAX_STREAMS);
        assert_eq!(p.get_idle_timeout(), Duration::from_millis(MAX_VARINT));
        assert_eq!(p.get_active_connection_id_limit(), 2);
        assert_eq!(p.get_initial_rtt(), Duration::from_millis(1));
        assert_eq!(p.get_ack_ratio(), Params::ACK_RATIO_SCALE);
        assert_eq!(p.get_mtu(), Params::MIN_MTU);
        assert_eq!(p.mtu(usize::MAX).get_mtu(), Params::MAX_MTU);
    }

    #[test]
    fn each_setter_sets_its_own() {
        let p = Params::default()
            .max_stream_data(StreamType::BiDi, false, 1)
            .max_stream_data(StreamType::BiDi, true, 2)
            .max_stream_data(StreamType::UniDi, true, 3)
            .max_streams(StreamType::BiDi, 4)
            .max_streams(StreamType::UniDi, 5);
        assert_eq!(p.get_max_stream_data(StreamType::BiDi, false), 1);
        assert_eq!(p.get_max_stream_data(StreamType::BiDi, true), 2);
        assert_eq!(p.get_max_stream_data(StreamType::UniDi, true), 3);
        assert_eq!(p.get_max_streams(StreamType::BiDi), 4);
        assert_eq!(p.get_max_streams(StreamType::UniDi), 5);
        let p = p.grease(false).pacing(false).seed(Some([7; 32]));
        assert!(!p.is_greasing() && !p.pacing_enabled());
        assert!(p.randomize_first_pn_enabled());
        assert_eq!(p.get_seed(), Some([7; 32]));
    }

    #[test]
    fn congestion_control_by_name() {
        assert_eq!("cubic".parse(), Ok(CongestionControl::Cubic));
        assert_eq!("NewReno".parse(), Ok(CongestionControl::NewReno));
        assert!("tahoe".parse::<CongestionControl>().is_err());
    }
}
