//! Requests and responses.

use neqo_common::{Header, Role};
use neqo_transport::StreamType;

use super::{
    CONFIG, End, GET, ID, Lines, OK, POST, data, frame, headers, headers_event,
    malformed::{MESSAGE_ERROR, refused},
    peer_error, section,
};
use crate::{
    Priority,
    core::{Config, StreamEvent, events::CoreEvent, quic::Urgency},
    error::{Error, Misuse, Violation},
    settings::Settings,
};

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
    let mut client = End::requested();
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
    let mut client = End::requested();
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
    let mut client = End::requested();
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
    let mut client = End::requested();
    client.deliver(0, &section(OK), false).unwrap();
    assert_eq!(client.events(), [headers_event(0, OK, false, false)]);
    assert_eq!(client.read(0, 10), Ok((vec![], false)));
    client.deliver(0, &[], true).unwrap();
    assert_eq!(client.events(), [CoreEvent::Readable(ID)]);
    assert_eq!(client.read(0, 10), Ok((vec![], true)));
    assert_eq!(client.core.open_requests(), 0);

    let mut client = End::requested();
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
