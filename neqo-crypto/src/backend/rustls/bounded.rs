//! A map that forgets the oldest.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A map of so many entries at most: the oldest goes when one more comes. No key comes twice.
pub(super) struct Bounded<K, V> {
    most: usize,
    entries: HashMap<K, V>,
    /// The keys by age, with some that were taken since.
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        while self.entries.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        if self.order.len() >= 2 * self.most {
            self.order.retain(|k| self.entries.contains_key(k));
        }
        self.order.push_back(key.clone());
        self.entries.insert(key, value);
    }

    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes() {
        let mut map = Bounded::new(3);
        for i in 0..5 {
            map.insert(i, i);
        }
        let left: Vec<_> = (0..5).filter_map(|i| map.take(&i)).collect();
        assert_eq!(left, [2, 3, 4]);
    }

    #[test]
    fn what_was_taken_makes_room() {
        let mut map = Bounded::new(3);
        map.insert(0, 0);
        for i in 1..100 {
            map.insert(i, i);
            assert!(map.order.len() <= 6);
            assert_eq!(map.take(&i), Some(i));
            assert_eq!(map.take(&i), None);
        }
        assert_eq!(map.take(&0), Some(0), "it is not the oldest of four");
    }
}
