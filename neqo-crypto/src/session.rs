//! What the transport sees of TLS: a [`Session`] that takes CRYPTO bytes and answers with [`Events`].

use std::{
    collections::{VecDeque, vec_deque},
    fmt::{self, Debug, Formatter},
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use crate::{
    auth::AuthenticationStatus,
    constants::{Cipher, Group, Level},
    error::{Error, Res},
    primitives::sha256,
    secret::Secret,
};

/// One TLS 1.3 handshake and what follows it on a connection; a dozen calls in its life.
///
/// An `Err` from any call is final: the connection closes with [`Error::alert`](crate::Error::alert), and further calls
/// give `Error::State`. A refusal by [`Session::authenticated`] is not an error but the event [`Event::Alert`]; after
/// that, too, the session is dead. A failure is reported one way or the other, never twice.
pub trait Session: Send + Debug {
    /// Has a client encrypt its `ClientHello` by one of `configs` (ECHConfigList), or pretend to if `configs` is empty.
    /// To be called before [`Session::start`]. If the server does not accept, [`Event::EchFallback`] comes before
    /// a host's verdict is due, and [`Error::EchRetry`](crate::Error::EchRetry) after the verdict; unless the handshake
    /// fails before, as it may after a `HelloRetryRequest` (see the table in the crate's documentation).
    ///
    /// Mind that a list that is empty by accident shows the server's name to all.
    ///
    /// # Errors
    /// `Config` if no configuration can be used, or the server is named by an address; `State` on a server, or too late.
    fn enable_ech(&mut self, configs: &[u8]) -> Res<()>;

    /// Begins. A client emits its `ClientHello`, with early data its `ZeroRtt` secret too; a server nothing.
    ///
    /// # Errors
    /// `State` if called twice.
    fn start(&mut self, now: Instant, out: &mut Events) -> Res<()>;

    /// Takes CRYPTO bytes of `level`: in order, without gaps, cut anywhere.
    ///
    /// # Errors
    /// `Alert` or `Certificate` if TLS fails, `ProtocolViolation` if `level` is not the one that TLS reads now.
    fn read(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<()>;

    /// Gives a server its transport parameters in answer to [`Event::PeerParams`]; its flight follows.
    ///
    /// # Errors
    /// `State` on a client, before the `ClientHello`, or twice; `Config` if `params` take more than 16 KiB; else like
    /// [`Session::read`].
    fn set_local_params(&mut self, params: &[u8], now: Instant, out: &mut Events) -> Res<()>;

    /// Gives a client the verdict that [`Event::AuthenticationNeeded`] asked for. Acceptance releases what was
    /// withheld; a refusal emits [`Event::Alert`] and nothing else, ever.
    ///
    /// # Errors
    /// `State` if no verdict is due.
    fn authenticated(
        &mut self,
        verdict: AuthenticationStatus,
        now: Instant,
        out: &mut Events,
    ) -> Res<()>;

    /// What was negotiated, once that is known: on a server after its flight, on a client after `EncryptedExtensions`.
    fn info(&self) -> Option<&Info>;

    /// The server's certificate chain, on a client, once its owner has proved to hold the key. A resumed session gives
    /// the chain of the session that it resumes. On a server the client's, once the handshake is complete, if it showed
    /// one.
    fn peer_certificate(&self) -> Option<&PeerChain>;

    /// Fills `out` with exported keying material (RFC 8446 §7.5).
    ///
    /// # Errors
    /// `NotAvailable` before `Complete`; `Config` if `label` is empty or longer than 214 bytes, `out` is empty or longer
    /// than 255 hash outputs, or `context` is longer than 65,535 bytes.
    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()>;
}

/// What a [`Session`] wants done.
#[derive(Debug)]
pub enum Event {
    /// Send these CRYPTO bytes at this level.
    Crypto {
        /// The level; its write secret came before.
        level: Level,
        /// The next bytes of that level's stream.
        data: Vec<u8>,
    },
    /// Install keys. Each level and direction comes once.
    Secret(Secret),
    /// The peer's transport parameters, as they stand in its extension. They are authentic only at `Complete`.
    PeerParams(Vec<u8>),
    /// Server only: the whole `ClientHello`, before anything is decided. Answer with
    /// [`Session::set_local_params`] after the `PeerParams` that follows.
    ClientHello(Vec<u8>),
    /// Client only: say what you think of this chain, by [`Session::authenticated`], whenever you know.
    AuthenticationNeeded(PeerChain),
    /// Client only: the server did not accept encrypted `ClientHello`; the chain to come is to be judged for this name.
    EchFallback(String),
    /// Client only: what a later connection can resume with.
    Ticket(ResumptionToken),
    /// The TLS handshake is complete on this side (RFC 9001 §4.1.1).
    Complete,
    /// The certificate was refused: close with this alert.
    Alert(u8),
}

/// Events in the order in which they are to be acted on.
#[derive(Debug, Default)]
pub struct Events(VecDeque<Event>);

impl Events {
    /// Appends.
    pub fn push(&mut self, event: Event) {
        self.0.push_back(event);
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Event> {
        self.0.pop_front()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Looks at them, the oldest first.
    #[must_use]
    pub fn iter(&self) -> vec_deque::Iter<'_, Event> {
        self.0.iter()
    }

    /// Moves all of `other`'s to the end of these.
    pub fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = vec_deque::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a handshake negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) cipher: Cipher,
    pub(crate) group: Option<Group>,
    pub(crate) signature_scheme: Option<u16>,
    pub(crate) resumed: bool,
    pub(crate) early_data_accepted: bool,
    pub(crate) ech_accepted: bool,
    pub(crate) server_name: Option<String>,
}

impl Info {
    /// The application protocol, as bytes.
    #[must_use]
    pub fn alpn_bytes(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The application protocol, if it is text (every registered one of use here is).
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        self.alpn.as_deref().and_then(|a| str::from_utf8(a).ok())
    }

    /// The cipher suite.
    #[must_use]
    pub const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The key exchange group; `None` if it is one without a name here.
    #[must_use]
    pub const fn group(&self) -> Option<Group> {
        self.group
    }

    /// The SignatureScheme (RFC 8446 §4.2.3) by which the server proved who it is; `None` on a server, before the proof,
    /// and in a session that is resumed.
    #[must_use]
    pub const fn signature_scheme(&self) -> Option<u16> {
        self.signature_scheme
    }

    /// True if an earlier session was resumed, so that no certificate was sent.
    #[must_use]
    pub const fn resumed(&self) -> bool {
        self.resumed
    }

    /// True if the server takes, or took, early data.
    #[must_use]
    pub const fn early_data_accepted(&self) -> bool {
        self.early_data_accepted
    }

    /// True if the server accepted encrypted `ClientHello`.
    #[must_use]
    pub const fn ech_accepted(&self) -> bool {
        self.ech_accepted
    }

    /// The name that the client asked for; `None` if it named none, or connected to an address.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }
}

/// Checks that both libraries can export this.
pub(crate) fn check_export(cipher: Cipher, label: &str, context: &[u8], out: &[u8]) -> Res<()> {
    /// RFC 8446 §7.1 has room for 249 bytes. NSS has not.
    const MAX_LABEL: usize = 214;
    /// What HKDF yields: 255 hash outputs (RFC 5869 §2.3).
    const MAX_HASHES: usize = 255;
    let fits = (1..=MAX_LABEL).contains(&label.len())
        && (1..=MAX_HASHES * cipher.secret_len()).contains(&out.len())
        && u16::try_from(context.len()).is_ok();
    if fits {
        Ok(())
    } else {
        Err(Error::Config("nothing can be exported like this".into()))
    }
}

/// The certificates that a peer sent, as DER, its own first.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerChain {
    certs: Vec<Vec<u8>>,
    ocsp: Option<Vec<u8>>,
    timestamps: Option<Vec<u8>>,
}

impl PeerChain {
    pub(crate) const fn new(certs: Vec<Vec<u8>>) -> Self {
        Self {
            certs,
            ocsp: None,
            timestamps: None,
        }
    }

    pub(crate) fn with_stapled(
        mut self,
        ocsp: Option<Vec<u8>>,
        timestamps: Option<Vec<u8>>,
    ) -> Self {
        (self.ocsp, self.timestamps) = (ocsp, timestamps);
        self
    }

    /// The OCSP response (DER, RFC 6960) that the server stapled to its certificate. A resumed session has forgotten it.
    #[must_use]
    pub fn ocsp_response(&self) -> Option<&[u8]> {
        self.ocsp.as_deref()
    }

    /// The certificate timestamps (a SignedCertificateTimestampList, RFC 6962 §3.3) that the peer sent. A resumed
    /// session has forgotten them, and rustls asks for none.
    #[must_use]
    pub fn certificate_timestamps(&self) -> Option<&[u8]> {
        self.timestamps.as_deref()
    }

    /// All of them.
    #[must_use]
    pub fn certs(&self) -> &[Vec<u8>] {
        &self.certs
    }

    /// The peer's own certificate; empty if there is none.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        self.certs.first().map_or(&[], Vec::as_slice)
    }

    /// SHA-256 of the peer's own certificate: what WebTransport's `serverCertificateHashes` compares.
    #[must_use]
    pub fn leaf_sha256(&self) -> [u8; 32] {
        sha256(self.leaf())
    }
}

