//! A set of byte ranges: what was acknowledged out of order, and what was lost.

use std::{collections::VecDeque, ops::Range};

/// Disjoint ranges, sorted, that do not touch each other. The usual case is none or one.
#[derive(Debug, Default)]
pub(crate) struct RangeSet(VecDeque<Range<u64>>);

impl RangeSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest range.
    pub(crate) fn first(&self) -> Option<&Range<u64>> {
        self.0.front()
    }

    /// How many ranges there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes and returns the lowest range if it starts at or below `at`.
    pub(crate) fn pop_up_to(&mut self, at: u64) -> Option<Range<u64>> {
        self.0
            .front()
            .is_some_and(|r| r.start <= at)
            .then(|| self.0.pop_front())
            .flatten()
    }

    pub(crate) fn insert(&mut self, r: Range<u64>) {
        if r.is_empty() {
            return;
        }
        match self.0.back_mut() {
            Some(last) if last.end < r.start => self.0.push_back(r),
            Some(last) if last.start <= r.start => last.end = last.end.max(r.end),
            None => self.0.push_back(r),
            Some(_) => self.insert_inside(r),
        }
    }

    fn insert_inside(&mut self, mut r: Range<u64>) {
        let from = self.0.partition_point(|x| x.end < r.start);
        let to = self.0.partition_point(|x| x.start <= r.end);
        if from == to {
            self.0.insert(from, r);
            return;
        }
        r.start = r.start.min(self.0[from].start);
        r.end = r.end.max(self.0[to - 1].end);
        self.0[from] = r;
        self.0.drain(from + 1..to);
    }

    pub(crate) fn remove(&mut self, r: Range<u64>) {
        if r.is_empty() {
            return;
        }
        let mut at = self.0.partition_point(|x| x.end <= r.start);
        while let Some(x) = self.0.get_mut(at).filter(|x| x.start < r.end) {
            let old = x.clone();
            match (old.start < r.start, old.end > r.end) {
                (true, true) => {
                    x.end = r.start;
                    self.0.insert(at + 1, r.end..old.end);
                    return;
                }
                (true, false) => {
                    x.end = r.start;
                    at += 1;
                }
                (false, true) => {
                    x.start = r.end;
                    return;
                }
                (false, false) => {
                    self.0.remove(at);
                }
            }
        }
    }

    /// Calls `f` with the parts of `r` that the set lacks.
    pub(crate) fn missing(&self, r: Range<u64>, mut f: impl FnMut(Range<u64>)) {
        let mut start = r.start;
        let from = self.0.partition_point(|x| x.end <= r.start);
        for x in self.0.range(from..).take_while(|x| x.start < r.end) {
            if start < x.start {
                f(start..x.start);
            }
            start = x.end;
        }
        if start < r.end {
            f(start..r.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop, proptest};

    use super::RangeSet;

    proptest! {
        #[test]
        fn as_a_set_of_numbers(ops in prop::collection::vec((any::<bool>(), 0..90_u64, 0..12_u64), 0..60)) {
            let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
            for (insert, start, len) in ops {
                let r = start..start + len;
                if insert {
                    set.insert(r.clone());
                    model.extend(r);
                } else {
                    set.remove(r.clone());
                    model.retain(|x| !r.contains(x));
                }
                let all: Vec<u64> = set.0.iter().cloned().flatten().collect();
                assert!(all.iter().eq(&model));
                let touching = set.0.iter().zip(set.0.iter().skip(1)).any(|(a, b)| a.end >= b.start);
                assert!(!touching, "joined: {set:?}");
                assert_eq!(set.is_empty(), model.is_empty());
                let mut missing = Vec::new();
                set.missing(10..70, |r| missing.extend(r));
                assert!((10..70).filter(|x| !model.contains(x)).eq(missing));
            }
            while let Some(r) = set.first().cloned() {
                assert_eq!(r.start.checked_sub(1).and_then(|at| set.pop_up_to(at)), None);
                assert_eq!(set.pop_up_to(r.start), Some(r));
            }
        }
    }
}
