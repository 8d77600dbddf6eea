use neqo_common::Header;
use proptest::{collection::vec, prelude::any, proptest};

use super::{
    Check, ContentLength, Malformed, RequestInfo, RequestKind, ResponseInfo, request, response,
    trailers,
};
use crate::error::{Error, StreamFault};

type Lines<'a> = &'a [(&'a str, &'a str)];

fn headers(lines: Lines<'_>) -> Vec<Header> {
    lines.iter().map(|&(n, v)| Header::new(n, v)).collect()
}

const GET: Lines<'static> = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/"),
];
const OK: Lines<'static> = &[(":status", "200")];

fn check_request(lines: Lines<'_>) -> Check<RequestInfo> {
    request(&headers(lines))
}

/// A request like `GET` with these lines after it.
fn get_with(lines: Lines<'_>) -> Check<RequestInfo> {
    request(&headers(&[GET, lines].concat()))
}

fn ok_with(lines: Lines<'_>) -> Check<ResponseInfo> {
    response(&headers(&[OK, lines].concat()))
}

const OTHER: RequestInfo = RequestInfo {
    kind: RequestKind::Other,
    content_length: None,
};

#[test]
fn good_requests() {
    assert_eq!(check_request(GET), Ok(OTHER));
    assert_eq!(
        get_with(&[
            ("te", "trailers"),
            ("host", "EXAMPLE.com"),
            ("x-a", ""),
            ("cookie", "a=b; c")
        ]),
        Ok(OTHER)
    );
    let head = [
        (":path", "/"),
        (":method", "HEAD"),
        (":scheme", "http"),
        ("host", "a:80"),
    ];
    assert_eq!(
        check_request(&head),
        Ok(RequestInfo {
            kind: RequestKind::Head,
            content_length: None
        })
    );
    let options = [
        (":method", "OPTIONS"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "*"),
    ];
    assert_eq!(check_request(&options), Ok(OTHER));
    let other_scheme = [(":method", "GET"), (":scheme", "coap"), (":path", "")];
    assert_eq!(check_request(&other_scheme), Ok(OTHER));
    assert_eq!(
        get_with(&[("content-length", "12")])
            .unwrap()
            .content_length,
        Some(12)
    );
}

//= rfc9114#section-4.1.2 type=test
//# Malformed requests or responses that are detected MUST be treated as a stream
//# error of type H3_MESSAGE_ERROR.
#[test]
fn a_stream_error() {
    assert_eq!(
        Error::from(Malformed::Name),
        Error::Stream(StreamFault::HttpMessage)
    );
}

//= rfc9114#section-4.2 type=test
//# A request or response containing uppercase characters in field
//# names MUST be treated as malformed.
#[test]
fn names() {
    // hardening R3719
    for name in [
        "", "Accept", "aCcept", "a b", "a:b", "a\r", "a\n", "a\0", "ä", "a(", "a\"", "a,", "\x7f",
        "a/b",
    ] {
        assert_eq!(get_with(&[(name, "x")]), Err(Malformed::Name), "{name:?}");
        assert_eq!(ok_with(&[(name, "x")]), Err(Malformed::Name), "{name:?}");
        assert_eq!(
            trailers(&headers(&[(name, "x")])),
            Err(Malformed::Name),
            "{name:?}"
        );
    }
    for name in ["a", "0", "a-b_c.d", "!#$%&'*+^`|~"] {
        assert!(get_with(&[(name, "x")]).is_ok(), "{name:?}");
    }
}

//= rfc9114#section-10.3 type=test
//# Any request or
//# response that contains a character not permitted in a field value MUST be
//# treated as malformed.
#[test]
fn values() {
    // hardening R3719, R3752
    for b in 0..=u8::MAX {
        let field = [Header::new("a", [b'x', b, b'y'])];
        let permitted = b == b'\t' || (b >= b' ' && b != 0x7f);
        let expected = if permitted {
            Ok(())
        } else {
            Err(Malformed::Value)
        };
        assert_eq!(trailers(&field), expected, "{b:#x}");
        let all = [headers(GET), field.to_vec()].concat();
        assert_eq!(request(&all).map(|_| ()), expected, "{b:#x}");
        let all = [headers(OK), field.to_vec()].concat();
        assert_eq!(response(&all).map(|_| ()), expected, "{b:#x}");
    }
    for name in [":path", ":authority", ":method", ":scheme"] {
        let mut lines = headers(GET);
        lines.retain(|h| h.name() != name);
        lines.push(Header::new(name, "/a\r\nb"));
        assert_eq!(request(&lines), Err(Malformed::Value), "{name}");
    }
}

