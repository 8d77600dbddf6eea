//! What the server itself sends, without a connection.

use std::collections::VecDeque;

use neqo_common::Datagram;

use crate::config::limits;

/// Answers that wait to be sent.
#[derive(Debug, Default)]
pub struct Responses(VecDeque<Datagram>);

impl Responses {
    /// Queues an answer, unless there are too many. Whether it was queued.
    // hardening A14
    pub fn push(&mut self, d: Datagram) -> bool {
        let room = self.0.len() < limits::SERVER_RESPONSES;
        if room {
            self.0.push_back(d);
        }
        room
    }

    /// The oldest answer that has at most `size` bytes; larger ones before it are dropped.
    pub fn pop(&mut self, size: usize) -> Option<Datagram> {
        while let Some(d) = self.0.pop_front() {
            if d.len() <= size {
                return Some(d);
            }
        }
        None
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::{Datagram, Tos};

    use super::{Responses, limits};

    fn datagram(len: usize) -> Datagram {
        let addr = "192.0.2.1:1".parse().unwrap();
        Datagram::new(addr, addr, Tos::default(), vec![0; len])
    }

    // hardening A14
    #[test]
    fn bounded() {
        let mut r = Responses::default();
        for i in 0..10_000 {
            assert_eq!(r.push(datagram(1)), i < limits::SERVER_RESPONSES);
        }
        for _ in 0..limits::SERVER_RESPONSES {
            assert!(r.pop(1200).is_some());
        }
        assert!(r.is_empty() && r.pop(1200).is_none());
    }

    #[test]
    fn what_does_not_fit_does_not_block() {
        let mut r = Responses::default();
        assert!(r.push(datagram(100)) && r.push(datagram(50)));
        assert_eq!(r.pop(60).map(|d| d.len()), Some(50));
        assert!(r.is_empty());
    }
}
