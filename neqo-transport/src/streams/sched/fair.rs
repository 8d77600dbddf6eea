//! Streams of one level that take turns: plain ones among themselves, and with the groups.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use super::priority::{Priority, SendGroupId, SendOrder};
use crate::streams::store::{Kind, Queue, Slot, Store};

/// Streams that take turns with others as one: those of a group that have an order, or those
/// that have none.
type UnitKey = (Option<SendGroupId>, bool);
/// The streams of a unit by order; equals take turns.
type Unit = BTreeMap<SendOrder, Queue>;

/// Round robin among plain streams and units. Plain streams, which are the usual ones, cost O(1),
/// the others O(log n).
#[derive(Debug)]
pub(super) struct Fair {
    plain: Queue,
    units: BTreeMap<UnitKey, Unit>,
    /// The unit that had the last turn.
    last: UnitKey,
    /// Whether it is the turn of a unit and not of a plain stream.
    units_turn: bool,
}

const fn key(p: &Priority) -> Option<(UnitKey, SendOrder)> {
    match (p.group, p.order) {
        (None, None) => None,
        (group, None) => Some(((group, false), 0)),
        (group, Some(order)) => Some(((group, true), order)),
    }
}

impl Fair {
    pub(super) const fn new() -> Self {
        Self {
            plain: Queue::new(Kind::Fresh),
            units: BTreeMap::new(),
            last: (None, false),
            units_turn: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.units.is_empty()
    }

    pub(super) fn push(&mut self, store: &mut Store, slot: Slot, p: &Priority) {
        let queue = match key(p) {
            None => &mut self.plain,
            Some((unit, order)) => self
                .units
                .entry(unit)
                .or_default()
                .entry(order)
                .or_insert_with(|| Queue::new(Kind::Fresh)),
        };
        queue.push_back(store, slot);
    }

    pub(super) fn remove(&mut self, store: &mut Store, slot: Slot, p: &Priority) {
        let Some((key, order)) = key(p) else {
            self.plain.remove(store, slot);
            return;
        };
        let Some(unit) = self.units.get_mut(&key) else {
            return;
        };
        if let Some(queue) = unit.get_mut(&order) {
            queue.remove(store, slot);
            if queue.is_empty() {
                unit.remove(&order);
            }
        }
        if unit.is_empty() {
            self.units.remove(&key);
        }
    }

    /// The unit whose turn it is.
    fn unit(&self) -> Option<(&UnitKey, &Unit)> {
        self.units
            .range((Excluded(self.last), Unbounded))
            .next()
            .or_else(|| self.units.first_key_value())
    }

    fn is_units_turn(&self) -> bool {
        self.plain.is_empty() || (self.units_turn && !self.units.is_empty())
    }

    /// The stream whose turn it is.
    pub(super) fn front(&self) -> Option<Slot> {
        if self.is_units_turn() {
            self.unit()?.1.last_key_value()?.1.front()
        } else {
            self.plain.front()
        }
    }

    /// The stream at the front had its turn.
    pub(super) fn turn(&mut self, store: &mut Store) {
        if !self.is_units_turn() {
            self.plain.rotate(store);
            self.units_turn = true;
            return;
        }
        self.units_turn = false;
        let Some(key) = self.unit().map(|(key, _)| *key) else {
            return;
        };
        self.last = key;
        if let Some(mut entry) = self.units.get_mut(&key).and_then(BTreeMap::last_entry) {
            entry.get_mut().rotate(store);
        }
    }
}