//= rfc9114#section-4.2 type=test
//# An endpoint MUST NOT generate an HTTP/3 field section containing
//# connection-specific fields; any message containing connection-specific fields
//# MUST be treated as malformed.
#[test]
fn connection_specific() {
    // hardening R3806
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ] {
        assert_eq!(get_with(&[(name, "x")]), Err(Malformed::ConnectionSpecific));
        assert_eq!(ok_with(&[(name, "x")]), Err(Malformed::ConnectionSpecific));
        assert_eq!(
            trailers(&headers(&[(name, "x")])),
            Err(Malformed::ConnectionSpecific)
        );
    }
}

//= rfc9114#section-4.2 type=test
//# The only exception to this is the TE header field, which MAY be present in an
//# HTTP/3 request header; when it is, it MUST NOT contain any value other than
//# "trailers".
#[test]
fn te() {
    assert!(get_with(&[("te", "trailers")]).is_ok());
    assert!(get_with(&[("te", "Trailers")]).is_ok());
    for value in ["", "gzip", "trailers, gzip", "trailers;q=0.5"] {
        assert_eq!(
            get_with(&[("te", value)]),
            Err(Malformed::ConnectionSpecific),
            "{value}"
        );
    }
    assert_eq!(
        ok_with(&[("te", "trailers")]),
        Err(Malformed::ConnectionSpecific)
    );
    assert_eq!(
        trailers(&headers(&[("te", "trailers")])),
        Err(Malformed::ConnectionSpecific)
    );
}

//= rfc9114#section-4.3 type=test
//# Endpoints MUST treat a
//# request or response that contains undefined or invalid pseudo-header fields as
//# malformed.
//= rfc9114#section-4.3 type=test
//# pseudo-header fields defined for responses MUST NOT appear in requests.
#[test]
fn unknown_pseudo_headers() {
    for name in [":", ":unknown", ":Method", ":status", "::path"] {
        assert_eq!(
            check_request(&[GET, &[(name, "200")]].concat()),
            Err(Malformed::PseudoHeader),
            "{name}"
        );
    }
    for name in [
        ":",
        ":unknown",
        ":path",
        ":method",
        ":scheme",
        ":authority",
        ":protocol",
    ] {
        assert_eq!(
            ok_with(&[(name, "/")]),
            Err(Malformed::PseudoHeader),
            "{name}"
        );
    }
}

//= rfc9114#section-4.3 type=test
//# Any request or response that contains a pseudo-header field that
//# appears in a header section after a regular header field MUST be treated as
//# malformed.
#[test]
fn pseudo_headers_come_first() {
    for i in 0..GET.len() {
        let mut lines = GET.to_vec();
        let last = lines.remove(i);
        lines.extend([("a", "b"), last]);
        assert_eq!(
            check_request(&lines),
            Err(Malformed::PseudoHeader),
            "{last:?}"
        );
    }
    assert_eq!(
        response(&headers(&[("a", "b"), (":status", "200")])),
        Err(Malformed::PseudoHeader)
    );
}

//= rfc9114#section-4.3 type=test
//# Pseudo-header fields MUST NOT appear in trailer sections.
#[test]
fn no_pseudo_headers_in_trailers() {
    assert_eq!(trailers(&[]), Ok(()));
    assert_eq!(trailers(&headers(&[("a", "b")])), Ok(()));
    for &(name, value) in &[GET, OK].concat() {
        assert_eq!(
            trailers(&headers(&[(name, value)])),
            Err(Malformed::PseudoHeader)
        );
    }
}

//= rfc9114#section-4.3.1 type=test
//# All HTTP/3 requests MUST include exactly one value for the :method, :scheme,
//# and :path pseudo-header fields, unless the request is a CONNECT request
#[test]
fn exactly_one() {
    for (i, &(name, value)) in GET.iter().enumerate() {
        let mut missing = GET.to_vec();
        missing.remove(i);
        let expected = if name == ":authority" {
            Malformed::Authority
        } else {
            Malformed::PseudoHeaderSet
        };
        assert_eq!(check_request(&missing), Err(expected), "{name}");
        let twice = [&[(name, value)], GET].concat();
        assert_eq!(
            check_request(&twice),
            Err(Malformed::PseudoHeader),
            "{name}"
        );
    }
    assert_eq!(request(&[]), Err(Malformed::PseudoHeaderSet));
    assert_eq!(ok_with(OK), Err(Malformed::PseudoHeader));
}