impl Debug for PeerChain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.certs.iter().map(|c| format!("{} bytes", c.len())))
            .finish()
    }
}

/// What a client needs to resume a session. Opaque; good once.
///
/// A token of NSS is whole: it resumes in another process too. It holds the session's secret, and the server's chain as it
/// was verified: keep it like a key, where nobody else reads or writes. To be kept are the bytes, the early data flag,
/// and the expiry as a time of day (an `Instant` means nothing to another process); [`ResumptionToken::new`] takes them.
/// A token of rustls refers to state inside the [`Client`](crate::Client) that made it (rustls does not let
/// its secrets be written out), so it is worth nothing to another client or another process: it leads to a full
/// handshake there.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumptionToken {
    // Who has them can be taken for this client, and reads the early data that it sends.
    bytes: Zeroizing<Vec<u8>>,
    expiry: Instant,
    early_data: bool,
}

impl ResumptionToken {
    /// The longest that a ticket lives, whatever its server says. Nor does a chain of resumptions go on for longer: so
    /// long after the peers proved who they are, they have to do so again (RFC 8446 §4.6.1).
    pub const MAX_LIFETIME: Duration = Duration::from_hours(7 * 24);

    /// How long a ticket lives that came with the lifetime `said`, `age` after the server proved who it is; `None` if it
    /// is of no use.
    pub(crate) fn lifetime(said: Duration, age: Duration) -> Option<Duration> {
        let rest = Self::MAX_LIFETIME.saturating_sub(age);
        Some(said.min(rest)).filter(|l| !l.is_zero())
    }

