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
