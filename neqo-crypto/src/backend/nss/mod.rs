//! Sessions by NSS.
//!
//! NSS gives its secrets out and waits for the verdict on a certificate by itself. What is done here:
//!
//! - Handshake messages are put together from CRYPTO bytes before NSS sees them ([`engine`]). So it is known which
//!   message NSS takes or refuses: the host is asked once `CertificateVerify` proved the key, and bytes after the end of
//!   a level are found before anything comes of them.
//! - What `Info` says is read from the messages ([`messages`]), for NSS knows it only when all is over.
//! - A ticket is written out whole ([`token`]): it resumes in another process too. It names the server and how that was
//!   verified, and is of no use for another server or under another [`Verification`](crate::Verification).
//! - A verdict without the host is NSS's own too ([`verifier`]), but for the name: where a certificate names no host NSS
//!   would take its common name for one.
//!
//! # What differs from rustls
//! - A server's tickets can be used more than once. NSS has one key for all servers of the process, so each
//!   [`Server`](crate::Server) marks its own, and begins anew without tickets when it finds another's. Early data is found
//!   to be replayed by NSS's filters. After `HelloRetryRequest` nothing is resumed.
//! - A client that showed its certificate gets no ticket: NSS makes no token of such a session.
//! - A resumed session shows a server only the client's own certificate, not the rest of its chain.
//! - [`Verification::Platform`](crate::Verification::Platform) trusts the roots in NSS's database and in its module
//!   `libnssckbi`, which is then loaded for the whole process; it does not heed Mozilla's dates of partial distrust.
//! - With encrypted `ClientHello`, [`Event::ClientHello`](crate::Event::ClientHello) is the outer one, and the transport
//!   parameters of the inner one have to be the same.
//! - Tickets survive the client's process.
//! - Encrypted `ClientHello` is there.
//! - The key log has no exporter secret: NSS does not show it.
//!
//! # What NSS is like
//! It has one memory of sessions for the servers of a process. The first [`Server`](crate::Server) makes it as small as it
//! gets, for TLS 1.3 keeps nothing there; a host with TLS 1.2 servers of its own makes it before, at its own size.
//!
//! It refuses a certificate that has issuer and serial number of another one that is in use anywhere in the process, if
//! they are not the same; and its libpkix, which looks for paths, keeps what it has seen, for minutes or for good. So a
//! server that shows a forged one can keep connections to the right one from succeeding, long after its own was refused.
//! That is all that comes of it: nobody is trusted who should not be.
//!
//! libpkix also remembers of a root that NSS trusts it, and lets paths end there for those who trust others only. So they
//! look where a path ends.

mod client;
mod clock;
mod engine;
mod messages;
mod pkcs8;
mod server;
mod token;
mod verifier;

pub(crate) use client::ClientFactory;
#[cfg(any(test, not(feature = "rustls")))]
pub(crate) use pkcs8::of_full_length;
pub(crate) use server::ServerFactory;
