//! Requests and responses that break a rule.

use neqo_common::Role;

use super::{
    End, GET, ID, LIMIT, Lines, OK, POST, data, frame, headers, headers_event, peer_error,
    reset_event, section,
};
use crate::{
    Priority,
    core::events::CoreEvent,
    error::{Error, Misuse, Res, StreamFault, Violation},
};

/// What arrives on a request stream and breaks the connection.
fn broken(role: Role, bytes: &[u8], fin: bool) -> Res<()> {
    let mut end = if role == Role::Client {
        End::requested()
    } else {
        End::server()
    };
    let result = end.deliver(0, bytes, fin);
    // In pieces it is the same.
    let mut slow = if role == Role::Client {
        End::requested()
    } else {
        End::server()
    };
    let pieces = bytes.iter().try_for_each(|b| slow.deliver(0, &[*b], false));
    let pieces = pieces.and_then(|()| {
        if fin {
            slow.deliver(0, &[], true)
        } else {
            Ok(())
        }
    });
    assert_eq!(pieces, result);
    result
}

//= rfc9114#section-4.1 type=test
//# Receipt of an invalid sequence of frames MUST be treated as a connection error
//# of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-4.1 type=test
//# In particular, a DATA frame before
//# any HEADERS frame, or a HEADERS or DATA frame after the trailing HEADERS frame,
//# is considered invalid.
#[test]
fn invalid_sequences() {
    for (role, first) in [(Role::Client, section(OK)), (Role::Server, section(GET))] {
        let trailers = section(&[("a", "b")]);
        for bad in [
            data(b""),
            [&first[..], &trailers, &data(b"")].concat(),
            [&first[..], &trailers, &trailers].concat(),
            [&first[..], &data(b""), &trailers, &first].concat(),
        ] {
            assert_eq!(
                broken(role, &bad, false),
                peer_error(Violation::HttpFrameUnexpected),
                "{role} {bad:x?}"
            );
        }
    }
    let interim = section(&[(":status", "100")]);
    assert_eq!(
        broken(Role::Client, &[interim, data(b"x")].concat(), false),
        peer_error(Violation::HttpFrameUnexpected)
    );
}

//= rfc9114#section-7.2.3 type=test
//# Receiving a CANCEL_PUSH
//# frame on a stream other than the control stream MUST be treated as a connection
//# error of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-7.2.4 type=test
//# If an endpoint receives a SETTINGS frame on a different stream, the endpoint
//# MUST respond with a connection error of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-7.2.6 type=test
//# A
//# client MUST treat a GOAWAY frame on a stream other than the control stream as a
//# connection error of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-7.2.7 type=test
//# Receipt of a
//# MAX_PUSH_ID frame on any other stream MUST be treated as a connection error of
//# type H3_FRAME_UNEXPECTED.
//= rfc9218#section-7.2 type=test
//# Receiving a PRIORITY_UPDATE frame on a stream other than the client control stream MUST be treated as a
//# connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn frames_of_the_control_stream() {
    // hardening R3796
    for role in [Role::Client, Role::Server] {
        for kind in [2, 3, 4, 6, 7, 8, 9, 0x0d, 0xf_0700, 0xf_0701] {
            assert_eq!(
                broken(role, &frame(kind, b"\0"), false),
                peer_error(Violation::HttpFrameUnexpected),
                "{kind:#x}"
            );
        }
    }
}

//= rfc9114#section-7.2.5 type=test
//# A client MUST treat receipt of a
//# PUSH_PROMISE frame that contains a larger push ID than the client has advertised
//# as a connection error of H3_ID_ERROR.
//= rfc9114#section-7.2.5 type=test
//# A server MUST treat the receipt of
//# a PUSH_PROMISE frame as a connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn push_promises() {
    assert_eq!(
        broken(Role::Client, &frame(5, b"\0\0\0"), false),
        peer_error(Violation::HttpId)
    );
    assert_eq!(
        broken(Role::Server, &frame(5, b"\0\0\0"), false),
        peer_error(Violation::HttpFrameUnexpected)
    );
}

