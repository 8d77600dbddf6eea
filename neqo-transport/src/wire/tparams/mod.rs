//! Transport parameters (RFC 9000 §7.4 and §18).

mod decode;
mod encode;
pub(crate) mod id;
pub(crate) mod preferred;
#[cfg(test)]
mod tests;

use std::time::Duration;

use neqo_common::Role;
use smallvec::SmallVec;

pub(crate) use preferred::PreferredAddress;

use crate::{
    Violation,
    cid::id::ConnectionId,
    version::{Version, Wire},
};

/// What one end tells the other about itself. Parameters that were not sent have the value that
/// their absence means (RFC 9000 §18.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportParameters {
    /// From servers: where the client's first Initial packet went.
    pub original_destination_connection_id: Option<ConnectionId>,
    /// Zero: no timeout.
    pub max_idle_timeout: Duration,
    /// From servers.
    pub stateless_reset_token: Option<[u8; 16]>,
    /// Bytes; at least 1,200.
    pub max_udp_payload_size: u64,
    pub initial_max_data: u64,
    /// For the streams that the sender of the parameters opens.
    pub initial_max_stream_data_bidi_local: u64,
    /// For the streams that the receiver of the parameters opens.
    pub initial_max_stream_data_bidi_remote: u64,
    pub initial_max_stream_data_uni: u64,
    /// At most 2^60.
    pub initial_max_streams_bidi: u64,
    /// At most 2^60.
    pub initial_max_streams_uni: u64,
    /// At most 20.
    pub ack_delay_exponent: u8,
    /// Below 2^14 ms.
    pub max_ack_delay: Duration,
    pub disable_active_migration: bool,
    /// From servers.
    pub preferred_address: Option<PreferredAddress>,
    /// At least 2.
    pub active_connection_id_limit: u64,
    pub initial_source_connection_id: Option<ConnectionId>,
    /// From servers that sent Retry.
    pub retry_source_connection_id: Option<ConnectionId>,
    /// RFC 9221 §3: bytes of a whole frame; zero: none are taken.
    pub max_datagram_frame_size: u64,
    /// RFC 9287 §3.
    pub grease_quic_bit: bool,
    /// RFC 9368 §3.
    pub version_information: Option<VersionInformation>,
}

/// Which version a connection uses and which it could use (RFC 9368 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionInformation {
    pub chosen: Wire,
    /// Of what a peer sends only the versions that this crate knows, each once: a cap that loses
    /// nothing, for no other one can ever be chosen.
    pub available: SmallVec<[Wire; Self::KNOWN]>,
}

impl VersionInformation {
    const KNOWN: usize = 2;

    /// `chosen` is in use, `available` could be.
    pub(crate) fn new(chosen: Version, available: &[Version]) -> Self {
        Self {
            chosen: chosen.wire_version(),
            available: available.iter().map(|v| v.wire_version()).collect(),
        }
    }
}

impl TransportParameters {
    /// The largest UDP payload there is: without the parameter, no limit.
    pub(crate) const DEFAULT_MAX_UDP_PAYLOAD_SIZE: u64 = 65_527;
    /// Microseconds are shifted by this much.
    pub(crate) const DEFAULT_ACK_DELAY_EXPONENT: u8 = 3;
    pub(crate) const DEFAULT_MAX_ACK_DELAY: Duration = Duration::from_millis(25);
    /// The fewest connection IDs that an endpoint must keep.
    pub(crate) const MIN_ACTIVE_CONNECTION_ID_LIMIT: u64 = 2;

    /// Whether the connection IDs that `sender` says the handshake used are those that it did.
    /// `initial_scid` is the Source Connection ID of the sender's Initial packets; only servers
    /// have the others.
    //= rfc9000#section-7.3
    //# An endpoint MUST treat the following as a connection error of type
    //# TRANSPORT_PARAMETER_ERROR or PROTOCOL_VIOLATION:
    pub(crate) fn check_cids(
        &self,
        sender: Role,
        initial_scid: &ConnectionId,
        original_dcid: &ConnectionId,
        retry_scid: Option<&ConnectionId>,
    ) -> Result<(), Violation> {
        let initial = self.initial_source_connection_id.as_ref() == Some(initial_scid);
        let server = sender == Role::Client
            || self.original_destination_connection_id.as_ref() == Some(original_dcid)
                && self.retry_source_connection_id.as_ref() == retry_scid;
        if initial && server {
            Ok(())
        } else {
            Err(Violation::TransportParameter)
        }
    }
}

impl Default for TransportParameters {
    fn default() -> Self {
        Self {
            original_destination_connection_id: None,
            max_idle_timeout: Duration::ZERO,
            stateless_reset_token: None,
            max_udp_payload_size: Self::DEFAULT_MAX_UDP_PAYLOAD_SIZE,
            initial_max_data: 0,
            initial_max_stream_data_bidi_local: 0,
            initial_max_stream_data_bidi_remote: 0,
            initial_max_stream_data_uni: 0,
            initial_max_streams_bidi: 0,
            initial_max_streams_uni: 0,
            ack_delay_exponent: Self::DEFAULT_ACK_DELAY_EXPONENT,
            max_ack_delay: Self::DEFAULT_MAX_ACK_DELAY,
            disable_active_migration: false,
            preferred_address: None,
            active_connection_id_limit: Self::MIN_ACTIVE_CONNECTION_ID_LIMIT,
            initial_source_connection_id: None,
            retry_source_connection_id: None,
            max_datagram_frame_size: 0,
            grease_quic_bit: false,
            version_information: None,
        }
    }
}
