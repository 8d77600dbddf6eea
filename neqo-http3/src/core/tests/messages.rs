//! Requests and responses, good and bad.

use neqo_common::{Header, Role};
use neqo_transport::{StreamId, StreamType};

use super::{
    CONFIG, End, GET, LIMIT, Lines, OK, POST, data, frame, headers, headers_event, peer_error,
    reset_event, section,
};
use crate::{
    Priority,
    config::limits::{MAX_OPEN_REQUESTS, MAX_WAITING_EVENTS, MAX_WAITING_FIELDS},
    core::{Config, StreamEvent, events::CoreEvent, quic::Urgency},
    error::{Error, Misuse, Res, StreamFault, Violation},
    settings::Settings,
};

const ID: StreamId = StreamId::new(0);

/// A client whose request is out.
fn requested() -> End {
    let mut client = End::client();
    assert_eq!(client.get_all(), ID);
    client
}

#[test]
fn a_get_request() {
    let mut server = End::server();
    server.deliver(0, &section(GET), true).unwrap();
    assert_eq!(server.events(), [headers_event(0, GET, false, true)]);
    assert_eq!(
        server.read(0, 10),
        Err(Error::Api(Misuse::InvalidStreamId)),
        "it is over"
    );
    server
        .core
        .send_headers(ID, &headers(OK), &mut server.quic)
        .unwrap();
    assert_eq!(server.core.send_data(ID, b"hello", &mut server.quic), Ok(5));
    server.core.close_send(ID, &mut server.quic).unwrap();
    assert_eq!(server.quic.sent(ID), [section(OK), data(b"hello")].concat());
    assert!(server.quic.streams[&ID].closed);
    assert_eq!(server.core.open_requests(), 0);
}

//= rfc9114#section-5.1 type=test
//# HTTP clients are expected to request that the transport keep connections open
//# while there are responses outstanding for requests or server pushes
#[test]
fn a_response_byte_by_byte() {
    let mut client = requested();
    assert!(client.quic.streams[&ID].keep_alive);
    let interim: Lines<'_> = &[(":status", "103"), ("link", "</style.css>")];
    let trailers: Lines<'_> = &[("a", "b")];
    let all = [
        section(interim),
        frame(0x21, b"grease"),
        section(OK),
        data(b"hel"),
        data(b""),
        data(b"lo"),
        section(trailers),
    ]
    .concat();
    let mut content = Vec::new();
    let mut events = Vec::new();
    let last = all.len() - 1;
    for (i, b) in all.iter().enumerate() {
        client.deliver(0, &[*b], i == last).unwrap();
        for e in client.events() {
            if e == CoreEvent::Readable(ID) {
                let (part, fin) = client.read(0, 10).unwrap();
                assert_eq!(fin, i == last);
                content.extend(part);
                events.extend(client.events());
            } else {
                events.push(e);
            }
        }
    }
    assert_eq!(content, b"hello");
    assert_eq!(
        events,
        [
            headers_event(0, interim, true, false),
            headers_event(0, OK, false, false),
            CoreEvent::Trailers {
                stream_id: ID,
                headers: headers(trailers)
            },
        ]
    );
    assert_eq!(client.core.open_requests(), 0);
}

#[test]
fn content_is_pulled() {
    let mut client = requested();
    client
        .deliver(
            0,
            &[section(OK), data(b"one"), data(b"two")].concat(),
            false,
        )
        .unwrap();
    client.deliver(0, &data(b"three"), false).unwrap();
    client.deliver(0, &[], true).unwrap();
    assert_eq!(
        client.events(),
        [headers_event(0, OK, false, false), CoreEvent::Readable(ID)],
        "told once"
    );
    assert_eq!(client.read(0, 2), Ok((b"on".to_vec(), false)));
    assert_eq!(client.read(0, 3), Ok((b"etw".to_vec(), false)));
    assert_eq!(client.read(0, 100), Ok((b"othree".to_vec(), true)));
    assert!(client.events().is_empty());
}

#[test]
fn content_without_copies() {
    let mut client = requested();
    client
        .deliver(0, &[section(OK), data(b"one"), data(b"two")].concat(), true)
        .unwrap();
    let next = |c: &mut End| {
        c.core
            .read_data_bytes(ID, &mut c.quic)
            .map(|(b, fin)| (b.map(|b| b.to_vec()), fin))
    };
    assert_eq!(next(&mut client), Ok((Some(b"one".to_vec()), false)));
    assert_eq!(next(&mut client), Ok((Some(b"two".to_vec()), true)));
    assert_eq!(next(&mut client), Err(Error::Api(Misuse::InvalidStreamId)));
}

