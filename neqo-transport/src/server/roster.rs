//! The connections of a server, and who of them is to be served next. Every step here takes
//! constant time, but for the timers, which take the logarithm of the number of connections.

use std::{collections::VecDeque, time::Instant};

use neqo_common::{Random, event::Provider as _};

use super::{
    accept::Load,
    routing::Router,
    table::{ConnectionHandle, Entry, Stage, Table},
    timers::Timers,
};
use crate::{
    cid::{
        id::{ConnectionId, ConnectionIdGenerator},
        local::CidChange,
    },
    config::limits,
    connection::{Connection, State},
};

/// The connections of a server: those that may send stand in a queue, those that wait have a
/// timer, those with events stand in another queue for the host.
#[derive(Debug)]
pub struct Roster {
    table: Table,
    pub router: Router,
    timers: Timers,
    ready: VecDeque<ConnectionHandle>,
    active: VecDeque<ConnectionHandle>,
    /// Over, and the host has not been told.
    ended: VecDeque<ConnectionHandle>,
    /// Over, and the host has been told: they go with its next call.
    told: Vec<ConnectionHandle>,
    load: Load,
}

impl Roster {
    /// No connections yet; the IDs that they are found by come from `generator`.
    pub fn new(generator: Box<dyn ConnectionIdGenerator>, random: &mut Random) -> Self {
        Self {
            table: Table::default(),
            router: Router::new(generator, random),
            timers: Timers::default(),
            ready: VecDeque::new(),
            active: VecDeque::new(),
            ended: VecDeque::new(),
            told: Vec::new(),
            load: Load {
                connections: 0,
                half_open: 0,
            },
        }
    }

    /// How many connections there are that are not over.
    pub const fn load(&self) -> Load {
        self.load
    }

    /// Takes in a connection whose first packet was to `dcid`. Nothing, and it is dropped, if its
    /// connection IDs are taken.
    pub fn insert(
        &mut self,
        conn: Connection,
        dcid: ConnectionId,
        handshake_end: Instant,
    ) -> Option<ConnectionHandle> {
        let handle = self.table.insert(Entry {
            conn,
            stage: Stage::HalfOpen(handshake_end),
            initial_dcid: Some(dcid),
            routes: smallvec::SmallVec::new(),
            ready: false,
            active: false,
        })?;
        self.load.connections += 1;
        self.load.half_open += 1;
        self.router.add(dcid, handle);
        self.sync(handle);
        let reachable = self.table.get(handle).is_some_and(|e| !e.routes.is_empty());
        if !reachable {
            self.end(handle);
            self.table.remove(handle);
        }
        reachable.then_some(handle)
    }

    /// The connection, unless it is gone.
    pub fn get(&self, handle: ConnectionHandle) -> Option<&Connection> {
        self.table.get(handle).map(|entry| &entry.conn)
    }

    /// The connection and what is known about it, unless it is gone.
    pub fn get_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Entry> {
        self.table.get_mut(handle)
    }

    /// The handles of all connections that are not over.
    pub fn handles(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        let over = |h: &ConnectionHandle| {
            self.table
                .get(*h)
                .is_none_or(|entry| entry.stage == Stage::Ended)
        };
        self.table.handles().filter(move |h| !over(h))
    }

    /// Notes that a connection may have something to send.
    pub fn wake(&mut self, handle: ConnectionHandle) {
        if let Some(entry) = self.table.get_mut(handle)
            && !entry.ready
            && entry.stage != Stage::Ended
        {
            entry.ready = true;
            self.ready.push_back(handle);
        }
    }

    /// Wakes the connections whose time has come.
    pub fn fire(&mut self, now: Instant) {
        while let Some(index) = self.timers.pop_due(now) {
            if let Some(handle) = self.table.at(index) {
                self.wake(handle);
            }
        }
    }

