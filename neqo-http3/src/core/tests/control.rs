//! Unidirectional streams and the control stream.

use neqo_common::Role;
use neqo_transport::{StreamId, StreamType};

use super::{CONFIG, End, frame, peer_error};
use crate::{
    Priority,
    config::limits::{MAX_EARLY_PRIORITIES, MAX_PENDING_CONTROL},
    core::{Config, StreamEvent, events::CoreEvent, quic::Urgency},
    error::{Error, Misuse, Violation},
    settings::Settings,
};

const BOTH: [Role; 2] = [Role::Client, Role::Server];

/// A control stream with empty SETTINGS.
const CONTROL: &[u8] = &[0, 4, 0];

//= rfc9114#section-6.2.1 type=test
//# Each side MUST initiate a single control stream at the beginning of the
//# connection and send its SETTINGS frame as the first frame on this stream.
#[test]
fn settings_are_sent_first() {
    for role in BOTH {
        let end = End::new(role);
        let id = StreamId::init(StreamType::UniDi, role);
        assert_eq!(
            end.quic.sent(id),
            [0, 4, 7, 6, 0x4f, 0xa0, 1, 0, 7, 0],
            "QPACK is announced to have no dynamic table"
        );
        assert_eq!(end.quic.streams[&id].urgency, Some(Urgency::Control));
    }
}

//= rfc9204#section-4.2 type=test
//# Each endpoint MUST initiate, at most, one encoder stream and, at most, one
//# decoder stream.
#[test]
fn qpack_streams_are_opened() {
    for role in BOTH {
        let mut end = End::new(role);
        for (n, stream_type) in [(1, 2), (2, 3)] {
            let id = StreamId::nth(StreamType::UniDi, role, n);
            assert_eq!(end.quic.sent(id), [stream_type]);
            let stream = &end.quic.streams[&id];
            assert_eq!(stream.urgency, Some(Urgency::Control));
            assert!(!stream.closed);
        }
        end.core.start(&mut end.quic).unwrap();
        assert_eq!(end.quic.streams.len(), 3, "only once");
    }
}

#[test]
fn critical_streams_wait_to_be_allowed() {
    let config = Config {
        grease: Some(1),
        ..CONFIG
    };
    let mut end = End {
        role: Role::Client,
        core: super::Core::new(Role::Client, config),
        quic: super::FakeQuic::new(Role::Client),
    };
    end.quic.limit = 0;
    end.core.start(&mut end.quic).unwrap();
    assert!(end.quic.streams.is_empty());
    // Control, encoder, decoder, the reserved one, and nothing after that.
    for (limit, open) in [(1, 1), (2, 2), (2, 2), (5, 4), (6, 4)] {
        end.quic.limit = limit;
        end.core
            .on_event(StreamEvent::Creatable(StreamType::UniDi), &mut end.quic)
            .unwrap();
        assert_eq!(end.quic.streams.len(), open);
    }
    let firsts: Vec<_> = end
        .quic
        .streams
        .values()
        .map(|s| s.sent_from(0)[0])
        .collect();
    assert_eq!(firsts[..3], [0, 2, 3]);
}

#[test]
fn types_wait_for_room() {
    let mut end = End::server();
    let decoder = StreamId::nth(StreamType::UniDi, Role::Server, 2);
    let mut blocked = End {
        role: Role::Server,
        core: super::Core::new(Role::Server, CONFIG),
        quic: super::FakeQuic::new(Role::Server),
    };
    blocked.quic.space = 0;
    blocked.core.start(&mut blocked.quic).unwrap();
    assert!(blocked.quic.sent(decoder).is_empty());
    for id in end.quic.streams.keys() {
        blocked.quic.set_space(*id, 100);
        blocked.writable(*id);
        assert_eq!(blocked.quic.sent(*id), end.quic.sent(*id));
    }
    end.writable(decoder);
    assert_eq!(end.quic.sent(decoder), [3], "it is not said again");
}

