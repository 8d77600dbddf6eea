//! Who is at fault, how far the damage reaches, and the code that says so on the wire (RFC 9114, Section 8.1).
//!
//! A [`Violation`] of the peer closes the connection, a [`StreamFault`] costs the peer one stream, a [`Misuse`] by the
//! caller changes nothing and sends nothing.

use thiserror::Error as ThisError;

/// An application protocol error code, at most 2^62-1.
pub type AppError = u64;
/// What every fallible operation of this crate returns.
pub type Res<T> = Result<T, Error>;

//= rfc9114#section-8.1
//# The following error codes are defined for use when abruptly terminating streams,
//# aborting reading of streams, or immediately closing HTTP/3 connections.
/// What the peer did to lose the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum Violation {
    /// `H3_GENERAL_PROTOCOL_ERROR`: a breach that has no code of its own.
    #[error("protocol violation")]
    HttpGeneralProtocol,
    /// `H3_STREAM_CREATION_ERROR`: a stream that may not exist.
    #[error("stream that may not exist")]
    HttpStreamCreation,
    /// `H3_CLOSED_CRITICAL_STREAM`: a stream that has to stay open was closed.
    #[error("critical stream closed")]
    HttpClosedCriticalStream,
    /// `H3_FRAME_UNEXPECTED`: a frame where it is not allowed.
    #[error("unexpected frame")]
    HttpFrameUnexpected,
    /// `H3_FRAME_ERROR`: a frame whose layout is wrong.
    #[error("malformed frame")]
    HttpFrame,
    /// `H3_EXCESSIVE_LOAD`: more than an endpoint has to put up with.
    #[error("excessive load")]
    HttpExcessiveLoad,
    /// `H3_ID_ERROR`: a stream or push ID that may not be used.
    #[error("invalid stream or push ID")]
    HttpId,
    /// `H3_SETTINGS_ERROR`: settings that may not be.
    #[error("invalid settings")]
    HttpSettings,
    /// `H3_MISSING_SETTINGS`: a control stream that does not begin with SETTINGS.
    #[error("no SETTINGS at the beginning of the control stream")]
    HttpMissingSettings,
}

impl Violation {
    /// The code for CONNECTION_CLOSE.
    #[must_use]
    pub const fn code(self) -> AppError {
        match self {
            Self::HttpGeneralProtocol => 0x101,
            Self::HttpStreamCreation => 0x103,
            Self::HttpClosedCriticalStream => 0x104,
            Self::HttpFrameUnexpected => 0x105,
            Self::HttpFrame => 0x106,
            Self::HttpExcessiveLoad => 0x107,
            Self::HttpId => 0x108,
            Self::HttpSettings => 0x109,
            Self::HttpMissingSettings => 0x10a,
        }
    }
}

/// What happened to one request, which leaves the connection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum StreamFault {
    /// `H3_REQUEST_REJECTED`: refused without any processing.
    #[error("request rejected")]
    HttpRequestRejected,
    /// `H3_REQUEST_CANCELLED`: no longer wanted.
    #[error("request cancelled")]
    HttpRequestCancelled,
    /// `H3_REQUEST_INCOMPLETE`: the stream ended before the request did.
    #[error("request incomplete")]
    HttpRequestIncomplete,
    /// `H3_MESSAGE_ERROR`: the message is malformed.
    #[error("malformed message")]
    HttpMessage,
    /// `H3_CONNECT_ERROR`: the connection behind a tunnel failed.
    #[error("tunnel failed")]
    HttpConnect,
    /// `H3_VERSION_FALLBACK`: only an older version of HTTP can serve this.
    #[error("not available over HTTP/3")]
    HttpVersionFallback,
    /// A field section is larger than `SETTINGS_MAX_FIELD_SECTION_SIZE` allowed: `H3_EXCESSIVE_LOAD`. A server may
    /// answer with status 431 instead.
    #[error("field section too large")]
    FieldSectionTooLarge,
}

impl StreamFault {
    /// The code for RESET_STREAM and STOP_SENDING.
    #[must_use]
    pub const fn code(self) -> AppError {
        match self {
            Self::FieldSectionTooLarge => 0x107,
            Self::HttpRequestRejected => 0x10b,
            Self::HttpRequestCancelled => 0x10c,
            Self::HttpRequestIncomplete => 0x10d,
            Self::HttpMessage => 0x10e,
            Self::HttpConnect => 0x10f,
            Self::HttpVersionFallback => 0x110,
        }
    }
}

