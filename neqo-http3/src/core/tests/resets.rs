//! Requests that end before their time, and too many of them.

use neqo_common::Role;
use neqo_transport::StreamId;

use super::{CONFIG, End, GET, ID, OK, POST, headers, headers_event, reset_event, section};
use crate::{
    Priority,
    config::limits::{MAX_OPEN_REQUESTS, MAX_WAITING_EVENTS, MAX_WAITING_FIELDS},
    core::events::CoreEvent,
    error::{Error, Misuse},
};

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
