//! Transport parameter identifiers: one table.

use neqo_common::Random;
use strum::{EnumCount, EnumIter, FromRepr};

/// A transport parameter that this crate understands. The value is its identifier.
#[derive(Clone, Copy, Debug, EnumCount, EnumIter, FromRepr, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum TransportParameterId {
    OriginalDestinationConnectionId = 0x00,
    MaxIdleTimeout = 0x01,
    StatelessResetToken = 0x02,
    MaxUdpPayloadSize = 0x03,
    InitialMaxData = 0x04,
    InitialMaxStreamDataBidiLocal = 0x05,
    InitialMaxStreamDataBidiRemote = 0x06,
    InitialMaxStreamDataUni = 0x07,
    InitialMaxStreamsBidi = 0x08,
    InitialMaxStreamsUni = 0x09,
    AckDelayExponent = 0x0a,
    MaxAckDelay = 0x0b,
    DisableActiveMigration = 0x0c,
    PreferredAddress = 0x0d,
    ActiveConnectionIdLimit = 0x0e,
    InitialSourceConnectionId = 0x0f,
    RetrySourceConnectionId = 0x10,
    /// RFC 9368.
    VersionInformation = 0x11,
    /// RFC 9221.
    MaxDatagramFrameSize = 0x20,
    /// RFC 9287.
    GreaseQuicBit = 0x2ab2,
}

impl TransportParameterId {
    /// Whether only servers send it.
    pub(crate) const fn is_server_only(self) -> bool {
        matches!(
            self,
            Self::OriginalDestinationConnectionId
                | Self::PreferredAddress
                | Self::RetrySourceConnectionId
                | Self::StatelessResetToken
        )
    }

    /// An identifier that means nothing (RFC 9000 §18.1).
    pub(crate) fn grease(rng: &mut Random) -> u64 {
        const CHOICES: u64 = ((1 << 62) - 27) / 31;
        31 * rng.below(CHOICES) + 27
    }
}
