//! TLS 1.3 sessions and QUIC packet protection behind one small API.
//!
//! A [`Client`] or [`Server`] is a configuration. It makes a [`Session`] for each connection: CRYPTO bytes go in,
//! [`Events`] come out, and no callbacks run. A session yields traffic [`Secret`]s, not keys; [`SealKeys`] and
//! [`OpenKeys`] derive the keys, for any [`Version`] and whatever library did the handshake. So compatible version
//! negotiation can change the labels midway, key updates and AEAD limits exist once, and so does the key log.
//!
//! The rustls backend is the one compiled in by default. Nothing above the module `backend` names a type of its library.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `client`, `server`, `identity`, `verify`, `auth` | what a host configures: [`Client`], [`Server`], [`Identity`], [`Verification`], and its verdict |
//! | `session` | what a transport drives: [`Session`], [`Event`], [`Info`], [`PeerChain`], [`ResumptionToken`] |
//! | `backend` | the TLS libraries that sessions stand on |
//! | `protect` | packet protection (RFC 9001, Section 5), Retry integrity, reset and token keys |
//! | `primitives` | AEAD, header masks, HKDF and randomness, behind names that no library shows through |
//! | `client_hello` | [`ClientHello`]: what an endpoint reads of one without TLS |
//! | `secret`, `keylog` | traffic secrets, wiped when dropped; `SSLKEYLOGFILE` |
//! | `version`, `constants`, `error` | names and codes |
//!
//! # The contract of a session
//!
//! Events are acted upon in their order: a secret comes before the CRYPTO bytes that it protects. A client that verifies by
//! [`Verification::Host`] is asked by [`Event::AuthenticationNeeded`] and sends nothing that shows acceptance before it has
//! answered; the default, [`Verification::Platform`], trusts whom the system trusts. An error is final, and
//! [`Error::alert`] is what to close the connection with.
//!
//! # Protecting packets
//!
//! ```
//! use neqo_common::Role;
//! use neqo_crypto::{TAG_LEN, Version, initial_keys};
//!
//! let dcid = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
//! let (mut client, _) = initial_keys(Version::Version1, &dcid, Role::Client)?;
//! let (_, mut server) = initial_keys(Version::Version1, &dcid, Role::Server)?;
//!
//! let mut packet = b"header, payload".to_vec();
//! packet.extend([0; TAG_LEN]);
//! client.seal(0, &mut packet, "header".len())?;
//! let (header, body) = packet.split_at_mut("header".len());
//! assert_eq!(server.open(0, header, body)?, b", payload");
//! # Ok::<_, neqo_crypto::Error>(())
//! ```
//!
//! # Time
//! Times are arguments, except one: certificates are dated by the wall clock, and tickets by it too inside rustls, so the
//! verifier reads the system's clock.

#![cfg_attr(not(feature = "nss"), forbid(unsafe_code))]
#![cfg_attr(feature = "nss", deny(unsafe_code))]

#[cfg(not(any(feature = "rustls", feature = "nss")))]
compile_error!("neqo-crypto needs a backend: enable the feature `rustls` or `nss`");

mod auth;
mod backend;
mod client;
mod client_hello;
mod constants;
mod ech;
mod error;
mod identity;
mod keylog;
#[cfg(feature = "nss")]
#[expect(unsafe_code, reason = "NSS is C; this module makes it safe")]
#[warn(clippy::undocumented_unsafe_blocks)]
mod nss;
mod primitives;
mod protect;
mod provider;
mod secret;
mod server;
mod session;
mod settings;
mod verify;
mod version;

pub use auth::AuthenticationStatus;
pub use client::{Client, ClientBuilder};
pub use client_hello::{ClientHello, MAX_CLIENT_HELLO};
pub use constants::{Cipher, Direction, Group, Level};
pub use ech::EchKeys;
pub use error::{Error, Res, alert};
pub use identity::Identity;
pub use keylog::KeyLog;
#[cfg(feature = "nss")]
pub use nss::{Capabilities, capabilities, init, init_db};
pub use primitives::{Primitives, TAG_LEN, constant_time_eq, random, sha256};
pub use protect::{OpenKeys, ResetKey, SealKeys, TokenKey, initial_keys, initial_secrets, retry};
pub use provider::Provider;
pub use secret::Secret;
pub use server::{ClientCertificate, Server, ServerBuilder};
pub use session::{Event, Events, Info, PeerChain, ResumptionToken, Session};
pub use verify::Verification;
pub use version::{UnknownVersion, Version};
