//! Floods, forgeries and garbage (hardening A17 to A24, A27).

use proptest::{collection::vec, prelude::any, proptest, test_runner::Config};

use super::{
    Client, ConnectionParameters, Datagram, HashSet, IpAddr, Ipv4Addr, Net, Random, SEC, Tos,
    Version, client_addr, fake_initial, generator, new_server, server_addr, strange_version,
};
use crate::{
    ConnectionId,
    config::limits,
    server::{Dropped, Limits, Server, ValidateAddress, routing::Router},
};

// hardening A17
#[test]
fn coalesced_packets_to_other_connection_ids() {
    let mut net = Net::new();
    // An authentic Initial, and behind it packets for connections that do not exist.
    let mut client = net.client();
    let mut raw = client.send(net.now).unwrap().into_data();
    for i in 0..20 {
        raw.extend(fake_initial(Version::Version1, &[i; 8], &[], 100));
    }
    net.inject(1, raw);
    assert_eq!(net.server.connection_count(), 1);
    let with_one = net.server.roster.footprint();
    // None of them is authentic.
    let mut raw = Vec::new();
    for i in 0..20 {
        raw.extend(fake_initial(Version::Version1, &[i; 8], &[], 100));
    }
    net.inject(2, raw);
    assert_eq!(net.server.connection_count(), 1);
    assert_eq!(net.server.roster.footprint(), with_one);
    assert_eq!(net.server.stats().dropped[Dropped::Unauthentic], 1);
    // The one that is authentic is served.
    let mut clients = [client];
    net.exchange(&mut clients);
    assert!(clients[0].confirmed());
}

// hardening A18
#[test]
fn a_flood_of_initials() {
    const FLOOD: u16 = 60;
    let mut net = Net::new();
    net.server.set_limits(Limits {
        connections: 1000,
        half_open: 12,
        retry_above: 8,
    });
    // Forged addresses: nobody gets the Retry packets.
    for _ in 0..FLOOD {
        let first = net.client().send(net.now).unwrap();
        net.server.process_input(first, net.now);
    }
    assert_eq!(net.server.connection_count(), 8);
    assert_eq!(net.server.stats().retries, u64::from(FLOOD) - 8);
    drop(net.drain());
    // Addresses of the attacker's own: it answers Retry, and says no more.
    for _ in 0..FLOOD {
        let mut client = net.client();
        for _ in 0..2 {
            if let Some(d) = client.send(net.now) {
                net.server.process_input(d, net.now);
            }
            for d in net.drain() {
                if d.destination() == client.addr {
                    client.conn.process_input(d, net.now);
                }
            }
        }
    }
    assert_eq!(net.server.connection_count(), 12);
    assert_eq!(net.server.roster.load().half_open, 12);
    assert!(net.server.stats().dropped[Dropped::Overload] > 0);
    // Two routes and a timer each, a place in the queues, and nothing else.
    assert!(net.server.roster.footprint() <= 12 * 6);
    // It passes.
    net.run_until(net.now + limits::SERVER_HANDSHAKE_TIME + 20 * SEC);
    assert_eq!(net.server.stats().late, 12);
    assert_eq!(net.server.connection_count(), 0);
    while net.server.next_active().is_some() {}
    net.server.roster.reap();
    assert_eq!(net.server.roster.footprint(), 0);
    drop(net.connected());
}

// hardening A18, A23: what is not authentic costs a key derivation, and keeps nothing.
#[test]
fn a_flood_of_fakes() {
    let mut net = Net::new();
    for i in 0..2000_u16 {
        let [a, b] = i.to_be_bytes();
        let dcid = [a, b, 0, 0, 0, 0, 0, 0];
        net.inject(i % 100, fake_initial(Version::Version1, &dcid, &[], 1200));
    }
    assert_eq!(net.server.stats().dropped[Dropped::Unauthentic], 2000);
    assert_eq!(net.server.roster.footprint(), 0);
    net.server.set_validation(ValidateAddress::Always);
    for i in 0..2000_u16 {
        let [a, b] = i.to_be_bytes();
        let dcid = [a, b, 0, 0, 0, 0, 0, 0];
        net.inject(i % 100, fake_initial(Version::Version1, &dcid, &[], 1200));
    }
    // The queue of answers is bounded.
    let sent = net.drain().len();
    assert_eq!(sent, limits::SERVER_RESPONSES);
    let dropped = net.server.stats().dropped[Dropped::ResponseLimit];
    assert_eq!(dropped, 2000 - u64::try_from(sent).unwrap());
    assert_eq!(net.server.roster.footprint(), 0);
    drop(net.connected());
}