/// `GET` with another value for one pseudo-header field.
fn changed(name: &str, value: &str) -> Check<RequestInfo> {
    let lines: Vec<_> = GET
        .iter()
        .map(|&(n, v)| (n, if n == name { value } else { v }))
        .collect();
    check_request(&lines)
}

//= rfc9114#section-4.3.1 type=test
//# An HTTP request that omits mandatory pseudo-header fields or contains invalid
//# values for those pseudo-header fields is malformed.
//= rfc9114#section-4.3.1 type=test
//# This pseudo-header field MUST NOT be empty for "http" or "https" URIs;
#[test]
fn invalid_values() {
    for (name, value) in [
        (":method", ""),
        (":method", "GET "),
        (":method", "G(T"),
        (":scheme", ""),
        (":scheme", "1http"),
        (":scheme", "ht tp"),
        (":path", ""),
        (":path", "*"),
        (":path", "index.html"),
        (":path", "/a b"),
        (":path", "/a#b"),
        (":path", "https://example.com/"),
    ] {
        assert_eq!(
            changed(name, value),
            Err(Malformed::PseudoHeaderValue),
            "{name}: {value}"
        );
    }
    for (name, value) in [
        (":method", "PATCH"),
        (":scheme", "HTTPS"),
        (":path", "/?"),
        (":path", "//ü?a=%20"),
    ] {
        assert_eq!(changed(name, value), Ok(OTHER), "{name}: {value}");
    }
}

//= rfc9114#section-4.3.1 type=test
//# If the :scheme pseudo-header field identifies a scheme that has a mandatory
//# authority component (including "http" and "https"), the request MUST contain
//# either an :authority pseudo-header field or a Host header field.
//= rfc9114#section-4.3.1 type=test
//# If these
//# fields are present, they MUST NOT be empty.
//= rfc9114#section-4.3.1 type=test
//# If both fields are present, they
//# MUST contain the same value.
//= rfc9114#section-4.3.1 type=test
//# The authority MUST NOT include the deprecated userinfo
//# subcomponent for URIs of scheme "http" or "https".
#[test]
fn authority() {
    for value in ["", "user@example.com", "a/b", "a b", "a?b", "a#b", "a\\b"] {
        assert_eq!(
            changed(":authority", value),
            Err(Malformed::Authority),
            "{value}"
        );
    }
    for value in ["a", "a:443", "[::1]:443", "127.0.0.1"] {
        assert_eq!(changed(":authority", value), Ok(OTHER), "{value}");
    }
    assert_eq!(get_with(&[("host", "example.com")]), Ok(OTHER));
    assert_eq!(
        get_with(&[("host", "example.org")]),
        Err(Malformed::Authority)
    );
    assert_eq!(get_with(&[("host", "")]), Err(Malformed::Authority));
    assert_eq!(
        get_with(&[("host", "example.com"), ("host", "example.com")]),
        Err(Malformed::Authority)
    );
    let mut host_only = GET.to_vec();
    host_only.remove(2);
    host_only.push(("host", ""));
    assert_eq!(check_request(&host_only), Err(Malformed::Authority));
    *host_only.last_mut().unwrap() = ("host", "example.com");
    assert_eq!(check_request(&host_only), Ok(OTHER));
}

//= rfc9114#section-4.4 type=test
//# A CONNECT request that does not conform to these restrictions
//# is malformed.
#[test]
fn connect() {
    const CONNECT: (&str, &str) = (":method", "CONNECT");
    assert_eq!(
        check_request(&[CONNECT, (":authority", "example.com:443")]),
        Ok(RequestInfo {
            kind: RequestKind::Connect,
            content_length: None
        })
    );
    for authority in [
        "example.com",
        "example.com:",
        ":443",
        "example.com:https",
        "",
    ] {
        assert_eq!(
            check_request(&[CONNECT, (":authority", authority)]),
            Err(Malformed::PseudoHeaderValue),
            "{authority}"
        );
    }
    for bad in [
        &[CONNECT][..],
        &[CONNECT, ("host", "example.com:443")],
        &[CONNECT, (":authority", "a:1"), (":path", "/")],
        &[CONNECT, (":authority", "a:1"), (":scheme", "https")],
    ] {
        assert_eq!(
            check_request(bad),
            Err(Malformed::PseudoHeaderSet),
            "{bad:?}"
        );
    }
}

