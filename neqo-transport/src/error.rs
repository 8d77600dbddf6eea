//! Who is at fault, and what is said on the wire about it.
//!
//! [`Violation`]s were committed by the peer and close the connection with a code of
//! RFC 9000 §20.1. [`Misuse`]s were committed by the caller: nothing changes and nothing is sent.

use neqo_common::hex::Hex;
use thiserror::Error;

/// An application protocol error code (RFC 9000 §20.2), at most 2^62-1.
pub type AppError = u64;
/// A transport error code (RFC 9000 §20.1), at most 2^62-1.
pub type TransportError = u64;
/// The result of everything in this crate that can fail.
pub type Res<T> = Result<T, Error>;

/// What the peer did wrong (RFC 9000 §20.1).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Violation {
    /// The server refuses the connection.
    #[error("connection refused")]
    ConnectionRefused,
    /// More data than flow control allows.
    #[error("flow control limit exceeded")]
    FlowControl,
    /// A stream beyond the advertised limit.
    #[error("stream limit exceeded")]
    StreamLimit,
    /// A frame that the stream's state or direction does not allow.
    #[error("frame not allowed in this stream state")]
    StreamState,
    /// The final size of a stream changed or was overrun.
    #[error("final size of a stream changed")]
    FinalSize,
    /// A frame that cannot be parsed.
    #[error("malformed frame")]
    FrameEncoding,
    /// Transport parameters that are malformed, invalid or do not authenticate the handshake.
    #[error("invalid transport parameters")]
    TransportParameter,
    /// More connection IDs than the advertised limit.
    #[error("too many connection IDs")]
    ConnectionIdLimit,
    /// Any other breach of the protocol.
    #[error("protocol violation: {0}")]
    ProtocolViolation(&'static str),
    /// An Initial packet carried a token that the server issued but does not accept.
    #[error("invalid token")]
    InvalidToken,
    /// More CRYPTO data ahead of what was read than is buffered.
    #[error("CRYPTO data exceeds the buffer")]
    CryptoBufferExceeded,
    /// A key update that the rules of RFC 9001 §6 do not allow.
    #[error("key update not allowed")]
    KeyUpdate,
    /// The integrity or confidentiality limit of the AEAD was reached (RFC 9001 §6.6).
    #[error("AEAD limit reached")]
    AeadLimitReached,
    /// No network path is usable.
    #[error("no viable path")]
    NoViablePath,
    /// The version was not negotiated as RFC 9368 demands.
    #[error("version negotiation error")]
    VersionNegotiation,
    /// TLS failed with this alert (RFC 9001 §4.8).
    #[error("TLS alert {0}")]
    CryptoAlert(u8),
}

impl Violation {
    /// The code for CONNECTION_CLOSE (RFC 9000 §20.1, RFC 9001 §6.6, RFC 9368 §10.2).
    #[must_use]
    pub const fn code(self) -> TransportError {
        match self {
            Self::ConnectionRefused => 0x02,
            Self::FlowControl => 0x03,
            Self::StreamLimit => 0x04,
            Self::StreamState => 0x05,
            Self::FinalSize => 0x06,
            Self::FrameEncoding => 0x07,
            Self::TransportParameter => 0x08,
            Self::ConnectionIdLimit => 0x09,
            Self::ProtocolViolation(_) => 0x0a,
            Self::InvalidToken => 0x0b,
            Self::CryptoBufferExceeded => 0x0d,
            Self::KeyUpdate => 0x0e,
            Self::AeadLimitReached => 0x0f,
            Self::NoViablePath => 0x10,
            Self::VersionNegotiation => 0x11,
            Self::CryptoAlert(alert) => 0x100 + alert as u64,
        }
    }
}

