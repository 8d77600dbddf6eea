//! The server's certificate: given, or made on the spot.

use neqo_crypto::Identity;

use super::{args::Cli, error::Error};

/// The certificate to serve with.
#[derive(Debug)]
pub struct Certificate {
    /// Chain and key.
    pub identity: Identity,
    /// Whether it was made on the spot, so that clients can only trust it by its hash.
    pub generated: bool,
}

impl Certificate {
    /// Loads the files, or makes a certificate for localhost and the hosts that the server listens on.
    pub fn new(args: &Cli) -> Result<Self, Error> {
        let fail = |e: neqo_crypto::Error| Error::Identity {
            reason: e.to_string(),
        };
        if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
            let identity = Identity::from_pem_files(cert, key).map_err(fail)?;
            return Ok(Self {
                identity,
                generated: false,
            });
        }
        let names = names(&args.listen);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(Self {
            identity: Identity::self_signed(&names).map_err(fail)?,
            generated: true,
        })
    }

    /// What is printed when the server starts with a certificate that it made.
    #[must_use]
    pub fn hint(&self, port: u16) -> Option<String> {
        let hash = hex::encode(self.identity.sha256());
        self.generated.then(|| {
            format!(
                "certificate SHA-256 {hash}\n\
                 try: neqo-client --pin-sha256 {hash} https://localhost:{port}/1000"
            )
        })
    }
}

fn names(listen: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(Into::into).into();
    for arg in listen {
        let Some((host, _port)) = arg.rsplit_once(':') else {
            continue;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let wildcard = host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_unspecified());
        if !wildcard && host.is_ascii() && !host.is_empty() && !names.iter().any(|n| n == host) {
            names.push(host.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn args(list: &[&str]) -> Cli {
        Cli::parse_from(std::iter::once(&"neqo-server").chain(list))
    }

    #[test]
    fn names_follow_the_addresses() {
        let listen = args(&[
            "[::]:4433",
            "example.com:443",
            "[2001:db8::1]:443",
            "localhost:1",
        ])
        .listen;
        assert_eq!(
            names(&listen),
            [
                "localhost",
                "127.0.0.1",
                "::1",
                "example.com",
                "2001:db8::1"
            ]
        );
    }

    #[test]
    fn made_on_the_spot() {
        let c = Certificate::new(&args(&[])).unwrap();
        let hint = c.hint(4433).unwrap();
        let hash = hex::encode(c.identity.sha256());
        assert!(hint.contains(&hash) && hint.contains("--pin-sha256"));
        let other = Certificate::new(&args(&[])).unwrap();
        assert_ne!(c.identity.sha256(), other.identity.sha256());
    }

    #[test]
    fn unusable_files_are_explained() {
        let e =
            Certificate::new(&args(&["--cert", "/no/c.pem", "--key", "/no/k.pem"])).unwrap_err();
        let text = e.to_string();
        assert!(
            text.contains("/no/c.pem") && text.lines().count() == 1,
            "{text}"
        );
    }
}
