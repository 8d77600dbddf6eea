//! The event loop.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use neqo_common::Datagram;

use super::{
    Change, Failure, Network, Node, Reason, Summary,
    report::{Event, Trace},
};

/// How often a node may ask to be called again at once before the run fails.
const MAX_SPINS: u32 = 10_000;

/// Something that is due.
#[derive(Debug)]
enum Due {
    Arrival(Datagram),
    /// Of this node; stale unless the number is that of the timer set last.
    Timer(usize, u64),
    /// The index of it in the configuration.
    Change(usize),
}

/// Orders by time and then by sequence, so that a run does not depend on how the heap is laid out.
#[derive(Debug)]
struct Entry {
    at: Instant,
    sequence: u64,
    due: Due,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// What the loop knows about a node.
#[derive(Clone, Debug, Default)]
struct Seat {
    /// It has to be asked for output.
    awake: bool,
    /// The number of the timer set last.
    timer: u64,
    /// How often in a row it asked to be called again at once.
    spins: u32,
}

/// A rebound NAT mapping.
#[derive(Debug)]
struct Nat {
    inside: SocketAddr,
    outside: SocketAddr,
}

/// One run.
#[derive(Debug)]
pub(super) struct Runner {
    net: Network,
    seats: Vec<Seat>,
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    start: Instant,
    now: Instant,
    nats: Vec<Nat>,
    trace: Trace,
    unroutable: u64,
}

impl Runner {
    pub(super) fn new(net: Network, nodes: usize) -> Self {
        let start = crate::now();
        let seat = Seat {
            awake: true,
            ..Seat::default()
        };
        let mut runner = Self {
            net,
            seats: vec![seat; nodes],
            heap: BinaryHeap::new(),
            sequence: 0,
            start,
            now: start,
            nats: Vec::new(),
            trace: Trace::new(),
            unroutable: 0,
        };
        for i in 0..runner.net.changes.len() {
            let at = start + runner.net.changes[i].0;
            runner.push(at, Due::Change(i));
        }
        runner
    }

    pub(super) fn run(mut self, nodes: &mut [&mut dyn Node]) -> Result<Summary, Box<Failure>> {
        match self.turn(nodes) {
            Ok(()) => Ok(self.summary()),
            Err(reason) => Err(Box::new(self.failure(reason, nodes))),
        }
    }

    fn turn(&mut self, nodes: &mut [&mut dyn Node]) -> Result<(), Reason> {
        loop {
            self.outputs(nodes)?;
            if nodes.iter().all(|n| n.done()) {
                return Ok(());
            }
            let Some(Reverse(next)) = self.heap.peek() else {
                return Err(Reason::Stuck);
            };
            let at = next.at;
            if at.duration_since(self.start) > self.net.deadline {
                return Err(Reason::Deadline);
            }
            if at > self.now {
                self.now = at;
                self.seats.iter_mut().for_each(|s| s.spins = 0);
            }
            while let Some(Reverse(next)) = self.heap.peek()
                && next.at == at
            {
                if let Some(Reverse(entry)) = self.heap.pop() {
                    self.happen(entry.due, nodes);
                }
            }
        }
    }

    /// Asks every node to which something happened what it sends.
    fn outputs(&mut self, nodes: &mut [&mut dyn Node]) -> Result<(), Reason> {
        for (n, node) in nodes.iter_mut().enumerate() {
            if !mem::take(&mut self.seats[n].awake) {
                continue;
            }
            let mut out = Vec::new();
            let timer = node.output(self.now, &mut out);
            for d in out {
                self.send(d);
            }
            self.seats[n].timer += 1;
            if let Some(at) = timer {
                self.set_timer(n, at)?;
            }
        }
        Ok(())
    }

    fn set_timer(&mut self, n: usize, at: Instant) -> Result<(), Reason> {
        let seat = &mut self.seats[n];
        if at <= self.now {
            seat.spins += 1;
            if seat.spins > MAX_SPINS {
                return Err(Reason::Spinning { node: n });
            }
        }
        let due = Due::Timer(n, seat.timer);
        self.push(at.max(self.now), due);
        Ok(())
    }

