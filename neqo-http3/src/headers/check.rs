//! What makes a message malformed (RFC 9114, Sections 4.1.2, 4.2 and 4.3).
//!
//! One set of rules serves both directions: what arrives and breaks one is a malformed message, what the application
//! wants to send and breaks one is refused.

use neqo_common::Header;
use thiserror::Error as ThisError;

use crate::error::{Error, StreamFault};

/// Why a message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(crate) enum Malformed {
    /// A field name is empty, has uppercase letters or other characters that no name has.
    #[error("invalid field name")]
    Name,
    /// A field value has a character that no value has.
    #[error("invalid field value")]
    Value,
    /// A field that describes a connection.
    #[error("connection-specific field")]
    ConnectionSpecific,
    /// A pseudo-header field that is unknown, in the wrong kind of message, twice, or after a field.
    #[error("misplaced pseudo-header field")]
    PseudoHeader,
    /// A mandatory pseudo-header field is missing, or one that may not be there is.
    #[error("wrong set of pseudo-header fields")]
    PseudoHeaderSet,
    /// The value of a pseudo-header field is invalid.
    #[error("invalid value of a pseudo-header field")]
    PseudoHeaderValue,
    /// `host` and `:authority` are missing, empty, or contradict each other.
    #[error("invalid authority")]
    Authority,
    /// `content-length` is not a number, or several.
    #[error("invalid content-length")]
    ContentLength,
    /// The content is longer or shorter than `content-length` says.
    #[error("content does not have the declared length")]
    Content,
    /// Trailers or a final response where none may be.
    #[error("invalid sequence of messages")]
    Sequence,
}

impl From<Malformed> for Error {
    //= rfc9114#section-4.1.2
    //# Malformed requests or responses that are detected MUST be treated as a stream
    //# error of type H3_MESSAGE_ERROR.
    fn from(_: Malformed) -> Self {
        Self::Stream(StreamFault::HttpMessage)
    }
}

type Check<T> = Result<T, Malformed>;

/// What a request's header section says about how the message goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestInfo {
    pub(crate) kind: RequestKind,
    pub(crate) content_length: Option<u64>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// HEAD, whose response never has content.
    Head,
    /// CONNECT without `:protocol`: a tunnel.
    Connect,
    /// Extended CONNECT (RFC 9220).
    ExtendedConnect,
    /// Anything else.
    Other,
}

/// What a response's header section says about how the message goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseInfo {
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
}

impl ResponseInfo {
    /// Whether this is an interim response (RFC 9110, Section 15.2).
    pub(crate) const fn is_informational(self) -> bool {
        self.status < 200
    }
}

/// Checks the header section of a request.
pub(crate) fn request(headers: &[Header]) -> Check<RequestInfo> {
    let mut pseudo = RequestPseudo::default();
    let mut fields = Fields::default();
    for h in headers {
        if let Some(slot) = pseudo.slot(h.name()) {
            set(slot, h, &fields)?;
        } else {
            fields.add(h, Section::Request)?;
        }
    }
    let kind = pseudo.kind()?;
    pseudo.check_authority(fields.host)?;
    Ok(RequestInfo {
        kind,
        content_length: fields.content_length,
    })
}

/// Checks the header section of a response.
pub(crate) fn response(headers: &[Header]) -> Check<ResponseInfo> {
    let mut status = None;
    let mut fields = Fields::default();
    for h in headers {
        //= rfc9114#section-4.3
        //# pseudo-header fields defined for responses MUST NOT appear in requests.
        if h.name() == ":status" {
            set(&mut status, h, &fields)?;
        } else {
            fields.add(h, Section::Response)?;
        }
    }
    //= rfc9114#section-4.3.2
    //# This pseudo-header
    //# field MUST be included in all responses; otherwise, the response is malformed
    let status = status_code(status.ok_or(Malformed::PseudoHeaderSet)?)?;
    Ok(ResponseInfo {
        status,
        content_length: fields.content_length,
    })
}

/// Checks a trailer section.
pub(crate) fn trailers(headers: &[Header]) -> Check<()> {
    let mut fields = Fields::default();
    //= rfc9114#section-4.3
    //# Pseudo-header fields MUST NOT appear in trailer sections.
    headers
        .iter()
        .try_for_each(|h| fields.add(h, Section::Trailers))
}

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Request,
    Response,
    Trailers,
}

/// Stores the value of a pseudo-header field.
fn set<'h>(slot: &mut Option<&'h [u8]>, header: &'h Header, fields: &Fields<'_>) -> Check<()> {
    //= rfc9114#section-4.3
    //# Any request or response that contains a pseudo-header field that
    //# appears in a header section after a regular header field MUST be treated as
    //# malformed.
    if fields.any || slot.is_some() {
        return Err(Malformed::PseudoHeader);
    }
    value(header.value())?;
    *slot = Some(header.value());
    Ok(())
}