//= rfc9000#section-8.1 type=test
//# Prior to validating the client address, servers MUST NOT send more than three
//# times as many bytes as the number of bytes they have received.
// hardening A21
#[test]
fn no_amplification_for_forged_addresses() {
    let mut net = Net::new();
    let mut received = 0;
    for d in net.client().flight(net.now) {
        received += d.len();
        net.server.process_input(d, net.now);
    }
    // All that it ever sends: the flight, probes, and the close.
    let sent: usize = net
        .run_until(net.now + 100 * SEC)
        .iter()
        .map(Datagram::len)
        .sum();
    assert!(sent > received);
    assert!(sent <= 3 * received, "{sent} for {received}");
    assert_eq!(net.server.connection_count(), 0);
}

// hardening A21
#[test]
fn forged_sources_get_no_answer() {
    let mut net = Net::new();
    let raw = net.client().send(net.now).unwrap().into_data();
    for (ip, port) in [
        (Ipv4Addr::new(198, 51, 100, 1), 0),
        (Ipv4Addr::new(198, 51, 100, 1), 53),
        (Ipv4Addr::new(224, 0, 0, 1), 20_000),
        (Ipv4Addr::BROADCAST, 20_000),
        (Ipv4Addr::new(169, 254, 0, 1), 20_000),
    ] {
        for raw in [
            raw.clone(),
            strange_version(&[1; 8], &[2; 8], 1200),
            vec![0x40; 100],
        ] {
            let from = (IpAddr::from(ip), port).into();
            let d = Datagram::new(from, server_addr(), Tos::default(), raw);
            net.server.process_input(d, net.now);
        }
    }
    assert!(net.drain().is_empty());
    assert_eq!(net.server.stats().dropped[Dropped::Address], 15);
    assert_eq!(net.server.roster.footprint(), 0);
}

/// A hundred thousand connection IDs that differ only in their last bytes.
fn alike() -> impl Iterator<Item = ConnectionId> {
    (0..100_000_u32).map(|i| {
        let mut cid = [0xaa; 20];
        cid[16..].copy_from_slice(&i.to_be_bytes());
        ConnectionId::new(&cid).unwrap()
    })
}

// hardening A22
#[test]
fn chosen_connection_ids_do_not_collide() {
    let mut net = Net::new();
    drop(net.connected());
    let handle = net.only_handle();
    let mut random = Random::from_seed([8; 32]);
    let mut router = Router::new(Box::new(generator()), &mut random);
    for cid in alike() {
        assert!(router.add(cid, handle));
    }
    assert_eq!(router.len(), 100_000);
    for cid in alike() {
        assert_eq!(router.lookup(&cid), Some(handle));
        router.remove(&cid, handle);
    }
    assert_eq!(router.len(), 0);
    // Their hashes fill the buckets of a table as chance would, and another server's otherwise.
    let mut other = Router::new(Box::new(generator()), &mut random);
    let mut fullest = [0; 2];
    for (router, fullest) in [&mut router, &mut other].into_iter().zip(&mut fullest) {
        let mut buckets = vec![0_u32; 1 << 17];
        for cid in alike() {
            let bucket = router.hash(&cid) % (1 << 17);
            buckets[usize::try_from(bucket).unwrap()] += 1;
        }
        *fullest = buckets.into_iter().max().unwrap();
    }
    assert!(fullest.iter().all(|n| *n < 15), "{fullest:?}");
    let differ = alike()
        .filter(|cid| router.hash(cid) != other.hash(cid))
        .count();
    assert_eq!(differ, 100_000);
}

// hardening A24
#[test]
fn empty_datagrams() {
    let mut net = Net::new();
    let mut clients = [net.client()];
    for _ in 0..100_000 {
        net.inject(7, Vec::new());
    }
    assert!(net.drain().is_empty());
    assert_eq!(net.server.stats().dropped[Dropped::Empty], 100_000);
    net.exchange(&mut clients);
    assert!(clients[0].confirmed());
}

