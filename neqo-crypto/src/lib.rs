//! TLS 1.3 sessions and QUIC packet protection behind one small API.
//!
//! A [`Client`] or [`Server`] is a configuration. It makes a [`Session`] for each connection: CRYPTO bytes go in,
//! [`Events`] come out, and no callbacks run. A session yields traffic [`Secret`]s, not keys; [`SealKeys`] and
//! [`OpenKeys`] derive the keys, for any [`Version`] and whatever library did the handshake. So compatible version
//! negotiation can change the labels midway, key updates and AEAD limits exist once, and so does the key log.
//!
//! # Two libraries
//!
//! [`Provider`] chooses between rustls with aws-lc-rs (feature `rustls`, the default) and NSS (feature `nss`), by value
//! and per configuration; both may be compiled in, and either alone. Nothing above the module `backend` names a type of
//! theirs. One suite of tests, `tests/session`, runs on each and across them in both directions. Where a library cannot
//! do what it is asked for, making the configuration fails and says so:
//!
//! | | rustls | NSS |
//! |---|---|---|
//! | a ticket resumes | at the [`Client`] that got it, once | in any process, once by each [`Client`] |
//! | a server takes a ticket | once | until it expires; early data once |
//! | early data is taken by | the [`Server`] that gave the ticket | the same |
//! | encrypted `ClientHello` ([`Session::enable_ech`]) | yes | yes |
//! | the same with a ticket, and refused by a `HelloRetryRequest` | the handshake fails, or the ticket would be seen | as without a ticket |
//! | encrypted `ClientHello` on servers ([`EchKeys`]) | no | yes; who is refused after a `HelloRetryRequest` is not told which keys to retry with, and cannot connect |
//! | certificate timestamps | no | sent and shown ([`PeerChain`]) |
//! | of several groups counts | the client's order | the server's, but a key share that is there saves a round trip |
//! | additional key shares | its own choice | yes |
//! | compressed certificates (RFC 8879) | by Brotli and zlib | by zlib, where the NSS that is loaded can |
//! | clients with roots of their own ([`Verification::Roots`]) | yes | where the NSS that is loaded has libpkix |
//! | X25519MLKEM768 | yes | where the NSS that is loaded has it |
//! | exporter secret in the key log | yes | no |
//! | tickets for a client that showed its certificate | yes | no |
//!
//! NSS may write `SSLKEYLOGFILE` by itself: Firefox's does, for every connection of the process and whatever
//! [`ClientBuilder::key_log`] says; Debian's does not.
//!
//! NSS is loaded when the program runs, so it may be newer than the one that was compiled against: `capabilities()` tells
//! what it has. A host that uses NSS itself starts it before (with its database), else `init_db` or the first session
//! does. `neqo-crypto/nss/leaks.sh` looks for leaks in 10,000 connections of each pair of libraries,
//! `neqo-crypto/nss/allocations.sh` for allocations for packets inside NSS, and `neqo-crypto/nss/newer.sh` runs the tests
//! with the NSS of Debian's Firefox.
//!
//! A crate outside of this workspace that turns `nss` on has to say two things for itself, because cargo reads neither from
//! a dependency: in its `.cargo/config.toml` where NSS is, `NSS_DIR = "…/neqo-crypto/nss/system"` under `[env]` for the
//! system's; and in its `Cargo.toml`, `debug = false` under `[profile.dev.package.nss-gk-api]`, or nss-gk-api asks for the
//! static libraries of a build from source.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `client`, `server`, `identity`, `verify`, `auth`, `ech`, `provider`, `settings` | what a host configures: [`Client`], [`Server`], [`Identity`], [`Verification`], and its verdict |
//! | `session` | what a transport drives: [`Session`], [`Event`], [`Info`], [`PeerChain`], [`ResumptionToken`] |
//! | `backend` | sessions on each of the TLS libraries |
//! | `nss` | NSS behind safe types: the only module with `unsafe` |
//! | `protect` | packet protection (RFC 9001, Section 5), Retry integrity, reset and token keys |
//! | `primitives` | AEAD, header masks, HKDF and randomness, behind names that no library shows through |
//! | `client_hello` | [`ClientHello`]: what an endpoint reads of one without TLS |
//! | `ech_configs` | which configurations of encrypted `ClientHello` a client may use |
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
//! Times are arguments, except these: certificates are dated by the wall clock, so the verifiers read the system's clock;
//! rustls dates tickets by it, too; and NSS, which dates tickets by the host's clock, is told at what point of the
//! calendar that began.

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
mod ech_configs;
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
