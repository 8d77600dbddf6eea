//! What can be wrong with bytes from a peer, and the code that says so on the wire.

use thiserror::Error as ThisError;

/// What every fallible operation of this crate returns.
pub type Res<T> = Result<T, Error>;

/// A fault in what the peer sent. There are no others: encoding cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum Error {
    /// An encoded field section cannot be understood: `QPACK_DECOMPRESSION_FAILED`, a connection error.
    #[error("field section cannot be decompressed")]
    Decompression,
    /// An instruction on the encoder stream cannot be followed: `QPACK_ENCODER_STREAM_ERROR`, a connection error.
    #[error("invalid instruction on the encoder stream")]
    EncoderStream,
    /// An instruction on the decoder stream cannot be followed: `QPACK_DECODER_STREAM_ERROR`, a connection error.
    #[error("invalid instruction on the decoder stream")]
    DecoderStream,
    /// A well-formed field section is larger than the limit that was given. It concerns one stream only: HTTP/3 resets
    /// it or answers with status 431.
    #[error("field section exceeds the size limit")]
    FieldSectionTooLarge,
    /// A field name is not UTF-8. The section was well-formed QPACK, so this concerns one stream only: HTTP/3 treats
    /// the message as malformed.
    #[error("field name is not valid")]
    BadUtf8,
}

impl Error {
    /// The error code of RFC 9204, Section 6.
    ///
    /// The two errors that concern a single stream report `QPACK_DECOMPRESSION_FAILED`, as RFC 9204, Section 7.4 wants
    /// for what is larger than an implementation decodes. HTTP/3 may know a better one.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Decompression | Self::FieldSectionTooLarge | Self::BadUtf8 => 0x200,
            Self::EncoderStream => 0x201,
            Self::DecoderStream => 0x202,
        }
    }

    /// Whether the connection has to be closed; otherwise only the stream is lost.
    #[must_use]
    pub const fn is_connection_error(self) -> bool {
        match self {
            Self::Decompression | Self::EncoderStream | Self::DecoderStream => true,
            Self::FieldSectionTooLarge | Self::BadUtf8 => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    /// RFC 9204, Section 6.
    #[test]
    fn codes() {
        assert_eq!(Error::Decompression.code(), 0x200);
        assert_eq!(Error::FieldSectionTooLarge.code(), 0x200);
        assert_eq!(Error::BadUtf8.code(), 0x200);
        assert_eq!(Error::EncoderStream.code(), 0x201);
        assert_eq!(Error::DecoderStream.code(), 0x202);
    }

    #[test]
    fn only_what_breaks_shared_state_closes_the_connection() {
        assert!(Error::Decompression.is_connection_error());
        assert!(Error::EncoderStream.is_connection_error());
        assert!(Error::DecoderStream.is_connection_error());
        assert!(!Error::FieldSectionTooLarge.is_connection_error());
        assert!(!Error::BadUtf8.is_connection_error());
    }
}
