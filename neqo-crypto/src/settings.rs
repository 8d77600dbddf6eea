//! What clients and servers are configured with alike.

use crate::{
    constants::{Cipher, Group},
    keylog::KeyLog,
    provider::Provider,
};

/// The part of a configuration that both roles have.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) provider: Provider,
    pub(crate) ciphers: Vec<Cipher>,
    pub(crate) groups: Vec<Group>,
    pub(crate) key_log: Option<KeyLog>,
    pub(crate) early_data: bool,
    /// Key shares that a client sends besides that of the first group.
    pub(crate) additional_key_shares: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            ciphers: Cipher::ALL.to_vec(),
            groups: Group::ALL.to_vec(),
            key_log: None,
            early_data: false,
            additional_key_shares: 0,
        }
    }
}

#[cfg(feature = "nss")]
impl Settings {
    pub(crate) fn cipher_ids(&self) -> Vec<u16> {
        self.ciphers.iter().map(|c| c.id()).collect()
    }
}
