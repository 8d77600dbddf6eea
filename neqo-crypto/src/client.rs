//! The configuration of clients.

use std::time::Instant;

use rustls_pki_types::ServerName;

use crate::{
    backend,
    constants::{Cipher, Group},
    error::{Error, Res},
    identity::Identity,
    keylog::KeyLog,
    provider::Provider,
    session::{ResumptionToken, Session},
    settings::Settings,
    verify::Verification,
};

/// How clients do TLS. Cheap to clone; clones share the memory of tickets.
#[derive(Clone, Debug)]
pub struct Client(Factory);

#[derive(Clone, Debug)]
enum Factory {
    #[cfg(feature = "rustls")]
    Rustls(backend::rustls::ClientFactory),
    #[cfg(feature = "nss")]
    Nss(backend::nss::ClientFactory),
}

impl Client {
    /// Begins a configuration; its default verifies servers by the platform's roots.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes the session of one connection to `server_name` (a host name or an address), which offers the application
    /// protocols `alpn`, the preferred one first, and sends the transport parameters `params`.
    ///
    /// # Errors
    /// `Config` if `server_name` is neither, `alpn` is empty or has an item that is empty or longer than 255 bytes, or
    /// `alpn` or `params` take more than 16 KiB.
    pub fn session(
        &self,
        server_name: &str,
        alpn: &[Vec<u8>],
        params: &[u8],
    ) -> Res<Box<dyn Session>> {
        self.make(server_name, alpn, params, None)
    }

    /// Like [`Client::session`], but tries to resume with `token`, which is used up by that. A token that is of no use
    /// (expired at `now`, used before, of another server or client) leads to a full handshake.
    ///
    /// # Errors
    /// Like [`Client::session`].
    pub fn resume(
        &self,
        server_name: &str,
        alpn: &[Vec<u8>],
        params: &[u8],
        token: &ResumptionToken,
        now: Instant,
    ) -> Res<Box<dyn Session>> {
        let token = Some(token).filter(|t| t.expiry() > now);
        self.make(server_name, alpn, params, token)
    }

    fn make(
        &self,
        server_name: &str,
        alpn: &[Vec<u8>],
        params: &[u8],
        token: Option<&ResumptionToken>,
    ) -> Res<Box<dyn Session>> {
        check_alpn(alpn)?;
        check_params(params)?;
        let name = server(server_name)?;
        match &self.0 {
            #[cfg(feature = "rustls")]
            Factory::Rustls(f) => Ok(f.session(&name, alpn, params, token)),
            #[cfg(feature = "nss")]
            Factory::Nss(f) => f.session(&name, alpn, params, token),
        }
    }
}

/// Who `name` is to TLS and its certificates, which know no trailing dot (RFC 6066 §3) and no case. What ends in a number,
/// or in nothing, is an address or no name.
fn server(name: &str) -> Res<ServerName<'static>> {
    let plain = name.strip_suffix('.').unwrap_or(name);
    match ServerName::try_from(plain.to_ascii_lowercase()) {
        Ok(ServerName::DnsName(_)) if ends_in_number(plain) => None,
        found => found.ok(),
    }
    .ok_or_else(|| Error::Config(format!("not a server name: {name:?}")))
}

/// True if the last label of `name` is a number, or nothing: some libraries read `0x7f.1` as an address.
pub(crate) fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = |s: &str, radix| s.chars().all(|c| c.is_digit(radix));
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    digits(last, 10) || hex.is_some_and(|h| digits(h, 16))
}

//= rfc9001#section-8.1
//# Unless another mechanism
//# is used for agreeing on an application protocol, endpoints MUST use ALPN for
//# this purpose.
pub(crate) fn check_alpn(alpn: &[Vec<u8>]) -> Res<()> {
    let len: usize = alpn.iter().map(|a| 1 + a.len()).sum();
    if alpn.is_empty() || alpn.iter().any(|a| !(1..=255).contains(&a.len())) || len > MAX_EXTENSION
    {
        return Err(Error::Config(
            "unusable list of application protocols".into(),
        ));
    }
    Ok(())
}

/// Checks that transport parameters fit into a handshake message beside all else.
pub(crate) fn check_params(params: &[u8]) -> Res<()> {
    if params.len() > MAX_EXTENSION {
        return Err(Error::Config("too many transport parameters".into()));
    }
    Ok(())
}

/// The longest extension that a host may fill, in bytes: all of a message's have 65,535.
const MAX_EXTENSION: usize = 16 * 1024;

/// Makes a [`Client`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientBuilder {
    pub(crate) verification: Verification,
    pub(crate) settings: Settings,
    pub(crate) identity: Option<Identity>,
}

impl ClientBuilder {
    /// Sets how the server is verified.
    pub fn verification(mut self, verification: Verification) -> Self {
        self.verification = verification;
        self
    }

    /// Sets the TLS library.
    pub const fn provider(mut self, provider: Provider) -> Self {
        self.settings.provider = provider;
        self
    }

    /// Sets the cipher suites to offer, the preferred one first.
    pub fn ciphers(mut self, ciphers: &[Cipher]) -> Self {
        self.settings.ciphers = ciphers.to_vec();
        self
    }

    /// Sets the groups to offer, the preferred one first: that one's key share is sent.
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.settings.groups = groups.to_vec();
        self
    }

    /// Sets how many key shares are sent besides that of the first group; by default none. With rustls it has to be
    /// none: that sends the share of a hybrid group's classical part along by itself.
    pub const fn additional_key_shares(mut self, count: u32) -> Self {
        self.settings.additional_key_shares = count;
        self
    }

    /// Sets where secrets are logged; by default nowhere.
    pub fn key_log(mut self, key_log: Option<KeyLog>) -> Self {
        self.settings.key_log = key_log;
        self
    }

    /// Sets whether early data is offered when a ticket allows it; by default not.
    pub const fn enable_early_data(mut self, enable: bool) -> Self {
        self.settings.early_data = enable;
        self
    }

    /// Sets who the client proves to be if the server asks; by default it has no certificate to show.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Makes the configuration.
    ///
    /// # Errors
    /// `Config` if no cipher or group is left, the verifier has no usable root, the identity is unusable, or the library
    /// lacks what is asked for.
    pub fn build(self) -> Res<Client> {
        Ok(Client(match self.settings.provider {
            #[cfg(feature = "rustls")]
            Provider::Rustls => Factory::Rustls(backend::rustls::ClientFactory::new(self)?),
            #[cfg(feature = "nss")]
            Provider::Nss => Factory::Nss(backend::nss::ClientFactory::new(self)?),
        }))
    }
}
