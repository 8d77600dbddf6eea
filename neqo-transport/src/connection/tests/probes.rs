//! What probes say when the probe timeout expires (RFC 9002 §6.2.4).

use neqo_common::Role;

use super::{Pair, connected, midway};
use crate::{ConnectionParameters, StreamType, connection::Output, stats::FrameStats};

/// Lets the probe timer of `role` fire. Returns the frames of each datagram that it sends then.
fn probes(pair: &mut Pair, role: Role) -> Vec<FrameStats> {
    let deadline = pair.side(role).pto_deadline().expect("it is armed").0;
    pair.now = deadline;
    let (now, mut all) = (pair.now, Vec::new());
    let side = pair.side(role);
    let mut before = side.stats().frame_tx;
    while let Output::Datagram(_) = side.process_output(now) {
        let after = side.stats().frame_tx;
        all.push(difference(&before, &after));
        before = after;
    }
    all
}

fn difference(before: &FrameStats, after: &FrameStats) -> FrameStats {
    FrameStats {
        ping: after.ping - before.ping,
        crypto: after.crypto - before.crypto,
        stream: after.stream - before.stream,
        ..FrameStats::default()
    }
}

//= rfc9002#section-6.2.4 type=test
//# An endpoint SHOULD include new data in packets that are sent on PTO expiration.
//# Previously sent data MAY be sent if no new data can be sent.
#[test]
fn both_probes_repeat_the_one_packet_that_is_outstanding() {
    let mut pair = connected();
    let id = pair.client.stream_create(StreamType::UniDi).unwrap();
    pair.client.stream_send(id, b"lost three times").unwrap();
    assert_eq!(pair.output(Role::Client).len(), 1);
    for _ in 0..3 {
        let said = probes(&mut pair, Role::Client);
        assert_eq!(said.len(), 2);
        for frames in said {
            assert_eq!((frames.stream, frames.ping), (1, 0));
        }
    }
    // The last one arrives.
    let deadline = pair.client.pto_deadline().unwrap().0;
    pair.now = deadline;
    pair.exchange();
    let mut buf = [0; 100];
    assert_eq!(pair.server().stream_recv(id, &mut buf), Ok((16, false)));
    assert_eq!(pair.client.stats().lost, 7);
    assert_eq!(pair.client.send_stream_stats(id).unwrap().acked, 16);
}

#[test]
fn a_handshake_packet_is_repeated_twice() {
    let mut pair = midway();
    drop(pair.output(Role::Client));
    for _ in 0..2 {
        let said = probes(&mut pair, Role::Client);
        assert_eq!(said.len(), 2);
        for frames in said {
            assert!(frames.crypto > 0 && frames.ping == 0, "{frames:?}");
        }
    }
    pair.confirm_over(&mut |_, d| vec![d]);
}

//= rfc9002#section-6.2.4 type=test
//# When there is no data to
//# send, the sender SHOULD send a PING or other ack-eliciting frame in a single
//# packet, rearming the PTO timer.
#[test]
fn a_ping_is_probed_for_once() {
    let params = ConnectionParameters::default().keep_alive(Some(super::SEC));
    let mut pair = super::connected_with(params);
    pair.wait(super::SEC / 2);
    pair.now = pair.client.next_instant(pair.now).unwrap();
    assert_eq!(pair.output(Role::Client).len(), 1);
    let said = probes(&mut pair, Role::Client);
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].ping, said[0].stream), (1, 0));
}
