//! Where a request goes (RFC 9110, Section 7.1).

use url::{Position, Url};

use crate::error::{Misuse, Res};

/// The parts of a URI that a request carries.
pub trait RequestTarget {
    /// The scheme, such as `https`.
    fn scheme(&self) -> &str;
    /// Host and port, without user information; the port is left out when it is the scheme's.
    fn authority(&self) -> &str;
    /// Path and query, beginning with `/`.
    fn path(&self) -> &str;
}

impl RequestTarget for Url {
    fn scheme(&self) -> &str {
        self.scheme()
    }

    fn authority(&self) -> &str {
        &self[Position::BeforeHost..Position::AfterPort]
    }

    //= rfc9114#section-4.3.1
    //# "http" or "https" URIs that do not contain a path component MUST include a
    //# value of `/`
    fn path(&self) -> &str {
        &self[Position::BeforePath..Position::AfterQuery]
    }
}

impl<T: RequestTarget + ?Sized> RequestTarget for &T {
    fn scheme(&self) -> &str {
        (**self).scheme()
    }

    fn authority(&self) -> &str {
        (**self).authority()
    }

    fn path(&self) -> &str {
        (**self).path()
    }
}

/// Scheme, authority and path.
impl RequestTarget for (&str, &str, &str) {
    fn scheme(&self) -> &str {
        self.0
    }

    fn authority(&self) -> &str {
        self.1
    }

    fn path(&self) -> &str {
        self.2
    }
}

/// Host and port of a URL, for CONNECT: with the port even when it is the scheme's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(String);

impl Authority {
    /// The authority that a tunnel to the server of `url` needs.
    ///
    /// # Errors
    /// [`Misuse::InvalidRequestTarget`] when the URL has no host, or no port and no default port.
    pub fn for_connect(url: &Url) -> Res<Self> {
        let host = url.host_str().ok_or(Misuse::InvalidRequestTarget)?;
        let port = url
            .port_or_known_default()
            .ok_or(Misuse::InvalidRequestTarget)?;
        Ok(Self(format!("{host}:{port}")))
    }
}

impl AsRef<str> for Authority {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Authority, RequestTarget};
    use crate::error::{Error, Misuse};

    fn parts(url: &str) -> (String, String, String) {
        let url = Url::parse(url).unwrap();
        let target: &dyn RequestTarget = &url;
        (
            target.scheme().into(),
            target.authority().into(),
            target.path().into(),
        )
    }

    //= rfc9114#section-4.3.1 type=test
    //# "http" or "https" URIs that do not contain a path component MUST include a
    //# value of `/`
    #[test]
    fn urls() {
        for (url, scheme, authority, path) in [
            ("https://example.com", "https", "example.com", "/"),
            ("https://example.com:443/a", "https", "example.com", "/a"),
            (
                "https://example.com:4433/a?b=c#d",
                "https",
                "example.com:4433",
                "/a?b=c",
            ),
            (
                "https://user:pass@example.com/?",
                "https",
                "example.com",
                "/?",
            ),
            ("http://[::1]:8080/", "http", "[::1]:8080", "/"),
            (
                "https://bücher.example/ü",
                "https",
                "xn--bcher-kva.example",
                "/%C3%BC",
            ),
        ] {
            assert_eq!(
                parts(url),
                (scheme.into(), authority.into(), path.into()),
                "{url}"
            );
        }
    }

    #[test]
    fn tuples() {
        let target = ("https", "a", "/b");
        assert_eq!(
            (target.scheme(), target.authority(), target.path()),
            ("https", "a", "/b")
        );
    }

    #[test]
    fn connect() {
        let of = |u| Authority::for_connect(&Url::parse(u).unwrap()).map(|a| a.as_ref().to_owned());
        assert_eq!(of("https://example.com/a").unwrap(), "example.com:443");
        assert_eq!(of("https://example.com:1").unwrap(), "example.com:1");
        assert_eq!(of("data:x"), Err(Error::Api(Misuse::InvalidRequestTarget)));
        assert_eq!(
            of("foo://host"),
            Err(Error::Api(Misuse::InvalidRequestTarget))
        );
    }
}