    /// Whose turn it is to send.
    pub fn next_ready(&mut self) -> Option<ConnectionHandle> {
        while let Some(handle) = self.ready.pop_front() {
            if let Some(entry) = self.table.get_mut(handle) {
                entry.ready = false;
                return Some(handle);
            }
        }
        None
    }

    /// A connection has nothing to send until `deadline`.
    pub fn wait(&mut self, handle: ConnectionHandle, deadline: Option<Instant>) {
        let Some(entry) = self.table.get(handle) else {
            return;
        };
        let deadline = match entry.stage {
            Stage::HalfOpen(end) => Some(deadline.map_or(end, |at| at.min(end))),
            Stage::Late | Stage::Open => deadline,
            Stage::Ended => None,
        };
        self.timers.set(handle.index(), deadline);
    }

    /// When the next connection is to be woken.
    pub fn earliest(&mut self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// The next connection that has events.
    pub fn next_active(&mut self) -> Option<ConnectionHandle> {
        self.reap();
        while let Some(handle) = self.active.pop_front() {
            if let Some(entry) = self.table.get_mut(handle) {
                entry.active = false;
                if entry.stage == Stage::Ended {
                    self.told.push(handle);
                }
                return Some(handle);
            }
        }
        None
    }

    /// Forgets connections that are over, once the host was told and had time to look.
    pub fn reap(&mut self) {
        while let Some(handle) = self.told.pop() {
            self.table.remove(handle);
        }
    }

    /// Takes over what a call changed in a connection: its IDs, its state, its events.
    pub fn sync(&mut self, handle: ConnectionHandle) {
        let Some(entry) = self.table.get_mut(handle) else {
            return;
        };
        while let Some(change) = entry.conn.next_cid_change() {
            match change {
                CidChange::Added(cid) => {
                    if self.router.add(cid, handle) {
                        entry.routes.push(cid);
                    }
                }
                CidChange::Removed(cid) => {
                    self.router.remove(&cid, handle);
                    entry.routes.retain(|c| *c != cid);
                }
            }
        }
        if *entry.conn.state() == State::Confirmed && entry.stage.is_half_open() {
            entry.stage = Stage::Open;
            self.load.half_open -= 1;
            if let Some(dcid) = entry.initial_dcid.take() {
                self.router.remove(&dcid, handle);
            }
        }
        if entry.conn.has_events() && !entry.active {
            entry.active = true;
            self.active.push_back(handle);
        }
        if entry.conn.state().closed() && entry.stage != Stage::Ended {
            self.end(handle);
        }
    }

    /// A connection is over: nothing leads to it any more, but for the host's handle while there
    /// are events left.
    fn end(&mut self, handle: ConnectionHandle) {
        let Some(entry) = self.table.get_mut(handle) else {
            return;
        };
        for cid in entry.routes.drain(..).chain(entry.initial_dcid.take()) {
            self.router.remove(&cid, handle);
        }
        if entry.stage.is_half_open() {
            self.load.half_open -= 1;
        }
        self.load.connections -= 1;
        entry.stage = Stage::Ended;
        self.timers.set(handle.index(), None);
        if !entry.active {
            self.table.remove(handle);
            return;
        }
        self.ended.push_back(handle);
        if self.ended.len() > limits::SERVER_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.table.remove(oldest);
        }
        self.tidy();
    }

    /// Keeps the queue for a host that never asks from growing with each connection that was.
    fn tidy(&mut self) {
        const SLACK: usize = 64;
        if self.active.len() > 2 * self.table.len() + SLACK {
            let table = &self.table;
            self.active.retain(|h| table.get(*h).is_some());
        }
    }

    /// What is known about a connection.
    #[cfg(test)]
    pub fn table_entry(&self, handle: ConnectionHandle) -> &Entry {
        self.table.get(handle).unwrap()
    }

    /// How much is kept in all tables and queues together.
    #[cfg(test)]
    pub fn footprint(&self) -> usize {
        self.table.len()
            + self.router.len()
            + self.timers.len()
            + self.ready.len()
            + self.active.len()
            + self.told.len()
    }
}
