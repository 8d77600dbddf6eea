//! Going away.

use neqo_transport::StreamId;

use super::{End, GET, OK, headers_event, peer_error, reset_event, section};
use crate::{
    core::events::CoreEvent,
    error::{Error, Misuse, Violation},
};

const CONTROL: &[u8] = &[0, 4, 0];

fn goaway(id: u8) -> [u8; 3] {
    [7, 1, id]
}

//= rfc9114#section-5.2 type=test
//# Endpoints MUST NOT initiate new requests or promise new pushes on the connection
//# after receipt of a GOAWAY frame from the peer.
//= rfc9114#section-5.2 type=test
//# Upon receipt of a GOAWAY frame, if the client has already sent requests with
//# a stream ID greater than or equal to the identifier contained in the GOAWAY
//# frame, those requests will not be processed.
#[test]
fn client_receives() {
    let mut client = End::client();
    for _ in 0..3 {
        client.get_all();
    }
    client.deliver(3, CONTROL, false).unwrap();
    client.events();
    client.deliver(3, &goaway(4), false).unwrap();
    assert_eq!(
        client.events(),
        [
            CoreEvent::Goaway,
            reset_event(4, 0x10b, false),
            reset_event(8, 0x10b, false)
        ]
    );
    assert_eq!(client.ended(0), (None, None));
    assert_eq!(client.ended(4), (None, Some(0x10c)));
    assert_eq!(client.core.peer_goaway(), Some(4));
    assert_eq!(client.get(), Err(Error::Api(Misuse::GoingAway)));
    // What remains is served.
    client.deliver(0, &section(OK), true).unwrap();
    assert_eq!(client.events(), [headers_event(0, OK, false, true)]);
}

//= rfc9114#section-5.2 type=test
//# Receiving a GOAWAY containing a larger identifier than
//# previously received MUST be treated as a connection error of type H3_ID_ERROR.
//= rfc9114#section-7.2.6 type=test
//# A client MUST treat receipt of a
//# GOAWAY frame containing a stream ID of any other type as a connection error of
//# type H3_ID_ERROR.
#[test]
fn bad_identifiers() {
    for id in [1, 2, 3] {
        let mut client = End::client();
        client.deliver(3, CONTROL, false).unwrap();
        assert_eq!(
            client.deliver(3, &goaway(id), false),
            peer_error(Violation::HttpId)
        );
    }
    let mut client = End::client();
    client.deliver(3, CONTROL, false).unwrap();
    client.events();
    for id in [8, 8, 4] {
        client.deliver(3, &goaway(id), false).unwrap();
    }
    assert_eq!(client.events(), [CoreEvent::Goaway], "told once");
    assert_eq!(
        client.deliver(3, &goaway(8), false),
        peer_error(Violation::HttpId)
    );

    let mut server = End::server();
    server.deliver(2, CONTROL, false).unwrap();
    for id in [7, 1] {
        server.deliver(2, &goaway(id), false).unwrap();
    }
    assert_eq!(
        server.deliver(2, &goaway(2), false),
        peer_error(Violation::HttpId)
    );
}

//= rfc9114#section-5.2 type=test
//# the identifier in each frame MUST NOT be greater than the identifier in any
//# previous frame
//= rfc9114#section-5.2 type=test
//# Requests or pushes with the indicated identifier or greater are rejected
#[test]
fn server_sends() {
    let mut server = End::server();
    server.deliver(0, &section(GET), true).unwrap();
    server.deliver(4, &section(GET), true).unwrap();
    let control = StreamId::new(3);
    let before = server.quic.sent(control).len();
    server.core.send_goaway(&mut server.quic).unwrap();
    assert_eq!(server.quic.sent(control)[before..], goaway(8));
    server.events();
    server.deliver(8, &section(GET), true).unwrap();
    server.deliver(12, &section(GET), false).unwrap();
    assert!(server.events().is_empty());
    assert_eq!(server.ended(8), (Some(0x10b), Some(0x10b)));
    assert_eq!(server.ended(12), (Some(0x10b), Some(0x10b)));
    // A second time, it would say the same.
    assert_eq!(
        server.core.send_goaway(&mut server.quic),
        Err(Error::Api(Misuse::InvalidState))
    );
    assert_eq!(server.quic.sent(control).len(), before + 3);
}

#[test]
fn client_sends() {
    let mut client = End::client();
    client.core.send_goaway(&mut client.quic).unwrap();
    assert!(client.quic.sent(StreamId::new(2)).ends_with(&goaway(0)));
}
