//! The configuration of servers.

use crate::{
    backend,
    client::check_alpn,
    constants::{Cipher, Group},
    error::Res,
    identity::Identity,
    keylog::KeyLog,
    session::Session,
};

/// How a server does TLS. Cheap to clone; clones share the memory of tickets.
#[derive(Clone, Debug)]
pub struct Server(backend::rustls::ServerFactory);

impl Server {
    /// Begins the configuration of a server that proves to be `identity`.
    pub fn builder(identity: Identity) -> ServerBuilder {
        ServerBuilder {
            identity,
            ciphers: Cipher::ALL.to_vec(),
            groups: Group::ALL.to_vec(),
            key_log: None,
            early_data: false,
        }
    }

    /// Makes the session of one connection, which accepts the application protocols `alpn`, the preferred one first.
    ///
    /// # Errors
    /// `Config` if `alpn` is empty or has an item that is empty or longer than 255 bytes.
    pub fn session(&self, alpn: &[Vec<u8>]) -> Res<Box<dyn Session>> {
        check_alpn(alpn)?;
        Ok(self.0.session(alpn))
    }
}

/// Makes a [`Server`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerBuilder {
    pub(crate) identity: Identity,
    pub(crate) ciphers: Vec<Cipher>,
    pub(crate) groups: Vec<Group>,
    pub(crate) key_log: Option<KeyLog>,
    pub(crate) early_data: bool,
}

impl ServerBuilder {
    /// Sets the cipher suites to accept. Of those, the one that the client likes best is taken: it knows what its
    /// hardware is good at.
    pub fn ciphers(mut self, ciphers: &[Cipher]) -> Self {
        self.ciphers = ciphers.to_vec();
        self
    }

    /// Sets the groups to accept, the preferred one first.
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    /// Sets where secrets are logged; by default nowhere.
    pub fn key_log(mut self, key_log: Option<KeyLog>) -> Self {
        self.key_log = key_log;
        self
    }

    /// Sets whether early data is accepted; by default not. Each ticket is good for one connection, so early data
    /// cannot be replayed to this server (hardening A30).
    pub const fn enable_early_data(mut self, enable: bool) -> Self {
        self.early_data = enable;
        self
    }

    /// Makes the configuration.
    ///
    /// # Errors
    /// `Config` if no cipher or group is left, or the identity's key is unusable or another certificate's.
    pub fn build(self) -> Res<Server> {
        backend::rustls::ServerFactory::new(self).map(Server)
    }
}
