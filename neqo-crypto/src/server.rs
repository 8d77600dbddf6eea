//! The configuration of servers.

use crate::{
    backend,
    client::check_alpn,
    constants::{Cipher, Group},
    ech::EchKeys,
    error::{Error, Res},
    identity::Identity,
    keylog::KeyLog,
    provider::Provider,
    session::Session,
    settings::Settings,
};

/// How a server does TLS. Cheap to clone; clones share the memory of tickets.
#[derive(Clone, Debug)]
pub struct Server(Factory);

#[derive(Clone, Debug)]
enum Factory {
    #[cfg(feature = "rustls")]
    Rustls(backend::rustls::ServerFactory),
    #[cfg(feature = "nss")]
    Nss(backend::nss::ServerFactory),
}

impl Server {
    /// Begins the configuration of a server that proves to be `identity`.
    pub fn builder(identity: Identity) -> ServerBuilder {
        ServerBuilder {
            identity,
            settings: Settings::default(),
            ech: None,
            client_certificate: ClientCertificate::default(),
        }
    }

    /// Makes the session of one connection, which accepts the application protocols `alpn`, the preferred one first.
    ///
    /// # Errors
    /// `Config` if `alpn` is empty, takes more than 16 KiB, or has an item that is empty or longer than 255 bytes.
    pub fn session(&self, alpn: &[Vec<u8>]) -> Res<Box<dyn Session>> {
        check_alpn(alpn)?;
        Ok(match &self.0 {
            #[cfg(feature = "rustls")]
            Factory::Rustls(f) => f.session(alpn),
            #[cfg(feature = "nss")]
            Factory::Nss(f) => f.session(alpn),
        })
    }
}

/// Whether a server asks clients who they are.
///
/// A client that shows a certificate has to prove that it holds the key. Whether it is welcome is for the host to say,
/// who finds the chain at [`Session::peer_certificate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// They are not asked.
    #[default]
    NotRequested,
    /// They may show a certificate.
    Requested,
    /// They have to.
    Required,
}

/// Makes a [`Server`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerBuilder {
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) ech: Option<EchKeys>,
    pub(crate) client_certificate: ClientCertificate,
}

impl ServerBuilder {
    /// Sets the TLS library.
    pub const fn provider(mut self, provider: Provider) -> Self {
        self.settings.provider = provider;
        self
    }

    /// Sets the cipher suites to accept. Of those, the one that the client likes best is taken: it knows what its
    /// hardware is good at.
    pub fn ciphers(mut self, ciphers: &[Cipher]) -> Self {
        self.settings.ciphers = ciphers.to_vec();
        self
    }

    /// Sets the groups to accept, the preferred one first. With NSS, one that the client sent a key share of is preferred
    /// to another of the same strength. With rustls the order is without meaning: the one that the client likes best is
    /// taken.
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.settings.groups = groups.to_vec();
        self
    }

    /// Sets where secrets are logged; by default nowhere.
    pub fn key_log(mut self, key_log: Option<KeyLog>) -> Self {
        self.settings.key_log = key_log;
        self
    }

    /// Sets whether early data is accepted; by default not. It cannot be replayed to this server: with rustls each
    /// ticket is good for one connection, NSS remembers what came (hardening A30).
    pub const fn enable_early_data(mut self, enable: bool) -> Self {
        self.settings.early_data = enable;
        self
    }

    /// Sets whether clients are asked for a certificate; by default they are not. Not together with early data, which
    /// comes before anyone can judge the certificate.
    pub const fn client_certificate(mut self, request: ClientCertificate) -> Self {
        self.client_certificate = request;
        self
    }

    /// Sets the key to decrypt `ClientHello`s with; by default there is none. rustls cannot have one.
    pub fn ech(mut self, keys: EchKeys) -> Self {
        self.ech = Some(keys);
        self
    }

    /// Makes the configuration.
    ///
    /// # Errors
    /// `Config` if no cipher or group is left, or the identity's key is unusable or another certificate's, or clients are
    /// asked for a certificate and may send early data, or the library lacks what is asked for.
    pub fn build(self) -> Res<Server> {
        if self.settings.early_data && self.client_certificate != ClientCertificate::NotRequested {
            return Err(Error::Config(
                "early data comes before a client's certificate can be judged".into(),
            ));
        }
        Ok(Server(match self.settings.provider {
            #[cfg(feature = "rustls")]
            Provider::Rustls => Factory::Rustls(backend::rustls::ServerFactory::new(self)?),
            #[cfg(feature = "nss")]
            Provider::Nss => Factory::Nss(backend::nss::ServerFactory::new(self)?),
        }))
    }
}
