//! TLS 1.3 sessions and QUIC packet protection behind one small API.
//!
//! A [`Client`] or [`Server`] is a configuration. It makes a [`Session`] for each connection: CRYPTO bytes go in,
//! [`Events`] come out, and no callbacks run. A session yields traffic [`Secret`]s, not keys; [`SealKeys`] and
//! [`OpenKeys`] derive the keys, for any [`Version`] and whatever library did the handshake. So compatible version
//! negotiation can change the labels midway, key updates and AEAD limits exist once, and so does the key log.
//!
//! The rustls backend is the one compiled in by default. Nothing above the module `backend` names a type of its library.
//!
//! # Time
//! Times are arguments, except one: certificates are dated by the wall clock, and tickets by it too inside rustls, so the
//! verifier reads the system's clock.
#![forbid(unsafe_code)]

#[cfg(not(feature = "rustls"))]
compile_error!("neqo-crypto needs a backend: enable the feature `rustls`");

mod auth;
mod backend;
mod client;
mod client_hello;
mod constants;
mod error;
mod identity;
mod keylog;
mod primitives;
mod protect;
mod secret;
mod server;
mod session;
mod verify;
mod version;

pub use auth::AuthenticationStatus;
pub use client::{Client, ClientBuilder};
pub use client_hello::{ClientHello, MAX_CLIENT_HELLO};
pub use constants::{Cipher, Direction, Group, Level};
pub use error::{Error, Res, alert};
pub use identity::Identity;
pub use keylog::KeyLog;
pub use primitives::{TAG_LEN, constant_time_eq, random, sha256};
pub use protect::{OpenKeys, ResetKey, SealKeys, TokenKey, initial_keys, initial_secrets, retry};
pub use secret::Secret;
pub use server::{Server, ServerBuilder};
pub use session::{Event, Events, Info, PeerChain, ResumptionToken, Session};
pub use verify::Verification;
pub use version::{UnknownVersion, Version};