    /// Puts a token together again from what its accessors gave.
    #[must_use]
    pub fn new(bytes: Vec<u8>, expiry: Instant, early_data: bool) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
            expiry,
            early_data,
        }
    }

    /// When it stops being of use.
    #[must_use]
    pub const fn expiry(&self) -> Instant {
        self.expiry
    }

    /// True if the server that gave it says that it takes early data with it.
    #[must_use]
    pub const fn early_data(&self) -> bool {
        self.early_data
    }
}

impl AsRef<[u8]> for ResumptionToken {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Debug for ResumptionToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumptionToken")
            .field("len", &self.bytes.len())
            .field("early_data", &self.early_data)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_fifo() {
        let mut events = Events::default();
        assert!(events.is_empty() && events.pop().is_none());
        events.push(Event::Complete);
        events.push(Event::Alert(42));
        let mut more = Events::default();
        more.push(Event::Alert(43));
        events.append(&mut more);
        assert_eq!((events.len(), events.iter().count()), (3, 3));
        assert!(matches!(events.pop(), Some(Event::Complete)));
        assert!(matches!(events.pop(), Some(Event::Alert(42))));
        assert!(matches!(events.pop(), Some(Event::Alert(43))));
    }

    #[test]
    fn chain() {
        let chain = PeerChain::new(vec![b"abc".to_vec(), vec![1]]);
        assert_eq!((chain.leaf(), chain.certs().len()), (&b"abc"[..], 2));
        assert_eq!(chain.leaf_sha256(), sha256(b"abc"));
        assert!(PeerChain::new(Vec::new()).leaf().is_empty());
    }
}
