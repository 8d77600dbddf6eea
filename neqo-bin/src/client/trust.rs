//! Whom the client trusts.

use neqo_crypto::{Client, KeyLog, Provider, Verification};

use super::{args::TrustArgs, error::Error};

/// Makes the TLS configuration. Without options the platform decides; secrets are logged where SSLKEYLOGFILE says.
pub fn tls(args: &TrustArgs, provider: Provider) -> Result<Client, Error> {
    provider
        .start()
        .map_err(|e| Error::Usage(format!("--tls {provider}: {e}")))?;
    let verification = verification(args)?;
    let key_log = KeyLog::from_env().map_err(|e| {
        Error::Usage(format!(
            "SSLKEYLOGFILE: {e}; name a file that can be written, or unset it"
        ))
    })?;
    let by_platform = matches!(verification, Verification::Platform);
    Client::builder()
        .provider(provider)
        .verification(verification)
        .key_log(key_log)
        .build()
        .map_err(|e| unusable(e, by_platform, args))
}

/// Why there is no TLS configuration. A configuration that does not fit is that of the authorities: all else is ours.
fn unusable(error: neqo_crypto::Error, by_platform: bool, args: &TrustArgs) -> Error {
    match (error, &args.cacert) {
        (neqo_crypto::Error::Config(reason), _) if by_platform => Error::NoAuthorities {
            reason: one_line(&reason),
        },
        (neqo_crypto::Error::Config(reason), Some(path)) => Error::Usage(format!(
            "{} cannot be used: {}; --cacert takes certificates of authorities in PEM form",
            path.display(),
            one_line(&reason)
        )),
        (e, _) => Error::Internal(e.to_string()),
    }
}

/// Libraries may say more than fits a line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn verification(args: &TrustArgs) -> Result<Verification, Error> {
    if args.insecure {
        return Ok(Verification::Insecure);
    }
    if !args.pin_sha256.is_empty() {
        return Ok(Verification::PinSha256(args.pin_sha256.clone()));
    }
    let Some(path) = &args.cacert else {
        return Ok(Verification::Platform);
    };
    let pem = std::fs::read(path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    Verification::roots_from_pem(&pem).map_err(|e| {
        Error::Usage(format!(
            "{} cannot be used: {e}; --cacert takes certificates in PEM form",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use neqo_crypto::Identity;

    use super::*;
    use crate::client::exit::Exit;

    #[test]
    fn the_default_is_to_verify() {
        // hardening A31
        let v = verification(&TrustArgs::default()).unwrap();
        assert!(matches!(v, Verification::Platform));
    }

    #[test]
    fn options_choose() {
        let insecure = TrustArgs {
            insecure: true,
            ..TrustArgs::default()
        };
        assert!(matches!(
            verification(&insecure).unwrap(),
            Verification::Insecure
        ));
        let pinned = TrustArgs {
            pin_sha256: vec![[3; 32]],
            ..TrustArgs::default()
        };
        assert!(
            matches!(verification(&pinned).unwrap(), Verification::PinSha256(p) if p == [[3; 32]])
        );
        assert!(tls(&pinned, Provider::default()).is_ok());
    }

    #[test]
    fn who_is_to_blame_for_bad_authorities() {
        let config = || neqo_crypto::Error::Config("none\nfound".into());
        let none = TrustArgs::default();
        let e = unusable(config(), true, &none);
        assert_eq!(e.exit(), Exit::Certificate);
        let text = e.to_string();
        assert!(
            text.contains("none found") && text.contains("--cacert"),
            "{text}"
        );
        let file = TrustArgs {
            cacert: Some("/some/ca.pem".into()),
            ..TrustArgs::default()
        };
        let e = unusable(config(), false, &file);
        assert_eq!(e.exit(), Exit::Usage);
        assert!(e.to_string().contains("/some/ca.pem"), "{e}");
        let e = unusable(neqo_crypto::Error::State, true, &none);
        assert_eq!(e.exit(), Exit::Internal);
    }

    #[test]
    fn authorities_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let with = |content: &str| {
            let path = dir.path().join("ca.pem");
            std::fs::write(&path, content).unwrap();
            TrustArgs {
                cacert: Some(path),
                ..TrustArgs::default()
            }
        };
        let pem = Identity::self_signed(&["localhost"])
            .unwrap()
            .certificate_pem();
        assert!(matches!(
            verification(&with(&pem)).unwrap(),
            Verification::Roots(r) if r.len() == 1
        ));
        let e = verification(&with("no certificate")).unwrap_err();
        assert_eq!(e.exit(), Exit::Usage);
        let missing = TrustArgs {
            cacert: Some("/no/such/file".into()),
            ..TrustArgs::default()
        };
        assert_eq!(verification(&missing).unwrap_err().exit(), Exit::Read);
    }
}