/// What the caller did wrong. Nothing changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Misuse {
    /// No such stream, or not one that this side may use in this direction.
    #[error("no such stream")]
    InvalidStreamId,
    /// The peer allows no more streams of this type now.
    #[error("the peer's stream limit is reached")]
    StreamLimit,
    /// The stream is past the state that the call needs.
    #[error("the stream's state does not allow this")]
    StreamState,
    /// An argument is out of range.
    #[error("invalid argument")]
    InvalidInput,
    /// More than the peer accepts or a buffer holds.
    #[error("too much data")]
    TooMuchData,
    /// The connection's state does not allow the call.
    #[error("the connection's state does not allow this")]
    ConnectionState,
    /// The thing asked for does not exist yet, or no longer.
    #[error("not available")]
    NotAvailable,
    /// The handshake has not got that far.
    #[error("not connected")]
    NotConnected,
    /// The previous key update is not confirmed (RFC 9001 §6.1).
    #[error("a key update is still in progress")]
    KeyUpdateBlocked,
    /// Only the other role may do that.
    #[error("not for this role")]
    WrongRole,
    /// The stream was read to its end.
    #[error("no more data")]
    NoMoreData,
}

/// Why a call failed or a connection ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The peer broke the protocol.
    #[error("the peer is at fault: {0}")]
    Peer(#[from] Violation),
    /// The caller asked for what cannot be done.
    #[error("{0}")]
    Api(#[from] Misuse),
    /// TLS or packet protection failed at this side.
    #[error("TLS: {0}")]
    Crypto(#[from] neqo_crypto::Error),
    /// The peer closed the connection with a transport error code; the reason is its text.
    #[error("closed by the peer with transport error {code:#x} {reason}")]
    PeerClosed {
        /// The code (RFC 9000 §20.1).
        code: TransportError,
        /// The peer's reason phrase, lossily decoded and cut.
        reason: String,
    },
    /// The peer closed the connection with an application error code.
    #[error("closed by the peer with application error {code:#x} {reason}")]
    PeerApplication {
        /// The code.
        code: AppError,
        /// The peer's reason phrase, lossily decoded and cut.
        reason: String,
    },
    /// Nothing arrived within the idle timeout (RFC 9000 §10.1).
    #[error("idle timeout")]
    IdleTimeout,
    /// The handshake did not complete in time, or nothing ever answered.
    #[error("no answer during the handshake")]
    HandshakeTimeout,
    /// So many probes in a row went unanswered (`ConnectionParameters::max_pto`).
    #[error("the peer answers no probes")]
    TooManyPtos,
    /// The peer lost the connection's state (RFC 9000 §10.3).
    #[error("stateless reset")]
    StatelessReset,
    /// The peer speaks none of our versions (RFC 9000 §6.2).
    #[error("no version in common")]
    VersionNegotiation,
    /// A defect in this crate.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    /// The transport error code that a CONNECTION_CLOSE for this error carries.
    #[must_use]
    pub fn code(&self) -> TransportError {
        match self {
            Self::Peer(v) => v.code(),
            Self::Crypto(neqo_crypto::Error::ProtocolViolation(what)) => {
                Violation::ProtocolViolation(what).code()
            }
            Self::Crypto(e) => 0x100 + TransportError::from(e.alert()),
            Self::VersionNegotiation => Violation::VersionNegotiation.code(),
            Self::Api(_) | Self::Internal(_) => 0x01,
            Self::PeerClosed { .. }
            | Self::PeerApplication { .. }
            | Self::IdleTimeout
            | Self::HandshakeTimeout
            | Self::TooManyPtos
            | Self::StatelessReset => 0,
        }
    }
}

/// Why a connection is closing or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// For a reason of the transport; [`Error::code`] 0 without a peer's error is a clean end.
    Transport(Error),
    /// The application at this side closed it with this code.
    Application(AppError),
}

impl CloseReason {
    /// Whether anything went wrong: application code 0 and no error is a clean end.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        !matches!(
            self,
            Self::Application(0)
                | Self::Transport(
                    Error::PeerClosed { code: 0, .. } | Error::PeerApplication { code: 0, .. }
                )
        )
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transport(e) => write!(f, "{e}"),
            Self::Application(code) => write!(f, "closed with application error {code:#x}"),
        }
    }
}

/// A peer's reason phrase as text: it is untrusted, so it is cut and stripped of controls.
pub(crate) fn reason_text(raw: &[u8]) -> String {
    const LONGEST: usize = 200;
    let cut = &raw[..raw.len().min(LONGEST)];
    std::str::from_utf8(cut).map_or_else(
        |_| format!("{}", Hex::new(cut)),
        |s| s.chars().filter(|c| !c.is_control()).collect(),
    )
}
