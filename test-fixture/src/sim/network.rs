//! The configuration of a network: which addresses there are and what lies between them.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use neqo_common::Random;

use super::{Failure, Link, Node, Summary, address, runner::Runner, wire::Wire};

/// Virtual time after which a run fails, unless told otherwise.
const DEADLINE: Duration = Duration::from_mins(5);

/// Something that happens to the network during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The link from one address to another gets new properties. What is on its way stays on its
    /// way.
    Link {
        /// The address of the sender.
        from: IpAddr,
        /// The address of the receiver.
        to: IpAddr,
        /// The new properties.
        link: Link,
    },
    /// A NAT in front of a node forgets its mapping and makes a new one: from now on what the node
    /// sends from `inside` is seen to come from `outside`, what is sent to `outside` reaches it, and
    /// what is sent to any earlier address of the mapping is lost.
    Rebind {
        /// The address that the node itself knows.
        inside: SocketAddr,
        /// The address that others see.
        outside: SocketAddr,
    },
}

/// The nodes' addresses, the links between them, and what is going to change.
///
/// Nodes are numbered by their position in the slice given to [`run`](Self::run). Each has the
/// address [`address`] of its number and those added with [`alias`](Self::alias). A node may use any
/// port and any number of them.
#[derive(Debug)]
pub struct Network {
    pub(super) seed: u64,
    pub(super) deadline: Duration,
    pub(super) fallback: Link,
    pub(super) random: Random,
    pub(super) wires: Vec<(IpAddr, IpAddr, Wire)>,
    pub(super) aliases: Vec<(IpAddr, usize)>,
    pub(super) changes: Vec<(Duration, Change)>,
}

impl Network {
    /// A network in which any two nodes have a [`Link::default`] between them.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            deadline: DEADLINE,
            fallback: Link::default(),
            random: super::seed::random(seed),
            wires: Vec::new(),
            aliases: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Sets what lies between addresses for which nothing else is said.
    #[must_use]
    pub const fn fallback(mut self, link: Link) -> Self {
        self.fallback = link;
        self
    }

    /// Puts a link of the same properties into both directions between two nodes.
    #[must_use]
    pub fn connect(self, a: usize, b: usize, link: Link) -> Self {
        self.link(a, b, link.clone()).link(b, a, link)
    }

    /// Puts a link from one node to another, on their first addresses.
    #[must_use]
    pub fn link(self, from: usize, to: usize, link: Link) -> Self {
        self.link_addresses(address(from).ip(), address(to).ip(), link)
    }

    /// Puts a link from one address to another.
    #[must_use]
    pub fn link_addresses(mut self, from: IpAddr, to: IpAddr, link: Link) -> Self {
        self.wire(from, to).link = link;
        self
    }

    /// Gives a node another address.
    #[must_use]
    pub fn alias(mut self, node: usize, ip: IpAddr) -> Self {
        self.aliases.push((ip, node));
        self
    }

    /// Lets something happen at a time counted from the start of the run.
    #[must_use]
    pub fn at(mut self, when: Duration, change: Change) -> Self {
        self.changes.push((when, change));
        self
    }

    /// Sets the virtual time after which the run fails (default: 300 s).
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs until all nodes are done.
    ///
    /// # Errors
    /// When the deadline passes, when nothing can happen any more, or when a node keeps asking to be
    /// called again at once.
    pub fn run(self, nodes: &mut [&mut dyn Node]) -> Result<Summary, Box<Failure>> {
        Runner::new(self, nodes.len()).run(nodes)
    }

    /// The link from one address to another, made on first use.
    pub(super) fn wire(&mut self, from: IpAddr, to: IpAddr) -> &mut Wire {
        let at = self
            .wires
            .iter()
            .position(|(f, t, _)| (*f, *t) == (from, to))
            .unwrap_or_else(|| {
                let wire = Wire::new(self.fallback.clone(), self.random.fork());
                self.wires.push((from, to, wire));
                self.wires.len() - 1
            });
        &mut self.wires[at].2
    }

    /// The node that has the address.
    pub(super) fn owner(&self, ip: IpAddr, nodes: usize) -> Option<usize> {
        (0..nodes).find(|n| address(*n).ip() == ip).or_else(|| {
            self.aliases
                .iter()
                .find(|(alias, _)| *alias == ip)
                .map(|(_, node)| *node)
        })
    }
}
