//! When which connection wants to be called: a binary heap with one place for each connection.
//!
//! Deadlines mostly move into the future, with every packet. Such a move is only noted; the heap
//! is put in order when the old deadline gets to its top. So a move costs a store, and there are
//! never more entries than connections.

use std::time::Instant;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Never later than the deadline of the connection.
    key: Instant,
    index: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    deadline: Option<Instant>,
    /// Where in the heap the connection is. It is there as long as it has a deadline.
    position: usize,
}

/// The deadlines of all connections, by their index in the table.
#[derive(Debug, Default)]
pub struct Timers {
    heap: Vec<Node>,
    slots: Vec<Slot>,
}

impl Timers {
    /// Sets or clears the deadline of a connection.
    pub fn set(&mut self, index: u32, deadline: Option<Instant>) {
        let i = to_usize(index);
        if self.slots.len() <= i {
            if deadline.is_none() {
                return;
            }
            self.slots.resize(i + 1, Slot::default());
        }
        let old = self.slots[i];
        self.slots[i].deadline = deadline;
        match (old.deadline, deadline) {
            (None, None) => {}
            (None, Some(key)) => {
                self.heap.push(Node { key, index });
                self.up(self.heap.len() - 1);
            }
            (Some(_), None) => self.take(old.position),
            (Some(_), Some(key)) => {
                if key < self.heap[old.position].key {
                    self.heap[old.position].key = key;
                    self.up(old.position);
                }
            }
        }
    }

    /// The earliest deadline.
    pub fn earliest(&mut self) -> Option<Instant> {
        loop {
            let top = *self.heap.first()?;
            let deadline = self.slots[to_usize(top.index)].deadline?;
            if deadline <= top.key {
                return Some(deadline);
            }
            self.heap[0].key = deadline;
            self.down(0);
        }
    }

    /// A connection whose deadline is not after `now`. It has none any more.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let due = self.earliest().is_some_and(|at| at <= now);
        let index = self.heap.first().filter(|_| due)?.index;
        self.set(index, None);
        Some(index)
    }

    /// How many connections have a deadline.
    #[cfg(test)]
    pub const fn len(&self) -> usize {
        self.heap.len()
    }

    /// Removes the node at `position`.
    fn take(&mut self, position: usize) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.down(position);
            self.up(position);
        }
    }

    fn place(&mut self, position: usize, node: Node) {
        self.heap[position] = node;
        self.slots[to_usize(node.index)].position = position;
    }

    fn up(&mut self, mut position: usize) {
        let node = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].key <= node.key {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, node);
    }

    fn down(&mut self, mut position: usize) {
        let node = self.heap[position];
        loop {
            let left = 2 * position + 1;
            let Some(child) = (left..self.heap.len().min(left + 2))
                .min_by_key(|c| self.heap[*c].key)
                .filter(|c| self.heap[*c].key < node.key)
            else {
                break;
            };
            self.place(position, self.heap[child]);
            position = child;
        }
        self.place(position, node);
    }
}

/// An index of the table, of which there are far fewer than `usize` can count.
fn to_usize(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use proptest::{collection::vec, option, prelude::any, proptest};

    use super::{Instant, Timers};

    fn at(base: Instant, ms: u16) -> Instant {
        base + Duration::from_millis(ms.into())
    }

    #[test]
    fn a_later_deadline_replaces_an_earlier_one() {
        let base = crate::test_now();
        let mut t = Timers::default();
        t.set(3, Some(at(base, 10)));
        t.set(3, Some(at(base, 30)));
        t.set(0, Some(at(base, 20)));
        assert_eq!(t.earliest(), Some(at(base, 20)));
        assert_eq!(t.pop_due(at(base, 19)), None);
        assert_eq!(t.pop_due(at(base, 30)), Some(0));
        assert_eq!(t.pop_due(at(base, 30)), Some(3));
        assert_eq!(t.pop_due(at(base, 30)), None);
        assert_eq!((t.earliest(), t.len()), (None, 0));
        t.set(100, None);
        assert_eq!(t.slots.len(), 4);
    }

    proptest! {
        /// Against the obvious model: a map that is searched from end to end.
        #[test]
        fn as_a_map(
            steps in vec(
                (
                    0..20_u32,
                    option::weighted(0.8, any::<u16>()),
                    option::weighted(0.2, any::<u16>()),
                ),
                0..300,
            )
        ) {
            let base = crate::test_now();
            let mut t = Timers::default();
            let mut model = BTreeMap::new();
            for (index, deadline, now) in steps {
                t.set(index, deadline.map(|ms| at(base, ms)));
                match deadline {
                    Some(ms) => model.insert(index, ms),
                    None => model.remove(&index),
                };
                assert_eq!(t.len(), model.len());
                assert_eq!(t.earliest(), model.values().min().map(|ms| at(base, *ms)));
                let Some(now) = now else { continue };
                while let Some(due) = t.pop_due(at(base, now)) {
                    let ms = model.remove(&due).unwrap();
                    assert!(ms <= now);
                    assert!(model.values().all(|other| *other >= ms));
                }
                assert!(model.values().all(|ms| *ms > now));
            }
        }
    }
}
