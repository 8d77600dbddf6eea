//! How a host takes events from a connection.

/// A source of events.
pub trait Provider {
    /// What this source yields.
    type Event;

    /// The next event, oldest first.
    #[must_use]
    fn next_event(&mut self) -> Option<Self::Event>;

    /// Whether [`Provider::next_event`] would yield one.
    #[must_use]
    fn has_events(&self) -> bool;

    /// All events that are there, and those that arrive while the iterator is used.
    #[must_use]
    fn events(&mut self) -> Iter<'_, Self> {
        Iter { provider: self }
    }
}

/// Takes events from a [`Provider`] until it has none.
#[derive(Debug)]
pub struct Iter<'a, P: ?Sized> {
    provider: &'a mut P,
}

impl<P: Provider + ?Sized> Iterator for Iter<'_, P> {
    type Item = P::Event;

    fn next(&mut self) -> Option<Self::Item> {
        self.provider.next_event()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::Provider;

    struct Queue(VecDeque<u8>);

    impl Provider for Queue {
        type Event = u8;

        fn next_event(&mut self) -> Option<u8> {
            self.0.pop_front()
        }

        fn has_events(&self) -> bool {
            !self.0.is_empty()
        }
    }

    #[test]
    fn drains() {
        let mut q = Queue(VecDeque::from([1, 2, 3]));
        assert_eq!(q.next_event(), Some(1));
        assert!(q.events().eq([2, 3]));
        assert!(!q.has_events());
        assert_eq!(q.events().next(), None);
    }
}
