//! Choices that both command lines offer.

use std::fmt::{self, Display, Formatter};

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use neqo_crypto::Provider;

/// An application protocol over QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP/3 (RFC 9114).
    H3,
    /// HTTP/0.9: a bare GET per stream, as the QUIC interop runner uses it.
    HqInterop,
}

impl Protocol {
    /// The ALPN identifier (RFC 7301).
    #[must_use]
    pub const fn alpn(self) -> &'static str {
        match self {
            Self::H3 => "h3",
            Self::HqInterop => "hq-interop",
        }
    }

    /// The name for log lines.
    #[must_use]
    pub const fn http_version(self) -> &'static str {
        match self {
            Self::H3 => "HTTP/3",
            Self::HqInterop => "HTTP/0.9",
        }
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpn())
    }
}

/// A congestion control algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Congestion {
    /// RFC 9438.
    #[default]
    Cubic,
    /// RFC 9002 §7.
    Newreno,
}

/// Reads the name of a TLS library that is compiled in.
#[must_use]
pub fn provider() -> impl TypedValueParser<Value = Provider> {
    let names = Provider::ALL.iter().map(|&p| <&'static str>::from(p));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Provider>())
}