//= rfc9114#section-7.2.4.1 type=test
//# Endpoints SHOULD include at
//# least one such setting in their SETTINGS frame.
//= rfc9114#section-6.2.3 type=test
//# When sending a reserved stream type, the implementation
//# MAY either terminate the stream cleanly or reset it.
#[test]
fn grease() {
    for n in 0..=u8::MAX {
        let client = End::with(
            Role::Client,
            Config {
                grease: Some(n),
                ..CONFIG
            },
        );
        let mut server = End::server();
        for (id, stream) in client.quic.streams {
            server.quic.deliver(id, &[], false);
            server
                .core
                .on_event(StreamEvent::New(id), &mut server.quic)
                .unwrap();
            let reserved = id.index() == 3;
            assert_eq!(stream.closed, reserved);
        }
        let control = StreamId::new(2);
        let client = End::with(
            Role::Client,
            Config {
                grease: Some(n),
                ..CONFIG
            },
        );
        for id in [2, 6, 10, 14] {
            server
                .deliver(id, client.quic.sent(StreamId::new(id)), id == 14)
                .unwrap();
        }
        assert_eq!(server.events(), [CoreEvent::Settings(CONFIG.settings)]);
        assert!(client.quic.sent(control).len() > 10);
    }
}

#[test]
fn settings_arrive() {
    for role in BOTH {
        let mut end = End::new(role);
        assert_eq!(end.core.peer_settings(), None);
        let id = end.uni(0);
        for b in [0, 4, 2, 6, 50] {
            end.deliver(id, &[b], false).unwrap();
        }
        let expected = Settings {
            max_field_section_size: Some(50),
            ..Settings::default()
        };
        assert_eq!(end.events(), [CoreEvent::Settings(expected)]);
        assert_eq!(end.core.peer_settings(), Some(&expected));
    }
}

//= rfc9114#section-6.2.1 type=test
//# If
//# the first frame of the control stream is any other frame type, this MUST be
//# treated as a connection error of type H3_MISSING_SETTINGS.
//= rfc9114#section-7.2.4 type=test
//# If
//# an endpoint receives a second SETTINGS frame on the control stream, the endpoint
//# MUST respond with a connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn settings_first_and_once() {
    for role in BOTH {
        let mut end = End::new(role);
        assert_eq!(
            end.deliver(end.uni(0), &[0, 7, 1, 0], false),
            peer_error(Violation::HttpMissingSettings)
        );
        let mut end = End::new(role);
        let id = end.uni(0);
        end.deliver(id, CONTROL, false).unwrap();
        assert_eq!(
            end.deliver(id, &[4, 0], false),
            peer_error(Violation::HttpFrameUnexpected)
        );
    }
}

//= rfc9114#section-7.2.1 type=test
//# If a DATA
//# frame is received on a control stream, the recipient MUST respond with a
//# connection error of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-7.2.2 type=test
//# If a
//# HEADERS frame is received on a control stream, the recipient MUST respond with a
//# connection error of type H3_FRAME_UNEXPECTED.
//= rfc9114#section-7.2.5 type=test
//# If a PUSH_PROMISE frame is received on the control stream, the client MUST
//# respond with a connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn frames_of_requests() {
    for role in BOTH {
        for kind in [0, 1, 5] {
            let mut end = End::new(role);
            let id = end.uni(0);
            end.deliver(id, CONTROL, false).unwrap();
            assert_eq!(
                end.deliver(id, &frame(kind, b"\0"), false),
                peer_error(Violation::HttpFrameUnexpected)
            );
        }
    }
}

//= rfc9114#section-6.2.1 type=test
//# Only one control
//# stream per peer is permitted; receipt of a second stream claiming to be a
//# control stream MUST be treated as a connection error of type
//= rfc9204#section-4.2 type=test
//# Receipt
//# of a second instance of either stream type MUST be treated as a connection error
//# of type H3_STREAM_CREATION_ERROR.
#[test]
fn critical_streams_exist_once() {
    // hardening A29
    for role in BOTH {
        for kind in [0, 2, 3] {
            let mut end = End::new(role);
            end.deliver(end.uni(0), &[kind], false).unwrap();
            assert_eq!(
                end.deliver(end.uni(1), &[kind], false),
                peer_error(Violation::HttpStreamCreation),
                "{kind}"
            );
        }
    }
}

