//! HTTP/3 of each connection, and which of them have events.

use std::collections::VecDeque;

use neqo_transport::{CloseReason, server::ConnectionHandle};

use crate::{
    Http3State, config::limits::MAX_ENDED_CONNECTIONS, core::events::CoreEvent, driver::Driver,
};

/// What the host is to be told of a connection.
#[derive(Debug)]
pub(super) enum News {
    State(Http3State),
    Core(CoreEvent),
}

#[derive(Debug)]
struct Entry {
    conn: ConnectionHandle,
    driver: Driver,
    /// The newest state that was not told.
    state: Option<Http3State>,
    /// Whether this is in the queue of those with events.
    queued: bool,
}

impl Entry {
    fn has_news(&self) -> bool {
        self.state.is_some() || self.driver.core.has_events()
    }

    fn next(&mut self) -> Option<News> {
        let state = self.state.take().map(News::State);
        state.or_else(|| self.driver.core.next_event().map(News::Core))
    }
}

/// Connections that are closed, and why, until the host is told. The newest are kept.
#[derive(Debug, Default)]
struct Ended(VecDeque<(ConnectionHandle, CloseReason)>);

impl Ended {
    fn push(&mut self, conn: ConnectionHandle, reason: CloseReason) {
        if self.0.len() == MAX_ENDED_CONNECTIONS {
            self.0.pop_front();
        }
        self.0.push_back((conn, reason));
    }
}

/// One [`Driver`] for each connection, at the index of its handle.
///
/// A host that never asks costs one state, the newest, for each connection that is open, and
/// [`MAX_ENDED_CONNECTIONS`] for those that were.
#[derive(Debug, Default)]
pub(super) struct Connections {
    entries: Vec<Option<Entry>>,
    live: usize,
    queue: VecDeque<ConnectionHandle>,
    ended: Ended,
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
        if slot.take_if(|e| e.conn != conn).is_some() {
            self.live -= 1;
        }
        let live = &mut self.live;
        &mut slot
            .get_or_insert_with(|| {
                *live += 1;
                Entry {
                    conn,
                    driver: make(),
                    state: None,
                    queued: false,
                }
            })
            .driver
    }

    pub(super) fn remove(&mut self, conn: ConnectionHandle) {
        if let Some(slot) = index(conn).and_then(|at| self.entries.get_mut(at))
            && slot.take_if(|e| e.conn == conn).is_some()
        {
            self.live -= 1;
            self.tidy();
        }
    }

    /// Keeps the queue from growing with each connection that was.
    fn tidy(&mut self) {
        const SLACK: usize = 64;
        if self.queue.len() > 2 * self.live + SLACK {
            let mut queue = std::mem::take(&mut self.queue);
            queue.retain(|conn| self.find(*conn).is_some());
            self.queue = queue;
        }
    }

    /// A connection's state changed: the host is told of the newest.
    pub(super) fn note_state(&mut self, conn: ConnectionHandle, state: Http3State) {
        if let Http3State::Closed(reason) = state {
            self.remove(conn);
            self.ended.push(conn, reason);
        } else if let Some(entry) = self.find_mut(conn) {
            entry.state = Some(state);
        }
    }

    /// Puts a connection into the queue if it has events.
    pub(super) fn check_events(&mut self, conn: ConnectionHandle) {
        if let Some(entry) = self.find_mut(conn)
            && !entry.queued
            && entry.has_news()
        {
            entry.queued = true;
            self.queue.push_back(conn);
        }
    }

    pub(super) fn has_events(&self) -> bool {
        let live = |conn| self.find(conn).is_some_and(Entry::has_news);
        !self.ended.0.is_empty() || self.queue.iter().copied().any(live)
    }

    /// The next event. Connections take turns, an event each.
    pub(super) fn next_event(&mut self) -> Option<(ConnectionHandle, News)> {
        if let Some((conn, reason)) = self.ended.0.pop_front() {
            return Some((conn, News::State(Http3State::Closed(reason))));
        }
        while let Some(conn) = self.queue.pop_front() {
            let Some(entry) = self.find_mut(conn) else {
                continue;
            };
            entry.queued = false;
            if let Some(news) = entry.next() {
                self.check_events(conn);
                return Some((conn, news));
            }
        }
        None
    }

    /// How much is kept for the host.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        self.live + self.queue.len() + self.ended.0.len()
    }
}
