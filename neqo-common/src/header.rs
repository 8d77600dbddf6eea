//! Header fields of HTTP messages.

use std::{
    fmt::{self, Debug, Formatter},
    str::{FromStr, Utf8Error},
};

use thiserror::Error;

/// A field line: a name and a value, or a pseudo-header such as `:status`.
///
/// The value is a byte string; HTTP does not promise text. Names are kept as given, and on the wire
/// of HTTP/3 they are in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Header {
    name: String,
    value: Vec<u8>,
}

impl Header {
    /// A field with this name and value.
    #[must_use]
    pub fn new<N, V>(name: N, value: V) -> Self
    where
        N: Into<String>,
        V: Into<Vec<u8>>,
    {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value, if it is text.
    pub fn value_utf8(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.value)
    }

    /// The name and the value, without a copy.
    #[must_use]
    pub fn into_parts(self) -> (String, Vec<u8>) {
        (self.name, self.value)
    }

    /// Whether a response may carry this field over HTTP/3.
    ///
    /// Fields that describe a connection rather than a message may not (RFC 9114, Section 4.2), and
    /// `host` belongs to requests.
    //= rfc9114#section-4.2
    //# An endpoint MUST NOT generate an HTTP/3 field section containing
    //# connection-specific fields;
    #[must_use]
    pub fn is_allowed_for_response(&self) -> bool {
        const REFUSED: [&str; 7] = [
            "connection",
            "host",
            "keep-alive",
            "proxy-connection",
            "te",
            "transfer-encoding",
            "upgrade",
        ];
        !REFUSED.iter().any(|n| self.name.eq_ignore_ascii_case(n))
    }
}

impl Debug for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value.escape_ascii())
    }
}

impl<T: AsRef<str>, U: AsRef<[u8]>> PartialEq<(T, U)> for Header {
    fn eq(&self, other: &(T, U)) -> bool {
        self.name == other.0.as_ref() && self.value == other.1.as_ref()
    }
}

/// Why a text is not a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FromStrError {
    /// There is no colon to end the name.
    #[error("no colon after the name of the header field")]
    MissingColon,
    /// There is nothing before the colon.
    #[error("the header field has no name")]
    MissingName,
}

impl FromStr for Header {
    type Err = FromStrError;

    /// Reads `Name: value`. The name is put in lower case; space around both is removed.
    ///
    /// Pseudo-headers are not read: their text has nothing before its first colon.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (name, value) = s.split_once(':').ok_or(FromStrError::MissingColon)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(FromStrError::MissingName);
        }
        Ok(Self::new(name.to_ascii_lowercase(), value.trim()))
    }
}

/// Look-ups in a list of header fields.
pub trait HeadersExt<'h> {
    /// Whether a field has this name and value.
    fn contains_header<T: AsRef<str>, U: AsRef<[u8]>>(self, name: T, value: U) -> bool;

    /// The first field of this name.
    fn find_header<T: AsRef<str> + 'h>(self, name: T) -> Option<&'h Header>;
}

impl<'h, H> HeadersExt<'h> for H
where
    H: IntoIterator<Item = &'h Header> + 'h,
{
    fn contains_header<T: AsRef<str>, U: AsRef<[u8]>>(self, name: T, value: U) -> bool {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.into_iter().any(|h| h == &(name, value))
    }

    fn find_header<T: AsRef<str> + 'h>(self, name: T) -> Option<&'h Header> {
        self.into_iter().find(|h| h.name == name.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::{FromStrError, Header, HeadersExt as _};

    #[test]
    fn values_are_bytes() {
        let h = Header::new("x", [0xff, b'a']);
        assert_eq!(h.value(), [0xff, b'a']);
        assert!(h.value_utf8().is_err());
        assert_eq!(format!("{h:?}"), "x: \\xffa");
        assert_eq!(Header::new("x", "y").value_utf8(), Ok("y"));
        assert_eq!(
            Header::new("x", "y").into_parts(),
            (String::from("x"), b"y".to_vec())
        );
    }

    #[test]
    fn from_text() {
        let h: Header = "Accept : text/html; q=1:2 ".parse().unwrap();
        assert_eq!(h, ("accept", "text/html; q=1:2"));
        assert_eq!("empty:".parse::<Header>().unwrap(), ("empty", ""));
        assert_eq!("none".parse::<Header>(), Err(FromStrError::MissingColon));
        assert_eq!(" : v".parse::<Header>(), Err(FromStrError::MissingName));
    }

    //= rfc9114#section-4.2 type=test
    //# An endpoint MUST NOT generate an HTTP/3 field section containing
    //# connection-specific fields;
    #[test]
    fn connection_fields_are_refused() {
        assert!(Header::new("content-type", "a/b").is_allowed_for_response());
        assert!(!Header::new("connection", "close").is_allowed_for_response());
        assert!(!Header::new("Transfer-Encoding", "chunked").is_allowed_for_response());
    }

    #[test]
    fn look_ups() {
        let list = [
            Header::new("a", "1"),
            Header::new("b", "2"),
            Header::new("a", "3"),
        ];
        assert_eq!(list.find_header("a").unwrap().value(), b"1");
        assert!(list.find_header("c").is_none());
        assert!(list.contains_header("a", "3"));
        assert!(!list.contains_header("b", b"3"));
    }
}
