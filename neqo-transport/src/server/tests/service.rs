//! What a server does for clients that mean well.

use bytes::BytesMut;

use super::{
    ALPN, Client, ConnectionEvent, ConnectionParameters, Datagram, Duration, HashSet, Net,
    NonZeroUsize, Output, SEC, Server, State, Tos, client_addr, events, generator, hello_datagrams,
    new_server, server_addr,
};
use crate::{
    CloseReason, Connection, EmptyConnectionIdGenerator, Error, StreamId, StreamType, Transmit,
    config::limits,
};

fn read_all(conn: &mut Connection, id: StreamId) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buf = [0; 4096];
    while let Ok((n, fin)) = conn.stream_recv(id, &mut buf) {
        out.extend_from_slice(&buf[..n]);
        if n == 0 || fin {
            break;
        }
    }
    out
}

#[test]
fn many_connections_at_once() {
    let mut net = Net::new();
    let mut clients: Vec<Client> = (0..5).map(|_| net.client()).collect();
    net.exchange(&mut clients);
    assert!(clients.iter().all(Client::confirmed));
    assert_eq!(net.server.stats().accepted, 5);
    assert_eq!(net.server.connection_count(), 5);
    assert_eq!(net.server.roster.load().half_open, 0);
    // Each is named once.
    let active = net.active();
    assert_eq!(active.len(), 5);
    assert_eq!(active.iter().collect::<HashSet<_>>().len(), 5);
    for handle in active {
        let conn = net.server.connection_mut(handle).unwrap();
        let confirmed = ConnectionEvent::StateChange(State::Confirmed);
        assert!(events(conn).contains(&confirmed));
    }
    assert_eq!(net.active(), []);
    // Each has a stream of its own.
    for (i, client) in (0_u8..).zip(&mut clients) {
        let id = client.conn.stream_create(StreamType::BiDi).unwrap();
        client.conn.stream_send(id, &[i; 100]).unwrap();
    }
    net.exchange(&mut clients);
    let id = StreamId::from(0);
    for handle in net.active() {
        let conn = net.server.connection_mut(handle).unwrap();
        let data = read_all(conn, id);
        conn.stream_send(id, &data).unwrap();
    }
    net.exchange(&mut clients);
    for (i, client) in (0_u8..).zip(&mut clients) {
        assert_eq!(read_all(&mut client.conn, id), [i; 100]);
    }
    assert!(net.server.stats().dropped.values().all(|n| *n == 0));
}

#[test]
fn a_connection_that_is_over_leaves_nothing() {
    let mut net = Net::new();
    let mut clients = [net.client(), net.client()];
    net.exchange(&mut clients);
    let first = net.active()[0];
    for client in &mut clients {
        client.conn.close(net.now, 0, "done");
    }
    net.exchange(&mut clients);
    net.run_until(net.now + 10 * SEC);
    assert_eq!(net.server.connection_count(), 0);
    assert!(net.server.is_idle());
    assert_eq!(net.server.handles().count(), 0);
    // The host is told why, and then they are gone.
    let ended = net.server.next_active().unwrap();
    let conn = net.server.connection_mut(ended).unwrap();
    let last = events(conn)
        .into_iter()
        .rfind(|e| matches!(e, ConnectionEvent::StateChange(_)));
    let Some(ConnectionEvent::StateChange(State::Closed(CloseReason::Transport(
        Error::PeerApplication { code: 0, .. },
    )))) = last
    else {
        panic!("{last:?}");
    };
    let other = net.server.next_active().unwrap();
    assert_ne!(ended, other);
    assert!(net.server.connection(ended).is_none());
    assert!(net.server.connection(other).is_some());
    assert!(matches!(net.server.process_output(net.now), Output::None));
    assert!(net.server.connection(other).is_none());
    assert_eq!(net.server.roster.footprint(), 0);
    // Its place is taken, its name is not.
    drop(net.connected());
    drop(net.connected());
    assert!(net.server.connection(first).is_none());
    assert!(net.server.handles().any(|h| h.index() == first.index()));
}

#[test]
fn a_host_that_never_asks() {
    let mut net = Net::new();
    for _ in 0..20 {
        let mut client = net.connected();
        client.conn.close(net.now, 0, "");
        net.exchange(std::slice::from_mut(&mut client));
        net.run_until(net.now + 10 * SEC);
    }
    assert_eq!(net.server.connection_count(), 0);
    assert!(net.server.roster.footprint() <= 2 * limits::SERVER_ENDED);
    assert_eq!(net.active().len(), 20);
    assert_eq!(net.active(), []);
    net.server.roster.reap();
    assert_eq!(net.server.roster.footprint(), 0);
}

