//! From bytes to transport parameters, with every check that needs nothing but them.

use std::time::Duration;

use neqo_common::{Decoder, Role};
use smallvec::SmallVec;

use super::{
    TransportParameters, VersionInformation, id::TransportParameterId, preferred::PreferredAddress,
};
use crate::{
    Violation,
    cid::id::ConnectionId,
    config::limits,
    version::{Version, Wire},
    wire::frame::MAX_STREAMS,
};

/// What every violation here is.
const BAD: Violation = Violation::TransportParameter;

impl TransportParameters {
    /// The parameters that `sender` sent.
    pub(crate) fn decode(bytes: &[u8], sender: Role) -> Result<Self, Violation> {
        let mut dec = Decoder::new(bytes);
        let mut seen = SmallVec::<[u64; 32]>::new();
        let mut this = Self::default();
        while dec.remaining() > 0 {
            let id = dec.decode_varint().ok_or(BAD)?;
            let value = dec.decode_vvec().ok_or(BAD)?;
            if seen.len() == limits::TRANSPORT_PARAMETERS {
                return Err(BAD);
            }
            seen.push(id);
            if let Some(id) = TransportParameterId::from_repr(id) {
                this.set(id, value, sender)?;
            }
        }
        //= rfc9000#section-7.4
        //# An endpoint SHOULD treat receipt of duplicate transport
        //# parameters as a connection error of type TRANSPORT_PARAMETER_ERROR.
        // hardening R3732
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(BAD);
        }
        //= rfc9000#section-18.2
        //# A server that chooses
        //# a zero-length connection ID MUST NOT provide a preferred address.
        let empty = this
            .initial_source_connection_id
            .is_some_and(|c| c.is_empty());
        if empty && this.preferred_address.is_some() {
            return Err(BAD);
        }
        Ok(this)
    }

    fn set(
        &mut self,
        id: TransportParameterId,
        value: &[u8],
        sender: Role,
    ) -> Result<(), Violation> {
        use TransportParameterId as Id;
        //= rfc9000#section-18.2
        //# A server MUST treat
        //# receipt of any of these transport parameters as a connection error of type
        //# TRANSPORT_PARAMETER_ERROR.
        if id.is_server_only() && sender == Role::Client {
            return Err(BAD);
        }
        match id {
            Id::OriginalDestinationConnectionId => {
                self.original_destination_connection_id = Some(cid(value)?);
            }
            Id::InitialSourceConnectionId => self.initial_source_connection_id = Some(cid(value)?),
            Id::RetrySourceConnectionId => self.retry_source_connection_id = Some(cid(value)?),
            Id::StatelessResetToken => {
                self.stateless_reset_token = Some(value.try_into().map_err(|_| BAD)?);
            }
            Id::DisableActiveMigration => self.disable_active_migration = flag(value)?,
            //= rfc9287#section-3
            //# an endpoint that understands
            //# this transport parameter MUST treat receipt of a non-empty value of the
            //# transport parameter as a connection error of type TRANSPORT_PARAMETER_ERROR.
            Id::GreaseQuicBit => self.grease_quic_bit = flag(value)?,
            Id::PreferredAddress => self.preferred_address = Some(PreferredAddress::decode(value)?),
            Id::VersionInformation => {
                self.version_information = Some(version_information(value, sender).ok_or(BAD)?);
            }
            _ => self.set_int(id, int(value)?)?,
        }
        Ok(())
    }

    /// Takes a parameter that is an integer.
    fn set_int(&mut self, id: TransportParameterId, v: u64) -> Result<(), Violation> {
        use TransportParameterId as Id;
        const MIN_UDP_PAYLOAD: u64 = 1200;
        const MAX_ACK_DELAY_MS: u64 = (1 << 14) - 1;
        const MAX_ACK_DELAY_EXPONENT: u64 = 20;
        let ms = Duration::from_millis(v);
        match id {
            Id::MaxIdleTimeout => self.max_idle_timeout = ms,
            // Values below 1200 are invalid (RFC 9000 §18.2).
            Id::MaxUdpPayloadSize if v >= MIN_UDP_PAYLOAD => self.max_udp_payload_size = v,
            Id::InitialMaxData => self.initial_max_data = v,
            Id::InitialMaxStreamDataBidiLocal => self.initial_max_stream_data_bidi_local = v,
            Id::InitialMaxStreamDataBidiRemote => self.initial_max_stream_data_bidi_remote = v,
            Id::InitialMaxStreamDataUni => self.initial_max_stream_data_uni = v,
            //= rfc9000#section-4.6
            //# If a max_streams transport parameter or a MAX_STREAMS frame is received with a
            //# value greater than 2<sup>60</sup>, this would allow a maximum stream ID that
            //# cannot be expressed as a variable-length integer; see {{integer-encoding}}.
            Id::InitialMaxStreamsBidi if v <= MAX_STREAMS => self.initial_max_streams_bidi = v,
            Id::InitialMaxStreamsUni if v <= MAX_STREAMS => self.initial_max_streams_uni = v,
            // Values above 20 are invalid (RFC 9000 §18.2).
            Id::AckDelayExponent if v <= MAX_ACK_DELAY_EXPONENT => {
                self.ack_delay_exponent = u8::try_from(v).map_err(|_| BAD)?;
            }
            // hardening R3730
            Id::MaxAckDelay if v <= MAX_ACK_DELAY_MS => self.max_ack_delay = ms,
            //= rfc9000#section-18.2
            //# An endpoint that receives a value less than 2 MUST close the connection
            //# with an error of type TRANSPORT_PARAMETER_ERROR.
            Id::ActiveConnectionIdLimit if v >= Self::MIN_ACTIVE_CONNECTION_ID_LIMIT => {
                self.active_connection_id_limit = v;
            }
            Id::MaxDatagramFrameSize => self.max_datagram_frame_size = v,
            _ => return Err(BAD),
        }
        Ok(())
    }
}

/// An integer and nothing behind it.
fn int(value: &[u8]) -> Result<u64, Violation> {
    let mut dec = Decoder::new(value);
    dec.decode_varint()
        .filter(|_| dec.remaining() == 0)
        .ok_or(BAD)
}

/// A parameter that says all by being there.
const fn flag(value: &[u8]) -> Result<bool, Violation> {
    if value.is_empty() { Ok(true) } else { Err(BAD) }
}

fn cid(value: &[u8]) -> Result<ConnectionId, Violation> {
    ConnectionId::new(value).ok_or(BAD)
}

//= rfc9368#section-4
//# If an endpoint
//# receives a Chosen Version equal to zero, or any Available Version equal to zero,
//# it MUST treat it as a parsing failure.
fn version_information(value: &[u8], sender: Role) -> Option<VersionInformation> {
    let (versions, []) = value.as_chunks() else {
        return None;
    };
    let mut versions = versions.iter().map(|v| Wire::from_be_bytes(*v));
    let chosen = versions.next().filter(|v| *v != 0)?;
    let mut listed = false;
    let mut available = SmallVec::new();
    for version in versions {
        if version == 0 {
            return None;
        }
        listed |= version == chosen;
        if Version::try_from(version).is_ok() && !available.contains(&version) {
            available.push(version);
        }
    }
    //= rfc9368#section-4
    //# If a server receives Version
    //# Information where the Chosen Version is not included in Available Versions, it
    //# MUST treat it as a parsing failure.
    (listed || sender == Role::Server).then_some(VersionInformation { chosen, available })
}
