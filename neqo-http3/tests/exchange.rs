//! Clients and servers over a simulated network.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[cfg(feature = "nss")]
mod ech;

use std::time::Duration;

use common::{ClientNode, Exchange, ServerNode};
use neqo_crypto::AuthenticationStatus;
use neqo_http3::{Header, Http3ClientEvent, Http3ServerEvent, Http3State};
use neqo_transport::{CloseReason, Violation};
use test_fixture::sim::{self, Chance, Link, Loss, Network};

const fn good() -> Link {
    Link::new(Duration::from_millis(10))
}

fn run(seed: u64, link: Link, client: &mut ClientNode, server: &mut ServerNode) {
    Network::new(seed)
        .connect(0, 1, link)
        .run(&mut [client, server])
        .unwrap();
}

//= rfc9114#section-4.3 type=test
//# All pseudo-header fields MUST appear in the header section before regular header
//# fields.
#[test]
fn a_request() {
    sim::run(|seed| {
        let fields = vec![Header::new("accept", "*/*")];
        let mut client = ClientNode::new(
            seed,
            [Exchange {
                fields,
                ..Exchange::get("/5")
            }],
        );
        let mut server = ServerNode::new(seed);
        run(seed, good(), &mut client, &mut server);
        let request = server.events.iter().find_map(|e| match e {
            Http3ServerEvent::Headers {
                headers, fin: true, ..
            } => Some(headers),
            _ => None,
        });
        let names: Vec<_> = request.unwrap().iter().map(Header::name).collect();
        assert_eq!(
            names,
            [":method", ":scheme", ":authority", ":path", "accept"]
        );
        let x = &client.finished[0];
        assert_eq!(x.statuses, ["200"]);
        assert_eq!(x.content, b"xxxxx");
        assert!(
            client
                .events
                .contains(&Http3ClientEvent::StateChange(Http3State::Connected))
        );
        assert!(client.h3.peer_settings().is_some());
        assert!(client.h3.tls_info().is_some());
        assert_eq!(client.h3.qpack_encoder_stats().field_sections, 1);
    });
}

#[test]
fn informational_responses_and_trailers() {
    sim::run(|seed| {
        let upload = Exchange {
            trailers: vec![Header::new("a", "b")],
            ..Exchange::post("/echo", vec![7; 100])
        };
        let mut client = ClientNode::new(seed, [Exchange::get("/hints"), upload]);
        let mut server = ServerNode::new(seed);
        run(seed, good(), &mut client, &mut server);
        let hints = client.finished.iter().find(|x| x.path == "/hints").unwrap();
        assert_eq!(hints.statuses, ["103", "200"]);
        assert_eq!(hints.content, b"xxxxx");
        assert_eq!(hints.received_trailers, [Header::new("checksum", "0")]);
        let trailers = server.events.iter().any(
            |e| matches!(e, Http3ServerEvent::Trailers { headers, .. } if *headers == [Header::new("a", "b")]),
        );
        assert!(trailers);
    });
}

/// Many requests at once, both ways, over a network that loses and reorders.
fn many(seed: u64, hot: bool) {
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let gets = (0..150).map(|i| Exchange::get(format!("/{}", i * 400)));
    let posts = (0..8).map(|_| Exchange::post("/echo", content.clone()));
    let mut client = ClientNode::new(seed, gets.chain(posts));
    let mut server = ServerNode::new(seed);
    (client.hot, server.hot) = (hot, hot);
    let link = good()
        .loss(Loss::Uniform(Chance::percent(2)))
        .jitter(Duration::from_millis(3));
    run(seed, link, &mut client, &mut server);
    assert_eq!(client.finished.len(), 158);
    for x in &client.finished {
        assert_eq!(x.statuses, ["200"]);
        match x.method {
            "GET" => assert_eq!(x.content.len().to_string(), x.path[1..]),
            _ => assert!(x.content == content),
        }
    }
}

#[test]
fn many_requests() {
    sim::run_many(5, |seed| many(seed, false));
}

#[test]
fn many_requests_without_copies() {
    sim::run_many(5, |seed| many(seed, true));
}

#[test]
fn closing() {
    sim::run(|seed| {
        let mut client = ClientNode::new(seed, [Exchange::get("/5")]);
        client.closes = true;
        let mut server = ServerNode::new(seed);
        run(seed, good(), &mut client, &mut server);
        let last = server.events.last();
        let over = matches!(
            last,
            Some(Http3ServerEvent::StateChange {
                state: Http3State::Closing(_) | Http3State::Closed(_),
                ..
            })
        );
        assert!(over, "{last:?}");
    });
}

#[test]
fn going_away() {
    sim::run(|seed| {
        let mut client = ClientNode::new(seed, (0..3).map(|_| Exchange::get("/1000")));
        let mut server = ServerNode::new(seed);
        server.goaway_after = 2;
        run(seed, good(), &mut client, &mut server);
        assert!(client.events.contains(&Http3ClientEvent::GoawayReceived));
        assert!(matches!(client.h3.state(), Http3State::GoingAway(_)));
        for x in &client.finished {
            assert!(x.complete || x.reset == Some(0x10b), "{x:?}");
        }
        assert!(client.finished.iter().filter(|x| x.complete).count() >= 2);
    });
}

#[test]
fn cancelled_by_the_server() {
    sim::run(|seed| {
        let mut client = ClientNode::new(seed, [Exchange::get("/cancel"), Exchange::get("/1")]);
        let mut server = ServerNode::new(seed);
        run(seed, good(), &mut client, &mut server);
        let cancelled = client
            .finished
            .iter()
            .find(|x| x.path == "/cancel")
            .unwrap();
        assert_eq!(cancelled.reset, Some(0x10c));
        assert!(client.finished.iter().any(|x| x.path == "/1" && x.complete));
    });
}

#[test]
fn refused_certificate() {
    // hardening A31
    sim::run(|seed| {
        let mut client = ClientNode::new(seed, []);
        client.verdict = AuthenticationStatus::UnknownIssuer;
        client.closes = true;
        let mut server = ServerNode::new(seed);
        Network::new(seed)
            .connect(0, 1, good())
            .run(&mut [&mut client, &mut server])
            .unwrap();
        assert!(
            !client
                .events
                .contains(&Http3ClientEvent::StateChange(Http3State::Connected))
        );
        assert!(
            client
                .events
                .contains(&Http3ClientEvent::AuthenticationNeeded)
        );
        let why = CloseReason::Transport(Violation::CryptoAlert(48).into());
        assert_eq!(client.h3.state(), Http3State::Closed(why));
    });
}