//= rfc9114#section-6.2.1 type=test
//# If either
//# control stream is closed at any point, this MUST be treated as a connection
//# error of type H3_CLOSED_CRITICAL_STREAM.
//= rfc9204#section-4.2 type=test
//# Closure of either
//# unidirectional stream type MUST be treated as a connection error of type
//# H3_CLOSED_CRITICAL_STREAM.
//= rfc9204#section-4.2 type=test
//# The sender MUST NOT close either of these streams, and the receiver MUST NOT
//# request that the sender close either of these streams.
#[test]
fn critical_streams_stay_open() {
    // hardening A29
    for role in BOTH {
        for kind in [0, 2, 3] {
            let mut end = End::new(role);
            assert_eq!(
                end.deliver(end.uni(0), &[kind], true),
                peer_error(Violation::HttpClosedCriticalStream),
                "{kind}"
            );
            let mut end = End::new(role);
            let id = end.uni(0);
            end.deliver(id, &[kind], false).unwrap();
            assert_eq!(
                end.deliver(id, &[], true),
                peer_error(Violation::HttpClosedCriticalStream)
            );
            let mut end = End::new(role);
            end.deliver(id, &[kind], false).unwrap();
            assert_eq!(
                end.reset(id, 0),
                peer_error(Violation::HttpClosedCriticalStream)
            );
        }
        for n in 0..3 {
            let mut end = End::new(role);
            let own = StreamId::nth(StreamType::UniDi, role, n);
            assert_eq!(
                end.stop_sending(own.as_u64(), 0),
                peer_error(Violation::HttpClosedCriticalStream),
                "{n}"
            );
        }
        // What has no meaning may go.
        let mut end = End::with(
            role,
            Config {
                grease: Some(3),
                ..CONFIG
            },
        );
        let reserved = StreamId::nth(StreamType::UniDi, role, 3);
        end.stop_sending(reserved.as_u64(), 0).unwrap();
    }
}

//= rfc9114#section-6.2 type=test
//# A receiver MUST tolerate unidirectional streams being closed or reset prior to
//# the reception of the unidirectional stream header.
#[test]
fn streams_without_a_type() {
    for role in BOTH {
        let mut end = End::new(role);
        end.deliver(end.uni(0), &[], true).unwrap();
        end.deliver(end.uni(1), &[0x40], true).unwrap();
        end.deliver(end.uni(2), &[0xc0, 0, 0], false).unwrap();
        end.reset(end.uni(2), 7).unwrap();
        assert!(end.events().is_empty());
    }
}

//= rfc9114#section-6.2 type=test
//# Recipients of unknown stream types MUST either abort reading of the
//# stream or discard incoming data without further processing.
#[test]
fn unknown_types() {
    for role in BOTH {
        let mut end = End::new(role);
        for (n, first) in [&[0x21][..], &[0x40, 0x54], &[0xff; 20]]
            .into_iter()
            .enumerate()
        {
            let id = end.uni(u64::try_from(n).unwrap());
            end.deliver(id, first, false).unwrap();
            assert_eq!(end.ended(id).1, Some(0x103));
            end.deliver(id, b"more", true).unwrap();
        }
        assert!(end.events().is_empty());
        // What was over before it could be refused.
        end.deliver(end.uni(9), &[0x21], true).unwrap();
    }
}

//= rfc9114#section-6.2.2 type=test
//# Only servers can push; if a server receives a client-initiated push stream, this
//# MUST be treated as a connection error of type H3_STREAM_CREATION_ERROR.
//= rfc9114#section-4.6 type=test
//# A client MUST
//# treat receipt of a push stream as a connection error of type H3_ID_ERROR
//# when no MAX_PUSH_ID frame has been sent
#[test]
fn push_streams() {
    let mut server = End::server();
    assert_eq!(
        server.deliver(2, &[1, 0], false),
        peer_error(Violation::HttpStreamCreation)
    );
    let mut client = End::client();
    assert_eq!(
        client.deliver(3, &[1, 0], false),
        peer_error(Violation::HttpId)
    );
}

#[test]
fn qpack_streams() {
    for role in BOTH {
        let mut end = End::new(role);
        let (encoder, decoder) = (end.uni(0), end.uni(1));
        end.deliver(encoder, &[2, 0x20], false).unwrap();
        end.deliver(decoder, &[3, 0x48], false).unwrap();
        assert_eq!(end.core.qpack_stats().0.stream_cancelled_recv, 1);
        // hardening A29
        assert_eq!(
            end.deliver(encoder, &[0x21], false).unwrap_err().code(),
            0x201
        );
        // hardening R3762
        assert_eq!(
            end.deliver(decoder, &[0x00], false).unwrap_err().code(),
            0x202
        );
    }
}

