//! Datagrams that were changed, cut, repeated and made up at random: nothing ever panics, and
//! what changes on the way is as good as lost.

use neqo_common::{Datagram, Random, Role, Tos};

use super::{Pair, SEC, client_addr, connected, error_code, server_addr};
use crate::{
    ConnectionParameters, StreamType,
    space::PacketNumberSpace::{self, ApplicationData},
};

const ROUNDS: u8 = 250;

fn below(random: &mut Random, n: usize) -> usize {
    usize::try_from(random.below(n as u64)).unwrap()
}

/// What arrives instead of a datagram.
fn mutate(random: &mut Random, d: Datagram) -> Vec<Datagram> {
    let mut bytes = d.to_vec();
    match random.below(24) {
        0..=3 => {
            for _ in 0..=random.below(4) {
                let at = below(random, bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        4 => {
            // The header is where most decisions are.
            let at = below(random, bytes.len().min(40));
            let [b] = random.bytes();
            bytes[at] = b;
        }
        5 => bytes.truncate(below(random, d.len())),
        6 => bytes.extend_from_slice(&random.bytes::<30>()),
        7 => return Vec::new(),
        8 => return vec![d.clone(), d],
        9 => bytes.extend(d.iter().copied()),
        _ => {}
    }
    vec![Datagram::new(d.source(), d.destination(), d.tos(), bytes)]
}

fn chatter(pair: &mut Pair, random: &mut Random) {
    for role in [Role::Client, Role::Server] {
        if role == Role::Server && pair.server.is_none() {
            continue;
        }
        let c = pair.side(role);
        super::events(c);
        let t = if random.below(2) == 0 {
            StreamType::BiDi
        } else {
            StreamType::UniDi
        };
        if let Ok(id) = c.stream_create(t) {
            let data = vec![1; below(random, 5000)];
            drop(c.stream_send(id, &data));
            match random.below(4) {
                0 => c.stream_reset_send(id, 1).unwrap(),
                1 => c.stream_close_send(id).unwrap(),
                _ => {}
            }
        }
    }
}

/// Handshakes and transfers over a network that changes about two in five datagrams.
// hardening A25
#[test]
fn a_hostile_network() {
    let (mut confirmed, mut datagrams) = (0, 0);
    for seed in 0..ROUNDS {
        let mut random = Random::from_seed([seed; 32]);
        let params = ConnectionParameters::default().seed(Some([seed; 32]));
        let mut pair = Pair::new(params);
        for _ in 0..12 {
            pair.exchange_over(&mut |_, d| {
                datagrams += 1;
                mutate(&mut random, d)
            });
            chatter(&mut pair, &mut random);
            if !pair.advance() {
                break;
            }
        }
        confirmed += usize::from(pair.confirmed());
        // Nothing that was changed was believed.
        for c in [Some(&pair.client), pair.server.as_ref()]
            .into_iter()
            .flatten()
        {
            let code = error_code(c);
            assert!(
                matches!(code, None | Some(0)),
                "seed {seed}: {code:?} {:?}",
                c.state()
            );
        }
    }
    assert!(confirmed > usize::from(ROUNDS) / 2, "{confirmed}");
    assert!(datagrams > 2000, "{datagrams}");
}

/// Plaintext that was changed before it was sealed: authentic nonsense.
// hardening A25
#[test]
fn authentic_nonsense() {
    let mut random = Random::from_seed([42; 32]);
    let mut pair = connected();
    let mut closed = 0;
    for n in 0..3000 {
        let sender = if random.below(2) == 0 {
            Role::Client
        } else {
            Role::Server
        };
        let mut frames = vec![0; 1 + below(&mut random, 60)];
        random.fill(&mut frames);
        // A type that exists, mostly.
        frames[0] = u8::try_from(random.below(0x20)).unwrap();
        if random.below(2) == 0 {
            // Small integers go further than large ones.
            frames.iter_mut().skip(1).for_each(|b| *b &= 0x0f);
        }
        pair.inject(sender, &frames);
        pair.exchange();
        if n % 7 == 0 {
            pair.next_timer();
        }
        if pair.client.state().error().is_some() || pair.server().state().error().is_some() {
            closed += 1;
            pair = connected();
        }
    }
    assert!(closed > 100, "{closed}");
}

/// The same during the handshake.
// hardening A25
#[test]
fn authentic_nonsense_during_the_handshake() {
    let mut random = Random::from_seed([43; 32]);
    for _ in 0..400 {
        let mut pair = super::midway();
        let sender = if random.below(2) == 0 {
            Role::Client
        } else {
            Role::Server
        };
        let space = if random.below(2) == 0 {
            PacketNumberSpace::Initial
        } else {
            PacketNumberSpace::Handshake
        };
        let mut frames = vec![0; 1 + below(&mut random, 60)];
        random.fill(&mut frames);
        frames[0] = [0, 1, 2, 3, 6, 6, 6, 0x1c][below(&mut random, 8)];
        if random.below(2) == 0 {
            frames.iter_mut().skip(1).for_each(|b| *b &= 0x0f);
        }
        pair.inject_in(sender, space, &frames);
        for _ in 0..3 {
            pair.next_timer();
        }
    }
}

/// Bytes without sense, and packets cut at each length, at each stage of a connection.
#[test]
fn garbage_at_every_stage() {
    let mut random = Random::from_seed([44; 32]);
    let mut throw = |pair: &mut Pair, base: &[u8]| {
        for role in [Role::Client, Role::Server] {
            if role == Role::Server && pair.server.is_none() {
                continue;
            }
            let (src, dst) = match role {
                Role::Client => (server_addr(), client_addr()),
                Role::Server => (client_addr(), server_addr()),
            };
            for _ in 0..300 {
                let mut bytes = vec![0; below(&mut random, 1500)];
                random.fill(&mut bytes);
                if random.below(2) == 0 {
                    let n = bytes.len().min(base.len()).min(30);
                    bytes[..n].copy_from_slice(&base[..n]);
                }
                pair.deliver(role, Datagram::new(src, dst, Tos::default(), bytes));
            }
            for n in 0..base.len() {
                pair.deliver(role, Datagram::new(src, dst, Tos::default(), &base[..n]));
            }
        }
    };
    let mut pair = Pair::new(ConnectionParameters::default());
    throw(&mut pair, &[0xc0, 0, 0, 0, 1]);
    let first = pair.output(Role::Client);
    throw(&mut pair, &first[0]);
    for d in &first {
        pair.reach_server(d.clone());
    }
    let flight = pair.output(Role::Server);
    throw(&mut pair, &flight[0]);
    for d in flight {
        pair.deliver(Role::Client, d);
    }
    for _ in 0..20 {
        pair.exchange();
        if pair.confirmed() {
            break;
        }
        pair.advance();
    }
    assert!(pair.confirmed(), "{}", pair.states());
    let packet = pair.forge(Role::Client, &[1]);
    throw(&mut pair, &packet);
    pair.wait(SEC);
    assert!(pair.confirmed());
    pair.transfer(Role::Client, 3000);
    assert!(pair.server().spaces.get(ApplicationData).is_some());
}

/// Several datagrams in one buffer, as generic receive offload gives them, cut anywhere.
#[test]
fn owned_buffers_of_any_stride() {
    let mut pair = connected();
    let id = pair.client.stream_create(StreamType::UniDi).unwrap();
    pair.client.stream_send(id, &vec![3; 50_000]).unwrap();
    let all: Vec<u8> = pair
        .output(Role::Client)
        .iter()
        .flat_map(|d| d.to_vec())
        .collect();
    assert!(all.len() > 5000);
    for stride in [1, 2, 3, 20, 100, 1000, 1231, 1232, 1233, 5000, 100_000] {
        let mut copy = bytes::BytesMut::with_capacity(all.len());
        copy.extend_from_slice(&all);
        let d = Datagram::from_parts(client_addr(), server_addr(), Tos::default(), copy);
        let now = pair.now;
        let stride = std::num::NonZeroUsize::new(stride).unwrap();
        pair.server().process_input_owned(d, stride, now);
    }
    assert_eq!(error_code(pair.server()), None);
    assert!(pair.server().stats().packets_rx > 4);
    pair.exchange();
    pair.transfer(Role::Server, 5000);
}
