//! From a datagram to the connection that it is for, in constant time (RFC 9000 §5.2).

use std::{
    collections::{HashMap, hash_map},
    fmt::{self, Debug, Formatter},
    hash::BuildHasher,
};

use neqo_common::Random;
use siphasher::sip::SipHasher13;

use super::table::ConnectionHandle;
use crate::{
    cid::id::{ConnectionId, ConnectionIdGenerator},
    wire::header::decode::peek_dcid,
};

/// SipHash-1-3 under a secret key. Clients choose the Destination Connection ID of their first
/// packets: with any hash that they can compute, all of theirs would land in one bucket.
// hardening A22
#[derive(Clone, Copy)]
pub struct Keyed(u64, u64);

impl Keyed {
    fn new(random: &mut Random) -> Self {
        Self(random.u64(), random.u64())
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl Debug for Keyed {
    /// Who knows the key can make collisions.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed")
    }
}

/// Which connection IDs belong to which connection.
#[derive(Debug)]
pub struct Router {
    map: HashMap<ConnectionId, ConnectionHandle, Keyed>,
    /// Knows how long our connection IDs are, which short headers do not tell.
    generator: Box<dyn ConnectionIdGenerator>,
}

impl Router {
    /// Nothing is routed; `generator` is like those of the connections.
    pub fn new(generator: Box<dyn ConnectionIdGenerator>, random: &mut Random) -> Self {
        Self {
            map: HashMap::with_hasher(Keyed::new(random)),
            generator,
        }
    }

    /// Makes and recognizes our connection IDs.
    pub fn generator(&self) -> &dyn ConnectionIdGenerator {
        &*self.generator
    }

    /// A new connection ID that belongs to no connection.
    pub fn fresh(&mut self, random: &mut Random) -> Option<ConnectionId> {
        const TRIES: usize = 8;
        (0..TRIES).find_map(|_| {
            let cid = self.generator.generate_cid(random)?;
            (!self.map.contains_key(&cid)).then_some(cid)
        })
    }

    /// Routes `cid` to a connection, unless another one has it.
    pub fn add(&mut self, cid: ConnectionId, to: ConnectionHandle) -> bool {
        match self.map.entry(cid) {
            hash_map::Entry::Occupied(other) => *other.get() == to,
            hash_map::Entry::Vacant(free) => {
                free.insert(to);
                true
            }
        }
    }

    /// Routes `cid` no longer, if it went to this connection.
    pub fn remove(&mut self, cid: &ConnectionId, from: ConnectionHandle) {
        if let hash_map::Entry::Occupied(entry) = self.map.entry(*cid)
            && *entry.get() == from
        {
            entry.remove();
        }
    }

    /// The Destination Connection ID of the first packet in a datagram.
    pub fn dcid<'d>(&self, datagram: &'d [u8]) -> Option<&'d [u8]> {
        peek_dcid(datagram, &*self.generator)
    }

    /// Whom a Destination Connection ID belongs to.
    #[inline]
    pub fn lookup(&self, dcid: &[u8]) -> Option<ConnectionHandle> {
        self.map.get(dcid).copied()
    }

    /// Whom the first of several datagrams is for, of `stride` bytes each, and how many bytes
    /// in all are for the same connection. One alone, if it is for none that is known.
    pub fn run(&self, data: &[u8], stride: usize) -> (Option<ConnectionHandle>, usize) {
        let mut datagrams = data.chunks(stride.max(1));
        let first = datagrams.next().unwrap_or_default();
        let mut dcid = self.dcid(first);
        let to = dcid.and_then(|dcid| self.lookup(dcid));
        let mut len = first.len();
        if to.is_none() {
            return (to, len);
        }
        for next in datagrams {
            let next_dcid = self.dcid(next);
            if next_dcid != dcid && next_dcid.and_then(|dcid| self.lookup(dcid)) != to {
                break;
            }
            dcid = next_dcid;
            len += next.len();
        }
        (to, len)
    }

    /// Where a connection ID lands.
    #[cfg(test)]
    pub fn hash(&self, cid: &ConnectionId) -> u64 {
        self.map.hasher().hash_one(cid)
    }

    /// How many connection IDs are routed.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.map.len()
    }
}