#[test]
fn silence_ends_connections() {
    let mut net = Net::new();
    drop(net.connected());
    net.run_until(net.now + 200 * SEC);
    assert_eq!(net.server.connection_count(), 0);
    assert!(!net.active().is_empty());
    net.server.roster.reap();
    assert_eq!(net.server.roster.footprint(), 0);
}

#[test]
fn shutting_down() {
    let mut net = Net::new();
    let mut old = net.connected();
    net.server.stop_accepting();
    let mut new = net.client();
    net.exchange(std::slice::from_mut(&mut new));
    assert_eq!(net.server.stats().refused, hello_datagrams());
    assert_eq!(net.server.connection_count(), 1);
    let Some(CloseReason::Transport(Error::PeerClosed { code: 2, .. })) = new.conn.state().error()
    else {
        panic!("{:?}", new.conn.state());
    };
    // The old one goes on.
    let id = old.conn.stream_create(StreamType::UniDi).unwrap();
    old.conn.stream_send(id, b"still here").unwrap();
    net.exchange(std::slice::from_mut(&mut old));
    let handle = net.only_handle();
    let conn = net.server.connection_mut(handle).unwrap();
    assert_eq!(read_all(conn, id), b"still here");
    // The host closes what is left.
    for handle in net.handles() {
        let now = net.now;
        net.server
            .connection_mut(handle)
            .unwrap()
            .close(now, 7, "bye");
    }
    net.exchange(std::slice::from_mut(&mut old));
    let reason = old.conn.state().error();
    assert!(matches!(
        reason,
        Some(CloseReason::Transport(Error::PeerApplication {
            code: 7,
            ..
        }))
    ));
    net.run_until(net.now + 10 * SEC);
    assert!(net.server.is_idle());
}

#[test]
fn connections_take_turns() {
    let params = ConnectionParameters::default().pacing(false);
    let mut net = Net::with(params);
    let mut clients: Vec<Client> = (0..4).map(|_| net.client()).collect();
    net.exchange(&mut clients);
    for handle in net.handles() {
        let conn = net.server.connection_mut(handle).unwrap();
        let id = conn.stream_create(StreamType::UniDi).unwrap();
        conn.stream_send(id, &vec![0; 100_000]).unwrap();
    }
    let max = NonZeroUsize::new(2).unwrap();
    let mut buf = vec![0; 1 << 16];
    let mut order = Vec::new();
    while let Transmit::Batch(b) = net.server.write_batch(net.now, &mut buf, max) {
        assert!(b.num_datagrams() <= 2);
        order.push(b.destination());
    }
    // A window has ten datagrams: five rounds, in each of them everybody once.
    assert!(order.len() >= 16, "{order:?}");
    for round in order[..16].chunks(4) {
        assert_eq!(round, &order[..4]);
        assert_eq!(round.iter().collect::<HashSet<_>>().len(), 4);
    }
}

/// Datagrams of `len` bytes, one from each client in turn.
fn interleave(net: &Net, clients: &mut [Client], rounds: usize) -> (Vec<u8>, usize) {
    let mut all = Vec::new();
    let mut size = 0;
    for _ in 0..rounds {
        for client in &mut *clients {
            let d = client.send(net.now).unwrap();
            assert!(size == 0 || d.len() == size, "all have one size");
            size = d.len();
            all.extend_from_slice(&d);
        }
    }
    (all, size)
}

#[test]
fn one_buffer_for_several_connections() {
    // Probes for the path MTU would have a size of their own.
    let params = || ConnectionParameters::default().pacing(false).pmtud(false);
    let mut net = Net::with(params());
    let mut clients: Vec<Client> = (0..3)
        .map(|_| {
            // All from one address, as if behind one NAT.
            net.clients = 0;
            net.client_with(params())
        })
        .collect();
    net.exchange(&mut clients);
    assert!(clients.iter().all(Client::confirmed));
    for (i, client) in (1_u8..).zip(&mut clients) {
        let id = client.conn.stream_create(StreamType::UniDi).unwrap();
        client.conn.stream_send(id, &[i; 10_000]).unwrap();
    }
    let (all, size) = interleave(&net, &mut clients, 4);
    let stride = NonZeroUsize::new(size).unwrap();
    let d = Datagram::from_parts(
        client_addr(1),
        server_addr(),
        Tos::default(),
        BytesMut::from(&all[..]),
    );
    net.server.process_input_owned(d, stride, net.now);
    let mut seen = HashSet::new();
    for handle in net.active() {
        let conn = net.server.connection_mut(handle).unwrap();
        let data = read_all(conn, StreamId::from(2));
        assert!(data.len() > 3000, "{}", data.len());
        assert!(data.iter().all(|b| *b == data[0]));
        seen.insert(data[0]);
    }
    assert_eq!(seen, [1, 2, 3].into());
    assert!(net.server.stats().dropped.values().all(|n| *n == 0));
}

