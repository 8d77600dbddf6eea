//! From URLs to connections: one per origin.

use url::{Host, Url};

use super::error::Error;

/// The host and port that a connection is made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A name, which TLS verifies, or an address.
    pub host: Host<String>,
    /// The UDP port.
    pub port: u16,
}

impl Origin {
    /// The name that the certificate must carry: no brackets around an IPv6 address.
    #[must_use]
    pub fn server_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(addr) => addr.to_string(),
            Host::Ipv6(addr) => addr.to_string(),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One URL to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The place on the command line, from 0.
    pub index: usize,
    /// The URL without user information and fragment.
    pub url: Url,
}

impl Target {
    /// `:authority`: the host, and the port when it is not 443.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// `:path`: the path and the query.
    #[must_use]
    pub fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

/// What one connection fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where to connect.
    pub origin: Origin,
    /// In the order of the command line.
    pub targets: Vec<Target>,
}

/// Parses the URLs and sorts them by origin, in order of first appearance.
pub fn group(urls: &[String]) -> Result<Vec<Group>, Error> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, text) in urls.iter().enumerate() {
        let (origin, url) = parse(text)?;
        let target = Target { index, url };
        match groups.iter_mut().find(|g| g.origin == origin) {
            Some(group) => group.targets.push(target),
            None => groups.push(Group {
                origin,
                targets: vec![target],
            }),
        }
    }
    Ok(groups)
}

fn parse(text: &str) -> Result<(Origin, Url), Error> {
    let mut url = Url::parse(text).map_err(|e| Error::BadUrl {
        url: text.to_owned(),
        reason: e.to_string(),
    })?;
    if url.scheme() != "https" {
        return Err(Error::NotHttps {
            url: text.to_owned(),
        });
    }
    //= rfc9114#section-4.3.1
    //# The authority MUST NOT include the deprecated userinfo
    //# subcomponent for URIs of scheme "http" or "https".
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Usage(
            "a URL here cannot carry a user name or password; send them with -H \"authorization: …\"".into(),
        ));
    }
    url.set_fragment(None);
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(Error::BadUrl {
            url: text.to_owned(),
            reason: "no host".into(),
        });
    };
    if port == 0 {
        return Err(Error::BadUrl {
            url: text.to_owned(),
            reason: "port 0 cannot be connected to".into(),
        });
    }
    let host = host.to_owned();
    Ok((Origin { host, port }, url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::exit::Exit;

    fn urls(list: &[&str]) -> Vec<String> {
        list.iter().map(|&s| s.to_owned()).collect()
    }

    #[test]
    fn same_origin_shares_a_connection() {
        let groups = group(&urls(&[
            "https://a.example/1",
            "https://b.example/2",
            "https://A.example:443/3#frag",
            "https://a.example:4433/4",
        ]))
        .unwrap();
        assert_eq!(groups.len(), 3);
        let paths: Vec<_> = groups[0].targets.iter().map(Target::path).collect();
        assert_eq!(paths, ["/1", "/3"]);
        assert_eq!(groups[0].targets[1].index, 2);
        assert_eq!(groups[0].targets[1].url.as_str(), "https://a.example/3");
        assert_eq!(groups[2].origin.port, 4433);
        assert_eq!(groups[2].targets[0].authority(), "a.example:4433");
        assert_eq!(groups[0].targets[0].authority(), "a.example");
    }

    #[test]
    fn paths_and_queries() {
        let g = group(&urls(&[
            "https://h",
            "https://h/a b?q=1&r",
            "https://[::1]:4433/x",
        ]))
        .unwrap();
        assert_eq!(g[0].targets[0].path(), "/");
        assert_eq!(g[0].targets[1].path(), "/a%20b?q=1&r");
        assert_eq!(g[1].origin.server_name(), "::1");
        assert_eq!(g[1].origin.to_string(), "[::1]:4433");
        assert_eq!(g[1].targets[0].authority(), "[::1]:4433");
    }

    //= rfc9114#section-4.3.1 type=test
    //# The authority MUST NOT include the deprecated userinfo
    //# subcomponent for URIs of scheme "http" or "https".
    #[test]
    fn bad_urls_are_usage_errors() {
        for bad in [
            "http://a/",
            "ftp://a/",
            "nonsense",
            "https://",
            "https://u:p@h/",
            "https://h:0/",
            "https://h:99999/",
            "/etc/passwd",
        ] {
            let e = group(&urls(&["https://ok/", bad])).unwrap_err();
            assert_eq!(e.exit(), Exit::Usage, "{bad}");
            assert_eq!(e.to_string().lines().count(), 1);
        }
        let e = group(&urls(&["http://a/"])).unwrap_err();
        assert!(e.to_string().contains("https"));
    }
}