// hardening A27
#[test]
fn resets_are_few_and_do_not_loop() {
    let mut net = Net::new();
    for _ in 0..1000 {
        net.inject(1, [&[0x40; 9][..], &[3; 91]].concat());
        drop(net.drain());
    }
    let sent = u64::from(limits::STATELESS_RESETS_PER_SECOND);
    assert_eq!(net.server.stats().resets, sent);
    assert_eq!(net.server.stats().dropped[Dropped::ResetLimit], 1000 - sent);
    // Two servers that know nothing of each other's packets.
    net.now += SEC;
    let mut other = new_server(&net.identity, ConnectionParameters::default(), net.now);
    let mut d = Datagram::new(
        client_addr(1),
        server_addr(),
        Tos::default(),
        vec![0x40; 1500],
    );
    let mut rounds = 0;
    loop {
        let server: &mut Server = if rounds % 2 == 0 {
            &mut net.server
        } else {
            &mut other
        };
        let Some(answer) = server.process([d.clone()], net.now).dgram() else {
            break;
        };
        assert!(answer.len() < d.len());
        d = answer;
        rounds += 1;
    }
    assert!((2..100).contains(&rounds));
    // What is too small to be a packet, or none of QUIC, gets no answer.
    for raw in [
        vec![0x40; 21],
        vec![0x40; 4],
        vec![0x00; 100],
        vec![0x3f; 100],
    ] {
        net.inject(1, raw);
    }
    assert!(net.drain().is_empty());
}

// hardening A27: what an attacker can learn a token of is never the ID of a connection.
#[test]
fn no_resets_for_live_connections() {
    let mut net = Net::new();
    let mut client = net.connected();
    let id = client.conn.stream_create(crate::StreamType::UniDi).unwrap();
    client.conn.stream_send(id, &[1; 50]).unwrap();
    let mut raw = client.send(net.now).unwrap().into_data();
    let last = raw.len() - 1;
    raw[last] ^= 1;
    // Also from another address.
    net.inject(1, raw.clone());
    net.inject(500, raw);
    drop(net.drain());
    assert_eq!(net.server.stats().resets, 0);
    assert_eq!(net.server.connection_count(), 1);
}

#[test]
fn connection_ids_are_routed_as_issued() {
    let mut net = Net::new();
    drop(net.connected());
    let handle = net.only_handle();
    let server = &net.server;
    let routes = &server.roster.table_entry(handle).routes;
    assert!(!routes.is_empty() && routes.len() <= limits::LOCAL_ACTIVE_CIDS);
    let distinct: HashSet<_> = routes.iter().copied().collect();
    assert_eq!(distinct.len(), server.roster.router.len());
    for cid in routes {
        assert_eq!(server.roster.router.lookup(cid), Some(handle));
    }
}

#[test]
fn clients_that_give_up() {
    let mut net = Net::new();
    let mut clients: Vec<Client> = (0..10).map(|_| net.client()).collect();
    for client in &mut clients {
        let d = client.send(net.now).unwrap();
        net.server.process_input(d, net.now);
        client.conn.close(net.now, 1, "never mind");
    }
    net.exchange(&mut clients);
    net.run_until(net.now + 30 * SEC);
    assert_eq!(net.server.connection_count(), 0);
    assert_eq!(net.server.roster.load().half_open, 0);
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    /// Any bytes, behind the beginnings of packets that get further.
    #[test]
    fn garbage(
        first: u8,
        version in 0..4_usize,
        tail in vec(any::<u8>(), 0..100),
        len in 0..1400_usize,
    ) {
        let mut net = Net::new();
        let version = [0, 1, 0x6b33_43cf, 0xff00_001d_u32][version].to_be_bytes();
        let mut raw = [&[first][..], &version, &tail].concat();
        raw.resize(len, 0x11);
        let size = raw.len();
        net.inject(1, raw);
        let sent: usize = net.drain().iter().map(Datagram::len).sum();
        assert!(sent < size.max(1));
        assert_eq!(net.server.roster.footprint(), 0);
    }
}