/// The end alone is something to read.
#[test]
fn late_end() {
    let mut client = requested();
    client.deliver(0, &section(OK), false).unwrap();
    assert_eq!(client.events(), [headers_event(0, OK, false, false)]);
    assert_eq!(client.read(0, 10), Ok((vec![], false)));
    client.deliver(0, &[], true).unwrap();
    assert_eq!(client.events(), [CoreEvent::Readable(ID)]);
    assert_eq!(client.read(0, 10), Ok((vec![], true)));
    assert_eq!(client.core.open_requests(), 0);

    let mut client = requested();
    client
        .deliver(0, &[section(OK), frame(0x21, b"")].concat(), true)
        .unwrap();
    assert_eq!(
        client.events(),
        [headers_event(0, OK, false, false), CoreEvent::Readable(ID)]
    );
    assert_eq!(
        client.core.read_data_bytes(ID, &mut client.quic),
        Ok((None, true))
    );
}

#[test]
fn requests_with_content() {
    let mut client = End::client();
    let lines = [POST, &[("content-length", "5")]].concat();
    let id = client
        .core
        .fetch(&headers(&lines), Priority::new(1, true), &mut client.quic)
        .unwrap();
    assert_eq!(
        client.quic.streams[&id].urgency,
        Some(Urgency::Message(Priority::new(1, true)))
    );
    assert_eq!(
        client.core.close_send(id, &mut client.quic),
        Err(Error::Api(Misuse::InvalidState)),
        "too early"
    );
    assert_eq!(
        client.core.send_data(id, b"hello!", &mut client.quic),
        Err(Error::Api(Misuse::InvalidInput))
    );
    assert_eq!(client.core.send_data(id, b"hello", &mut client.quic), Ok(5));
    client
        .core
        .send_headers(id, &headers(&[("a", "b")]), &mut client.quic)
        .unwrap();
    assert_eq!(
        client.core.send_data(id, b"", &mut client.quic),
        Err(Error::Api(Misuse::InvalidState))
    );
    client.core.close_send(id, &mut client.quic).unwrap();
    assert_eq!(
        client.core.send_data(id, b"x", &mut client.quic),
        Err(Error::Api(Misuse::AlreadyClosed))
    );
    let mut server = End::server();
    server.deliver(0, client.quic.sent(id), true).unwrap();
    assert_eq!(
        server.events(),
        [
            headers_event(0, &lines, false, false),
            CoreEvent::Readable(ID)
        ]
    );
    assert_eq!(server.read(0, 10), Ok((b"hello".to_vec(), true)));
    assert_eq!(
        server.events(),
        [CoreEvent::Trailers {
            stream_id: ID,
            headers: headers(&[("a", "b")])
        }]
    );
}

#[test]
fn little_room() {
    let mut client = End::client();
    let id = client
        .core
        .fetch(&headers(POST), Priority::default(), &mut client.quic)
        .unwrap();
    client.quic.set_space(id, 2);
    assert_eq!(client.core.send_data(id, b"hello", &mut client.quic), Ok(0));
    assert_eq!(client.quic.streams[&id].watermark, 3);
    client.quic.set_space(id, 5);
    assert_eq!(client.core.send_data(id, b"hello", &mut client.quic), Ok(3));
    client.quic.set_space(id, 66);
    assert_eq!(
        client.core.send_data(id, &[1; 100], &mut client.quic),
        Ok(63),
        "a header of three bytes"
    );
    client.quic.set_space(id, 0);
    assert_eq!(
        client
            .core
            .send_data_bytes(id, vec![2; 100].into(), &mut client.quic),
        Ok(0)
    );
    client.quic.set_space(id, 1 << 16);
    client.writable(id);
    assert_eq!(client.events(), [CoreEvent::Writable(id)]);
    assert_eq!(
        client
            .core
            .send_data_bytes(id, vec![2; 1 << 16].into(), &mut client.quic),
        Ok((1 << 16) - 5)
    );
}

