//! HTTP/3 of each connection, and which of them have events.

use std::collections::VecDeque;

use neqo_transport::server::ConnectionHandle;

use crate::{core::events::CoreEvent, driver::Driver};

#[derive(Debug)]
struct Entry {
    conn: ConnectionHandle,
    driver: Driver,
    /// Whether this is in the queue of those with events.
    queued: bool,
}

/// One [`Driver`] for each connection, at the index of its handle.
#[derive(Debug, Default)]
pub(super) struct Connections {
    entries: Vec<Option<Entry>>,
    queue: VecDeque<ConnectionHandle>,
}

fn index(conn: ConnectionHandle) -> Option<usize> {
    usize::try_from(conn.index()).ok()
}

impl Connections {
    fn find(&self, conn: ConnectionHandle) -> Option<&Entry> {
        self.entries
            .get(index(conn)?)?
            .as_ref()
            .filter(|e| e.conn == conn)
    }

    fn find_mut(&mut self, conn: ConnectionHandle) -> Option<&mut Entry> {
        self.entries
            .get_mut(index(conn)?)?
            .as_mut()
            .filter(|e| e.conn == conn)
    }

    pub(super) fn get(&self, conn: ConnectionHandle) -> Option<&Driver> {
        self.find(conn).map(|e| &e.driver)
    }

    pub(super) fn get_mut(&mut self, conn: ConnectionHandle) -> Option<&mut Driver> {
        self.find_mut(conn).map(|e| &mut e.driver)
    }

    /// The driver of a connection, which is made if there is none. What an earlier connection left at this index goes.
    pub(super) fn entry(
        &mut self,
        conn: ConnectionHandle,
        make: impl FnOnce() -> Driver,
    ) -> &mut Driver {
        let at = index(conn).unwrap_or(usize::MAX);
        if at >= self.entries.len() {
            self.entries.resize_with(at.saturating_add(1), || None);
        }
        let slot = &mut self.entries[at];
        slot.take_if(|e| e.conn != conn);
        &mut slot
            .get_or_insert_with(|| Entry {
                conn,
                driver: make(),
                queued: false,
            })
            .driver
    }

    pub(super) fn remove(&mut self, conn: ConnectionHandle) {
        if let Some(slot) = index(conn).and_then(|at| self.entries.get_mut(at)) {
            slot.take_if(|e| e.conn == conn);
        }
    }

    /// Puts a connection into the queue if it has events.
    pub(super) fn check_events(&mut self, conn: ConnectionHandle) {
        if let Some(entry) = self.find_mut(conn)
            && !entry.queued
            && entry.driver.core.has_events()
        {
            entry.queued = true;
            self.queue.push_back(conn);
        }
    }

    pub(super) fn has_events(&self) -> bool {
        self.queue
            .iter()
            .any(|conn| self.get(*conn).is_some_and(|d| d.core.has_events()))
    }

    /// The next event. Connections take turns, an event each.
    pub(super) fn next_event(&mut self) -> Option<(ConnectionHandle, CoreEvent)> {
        while let Some(conn) = self.queue.pop_front() {
            let Some(entry) = self.find_mut(conn) else {
                continue;
            };
            entry.queued = false;
            if let Some(event) = entry.driver.core.next_event() {
                self.check_events(conn);
                return Some((conn, event));
            }
        }
        None
    }
}