//= rfc8441#section-4 type=test
//# On requests that contain the :protocol pseudo-header field, the :scheme and :path pseudo-header fields of
//# the target URI (see Section 5) MUST also be included.
#[test]
fn extended_connect() {
    const ALL: [(&str, &str); 5] = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "example.com"),
    ];
    assert_eq!(
        check_request(&ALL).unwrap().kind,
        RequestKind::ExtendedConnect
    );
    for (i, line) in ALL.iter().enumerate().skip(2) {
        let mut lines = ALL.to_vec();
        lines.remove(i);
        assert_eq!(
            check_request(&lines),
            Err(Malformed::PseudoHeaderSet),
            "{line:?}"
        );
    }
    assert_eq!(
        changed(":method", "CONNECT"),
        Err(Malformed::PseudoHeaderSet)
    );
    assert_eq!(
        check_request(&[&[(":protocol", "websocket")], GET].concat()),
        Err(Malformed::PseudoHeaderSet)
    );
}

//= rfc9114#section-4.3.2 type=test
//# This pseudo-header
//# field MUST be included in all responses; otherwise, the response is malformed
#[test]
fn status() {
    assert_eq!(response(&[]), Err(Malformed::PseudoHeaderSet));
    assert_eq!(
        response(&headers(&[("a", "b")])),
        Err(Malformed::PseudoHeaderSet)
    );
    for (text, code) in [("100", 100), ("103", 103), ("200", 200), ("999", 999)] {
        let info = response(&headers(&[(":status", text)])).unwrap();
        assert_eq!(info.status, code);
        assert_eq!(info.is_informational(), code < 200);
    }
    //= rfc9114#section-4.5 type=test
    //# HTTP/3 does not support the HTTP Upgrade mechanism ({{Section 7.8 of
    //# RFC9110}}) or the 101 (Switching Protocols) informational status code
    for text in [
        "101", "", "0", "99", "099", "1000", "20x", "+20", "200 OK", " 200",
    ] {
        assert_eq!(
            response(&headers(&[(":status", text)])),
            Err(Malformed::PseudoHeaderValue),
            "{text:?}"
        );
    }
}

#[test]
fn content_length_field() {
    for (value, expected) in [
        ("0", Ok(Some(0))),
        ("18446744073709551615", Ok(Some(u64::MAX))),
        ("18446744073709551616", Err(Malformed::ContentLength)),
        ("", Err(Malformed::ContentLength)),
        ("+1", Err(Malformed::ContentLength)),
        ("-1", Err(Malformed::ContentLength)),
        ("1, 1", Err(Malformed::ContentLength)),
        ("0x1", Err(Malformed::ContentLength)),
        (" 1", Err(Malformed::ContentLength)),
    ] {
        assert_eq!(
            get_with(&[("content-length", value)]).map(|i| i.content_length),
            expected,
            "{value}"
        );
        assert_eq!(
            ok_with(&[("content-length", value)]).map(|i| i.content_length),
            expected,
            "{value}"
        );
    }
    let twice = |a, b| ok_with(&[("content-length", a), ("content-length", b)]);
    assert_eq!(twice("5", "5").unwrap().content_length, Some(5));
    assert_eq!(twice("5", "6"), Err(Malformed::ContentLength));
}

//= rfc9114#section-4.1.2 type=test
//# A request or response that is defined as having content when it contains a
//# Content-Length header field ({{Section 8.6 of RFC9110}}) is malformed if the
//# value of the Content-Length header field does not equal the sum of the DATA
#[test]
fn content_length() {
    let mut content = ContentLength::new(Some(10));
    assert_eq!(content.add(4), Ok(()));
    assert_eq!(content.finish(), Err(Malformed::Content));
    assert_eq!(content.add(7), Err(Malformed::Content));
    assert_eq!(content.add(6), Ok(()));
    assert_eq!(content.finish(), Ok(()));
    assert_eq!(content.add(0), Ok(()));
    assert_eq!(content.add(1), Err(Malformed::Content));

    let mut content = ContentLength::new(None);
    assert_eq!(content.finish(), Ok(()));
    assert_eq!(content.add(u64::MAX), Ok(()));
    assert_eq!(content.add(1), Err(Malformed::Content), "no overflow");
}

proptest! {
    #[test]
    fn arbitrary(lines in vec((":?[a-z]{0,9}", vec(any::<u8>(), 0..10)), 0..10)) {
        let lines: Vec<_> = lines.into_iter().map(|(n, v)| Header::new(n, v)).collect();
        let _ = (request(&lines), response(&lines), trailers(&lines));
    }
}
