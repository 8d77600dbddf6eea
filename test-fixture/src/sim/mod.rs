//! A network in virtual time, for any number of nodes, driven by one seed.
//!
//! - [`Node`] is what sits at an end: a connection, a server, an attacker.
//! - [`Link`] says what one direction between two addresses does to datagrams.
//! - [`Network`] holds the links and runs the nodes until all of them are done. It is an event loop
//!   over a heap ordered by time and then by sequence, so nothing ever sleeps and nothing depends
//!   on the machine.
//! - [`run`] and [`run_many`] hand out seeds and say on a failure which one it was; the environment
//!   variable `NEQO_SIM_SEED` then reruns exactly that.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use neqo_common::{Datagram, Tos};
//! use test_fixture::sim::{self, Chance, Link, Network, Node};
//!
//! struct Sender(u8);
//! impl Node for Sender {
//!     fn input(&mut self, _: Datagram, _: Instant) {}
//!     fn output(&mut self, _: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
//!         for n in 0..std::mem::take(&mut self.0) {
//!             out.push(Datagram::new(sim::address(0), sim::address(1), Tos::default(), vec![n]));
//!         }
//!         None
//!     }
//!     fn done(&self) -> bool {
//!         self.0 == 0
//!     }
//! }
//!
//! struct Receiver(Vec<u8>);
//! impl Node for Receiver {
//!     fn input(&mut self, d: Datagram, _: Instant) {
//!         self.0.extend_from_slice(&d);
//!     }
//!     fn output(&mut self, _: Instant, _: &mut Vec<Datagram>) -> Option<Instant> {
//!         None
//!     }
//!     fn done(&self) -> bool {
//!         self.0.len() == 3
//!     }
//! }
//!
//! sim::run(|seed| {
//!     let (mut a, mut b) = (Sender(3), Receiver(Vec::new()));
//!     let summary = Network::new(seed)
//!         .connect(0, 1, Link::new(Duration::from_millis(20)).jitter(Duration::from_millis(5)))
//!         .run(&mut [&mut a, &mut b])
//!         .unwrap();
//!     assert!(summary.elapsed >= Duration::from_millis(20));
//!     assert_eq!(b.0, [0, 1, 2]);
//! });
//! ```

mod chance;
mod link;
mod loss;
mod network;
mod report;
mod runner;
mod seed;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Instant,
};

pub use chance::Chance;
pub use link::{Bottleneck, Link, Reorder};
pub use loss::Loss;
use neqo_common::Datagram;
pub use network::{Change, Network};
pub use report::{Failure, LinkStats, Reason, Summary};
pub use seed::{run, run_many};

/// One end of the network.
///
/// The network calls [`input`](Self::input) for each datagram that arrives at one instant, and then
/// [`output`](Self::output) once. It calls `output` again when the timer that it returned is due.
pub trait Node {
    /// A datagram arrives.
    fn input(&mut self, d: Datagram, now: Instant);

    /// Appends to `out` what is to be sent at `now`, and says when to be called next at the latest
    /// if nothing arrives: `None` for never. A time that is not after `now` means again at once.
    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant>;

    /// Whether this node has reached what its test wants. The run ends when all nodes say so.
    fn done(&self) -> bool;

    /// What a report about a failed run shows of this node.
    fn describe(&self) -> String {
        String::new()
    }
}

/// The port that [`address`] gives to every node.
const PORT: u16 = 4433;

/// The address that node number `node` has from the start: `[fd00::1]:4433` for node 0, and so on.
#[must_use]
pub fn address(node: usize) -> SocketAddr {
    let host = u16::try_from(node.saturating_add(1)).unwrap_or(u16::MAX);
    SocketAddr::new(
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host)),
        PORT,
    )
}
