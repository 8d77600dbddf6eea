//! A server's part in encrypted `ClientHello` (RFC 9849), and what all libraries refuse alike.

#[cfg(feature = "nss")]
use crate::ech_configs::is_public;
use crate::{
    error::{Error, Res},
    provider::Provider,
};

/// A key to decrypt `ClientHello`s with, and what to publish so that clients encrypt theirs.
#[derive(Clone, Debug)]
pub struct EchKeys {
    #[cfg(feature = "nss")]
    pub(crate) pair: std::sync::Arc<crate::nss::EchKeyPair>,
    public_name: String,
    configs: Vec<u8>,
}

impl EchKeys {
    /// Makes a key for servers of `provider`, and a configuration with the number `id`, which clients name. They ask
    /// openly for `public_name`; the server has to have a certificate for that, too, for those whose configuration is
    /// not its own any more. Those are told what is, unless they need a `HelloRetryRequest`, too: then NSS cannot tell
    /// them, and the handshake fails, as it does for those who only pretend and ask for `public_name` itself. So keep
    /// groups that all clients have, and the name as long as a configuration with it may be in use.
    ///
    /// # Errors
    /// `Config` if `provider` is rustls, whose servers have no encrypted `ClientHello`, or if `public_name` cannot
    /// stand in a configuration.
    #[cfg_attr(
        not(feature = "nss"),
        expect(unused_variables, reason = "rustls refuses whatever they are")
    )]
    pub fn generate(provider: Provider, id: u8, public_name: &str) -> Res<Self> {
        match provider {
            #[cfg(feature = "rustls")]
            Provider::Rustls => Err(unsupported()),
            #[cfg(feature = "nss")]
            Provider::Nss => {
                if !is_public(public_name) {
                    return Err(Error::Config(format!("not a public name: {public_name:?}")));
                }
                let pair = crate::nss::EchKeyPair::generate(id, public_name)?;
                Ok(Self {
                    public_name: public_name.to_owned(),
                    configs: pair.configs().to_vec(),
                    pair: std::sync::Arc::new(pair),
                })
            }
        }
    }

    /// The name that clients ask for openly.
    #[must_use]
    pub fn public_name(&self) -> &str {
        &self.public_name
    }

    /// The list of configurations (ECHConfigList) to publish: what
    /// [`Session::enable_ech`](crate::Session::enable_ech) takes.
    #[must_use]
    pub fn configs(&self) -> &[u8] {
        &self.configs
    }
}

/// What rustls answers.
#[cfg(feature = "rustls")]
pub(crate) fn unsupported() -> Error {
    Error::Config("servers on rustls have no encrypted ClientHello: use NSS".into())
}

/// The answer to a client that names its server by an address: it would connect without, and show whom it wants.
pub(crate) fn nothing_to_hide() -> Error {
    Error::Config("encrypted ClientHello hides the name of a host, and this is an address".into())
}