//= rfc9114#section-7.1 type=test
//# When a stream terminates cleanly, if the last frame on the stream was truncated,
//# this MUST be treated as a connection error of type H3_FRAME_ERROR.
#[test]
fn truncated_frames() {
    for (role, first) in [(Role::Client, section(OK)), (Role::Server, section(GET))] {
        for end in 1..first.len() {
            assert_eq!(
                broken(role, &first[..end], true),
                peer_error(Violation::HttpFrame),
                "{end}"
            );
        }
        assert_eq!(
            broken(role, &[&first[..], &[0x40]].concat(), true),
            peer_error(Violation::HttpFrame)
        );
        let mut end = if role == Role::Client {
            End::requested()
        } else {
            End::server()
        };
        end.deliver(0, &[&first[..], &[0, 5, b'x']].concat(), true)
            .unwrap();
        assert_eq!(end.read(0, 10), peer_error(Violation::HttpFrame));
    }
}

//= rfc9204#section-2.2.3 type=test
//# If the decoder encounters a reference in a field line representation to a
//# dynamic table entry that has already been evicted or that has an absolute
//# index greater than or equal to the declared Required Insert Count
#[test]
fn broken_compression() {
    for role in [Role::Client, Role::Server] {
        assert_eq!(
            broken(role, &frame(1, b"\0\0\x80"), false)
                .unwrap_err()
                .code(),
            0x200
        );
        assert_eq!(
            broken(role, &frame(1, b""), false).unwrap_err().code(),
            0x200
        );
    }
}

/// What arrives on a request stream and costs only that.
#[track_caller]
pub(super) fn refused(role: Role, bytes: &[u8], fin: bool, code: u64) {
    assert_eq!(broken(role, bytes, fin), Ok(()));
    let mut end = if role == Role::Client {
        End::requested()
    } else {
        End::server()
    };
    end.deliver(0, bytes, fin).unwrap();
    let events = end.events();
    let told = events
        .iter()
        .any(|e| matches!(e, CoreEvent::Headers { interim: false, .. }));
    let reset = events.contains(&reset_event(0, code, true));
    assert_eq!(reset, told || role == Role::Client, "{events:?}");
    // What had been sent already cannot be reset, what has arrived already cannot be refused.
    let (sent, received) = end.ended(0);
    assert_eq!(sent, (role == Role::Server).then_some(code));
    assert_eq!(received, (!fin).then_some(code));
    assert_eq!(end.core.open_requests(), 0);
}

pub(super) const MESSAGE_ERROR: u64 = 0x10e;

//= rfc9114#section-4.1.2 type=test
//# Malformed requests or responses that are detected MUST be treated as a stream
//# error of type H3_MESSAGE_ERROR.
#[test]
fn malformed_messages() {
    for (role, first) in [(Role::Client, OK), (Role::Server, GET)] {
        for line in [
            ("A", "b"),
            ("a", "b\n"),
            ("connection", "close"),
            (":x", "y"),
            ("content-length", "x"),
        ] {
            let bad = [first, &[line]].concat();
            refused(role, &section(&bad), false, MESSAGE_ERROR);
            refused(role, &section(&bad), true, MESSAGE_ERROR);
        }
        refused(
            role,
            &[section(first), section(first)].concat(),
            false,
            MESSAGE_ERROR,
        );
        refused(
            role,
            &[section(first), section(&[("A", "b")])].concat(),
            false,
            MESSAGE_ERROR,
        );
        refused(role, &frame(1, b"\0\0\x21\xff\0"), false, MESSAGE_ERROR);
    }
    refused(
        Role::Client,
        &section(&[(":status", "101")]),
        false,
        MESSAGE_ERROR,
    );
    refused(
        Role::Server,
        &section(&[GET, &[("host", "other")]].concat()),
        false,
        MESSAGE_ERROR,
    );
}

//= rfc9114#section-4.1.2 type=test
//# A request or response that is defined as having content when it contains a
//# Content-Length header field ({{Section 8.6 of RFC9110}}) is malformed if the
//# value of the Content-Length header field does not equal the sum of the DATA
#[test]
fn content_length() {
    for (role, first) in [(Role::Client, OK), (Role::Server, POST)] {
        let first = section(&[first, &[("content-length", "5")]].concat());
        refused(role, &first, true, MESSAGE_ERROR);
        refused(
            role,
            &[&first[..], &data(b"hello!")].concat(),
            false,
            MESSAGE_ERROR,
        );
        refused(
            role,
            &[&first[..], &section(&[])].concat(),
            false,
            MESSAGE_ERROR,
        );
        for bad in [
            &[data(b"hell"), data(b"")][..],
            &[data(b"hell"), data(b"o!")],
            &[data(b"hell"), section(&[])],
        ] {
            let mut end = if role == Role::Client {
                End::requested()
            } else {
                End::server()
            };
            end.deliver(0, &[&first[..], &bad.concat()].concat(), true)
                .unwrap();
            assert_eq!(
                end.read(0, 100),
                Err(Error::Stream(StreamFault::HttpMessage))
            );
            assert!(end.events().contains(&reset_event(0, MESSAGE_ERROR, true)));
        }
        let mut end = if role == Role::Client {
            End::requested()
        } else {
            End::server()
        };
        end.deliver(0, &[&first[..], &data(b"hell"), &data(b"o")].concat(), true)
            .unwrap();
        assert_eq!(end.read(0, 100), Ok((b"hello".to_vec(), true)));
    }
}

