//! Everything at once, in an order that a seed decides: delay, reordering, loss, duplicates, key
//! updates, connection IDs that are retired and a NAT that changes its mind.

use std::{net::SocketAddr, time::Instant};

use neqo_common::{Datagram, Random, Role};

use super::{MS, Pair, SEC, client_addr, error_code, from_addr};
use crate::{ConnectionParameters, StreamId, StreamType};

const BYTES: usize = 120_000;

struct Storm {
    pair: Pair,
    random: Random,
    /// What is under way, to whom, and when it arrives.
    flying: Vec<(Instant, Role, Datagram)>,
    /// The client's port as the server sees it.
    port: u16,
    /// How many of a thousand datagrams are lost.
    loss: u64,
}

impl Storm {
    fn new(seed: u8, loss: u64) -> Self {
        let params = ConnectionParameters::default().seed(Some([seed; 32]));
        Self {
            pair: Pair::new(params),
            random: Random::from_seed([seed; 32]),
            flying: Vec::new(),
            port: client_addr().port(),
            loss,
        }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(client_addr().ip(), self.port)
    }

    fn send(&mut self) {
        for from in [Role::Client, Role::Server] {
            for d in self.pair.output(from) {
                let d = if from == Role::Client {
                    from_addr(&d, self.address())
                } else {
                    d
                };
                let copies = u32::from(self.random.below(1000) >= self.loss)
                    + u32::from(self.random.below(50) == 0);
                for _ in 0..copies {
                    let mut delay = 10 + u32::try_from(self.random.below(30)).unwrap();
                    if self.random.below(40) == 0 {
                        delay += 150;
                    }
                    let at = self.pair.now + MS * delay;
                    self.flying.push((at, from.remote(), d.clone()));
                }
            }
        }
    }

    /// Lets time pass to whatever happens next.
    fn step(&mut self) {
        self.send();
        let (c, s) = (&self.pair.client, self.pair.server.as_ref());
        let timers = [
            c.next_instant(self.pair.now),
            s.and_then(|s| s.next_instant(self.pair.now)),
        ];
        let arrival = self.flying.iter().map(|(at, ..)| *at).min();
        let next = timers.into_iter().flatten().chain(arrival).min();
        self.pair.now = next.map_or(self.pair.now, |at| self.pair.now.max(at));
        let now = self.pair.now;
        let here = self.flying.extract_if(.., |(at, ..)| *at <= now);
        for (_, to, d) in here.collect::<Vec<_>>() {
            // What is sent to a port that the NAT has forgotten is lost.
            if to == Role::Client && d.destination() != self.address() {
                continue;
            }
            let d = if to == Role::Client {
                Datagram::new(d.source(), client_addr(), d.tos(), d.to_vec())
            } else {
                d
            };
            self.pair.deliver(to, d);
        }
    }

    fn open(&mut self, role: Role) -> StreamId {
        let c = self.pair.side(role);
        let id = c.stream_create(StreamType::UniDi).unwrap();
        assert_eq!(c.stream_send(id, &vec![7; BYTES]).unwrap(), BYTES);
        c.stream_close_send(id).unwrap();
        id
    }

    /// The NAT gives the client another port. Unless it speaks, nobody can know: it does.
    fn rebind(&mut self) {
        self.port = 2000 + u16::try_from(self.random.below(8)).unwrap();
        for _ in 0..3 {
            self.speak();
        }
    }

    /// The client says something: a server that cannot validate the new address goes back to one
    /// that is gone, and only hears of the new one again if the client does not fall silent.
    fn speak(&mut self) {
        let d = from_addr(&self.pair.forge(Role::Client, &[1]), self.address());
        self.flying.push((self.pair.now + 20 * MS, Role::Server, d));
    }

    /// Does something that may happen at any time.
    fn surprise(&mut self, rebinding: bool) {
        let role = if self.random.below(2) == 0 {
            Role::Client
        } else {
            Role::Server
        };
        match self.random.below(60) {
            0 if rebinding => self.rebind(),
            4 if rebinding => self.speak(),
            // Blocked unless the one before is confirmed.
            1..=3 => drop(self.pair.side(role).initiate_key_update()),
            _ => {}
        }
    }

    fn run(&mut self, rebinding: bool, what: &str) {
        for _ in 0..2000 {
            self.step();
            if self.pair.confirmed() {
                break;
            }
        }
        assert!(self.pair.confirmed(), "{what}: {}", self.pair.states());
        let ids = [
            (Role::Client, self.open(Role::Server)),
            (Role::Server, self.open(Role::Client)),
        ];
        let (mut got, mut buf) = ([0; 2], [0; 4096]);
        for _ in 0..20_000 {
            self.surprise(rebinding);
            self.step();
            for (i, (role, id)) in ids.iter().enumerate() {
                while let Ok((n, _)) = self.pair.side(*role).stream_recv(*id, &mut buf) {
                    got[i] += n;
                    if n == 0 {
                        break;
                    }
                }
            }
            if got == [BYTES; 2] {
                break;
            }
        }
        assert_eq!(got, [BYTES; 2], "{what}: {}", self.pair.states());
        assert_eq!(error_code(&self.pair.client), None, "{what}");
        assert_eq!(error_code(self.pair.server()), None, "{what}");
    }
}

#[test]
fn a_storm_without_loss() {
    for seed in 0..10 {
        Storm::new(seed, 0).run(false, &format!("seed {seed}"));
    }
}

#[test]
fn a_storm_with_loss() {
    for seed in 0..20 {
        let mut storm = Storm::new(seed, 30);
        storm.run(false, &format!("seed {seed}"));
    }
}

/// Paths come and go, displaced ones with packets in flight.
// hardening A3
#[test]
fn a_storm_behind_a_nat() {
    for seed in 0..20 {
        let mut storm = Storm::new(seed, 20);
        storm.run(true, &format!("seed {seed}"));
        let paths = storm.pair.server().paths.iter().count();
        assert!(paths <= crate::config::limits::PATHS, "{paths}");
        let end = storm.pair.now + 100 * SEC;
        while !storm.pair.client.state().closed() && storm.pair.now < end {
            storm.step();
        }
        assert!(storm.pair.client.state().closed(), "in silence");
    }
}