/// What the caller did wrong. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum Misuse {
    /// The stream was closed already.
    #[error("already closed")]
    AlreadyClosed,
    /// Header fields that would make a malformed message.
    #[error("invalid header fields")]
    InvalidHeader,
    /// An argument is out of range.
    #[error("invalid argument")]
    InvalidInput,
    /// A URL that cannot be the target of a request.
    #[error("invalid request target")]
    InvalidRequestTarget,
    /// A resumption token that did not come from this crate.
    #[error("invalid resumption token")]
    InvalidResumptionToken,
    /// The state of the connection or of the message does not allow the call.
    #[error("the state does not allow this")]
    InvalidState,
    /// No such stream.
    #[error("no such stream")]
    InvalidStreamId,
    /// The peer allows no more streams now.
    #[error("the peer's stream limit is reached")]
    StreamLimit,
    /// The peer is going away: no new requests.
    #[error("the peer is going away")]
    GoingAway,
    /// The thing asked for does not exist yet, or no longer.
    #[error("not available")]
    Unavailable,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The peer broke the protocol, which closes the connection.
    #[error("the peer is at fault: {0}")]
    Peer(#[from] Violation),
    /// One request failed.
    #[error("{0}")]
    Stream(#[from] StreamFault),
    /// The caller asked for what cannot be done.
    #[error("{0}")]
    Api(#[from] Misuse),
    /// The peer's field compression is broken.
    #[error("QPACK: {0}")]
    Qpack(neqo_qpack::Error),
    /// The transport refused a call or failed.
    #[error("{0}")]
    Transport(#[from] neqo_transport::Error),
    /// A defect in this crate.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// `H3_NO_ERROR`.
pub const H3_NO_ERROR: AppError = 0x100;
/// `H3_INTERNAL_ERROR`.
pub const H3_INTERNAL_ERROR: AppError = 0x102;

impl Error {
    /// The code of RFC 9114, Section 8.1 or RFC 9204, Section 6 that tells the peer.
    #[must_use]
    pub const fn code(&self) -> AppError {
        match self {
            Self::Peer(v) => v.code(),
            Self::Stream(f) => f.code(),
            Self::Qpack(e) => e.code(),
            Self::Api(_) | Self::Transport(_) | Self::Internal(_) => H3_INTERNAL_ERROR,
        }
    }

    /// Whether this has to close the connection.
    #[must_use]
    pub const fn connection_error(&self) -> bool {
        match self {
            Self::Peer(_) | Self::Internal(_) => true,
            Self::Qpack(e) => e.is_connection_error(),
            Self::Stream(_) | Self::Api(_) | Self::Transport(_) => false,
        }
    }

    /// Whether this costs one stream and nothing else.
    #[must_use]
    pub const fn stream_reset_error(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

impl From<neqo_qpack::Error> for Error {
    fn from(e: neqo_qpack::Error) -> Self {
        match e {
            neqo_qpack::Error::FieldSectionTooLarge => {
                Self::Stream(StreamFault::FieldSectionTooLarge)
            }
            neqo_qpack::Error::BadUtf8 => Self::Stream(StreamFault::HttpMessage),
            e => Self::Qpack(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Misuse, StreamFault, Violation};

    //= rfc9114#section-8.1 type=test
    //# The following error codes are defined for use when abruptly terminating streams,
    //# aborting reading of streams, or immediately closing HTTP/3 connections.
    #[test]
    fn codes() {
        for (error, code) in [
            (Error::Peer(Violation::HttpGeneralProtocol), 0x101),
            (Error::Internal("x"), 0x102),
            (Error::Api(Misuse::InvalidState), 0x102),
            (Error::Peer(Violation::HttpStreamCreation), 0x103),
            (Error::Peer(Violation::HttpClosedCriticalStream), 0x104),
            (Error::Peer(Violation::HttpFrameUnexpected), 0x105),
            (Error::Peer(Violation::HttpFrame), 0x106),
            (Error::Peer(Violation::HttpExcessiveLoad), 0x107),
            (Error::Peer(Violation::HttpId), 0x108),
            (Error::Peer(Violation::HttpSettings), 0x109),
            (Error::Peer(Violation::HttpMissingSettings), 0x10a),
            (Error::Stream(StreamFault::HttpRequestRejected), 0x10b),
            (Error::Stream(StreamFault::HttpRequestCancelled), 0x10c),
            (Error::Stream(StreamFault::HttpRequestIncomplete), 0x10d),
            (Error::Stream(StreamFault::HttpMessage), 0x10e),
            (Error::Stream(StreamFault::HttpConnect), 0x10f),
            (Error::Stream(StreamFault::HttpVersionFallback), 0x110),
            (neqo_qpack::Error::Decompression.into(), 0x200),
            (neqo_qpack::Error::EncoderStream.into(), 0x201),
            (neqo_qpack::Error::DecoderStream.into(), 0x202),
        ] {
            assert_eq!(error.code(), code, "{error:?}");
        }
    }

    #[test]
    fn how_far_the_damage_reaches() {
        assert!(Error::from(Violation::HttpId).connection_error());
        assert!(Error::from(neqo_qpack::Error::Decompression).connection_error());
        for fault in [
            neqo_qpack::Error::FieldSectionTooLarge,
            neqo_qpack::Error::BadUtf8,
        ] {
            assert!(Error::from(fault).stream_reset_error());
            assert!(!Error::from(fault).connection_error());
        }
        assert!(!Error::from(Misuse::InvalidState).connection_error());
        assert!(!Error::from(Misuse::InvalidState).stream_reset_error());
    }
}
