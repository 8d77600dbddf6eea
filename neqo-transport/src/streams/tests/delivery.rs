//! Whatever the network does, every byte arrives once and in order.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::{any, prop, proptest};

use super::{Packet, Pair, ROOM, StreamEvent, bidi, limits, uni};
use crate::{config::limits::MAX_SEND_UNSENT, stream_id::StreamId};

/// The byte at `offset` of stream `id`.
fn byte(id: StreamId, offset: u64) -> u8 {
    let x = (offset ^ id.as_u64() << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x.to_be_bytes()[0]
}

fn bytes(id: StreamId, from: u64, len: usize) -> Vec<u8> {
    (from..).take(len).map(|i| byte(id, i)).collect()
}

#[derive(Debug)]
struct World {
    pair: Pair,
    /// Packets on their way to the server, in both fates: the network may repeat them.
    flying: Vec<Packet>,
    written: BTreeMap<StreamId, (u64, bool)>,
    read: BTreeMap<StreamId, (u64, bool)>,
}

impl World {
    fn new() -> Self {
        Self {
            pair: Pair::with(limits(1 << 20, 1 << 20, 10), limits(20_000, 9_000, 6)),
            flying: Vec::new(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
        }
    }

    fn pick(&self, arg: usize) -> Option<StreamId> {
        let n = self.written.len();
        self.written.keys().nth(arg % n.max(1)).copied()
    }

    fn step(&mut self, op: u8, arg: u16) {
        let arg = usize::from(arg);
        let c = &mut self.pair.client;
        match op % 12 {
            0 if self.written.len() < 6 => {
                let id = if arg % 2 == 0 { bidi(c) } else { uni(c) };
                c.s.fairness(id, arg % 3 == 0).unwrap();
                self.written.insert(id, (0, false));
            }
            1..=3 => self.write(arg, op),
            4 => {
                if let Some(id) = self.pick(arg)
                    && arg % 5 == 0
                    && !self.written[&id].1
                {
                    self.written.get_mut(&id).unwrap().1 = true;
                    self.pair.client.s.close_send(id).unwrap();
                }
            }
            5 | 6 => self.flying.extend(c.write(20 + arg % ROOM)),
            7 => self.arrive(arg, true),
            // Arrived, but the acknowledgement is lost, and the packet with it as it seems.
            8 => self.arrive(arg, false),
            9 => {
                if !self.flying.is_empty() {
                    let p = self.flying.swap_remove(arg % self.flying.len());
                    self.pair.client.lost(&p);
                }
            }
            10 => {
                // The network repeats a packet.
                if let Some(p) = self.flying.get(arg % self.flying.len().max(1)) {
                    self.pair.server.deliver(p);
                }
            }
            _ => {
                self.read(arg);
                self.updates();
            }
        }
    }

    fn write(&mut self, arg: usize, op: u8) {
        let Some(id) = self.pick(arg) else {
            return;
        };
        let (at, closed) = self.written[&id];
        if closed {
            return;
        }
        let data = bytes(id, at, 1 + arg % 5000);
        let s = &mut self.pair.client.s;
        let n = match op {
            1 => s.send(id, &data).unwrap(),
            2 => s.send_bytes(id, Bytes::from(data)).unwrap(),
            _ => {
                if s.send_atomic(id, &data).unwrap() {
                    data.len()
                } else {
                    0
                }
            }
        };
        assert!(n <= MAX_SEND_UNSENT);
        self.written.get_mut(&id).unwrap().0 += n as u64;
    }

    fn arrive(&mut self, arg: usize, acked: bool) {
        if self.flying.is_empty() {
            return;
        }
        let p = self.flying.swap_remove(arg % self.flying.len());
        self.pair.server.deliver(&p);
        if acked {
            self.pair.client.acked(&p);
        } else {
            self.pair.client.lost(&p);
            if arg.is_multiple_of(2) {
                // A late acknowledgement.
                self.pair.client.acked(&p);
            }
        }
    }

    fn read(&mut self, arg: usize) {
        for e in self.pair.server.events() {
            if let StreamEvent::NewStream { stream_id } = e {
                self.read.insert(stream_id, (0, false));
            }
        }
        let s = &mut self.pair.server.s;
        for (id, (at, done)) in &mut self.read {
            if *done {
                continue;
            }
            let mut buf = vec![0; arg % 3000];
            let (got, fin) = if arg.is_multiple_of(2) {
                let (n, fin) = s.recv(*id, &mut buf).unwrap();
                (Bytes::copy_from_slice(&buf[..n]), fin)
            } else {
                let (b, fin) = s.recv_bytes(*id).unwrap();
                (b.unwrap_or_default(), fin)
            };
            assert_eq!(got, bytes(*id, *at, got.len()));
            *at += got.len() as u64;
            *done = fin;
        }
    }

    /// What the server has to say arrives.
    fn updates(&mut self) {
        while let Some(p) = self.pair.server.write(ROOM) {
            self.pair.client.deliver(&p);
            self.pair.server.acked(&p);
        }
        self.pair.client.events();
    }

    fn finish(mut self) {
        for (id, (_, closed)) in &mut self.written {
            *closed = true;
            self.pair.client.s.close_send(*id).ok();
        }
        for p in std::mem::take(&mut self.flying) {
            self.pair.client.lost(&p);
        }
        for round in 0.. {
            assert!(round < 10_000, "it comes to an end");
            for p in self.pair.client.write_all() {
                self.pair.server.deliver(&p);
                self.pair.client.acked(&p);
            }
            self.read(2999);
            self.updates();
            if self.read.values().all(|(_, done)| *done) && !self.pair.client.s.wants_to_send() {
                break;
            }
        }
        assert_eq!(self.read, self.written);
        self.pair.client.events();
        // Only the other halves of bidirectional streams are left, of no memory to speak of.
        let bidi = self.written.keys().filter(|id| id.is_bidi()).count();
        assert_eq!(self.pair.client.s.len(), bidi);
        assert_eq!(self.pair.server.s.len(), bidi);
    }
}

proptest! {
    #[test]
    fn exactly_once(ops in prop::collection::vec((any::<u8>(), any::<u16>()), 0..400)) {
        let mut w = World::new();
        w.step(0, 1);
        for (op, arg) in ops {
            w.step(op, arg);
        }
        w.finish();
    }
}

#[test]
fn small_writes_share_frames_and_chunks() {
    let mut p = Pair::new();
    let id = uni(&mut p.client);
    for i in 0..300 {
        p.client.s.send(id, &bytes(id, i * 3, 3)).unwrap();
    }
    let packet = p.client.write(ROOM).unwrap();
    assert_eq!(packet.data(), [(id, 900)]);
    p.server.deliver(&packet);
    assert_eq!(p.server.read(id).0, bytes(id, 0, 900));
}

#[test]
fn what_was_acknowledged_is_not_sent_again() {
    let mut p = Pair::new();
    let id = uni(&mut p.client);
    p.client.s.send(id, &[1; 10_000]).unwrap();
    p.client.s.close_send(id).unwrap();
    let packets = p.client.write_all();
    // Declared lost all of them, then acknowledged but for two.
    for packet in &packets {
        p.client.lost(packet);
    }
    for (i, packet) in packets.iter().enumerate() {
        if i != 2 && i != 5 {
            p.client.acked(packet);
        }
    }
    let again: Vec<_> = p
        .client
        .write_all()
        .iter()
        .flat_map(Packet::tokens)
        .collect();
    assert_eq!(again, [packets[2].tokens(), packets[5].tokens()].concat());
    for t in again {
        p.client.s.acked(t);
    }
    assert_eq!(
        p.client.events(),
        [StreamEvent::SendStreamComplete { stream_id: id }]
    );
    assert_eq!(p.client.s.len(), 0);
}

#[test]
fn the_end_alone_is_sent_again() {
    let mut p = Pair::with(limits(9, 9, 9), limits(3, 3, 9));
    let id = uni(&mut p.client);
    p.client.s.send(id, b"abc").unwrap();
    let data = p.client.write(ROOM).unwrap();
    // No credit is left, and the end needs none.
    p.client.s.close_send(id).unwrap();
    let end = p.client.write(ROOM).unwrap();
    assert_eq!(end.data(), [(id, 0)]);
    p.client.acked(&data);
    p.client.lost(&end);
    let end = p.client.write(ROOM).unwrap();
    p.server.deliver(&end);
    p.server.deliver(&data);
    p.client.acked(&end);
    assert_eq!(p.server.read(id), (b"abc".to_vec(), true));
    assert_eq!(p.client.events().len(), 1);
}

#[test]
fn readable_is_told_once_until_it_is_taken() {
    let mut p = Pair::new();
    let id = uni(&mut p.client);
    let readable = StreamEvent::RecvStreamReadable { stream_id: id };
    for i in 0..3 {
        p.server.stream(id, i, b"x", false).unwrap();
    }
    // A gap: nothing new to read.
    p.server.stream(id, 9, b"x", false).unwrap();
    assert_eq!(
        p.server.events(),
        [StreamEvent::NewStream { stream_id: id }, readable]
    );
    p.server.stream(id, 0, b"xxx", false).unwrap();
    assert!(p.server.events().is_empty(), "nothing new");
    p.server.stream(id, 3, b"x", false).unwrap();
    p.server.read(id);
    assert!(p.server.events().is_empty(), "read already");
    p.server.stream(id, 4, b"xxxxxx", true).unwrap();
    assert_eq!(p.server.events(), [readable]);
    assert_eq!(p.server.read(id), (b"xxxxxx".to_vec(), true));
    assert_eq!(p.server.s.len(), 0);
}