#[test]
fn no_room_for_headers() {
    let mut server = End::server();
    server.deliver(0, &section(GET), true).unwrap();
    server.quic.set_space(ID, 1);
    server
        .core
        .send_headers(ID, &headers(OK), &mut server.quic)
        .unwrap();
    assert_eq!(server.core.send_data(ID, b"x", &mut server.quic), Ok(0));
    server.core.close_send(ID, &mut server.quic).unwrap();
    assert!(!server.quic.streams[&ID].closed);
    server.quic.set_space(ID, 100);
    server.events();
    server.writable(ID);
    assert!(server.events().is_empty(), "there is nothing more to write");
    assert_eq!(server.quic.sent(ID), section(OK));
    assert!(server.quic.streams[&ID].closed);
    assert_eq!(server.core.open_requests(), 0);
}

/// What arrives on a request stream and breaks the connection.
fn broken(role: Role, bytes: &[u8], fin: bool) -> Res<()> {
    let mut end = if role == Role::Client {
        requested()
    } else {
        End::server()
    };
    let result = end.deliver(0, bytes, fin);
    // In pieces it is the same.
    let mut slow = if role == Role::Client {
        requested()
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
            requested()
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
fn refused(role: Role, bytes: &[u8], fin: bool, code: u64) {
    assert_eq!(broken(role, bytes, fin), Ok(()));
    let mut end = if role == Role::Client {
        requested()
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

const MESSAGE_ERROR: u64 = 0x10e;

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
                requested()
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
            requested()
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

#[test]
fn connect() {
    const CONNECT: Lines<'static> = &[(":method", "CONNECT"), (":authority", "example.com:443")];
    let mut client = End::client();
    let id = client
        .core
        .fetch(&headers(CONNECT), Priority::default(), &mut client.quic)
        .unwrap();
    let mut server = End::server();
    server.deliver(0, client.quic.sent(id), false).unwrap();
    assert_eq!(server.events(), [headers_event(0, CONNECT, false, false)]);
    server
        .core
        .send_headers(ID, &headers(OK), &mut server.quic)
        .unwrap();
    server.core.send_data(ID, b"hi", &mut server.quic).unwrap();
    client.deliver(0, server.quic.sent(ID), false).unwrap();
    assert_eq!(client.read(0, 10), Ok((b"hi".to_vec(), false)));
    client.core.send_data(id, b"ho", &mut client.quic).unwrap();
    //= rfc9114#section-4.4 type=test
    //# Receipt of any other known frame type MUST be
    //# treated as a connection error of type H3_FRAME_UNEXPECTED.
    assert_eq!(
        client.deliver(0, &section(&[("a", "b")]), false),
        peer_error(Violation::HttpFrameUnexpected)
    );
    assert_eq!(
        server.deliver(0, &section(&[("a", "b")]), false),
        peer_error(Violation::HttpFrameUnexpected)
    );
    assert_eq!(
        client
            .core
            .send_headers(id, &headers(&[("a", "b")]), &mut client.quic),
        Err(Error::Api(Misuse::InvalidState))
    );
    // A refusal is a response like any other.
    let mut client = End::client();
    client
        .core
        .fetch(&headers(CONNECT), Priority::default(), &mut client.quic)
        .unwrap();
    let refusal = [
        section(&[(":status", "403")]),
        data(b"no"),
        section(&[("a", "b")]),
    ]
    .concat();
    client.deliver(0, &refusal, true).unwrap();
    assert_eq!(client.read(0, 10), Ok((b"no".to_vec(), true)));
}

#[test]
fn extended_connect() {
    let lines = [GET, &[]].concat();
    let mut lines: Vec<_> = lines.into_iter().filter(|l| l.0 != ":method").collect();
    lines.extend([(":method", "CONNECT"), (":protocol", "websocket")]);
    refused(Role::Server, &section(&lines), false, MESSAGE_ERROR);
    let settings = Settings {
        enable_connect_protocol: true,
        ..CONFIG.settings
    };
    let mut server = End::with(Role::Server, Config { settings, ..CONFIG });
    server.deliver(0, &section(&lines), false).unwrap();
    assert_eq!(server.events(), [headers_event(0, &lines, false, false)]);

    let mut client = End::client();
    let fetch = |c: &mut End| {
        c.core
            .fetch(&headers(&lines), Priority::default(), &mut c.quic)
    };
    assert_eq!(fetch(&mut client), Err(Error::Api(Misuse::Unavailable)));
    client.deliver(3, &[0, 4, 2, 8, 1], false).unwrap();
    assert_eq!(fetch(&mut client), Ok(ID));
}

#[test]
fn what_may_not_be_sent() {
    let mut client = End::client();
    for bad in [
        &[][..],
        &[(":method", "GET")],
        &[GET, &[("A", "b")]].concat(),
        &[GET, &[("te", "x")]].concat(),
    ] {
        let result = client
            .core
            .fetch(&headers(bad), Priority::default(), &mut client.quic);
        assert_eq!(result, Err(Error::Api(Misuse::InvalidHeader)), "{bad:?}");
    }
    //= rfc9114#section-4.2.2 type=test
    //# An
    //# implementation that has received this parameter SHOULD NOT send an HTTP message
    //# header that exceeds the indicated size
    client.deliver(3, &[0, 4, 2, 6, 10], false).unwrap();
    assert_eq!(client.get(), Err(Error::Api(Misuse::InvalidHeader)));
    assert_eq!(client.quic.streams.len(), 4, "no stream was opened");

    let mut server = End::server();
    server.deliver(0, &section(GET), true).unwrap();
    for bad in [
        &[][..],
        &[(":status", "101")],
        &[OK, &[("transfer-encoding", "chunked")]].concat(),
    ] {
        let result = server
            .core
            .send_headers(ID, &headers(bad), &mut server.quic);
        assert_eq!(result, Err(Error::Api(Misuse::InvalidHeader)), "{bad:?}");
    }
    assert_eq!(
        server.core.send_data(ID, b"x", &mut server.quic),
        Err(Error::Api(Misuse::InvalidState))
    );
    assert_eq!(
        server.core.close_send(ID, &mut server.quic),
        Err(Error::Api(Misuse::InvalidState))
    );
    server
        .core
        .send_headers(ID, &headers(&[(":status", "100")]), &mut server.quic)
        .unwrap();
    server
        .core
        .send_headers(ID, &headers(&[(":status", "103")]), &mut server.quic)
        .unwrap();
    server
        .core
        .send_headers(ID, &headers(OK), &mut server.quic)
        .unwrap();
    let result = server
        .core
        .send_headers(ID, &[Header::new(":status", "200")], &mut server.quic);
    assert_eq!(result, Err(Error::Api(Misuse::InvalidHeader)));
}

#[test]
fn limits_of_the_peer() {
    let mut client = End::client();
    client.quic.limit = 1;
    client.get().unwrap();
    assert_eq!(client.get(), Err(Error::Api(Misuse::StreamLimit)));
    // hardening A14
    for _ in 0..3 {
        let event = StreamEvent::Creatable(StreamType::BiDi);
        client.core.on_event(event, &mut client.quic).unwrap();
    }
    assert!(client.core.has_events());
    assert_eq!(client.events(), [CoreEvent::RequestsCreatable], "told once");
    assert!(!client.core.has_events());
}

#[test]
fn resets() {
    let mut client = End::client();
    client.get().unwrap();
    client.reset(0, 0x10b).unwrap();
    assert_eq!(client.events(), [reset_event(0, 0x10b, false)]);
    assert_eq!(
        client.ended(0),
        (Some(0x10c), None),
        "there is no use for the rest of the request"
    );
    assert_eq!(client.core.open_requests(), 0);
    client.reset(0, 0x10b).unwrap();
    assert!(client.events().is_empty());

    let mut server = End::server();
    server.deliver(0, &section(POST), false).unwrap();
    server.events();
    server.reset(0, 0x10c).unwrap();
    assert_eq!(server.events(), [reset_event(0, 0x10c, false)]);
    server.core.reset_send(ID, 0x10c, &mut server.quic).unwrap();
    assert_eq!(server.core.open_requests(), 0);

    //= rfc9114#section-4.1.1 type=test
    //# Upon
    //# receipt of this error code, a server MAY abruptly terminate the response using
    //# the error code H3_REQUEST_REJECTED if no processing was performed.
    let mut server = End::server();
    server.deliver(0, &section(POST)[..2], false).unwrap();
    server.reset(0, 0x10c).unwrap();
    assert!(server.events().is_empty());
    assert_eq!(server.ended(0), (Some(0x10b), None));
    assert_eq!(server.core.open_requests(), 0);
}

#[test]
fn stop_sending() {
    let mut client = End::client();
    client
        .core
        .fetch(&headers(POST), Priority::default(), &mut client.quic)
        .unwrap();
    client.stop_sending(0, 0x100).unwrap();
    assert_eq!(
        client.events(),
        [CoreEvent::StopSending {
            stream_id: ID,
            error: 0x100
        }]
    );
    assert_eq!(
        client.core.send_data(ID, b"x", &mut client.quic),
        Err(Error::Api(Misuse::AlreadyClosed))
    );
    //= rfc9114#section-4.1 type=test
    //# Clients MUST NOT discard complete responses as a result of
    //# having their request terminated abruptly
    client.deliver(0, &section(OK), true).unwrap();
    assert_eq!(client.events(), [headers_event(0, OK, false, true)]);
    assert_eq!(client.core.open_requests(), 0);

    let mut server = End::server();
    server.deliver(0, &section(GET), true).unwrap();
    server.stop_sending(0, 0x10c).unwrap();
    assert_eq!(server.core.open_requests(), 0);
    server.deliver(4, &section(POST), false).unwrap();
    server
        .core
        .stop_sending(StreamId::new(4), 0x100, &mut server.quic)
        .unwrap();
    assert_eq!(server.ended(4), (None, Some(0x100)));
    server
        .core
        .send_headers(StreamId::new(4), &headers(OK), &mut server.quic)
        .unwrap();
    server
        .core
        .close_send(StreamId::new(4), &mut server.quic)
        .unwrap();
    assert_eq!(server.core.open_requests(), 0);
}

#[test]
fn cancelled_requests() {
    let mut client = End::client();
    client.get().unwrap();
    client.core.cancel(ID, 0x10c, &mut client.quic).unwrap();
    assert_eq!(client.ended(0), (Some(0x10c), Some(0x10c)));
    assert_eq!(
        client.core.cancel(ID, 0x10c, &mut client.quic),
        Err(Error::Api(Misuse::InvalidStreamId))
    );
    client.deliver(0, &section(OK), true).unwrap();
    assert!(client.events().is_empty());
}

#[test]
fn rapid_resets() {
    // hardening A12, A13
    let mut server = End::server();
    for i in 0..20_000_u64 {
        server.deliver(i * 4, &section(GET), false).unwrap();
        server.reset(i * 4, 0x10c).unwrap();
        server.quic.streams.remove(&StreamId::new(i * 4));
    }
    assert!(server.core.open_requests() <= MAX_OPEN_REQUESTS);
    let events = server.events();
    assert!(events.len() <= MAX_WAITING_EVENTS + 1, "{}", events.len());
    for e in events {
        if let CoreEvent::Reset { stream_id, .. } = e {
            server.quic.deliver(stream_id, &[], false);
            server
                .core
                .reset_send(stream_id, 0x10c, &mut server.quic)
                .unwrap();
        }
    }
    assert_eq!(server.core.open_requests(), 0);
    server.deliver(80_000, &section(GET), true).unwrap();
    assert_eq!(server.events().len(), 1, "it goes on");
}

#[test]
fn rapid_resets_of_long_requests() {
    // hardening A10, A13
    const LONG: usize = 10_000;
    let mut config = CONFIG;
    config.settings.max_field_section_size = Some(1 << 20);
    let mut server = End::with(Role::Server, config);
    let long = "x".repeat(LONG);
    let request: Vec<_> = GET.iter().copied().chain([("long", &*long)]).collect();
    for i in 0..2000_u64 {
        server.deliver(i * 4, &section(&request), false).unwrap();
        server.reset(i * 4, 0x10c).unwrap();
        server.quic.streams.remove(&StreamId::new(i * 4));
    }
    let told = server.core.events.len();
    assert!(told >= 2 * MAX_WAITING_FIELDS / (LONG + 1000), "{told}");
    assert!(told <= 2 * (MAX_WAITING_FIELDS / LONG + 1), "{told}");
    while server.core.next_event().is_some() {}
    assert!(!server.core.events.is_full(), "all is counted back");
}

#[test]
fn too_many_requests() {
    // hardening A13
    let mut server = End::server();
    for i in 0..=u64::try_from(MAX_OPEN_REQUESTS).unwrap() {
        server.deliver(i * 4, &section(GET), true).unwrap();
        server.events();
    }
    assert_eq!(server.core.open_requests(), MAX_OPEN_REQUESTS);
    let last = u64::try_from(MAX_OPEN_REQUESTS).unwrap() * 4;
    assert_eq!(server.ended(last), (Some(0x10b), Some(0x10b)));
}