//= rfc9114#section-6.1 type=test
//# Clients MUST treat receipt of a
//# server-initiated bidirectional stream as a connection error of type
//# H3_STREAM_CREATION_ERROR unless such an extension has been
#[test]
fn bidirectional_streams_of_servers() {
    let mut client = End::client();
    assert_eq!(
        client.deliver(1, b"x", false),
        peer_error(Violation::HttpStreamCreation)
    );
}

//= rfc9114#section-7.2.7 type=test
//# receipt of a MAX_PUSH_ID
//# frame that contains a smaller value than previously received MUST be treated as
//# a connection error of type H3_ID_ERROR.
//= rfc9114#section-7.2.7 type=test
//# A client MUST treat the receipt of
//# a MAX_PUSH_ID frame as a connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn max_push_id() {
    let mut server = End::server();
    server.deliver(2, CONTROL, false).unwrap();
    for id in [1, 1, 5] {
        server.deliver(2, &[0x0d, 1, id], false).unwrap();
    }
    assert_eq!(
        server.deliver(2, &[0x0d, 1, 4], false),
        peer_error(Violation::HttpId)
    );
    let mut client = End::client();
    client.deliver(3, CONTROL, false).unwrap();
    assert_eq!(
        client.deliver(3, &[0x0d, 1, 0], false),
        peer_error(Violation::HttpFrameUnexpected)
    );
}

//= rfc9114#section-7.2.3 type=test
//# If a CANCEL_PUSH frame is received that references a push ID
//# greater than currently allowed on the connection, this MUST be treated as a
//# connection error of type H3_ID_ERROR.
//= rfc9114#section-7.2.3 type=test
//# If a
//# server receives a CANCEL_PUSH frame for a push ID that has not yet been
//# mentioned by a PUSH_PROMISE frame, this MUST be treated as a connection error of
#[test]
fn cancel_push() {
    for role in BOTH {
        let mut end = End::new(role);
        let id = end.uni(0);
        end.deliver(id, CONTROL, false).unwrap();
        assert_eq!(
            end.deliver(id, &[3, 1, 0], false),
            peer_error(Violation::HttpId)
        );
    }
    let mut server = End::server();
    server
        .deliver(2, &[CONTROL, &[0x0d, 1, 5]].concat(), false)
        .unwrap();
    assert_eq!(
        server.deliver(2, &[3, 1, 3], false),
        peer_error(Violation::HttpId)
    );
}

/// PRIORITY_UPDATE for the stream with this ID.
fn priority_update(id: u8, value: &[u8]) -> Vec<u8> {
    frame(0xf_0700, &[&[id], value].concat())
}

//= rfc9218#section-7 type=test
//# Servers SHOULD buffer the most recently received PRIORITY_UPDATE frame and apply it once the referenced
//# stream is opened.
#[test]
fn priority_updates() {
    let mut server = End::server();
    server.deliver(2, CONTROL, false).unwrap();
    server
        .deliver(2, &priority_update(0, b"u=1"), false)
        .unwrap();
    server
        .deliver(2, &priority_update(0, b"u=2,i"), false)
        .unwrap();
    server
        .deliver(0, &super::section(super::GET), true)
        .unwrap();
    let urgency = |s: &End| s.quic.streams[&StreamId::new(0)].urgency;
    assert_eq!(
        urgency(&server),
        Some(Urgency::Message(Priority::new(2, true))),
        "the latest"
    );
    server.events();
    server
        .deliver(2, &priority_update(0, b"u=7"), false)
        .unwrap();
    assert_eq!(
        urgency(&server),
        Some(Urgency::Message(Priority::new(7, false)))
    );
    assert_eq!(
        server.events(),
        [CoreEvent::PriorityUpdate(
            StreamId::new(0),
            Priority::new(7, false)
        )]
    );
    // A request that is over.
    server.reset(0, 0).unwrap();
    server
        .core
        .cancel(StreamId::new(0), 0x10c, &mut server.quic)
        .unwrap();
    server.deliver(2, &priority_update(0, b""), false).unwrap();
    assert!(server.core.early_priorities.is_empty());
}

