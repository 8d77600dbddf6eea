//! From transport parameters to bytes. What has its default value is left out.

use neqo_common::{Random, Role, varint};

use super::{TransportParameters, id::TransportParameterId as Id};
use crate::{version, wire::put::Put as _};

impl TransportParameters {
    /// The parameters as `role` sends them; with `grease`, a version and a parameter that mean
    /// nothing are among them, so that peers keep ignoring what they do not know.
    pub(crate) fn encode(&self, role: Role, mut grease: Option<&mut Random>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.encode_ints(&mut out);
        if let Some(cid) = &self.initial_source_connection_id {
            param(&mut out, Id::InitialSourceConnectionId, cid);
        }
        if self.disable_active_migration {
            param(&mut out, Id::DisableActiveMigration, &[]);
        }
        if self.grease_quic_bit {
            param(&mut out, Id::GreaseQuicBit, &[]);
        }
        if let Some(info) = &self.version_information {
            let mut value = Vec::new();
            value.put(&info.chosen.to_be_bytes());
            for version in &info.available {
                value.put(&version.to_be_bytes());
            }
            if let Some(rng) = &mut grease {
                value.put(&version::grease(rng).to_be_bytes());
            }
            param(&mut out, Id::VersionInformation, &value);
        }
        //= rfc9000#section-18.2
        //# A client MUST NOT include any server-only transport parameter:
        //# original_destination_connection_id, preferred_address,
        //# retry_source_connection_id, or stateless_reset_token.
        if role == Role::Server {
            self.encode_server_only(&mut out);
        }
        if let Some(rng) = grease {
            let value: [u8; 16] = rng.bytes();
            let len = usize::try_from(rng.below(16)).unwrap_or_default();
            raw(&mut out, Id::grease(rng), &value[..len]);
        }
        out
    }

    fn encode_ints(&self, out: &mut Vec<u8>) {
        let default = Self::default();
        let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let all = |p: &Self| {
            [
                (Id::MaxIdleTimeout, ms(p.max_idle_timeout)),
                (Id::MaxUdpPayloadSize, p.max_udp_payload_size),
                (Id::InitialMaxData, p.initial_max_data),
                (
                    Id::InitialMaxStreamDataBidiLocal,
                    p.initial_max_stream_data_bidi_local,
                ),
                (
                    Id::InitialMaxStreamDataBidiRemote,
                    p.initial_max_stream_data_bidi_remote,
                ),
                (Id::InitialMaxStreamDataUni, p.initial_max_stream_data_uni),
                (Id::InitialMaxStreamsBidi, p.initial_max_streams_bidi),
                (Id::InitialMaxStreamsUni, p.initial_max_streams_uni),
                (Id::AckDelayExponent, u64::from(p.ack_delay_exponent)),
                (Id::MaxAckDelay, ms(p.max_ack_delay)),
                (Id::ActiveConnectionIdLimit, p.active_connection_id_limit),
                (Id::MaxDatagramFrameSize, p.max_datagram_frame_size),
            ]
        };
        for ((id, v), (_, default)) in all(self).into_iter().zip(all(&default)) {
            if v != default {
                let mut value = [0; 8];
                let len = varint::encode(v, &mut value);
                debug_assert!(len.is_some(), "{id:?} is not a variable-length integer");
                param(out, id, &value[..len.unwrap_or_default()]);
            }
        }
    }

    fn encode_server_only(&self, out: &mut Vec<u8>) {
        if let Some(cid) = &self.original_destination_connection_id {
            param(out, Id::OriginalDestinationConnectionId, cid);
        }
        if let Some(cid) = &self.retry_source_connection_id {
            param(out, Id::RetrySourceConnectionId, cid);
        }
        if let Some(token) = &self.stateless_reset_token {
            param(out, Id::StatelessResetToken, token);
        }
        if let Some(preferred) = &self.preferred_address {
            let mut value = Vec::new();
            preferred.encode(&mut value);
            param(out, Id::PreferredAddress, &value);
        }
    }
}

fn param(out: &mut Vec<u8>, id: Id, value: &[u8]) {
    raw(out, id as u64, value);
}

fn raw(out: &mut Vec<u8>, id: u64, value: &[u8]) {
    out.varint(id);
    out.varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
    out.put(value);
}
