//! What can go wrong in `neqo-client`: one line each, which says what to do, and the exit code that it leads to.

use std::{io, path::PathBuf, time::Duration};

use super::exit::Exit;

/// A failure of one transfer or of the whole run. The text is one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL does not parse.
    #[error("{url}: not a URL ({reason}); write it like https://example.com/path")]
    BadUrl {
        /// What was given.
        url: String,
        /// The parser's objection.
        reason: String,
    },
    /// HTTP/3 exists for https only.
    #[error("{url}: only https URLs can be fetched over QUIC; write https://… instead")]
    NotHttps {
        /// What was given.
        url: String,
    },
    /// The options contradict one another.
    #[error("{0}")]
    Usage(String),
    /// A file that the command line names cannot be read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be created or written.
    #[error("cannot write {}: {source}; choose another place with -o or --output-dir", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No address for a name.
    #[error("cannot resolve {host}: {reason}; check the name or give an address with --resolve")]
    Resolve {
        /// The host name.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing listens there, or there is no way to it.
    #[error(
        "{peer} refuses connections; check that a QUIC server listens on that UDP port and that there is a route to it"
    )]
    Refused {
        /// Host, port and address.
        peer: String,
    },
    /// Nobody answered.
    #[error(
        "no answer from {peer} within {:.1} s; check the port, a firewall that drops UDP, or raise --connect-timeout",
        timeout.as_secs_f64()
    )]
    NoAnswer {
        /// Host, port and address.
        peer: String,
        /// How long it was tried.
        timeout: Duration,
    },
    /// The handshake failed for another reason than the certificate.
    #[error("cannot connect to {peer}: {reason}")]
    Connect {
        /// Host, port and address.
        peer: String,
        /// The reason, and what to do about it where that is known.
        reason: String,
    },
    /// The certificate was refused.
    #[error(
        "the certificate of {host} does not verify: {reason}; trust its issuer with --cacert or the certificate itself with --pin-sha256"
    )]
    Certificate {
        /// The host whose certificate it is.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing that a certificate could be verified against.
    #[error(
        "no certificate can be verified, because this system's certificate authorities cannot be used: {reason}; name a file of trusted ones with --cacert, or the server's certificate with --pin-sha256"
    )]
    NoAuthorities {
        /// Why.
        reason: String,
    },
    /// The connection ended during transfers.
    #[error("{url}: the connection broke: {reason}; try again")]
    Lost {
        /// The transfer.
        url: String,
        /// Why.
        reason: String,
    },
    /// The response ended early.
    #[error("{url}: incomplete: {reason}; nothing was saved, try again")]
    Partial {
        /// The transfer.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// `--fail` and a status of 400 or more.
    #[error("{url}: the server answered {status}; without --fail its body is kept")]
    HttpStatus {
        /// The transfer.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// SIGINT or SIGTERM.
    #[error("interrupted; incomplete files were removed")]
    Interrupted,
    /// A fault of this program.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// The exit code that this failure leads to.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::BadUrl { .. } | Self::NotHttps { .. } | Self::Usage(_) => Exit::Usage,
            Self::Read { .. } => Exit::Read,
            Self::Write { .. } => Exit::Write,
            Self::Resolve { .. } => Exit::Resolve,
            Self::Refused { .. } | Self::NoAnswer { .. } | Self::Connect { .. } => Exit::Connect,
            Self::Certificate { .. } | Self::NoAuthorities { .. } => Exit::Certificate,
            Self::Lost { .. } => Exit::Lost,
            Self::Partial { .. } => Exit::Partial,
            Self::HttpStatus { .. } => Exit::HttpStatus,
            Self::Interrupted => Exit::Interrupted,
            Self::Internal(_) => Exit::Internal,
        }
    }
}