/// The pseudo-header fields of a request.
#[derive(Debug, Default)]
struct RequestPseudo<'h> {
    method: Option<&'h [u8]>,
    scheme: Option<&'h [u8]>,
    authority: Option<&'h [u8]>,
    path: Option<&'h [u8]>,
    protocol: Option<&'h [u8]>,
}

impl<'h> RequestPseudo<'h> {
    fn slot(&mut self, name: &str) -> Option<&mut Option<&'h [u8]>> {
        Some(match name {
            ":method" => &mut self.method,
            ":scheme" => &mut self.scheme,
            ":authority" => &mut self.authority,
            ":path" => &mut self.path,
            ":protocol" => &mut self.protocol,
            _ => return None,
        })
    }

    //= rfc9114#section-4.3.1
    //# An HTTP request that omits mandatory pseudo-header fields or contains invalid
    //# values for those pseudo-header fields is malformed.
    fn kind(&self) -> Check<RequestKind> {
        let method = self.method.ok_or(Malformed::PseudoHeaderSet)?;
        if !is_token(method) {
            return Err(Malformed::PseudoHeaderValue);
        }
        if method == b"CONNECT" && self.protocol.is_none() {
            return self.connect();
        }
        //= rfc9114#section-4.3.1
        //# All HTTP/3 requests MUST include exactly one value for the :method, :scheme,
        //# and :path pseudo-header fields, unless the request is a CONNECT request
        let scheme = self.scheme.ok_or(Malformed::PseudoHeaderSet)?;
        let path = self.path.ok_or(Malformed::PseudoHeaderSet)?;
        if !is_scheme(scheme) || !is_path(path, is_http(scheme), method == b"OPTIONS") {
            return Err(Malformed::PseudoHeaderValue);
        }
        match (method, self.protocol) {
            //= rfc8441#section-4
            //# On requests that contain the :protocol pseudo-header field, the :scheme and :path pseudo-header fields of
            //# the target URI (see Section 5) MUST also be included.
            (b"CONNECT", Some(protocol)) if is_token(protocol) => {
                self.authority.ok_or(Malformed::PseudoHeaderSet)?;
                Ok(RequestKind::ExtendedConnect)
            }
            (_, Some(_)) => Err(Malformed::PseudoHeaderSet),
            (b"HEAD", None) => Ok(RequestKind::Head),
            (_, None) => Ok(RequestKind::Other),
        }
    }

    //= rfc9114#section-4.4
    //# A CONNECT request that does not conform to these restrictions
    //# is malformed.
    fn connect(&self) -> Check<RequestKind> {
        if self.scheme.is_some() || self.path.is_some() {
            return Err(Malformed::PseudoHeaderSet);
        }
        let authority = self.authority.ok_or(Malformed::PseudoHeaderSet)?;
        let host_and_port = authority
            .iter()
            .rposition(|&b| b == b':')
            .is_some_and(|colon| {
                let (host, port) = authority.split_at(colon);
                let port = &port[1..];
                !host.is_empty() && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
            });
        if host_and_port {
            Ok(RequestKind::Connect)
        } else {
            Err(Malformed::PseudoHeaderValue)
        }
    }

    //= rfc9114#section-4.3.1
    //# If the :scheme pseudo-header field identifies a scheme that has a mandatory
    //# authority component (including "http" and "https"), the request MUST contain
    //# either an :authority pseudo-header field or a Host header field.
    fn check_authority(&self, host: Option<&[u8]>) -> Check<()> {
        let http = self.scheme.is_none_or(is_http);
        //= rfc9114#section-4.3.1
        //# If both fields are present, they
        //# MUST contain the same value.
        if let (Some(a), Some(h)) = (self.authority, host)
            && !a.eq_ignore_ascii_case(h)
        {
            return Err(Malformed::Authority);
        }
        match self.authority.or(host) {
            //= rfc9114#section-4.3.1
            //# If these
            //# fields are present, they MUST NOT be empty.
            Some(a) if !is_authority(a, http) => Err(Malformed::Authority),
            None if http => Err(Malformed::Authority),
            _ => Ok(()),
        }
    }
}

/// What is remembered of the fields of a section.
#[derive(Debug, Default)]
struct Fields<'h> {
    any: bool,
    host: Option<&'h [u8]>,
    content_length: Option<u64>,
}