//= rfc9114#section-4.1.2 type=test
//# A response that is defined as never having content, even
//# when a Content-Length is present, can have a non-zero Content-Length header
//# field even though no content is included in DATA frames.
#[test]
fn responses_without_content() {
    let head = [
        (":method", "HEAD"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let get = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];
    for (request, status) in [(head, "200"), (get, "304"), (get, "204")] {
        let response: Lines<'_> = &[(":status", status), ("content-length", "5")];
        let fetched = || {
            let mut client = End::client();
            let id = client
                .core
                .fetch(&headers(&request), Priority::default(), &mut client.quic)
                .unwrap();
            assert_eq!(id, ID);
            client
        };
        let mut client = fetched();
        client.deliver(0, &section(response), true).unwrap();
        assert_eq!(client.events(), [headers_event(0, response, false, true)]);
        let mut client = fetched();
        client
            .deliver(0, &[section(response), data(b"hello")].concat(), true)
            .unwrap();
        assert!(
            client
                .events()
                .contains(&reset_event(0, MESSAGE_ERROR, true))
        );

        let mut server = End::server();
        server.deliver(0, &section(&request), true).unwrap();
        server
            .core
            .send_headers(ID, &headers(response), &mut server.quic)
            .unwrap();
        assert_eq!(
            server.core.send_data(ID, b"x", &mut server.quic),
            Err(Error::Api(Misuse::InvalidInput))
        );
        server.core.close_send(ID, &mut server.quic).unwrap();
    }
}

//= rfc9114#section-4.1 type=test
//# If a client-initiated stream terminates without enough of the HTTP
//# message to provide a complete response, the server SHOULD abort its response
//# stream with the error code H3_REQUEST_INCOMPLETE.
#[test]
fn incomplete() {
    refused(Role::Server, b"", true, 0x10d);
    refused(Role::Server, &frame(0x21, b"x"), true, 0x10d);
    refused(Role::Client, b"", true, MESSAGE_ERROR);
    refused(
        Role::Client,
        &section(&[(":status", "103")]),
        true,
        MESSAGE_ERROR,
    );
}

//= rfc9114#section-4.2.2 type=test
//# A server that receives a
//# larger header section than it is willing to handle can send an HTTP 431 (Request
//# Header Fields Too Large) status code
#[test]
fn field_sections_are_limited() {
    // hardening A10, R3618
    let long = "x".repeat(LIMIT.try_into().unwrap());
    let longer = "x".repeat(5000);
    for value in [&long, &longer] {
        let big: Lines<'_> = &[("a", value)];
        let mut server = End::server();
        server
            .deliver(0, &section(&[GET, big].concat()), false)
            .unwrap();
        assert!(server.events().is_empty());
        assert_eq!(server.quic.sent(ID), section(&[(":status", "431")]));
        assert!(server.quic.streams[&ID].closed);
        assert_eq!(server.ended(0), (None, Some(0x100)));
        assert_eq!(server.core.open_requests(), 0);
        // Trailers are too late for a status.
        let mut server = End::server();
        server
            .deliver(0, &[section(GET), section(big)].concat(), false)
            .unwrap();
        assert_eq!(
            server.events(),
            [
                headers_event(0, GET, false, false),
                reset_event(0, 0x107, true)
            ]
        );
        refused(Role::Client, &section(&[OK, big].concat()), false, 0x107);
        refused(
            Role::Client,
            &[section(OK), section(big)].concat(),
            false,
            0x107,
        );
    }
}

#[test]
fn informational_responses_are_limited() {
    // hardening A10
    let value = "x".repeat(900);
    let interim: Lines<'_> = &[(":status", "103"), ("link", &value)];
    refused(Role::Client, &section(interim).repeat(5), false, 0x107);
    assert_eq!(
        broken(Role::Client, &section(interim).repeat(3), false),
        Ok(())
    );
}