    fn send(&mut self, d: Datagram) {
        let (src, dst, len) = (d.source(), d.destination(), d.len());
        let mut arrivals = Vec::new();
        let fates = self
            .net
            .wire(src.ip(), dst.ip())
            .send(d, self.now, &mut arrivals);
        for (at, d) in arrivals {
            let d = self.leave_nat(d);
            self.push(at, Due::Arrival(d));
        }
        let event = Event::Sent {
            src,
            dst,
            len,
            fates,
        };
        self.trace.event(self.elapsed(), event);
    }

    fn happen(&mut self, due: Due, nodes: &mut [&mut dyn Node]) {
        match due {
            Due::Arrival(d) => self.arrive(d, nodes),
            Due::Timer(node, timer) => {
                if self.seats[node].timer == timer {
                    self.seats[node].awake = true;
                    self.trace.event(self.elapsed(), Event::Timer { node });
                }
            }
            Due::Change(i) => {
                self.trace.event(self.elapsed(), Event::Changed);
                match self.net.changes[i].1.clone() {
                    Change::Link { from, to, link } => self.net.wire(from, to).link = link,
                    Change::Rebind { inside, outside } => {
                        self.nats.retain(|nat| nat.inside != inside);
                        self.nats.push(Nat { inside, outside });
                    }
                }
            }
        }
    }

    fn arrive(&mut self, d: Datagram, nodes: &mut [&mut dyn Node]) {
        let at = self.elapsed();
        let (src, dst, len) = (d.source(), d.destination(), d.len());
        let inside = self.inside(dst);
        let owner = inside.and_then(|a| self.net.owner(a.ip(), nodes.len()));
        let (Some(inside), Some(n)) = (inside, owner) else {
            self.unroutable += 1;
            self.trace.event(at, Event::Unroutable { dst, len });
            return;
        };
        self.trace.event(at, Event::Arrived { src, dst, len });
        self.trace.arrival(at, n, &d);
        self.seats[n].awake = true;
        nodes[n].input(readdressed(d, src, inside), self.now);
    }

    /// The address behind the NAT for one that others use, if it is in use.
    fn inside(&self, outside: SocketAddr) -> Option<SocketAddr> {
        if self.nats.iter().any(|nat| nat.inside == outside) {
            return None;
        }
        let nat = self.nats.iter().find(|nat| nat.outside == outside);
        Some(nat.map_or(outside, |nat| nat.inside))
    }

    fn leave_nat(&self, d: Datagram) -> Datagram {
        let nat = self.nats.iter().find(|nat| nat.inside == d.source());
        match nat {
            Some(nat) => {
                let dst = d.destination();
                readdressed(d, nat.outside, dst)
            }
            None => d,
        }
    }

    fn push(&mut self, at: Instant, due: Due) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at, sequence, due }));
    }

    fn elapsed(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    fn summary(self) -> Summary {
        let wires = self.net.wires.iter();
        let (shape, bytes) = self.trace.hashes();
        Summary {
            elapsed: self.elapsed(),
            shape,
            bytes,
            unroutable: self.unroutable,
            links: wires.map(|(f, t, w)| (*f, *t, w.stats)).collect(),
        }
    }

    fn failure(self, reason: Reason, nodes: &[&mut dyn Node]) -> Failure {
        let elapsed = self.elapsed();
        let wires = self.net.wires.iter();
        Failure {
            reason,
            seed: self.net.seed,
            elapsed,
            configuration: wires
                .map(|(f, t, w)| format!("{f} -> {t}: {:?} {:?}", w.link, w.stats))
                .chain(
                    self.net
                        .changes
                        .iter()
                        .map(|(at, c)| format!("at {at:?}: {c:?}")),
                )
                .collect(),
            nodes: nodes
                .iter()
                .enumerate()
                .map(|(n, node)| format!("{n}: done={} {}", node.done(), node.describe()))
                .collect(),
            last: self.trace.into_last(),
        }
    }
}

fn readdressed(d: Datagram, src: SocketAddr, dst: SocketAddr) -> Datagram {
    let tos = d.tos();
    Datagram::new(src, dst, tos, d.into_data())
}
