//! What a client offers as encrypted `ClientHello`: by which configuration of a list, or a pretence.

use neqo_common::Decoder;
use rustls::{
    client::{EchConfig, EchGreaseConfig, EchMode},
    crypto::{
        aws_lc_rs::hpke::{ALL_SUPPORTED_SUITES, DH_KEM_X25519_HKDF_SHA256_AES_128},
        hpke::{Hpke as _, HpkePublicKey},
    },
};

use super::{
    super::messages::{self, EXT_ENCRYPTED_CLIENT_HELLO, EXT_PRE_SHARED_KEY},
    provider::config_error,
};
use crate::{
    ech_configs::{self, Config},
    error::Res,
};

/// An encrypted `ClientHello`, or what looks like one.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) mode: EchMode,
    /// Whom the server has to prove to be if it does not accept; a pretence has nothing to be accepted.
    pub(super) public_name: Option<String>,
}

impl Offer {
    /// What looks like one, and hides nothing.
    pub(super) fn pretence() -> Res<Self> {
        let suite = DH_KEM_X25519_HKDF_SHA256_AES_128;
        let (key, _) = suite.generate_key_pair().map_err(config_error)?;
        Ok(Self {
            mode: EchMode::Grease(EchGreaseConfig::new(suite, key)),
            public_name: None,
        })
    }

    /// An offer by the first of `list` (ECHConfigList) that can be used.
    pub(super) fn by(list: &[u8]) -> Res<Self> {
        let mut configs = ech_configs::valid(list)?.into_iter();
        configs.find_map(offer).ok_or_else(ech_configs::none)
    }
}

/// What to offer by this configuration, if rustls can use it.
fn offer(config: Config<'_>) -> Option<Offer> {
    let list = ech_configs::list(&[config]).into();
    let mode = EchMode::Enable(EchConfig::new(list, ALL_SUPPORTED_SUITES).ok()?);
    // With a key that is none, rustls would fail when it is too late to take another configuration.
    let key = HpkePublicKey(config.public_key.to_vec());
    let suites = ALL_SUPPORTED_SUITES.iter();
    let mut fit = suites.filter(|s| u16::from(s.suite().kem) == config.kem);
    fit.next()?.setup_sealer(&[], &key).ok()?;
    Some(Offer {
        mode,
        public_name: Some(config.public_name.to_owned()),
    })
}

/// Whether a second `ClientHello` shows to all the ticket that the first one hid.
///
/// So does rustls 0.23 if `HelloRetryRequest`, which anybody can forge, does not confirm encrypted `ClientHello`. That is
/// the case if the extension is that of the first, with its `enc` (RFC 9849 §6.1.5); else the ticket is a made-up one.
pub(super) fn shows_ticket(second: &[u8]) -> bool {
    let enc = messages::client_extension(second, EXT_ENCRYPTED_CLIENT_HELLO).and_then(|body| {
        let mut d = Decoder::new(body);
        d.decode(1 + 2 + 2 + 1)?; // type, cipher_suite, config_id
        d.decode_vec(2)
    });
    let offers = messages::client_extension(second, EXT_PRE_SHARED_KEY).is_some();
    offers && enc.is_none_or(|enc| !enc.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ech_configs::tests::Made;

    /// The public name of what is offered, if anything is.
    fn public_name(configs: &[Made<'_>]) -> Option<String> {
        match Offer::by(&Made::list(configs)) {
            Ok(offer) => {
                assert!(matches!(offer.mode, EchMode::Enable(_)));
                offer.public_name
            }
            Err(e) => {
                assert!(e.to_string().contains("can be used"), "{e}");
                None
            }
        }
    }

    #[test]
    fn the_first_that_can_be_used() {
        let good = Made::good;
        let (kem, key) = (0x21, vec![1; 31]);
        let suites = &[0, 1, 0xff, 0xff];
        for unusable in [
            Made { kem, ..good() },
            Made { key, ..good() },
            Made { suites, ..good() },
        ] {
            let name = "other.example";
            let configs = [unusable, Made { name, ..good() }, good()];
            assert_eq!(public_name(&configs).as_deref(), Some(name));
            assert_eq!(public_name(&configs[..1]), None);
        }
        let extensions = &[0, 1, 0, 0];
        let extended = Made {
            extensions,
            ..good()
        };
        assert_eq!(public_name(&[extended]).as_deref(), Some("public.example"));
    }
}