//= rfc9218#section-7.2 type=test
//# If a server receives a PRIORITY_UPDATE (type=0xF0700) for a stream ID that is not a request stream, this MUST
//# be treated as a connection error of type H3_ID_ERROR.
//= rfc9218#section-7.2 type=test
//# If a server receives a PRIORITY_UPDATE (type=0xF0701) with a push ID that is greater than the maximum
//# push ID or that has not yet been promised, this MUST be treated as a connection error of type H3_ID_ERROR.
#[test]
fn bad_priority_updates() {
    for bad in [
        priority_update(1, b""),
        priority_update(2, b""),
        priority_update(3, b""),
        frame(0xf_0701, b"\0"),
    ] {
        let mut server = End::server();
        server.deliver(2, CONTROL, false).unwrap();
        assert_eq!(
            server.deliver(2, &bad, false),
            peer_error(Violation::HttpId),
            "{bad:x?}"
        );
        let mut client = End::client();
        client.deliver(3, CONTROL, false).unwrap();
        assert_eq!(
            client.deliver(3, &bad, false),
            peer_error(Violation::HttpFrameUnexpected)
        );
    }
}

#[test]
fn early_priorities_are_bounded() {
    let mut server = End::server();
    server.deliver(2, CONTROL, false).unwrap();
    for i in 0..1000_u64 {
        let mut payload = neqo_common::Encoder::new();
        payload.encode_varint(i * 4);
        server
            .deliver(2, &frame(0xf_0700, payload.as_ref()), false)
            .unwrap();
    }
    assert_eq!(server.core.early_priorities.len(), MAX_EARLY_PRIORITIES);
}

#[test]
fn of_many_priorities_the_last_is_told() {
    // hardening A14
    let mut server = End::server();
    server.deliver(2, CONTROL, false).unwrap();
    server
        .deliver(0, &super::section(super::GET), true)
        .unwrap();
    for i in 0..10_000_u32 {
        let value = if i % 2 == 0 { b"u=1" } else { b"u=2" };
        server
            .deliver(2, &priority_update(0, value), false)
            .unwrap();
    }
    assert_eq!(
        server.core.events.len(),
        3,
        "settings, a request, a priority"
    );
    let last = CoreEvent::PriorityUpdate(StreamId::new(0), Priority::new(2, false));
    assert_eq!(server.events().last(), Some(&last));
    let urgency = server.quic.streams[&StreamId::new(0)].urgency;
    assert_eq!(
        urgency,
        Some(Urgency::Message(Priority::new(2, false))),
        "the latest"
    );
}

#[test]
fn clients_change_priorities() {
    let mut client = End::client();
    let id = client.get_all();
    let before = client.quic.sent(StreamId::new(2)).len();
    let priority = Priority::new(1, false);
    assert_eq!(
        client
            .core
            .send_priority_update(id, priority, &mut client.quic),
        Ok(true)
    );
    assert_eq!(
        client
            .core
            .send_priority_update(id, priority, &mut client.quic),
        Ok(false)
    );
    assert_eq!(
        client.quic.sent(StreamId::new(2))[before..],
        priority_update(0, b"u=1")
    );
    assert_eq!(
        client
            .core
            .send_priority_update(StreamId::new(4), priority, &mut client.quic),
        Err(Error::Api(Misuse::InvalidStreamId))
    );
}

#[test]
fn what_waits_on_the_control_stream_is_bounded() {
    // hardening A14
    let mut client = End::client();
    let id = client.get_all();
    client.quic.set_space(StreamId::new(2), 0);
    let result = (0..100_000_u32).try_for_each(|i| {
        let priority = Priority::new(if i % 2 == 0 { 1 } else { 2 }, false);
        client
            .core
            .send_priority_update(id, priority, &mut client.quic)
            .map(|_| ())
    });
    assert_eq!(result, Err(Error::Api(Misuse::Unavailable)));
    client.quic.set_space(StreamId::new(2), 1 << 20);
    client.writable(StreamId::new(2));
    let sent = client.quic.sent(StreamId::new(2)).len();
    assert!(
        (MAX_PENDING_CONTROL..MAX_PENDING_CONTROL + 100).contains(&sent),
        "{sent}"
    );
}
