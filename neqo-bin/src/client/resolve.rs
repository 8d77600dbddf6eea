//! From host names to addresses.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use url::Host;

use super::{args::NetworkArgs, error::Error, target::Origin};

/// One `--resolve HOST:PORT:ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    host: String,
    port: u16,
    addr: IpAddr,
}

impl FromStr for Override {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        const FORM: &str = "write it as HOST:PORT:ADDR, for example example.com:443:127.0.0.1";
        let (host, rest) = if let Some(v6) = s.strip_prefix('[') {
            v6.split_once("]:").ok_or(FORM)?
        } else {
            s.split_once(':').ok_or(FORM)?
        };
        let (port, addr) = rest.split_once(':').ok_or(FORM)?;
        let addr = addr
            .strip_prefix('[')
            .and_then(|a| a.strip_suffix(']'))
            .unwrap_or(addr);
        if host.is_empty() {
            return Err(FORM.into());
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: port
                .parse()
                .map_err(|_e| format!("{port:?} is not a port; {FORM}"))?,
            addr: addr
                .parse()
                .map_err(|_e| format!("{addr:?} is not an address; {FORM}"))?,
        })
    }
}

impl Override {
    fn applies_to(&self, origin: &Origin) -> bool {
        self.port == origin.port && self.host == origin.server_name()
    }
}

/// The addresses to try for an origin, in order, each once.
pub async fn resolve(origin: &Origin, args: &NetworkArgs) -> Result<Vec<SocketAddr>, Error> {
    let fail = |reason: String| Error::Resolve {
        host: origin.host.to_string(),
        reason,
    };
    let overrides: Vec<_> = args
        .resolve
        .iter()
        .filter(|o| o.applies_to(origin))
        .map(|o| SocketAddr::new(o.addr, o.port))
        .collect();
    let found = if overrides.is_empty() {
        match &origin.host {
            Host::Ipv4(addr) => vec![SocketAddr::from((*addr, origin.port))],
            Host::Ipv6(addr) => vec![SocketAddr::from((*addr, origin.port))],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), origin.port))
                .await
                .map_err(|e| fail(lookup_reason(&e)))?
                .collect(),
        }
    } else {
        overrides
    };
    let mut allowed: Vec<SocketAddr> = Vec::new();
    for addr in &found {
        if args.allows(addr.ip()) && !allowed.contains(addr) {
            allowed.push(*addr);
        }
    }
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    Err(fail(if found.is_empty() {
        "the name has no address".into()
    } else if args.ipv4 {
        "it has IPv6 addresses only and -4 was given".into()
    } else {
        "it has IPv4 addresses only and -6 was given".into()
    }))
}

/// getaddrinfo's text behind a fixed prefix; the text alone says it.
fn lookup_reason(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{args, exit::Exit, target};

    fn args(list: &[&str]) -> NetworkArgs {
        let all = ["neqo-client", "https://h/"].iter().chain(list);
        args::parse(all).unwrap().fetch.network
    }

    fn origin(url: &str) -> Origin {
        target::group(&[url.to_owned()]).unwrap().remove(0).origin
    }

    #[test]
    fn override_syntax() {
        let o: Override = "Example.com:443:127.0.0.1".parse().unwrap();
        assert!(o.applies_to(&origin("https://example.com/")));
        assert!(!o.applies_to(&origin("https://example.com:444/")));
        assert!("h:1:::1".parse::<Override>().is_ok());
        assert!("h:1:[::1]".parse::<Override>().is_ok());
        let o: Override = "[::1]:443:127.0.0.1".parse().unwrap();
        assert!(o.applies_to(&origin("https://[::1]/")));
        for bad in [
            "",
            "h",
            "h:1",
            "h:x:127.0.0.1",
            ":1:127.0.0.1",
            "h:1:name",
            "[::1:1:::1",
        ] {
            assert!(bad.parse::<Override>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn literals_and_overrides() {
        let got = resolve(&origin("https://127.0.0.1:44/"), &args(&[]))
            .await
            .unwrap();
        assert_eq!(got, ["127.0.0.1:44".parse().unwrap()]);
        let a = args(&[
            "--resolve",
            "x.invalid:443:[::1]",
            "--resolve",
            "x.invalid:443:192.0.2.1",
        ]);
        let got = resolve(&origin("https://x.invalid/"), &a).await.unwrap();
        assert_eq!(
            got,
            [
                "[::1]:443".parse().unwrap(),
                "192.0.2.1:443".parse().unwrap()
            ]
        );
    }

    #[tokio::test]
    async fn family_without_address() {
        let e = resolve(&origin("https://127.0.0.1/"), &args(&["-6"]))
            .await
            .unwrap_err();
        assert_eq!(e.exit(), Exit::Resolve);
        assert!(e.to_string().contains("-6"), "{e}");
    }

    #[tokio::test]
    async fn unknown_name() {
        let e = resolve(&origin("https://no-such-name.invalid/"), &args(&[]))
            .await
            .unwrap_err();
        assert_eq!(e.exit(), Exit::Resolve);
        let text = e.to_string();
        assert!(
            text.contains("no-such-name.invalid") && text.lines().count() == 1,
            "{text}"
        );
    }
}