impl<'h> Fields<'h> {
    fn add(&mut self, header: &'h Header, section: Section) -> Check<()> {
        self.any = true;
        //= rfc9114#section-4.3
        //# Endpoints MUST treat a
        //# request or response that contains undefined or invalid pseudo-header fields as
        //# malformed.
        if header.name().starts_with(':') {
            return Err(Malformed::PseudoHeader);
        }
        // hardening R3719
        //= rfc9114#section-4.2
        //# A request or response containing uppercase characters in field
        //# names MUST be treated as malformed.
        if !is_name(header.name().as_bytes()) {
            return Err(Malformed::Name);
        }
        value(header.value())?;
        match header.name() {
            // hardening R3806
            //= rfc9114#section-4.2
            //# An endpoint MUST NOT generate an HTTP/3 field section containing
            //# connection-specific fields; any message containing connection-specific fields
            //# MUST be treated as malformed.
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => {
                Err(Malformed::ConnectionSpecific)
            }
            //= rfc9114#section-4.2
            //# The only exception to this is the TE header field, which MAY be present in an
            //# HTTP/3 request header; when it is, it MUST NOT contain any value other than
            //# "trailers".
            "te" if section != Section::Request
                || !header.value().eq_ignore_ascii_case(b"trailers") =>
            {
                Err(Malformed::ConnectionSpecific)
            }
            "host" if section == Section::Request => match self.host.replace(header.value()) {
                Some(_) => Err(Malformed::Authority),
                None => Ok(()),
            },
            "content-length" if section != Section::Trailers => {
                self.add_content_length(header.value())
            }
            _ => Ok(()),
        }
    }

    fn add_content_length(&mut self, value: &[u8]) -> Check<()> {
        let length = std::str::from_utf8(value)
            .ok()
            .filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|v| v.parse().ok())
            .ok_or(Malformed::ContentLength)?;
        match self.content_length.replace(length) {
            Some(other) if other != length => Err(Malformed::ContentLength),
            _ => Ok(()),
        }
    }
}

// hardening R3719, R3752
//= rfc9114#section-10.3
//# Any request or
//# response that contains a character not permitted in a field value MUST be
//# treated as malformed.
fn value(value: &[u8]) -> Check<()> {
    let permitted = |&b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    if value.iter().all(permitted) {
        Ok(())
    } else {
        Err(Malformed::Value)
    }
}

/// A character of a token (RFC 9110, Section 5.6.2).
const fn is_token_char(b: u8) -> bool {
    matches!(b,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

fn is_token(s: &[u8]) -> bool {
    !s.is_empty() && s.iter().all(|&b| is_token_char(b))
}

fn is_name(s: &[u8]) -> bool {
    is_token(s) && !s.iter().any(u8::is_ascii_uppercase)
}

const fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"http")
}

/// RFC 3986, Section 3.1.
fn is_scheme(s: &[u8]) -> bool {
    let more = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    s.first().is_some_and(u8::is_ascii_alphabetic) && s.iter().all(more)
}

//= rfc9114#section-4.3.1
//# This pseudo-header field MUST NOT be empty for "http" or "https" URIs;
fn is_path(s: &[u8], http: bool, options: bool) -> bool {
    let clean = s.iter().all(|&b| b > b' ' && b != 0x7f && b != b'#');
    clean && (!http || s.first() == Some(&b'/') || (options && s == b"*"))
}

//= rfc9114#section-4.3.1
//# The authority MUST NOT include the deprecated userinfo
//# subcomponent for URIs of scheme "http" or "https".
fn is_authority(s: &[u8], http: bool) -> bool {
    let clean = s
        .iter()
        .all(|&b| b > b' ' && b != 0x7f && !matches!(b, b'/' | b'?' | b'#' | b'\\'));
    !s.is_empty() && clean && !(http && s.contains(&b'@'))
}

fn status_code(s: &[u8]) -> Check<u16> {
    let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *s else {
        return Err(Malformed::PseudoHeaderValue);
    };
    let digit = |d: u8| u16::from(d - b'0');
    let status = digit(a) * 100 + digit(b) * 10 + digit(c);
    //= rfc9114#section-4.5
    //# HTTP/3 does not support the HTTP Upgrade mechanism ({{Section 7.8 of
    //# RFC9110}}) or the 101 (Switching Protocols) informational status code
    if status == 101 {
        Err(Malformed::PseudoHeaderValue)
    } else {
        Ok(status)
    }
}

/// Counts content against `content-length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentLength {
    declared: Option<u64>,
    seen: u64,
}

impl ContentLength {
    /// Content of which `declared` bytes were promised, or any number.
    pub(crate) const fn new(declared: Option<u64>) -> Self {
        Self { declared, seen: 0 }
    }

    /// Counts a DATA frame of `len` bytes.
    //= rfc9114#section-4.1.2
    //# A request or response that is defined as having content when it contains a
    //# Content-Length header field ({{Section 8.6 of RFC9110}}) is malformed if the
    //# value of the Content-Length header field does not equal the sum of the DATA
    pub(crate) fn add(&mut self, len: u64) -> Check<()> {
        let seen = self.seen.checked_add(len).ok_or(Malformed::Content)?;
        if self.declared.is_some_and(|d| seen > d) {
            return Err(Malformed::Content);
        }
        self.seen = seen;
        Ok(())
    }

    /// Ends the content.
    pub(crate) fn finish(&self) -> Check<()> {
        if self.declared.is_some_and(|d| d != self.seen) {
            Err(Malformed::Content)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
