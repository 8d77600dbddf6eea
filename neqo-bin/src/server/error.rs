//! What stops `neqo-server`: one line each, which says what to do.

use std::{io, net::SocketAddr, path::PathBuf};

use neqo_crypto::Provider;

/// A reason not to start or not to go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The argument is not an address.
    #[error(
        "cannot listen on {arg}: {reason}; write HOST:PORT, for example [::]:4433 or 127.0.0.1:4433"
    )]
    Address {
        /// What was given.
        arg: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The socket cannot be bound.
    #[error("cannot listen on {addr}: {source}; choose another address or port")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// `--root` is not a directory that can be read.
    #[error("cannot serve {}: {source}; give --root an existing directory", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The TLS library cannot be used.
    #[error("--tls {library}: {reason}")]
    Tls {
        /// Which.
        library: Provider,
        /// Why.
        reason: String,
    },
    /// The certificate or its key cannot be used.
    #[error(
        "cannot use the certificate: {reason}; check --cert and --key, or leave both out to have one made"
    )]
    Identity {
        /// Why.
        reason: String,
    },
    /// There is no key for encrypted ClientHellos.
    #[error("--ech: {reason}")]
    Ech {
        /// Why.
        reason: String,
    },
    /// SSLKEYLOGFILE names a file that cannot be written.
    #[error("SSLKEYLOGFILE: {reason}; name a file that can be written, or unset it")]
    KeyLog {
        /// Why.
        reason: String,
    },
    /// The operating system refused something else.
    #[error("{doing}: {source}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The protocol stack refused its configuration.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}