#[test]
fn one_buffer_for_one_connection() {
    let params = || ConnectionParameters::default().pacing(false).pmtud(false);
    let mut net = Net::with(params());
    let mut clients = [net.client_with(params())];
    net.exchange(&mut clients);
    let id = clients[0].conn.stream_create(StreamType::UniDi).unwrap();
    clients[0].conn.stream_send(id, &vec![7; 20_000]).unwrap();
    let (all, size) = interleave(&net, &mut clients, 8);
    let d = Datagram::from_parts(
        clients[0].addr,
        server_addr(),
        Tos::default(),
        BytesMut::from(&all[..]),
    );
    let stride = NonZeroUsize::new(size).unwrap();
    net.server.process_input_owned(d, stride, net.now);
    // One acknowledgement answers all eight.
    let acks = net.drain();
    assert_eq!(acks.len(), 1);
    let handle = net.only_handle();
    let conn = net.server.connection_mut(handle).unwrap();
    assert!(read_all(conn, id).len() > 8000);
}

#[test]
fn new_connections_in_one_buffer() {
    let mut net = Net::new();
    let mut clients: Vec<Client> = (0..3)
        .map(|_| {
            net.clients = 0;
            net.client()
        })
        .collect();
    let firsts: Vec<_> = clients
        .iter_mut()
        .map(|c| c.send(net.now).unwrap())
        .collect();
    let size = firsts[0].len();
    assert!(firsts.iter().all(|d| d.len() == size));
    let all: Vec<u8> = firsts.iter().flat_map(|d| d.to_vec()).collect();
    let d = Datagram::from_parts(
        client_addr(1),
        server_addr(),
        Tos::default(),
        BytesMut::from(&all[..]),
    );
    net.server
        .process_input_owned(d, NonZeroUsize::new(size).unwrap(), net.now);
    net.exchange(&mut clients);
    assert!(clients.iter().all(Client::confirmed));
}

#[test]
fn lost_packets_are_sent_again() {
    let mut net = Net::new();
    let mut client = net.client();
    while let Some(d) = client.send(net.now) {
        net.server.process_input(d, net.now);
    }
    assert!(!net.drain().is_empty(), "the flight is lost");
    for _ in 0..20 {
        let wait = match net.server.process_output(net.now) {
            Output::Callback(t) => t,
            Output::Datagram(d) => {
                client.conn.process_input(d, net.now);
                Duration::ZERO
            }
            Output::None => panic!("the server gave up"),
        };
        net.now += wait;
        net.exchange(std::slice::from_mut(&mut client));
        if client.confirmed() {
            return;
        }
    }
    panic!("never confirmed");
}

//= rfc9000#section-10.3.2 type=test
//# In addition, it cannot provide
//# a zero-length connection ID.
#[test]
fn connection_ids_are_needed() {
    let net = Net::new();
    let tls = || {
        neqo_crypto::Server::builder(net.identity.clone())
            .build()
            .unwrap()
    };
    let params = ConnectionParameters::default();
    let empty =
        || -> Box<dyn crate::ConnectionIdGenerator> { Box::new(EmptyConnectionIdGenerator) };
    assert!(Server::new(net.now, tls(), &[ALPN], empty, params.clone()).is_err());
    let random = || -> Box<dyn crate::ConnectionIdGenerator> { Box::new(generator()) };
    let no_protocols: [&str; 0] = [];
    assert!(Server::new(net.now, tls(), &no_protocols, random, params).is_err());
}

// A server that lost its state tells its clients so.
// hardening A27
#[test]
fn stateless_reset_after_a_restart() {
    let mut net = Net::new();
    net.server
        .set_reset_key(neqo_crypto::ResetKey::new(&[6; 32]));
    let mut client = net.connected();
    net.server = new_server(&net.identity, ConnectionParameters::default(), net.now);
    net.server
        .set_reset_key(neqo_crypto::ResetKey::new(&[6; 32]));
    let id = client.conn.stream_create(StreamType::UniDi).unwrap();
    client.conn.stream_send(id, &[1; 50]).unwrap();
    let d = client.send(net.now).unwrap();
    let trigger = d.len();
    net.server.process_input(d, net.now);
    let resets = net.drain();
    assert_eq!((resets.len(), net.server.stats().resets), (1, 1));
    assert!(resets[0].len() < trigger);
    for d in resets {
        client.conn.process_input(d, net.now);
    }
    let reason = client.conn.state().error();
    assert_eq!(reason, Some(&CloseReason::Transport(Error::StatelessReset)));
}

#[test]
fn is_send() {
    fn send<T: Send>(_: &T) {}
    send(&Net::new().server);
}
