//! Bytes that wait for room in the transport's send buffer.

use std::collections::VecDeque;

use bytes::Bytes;
use neqo_transport::StreamId;

use super::quic::{Quic, QuicRes};

/// What a stream has to send before anything else. Empty most of the time.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Bytes>,
    len: usize,
}

impl Outbox {
    /// How many bytes wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Sends `data`, or as much as there is room for and the rest later.
    pub(crate) fn write(&mut self, id: StreamId, data: &[u8], quic: &mut impl Quic) -> QuicRes<()> {
        let sent = if self.queue.is_empty() {
            quic.stream_send(id, data)?
        } else {
            0
        };
        let rest = data.get(sent..).unwrap_or_default();
        if !rest.is_empty() {
            self.len += rest.len();
            self.queue.push_back(Bytes::copy_from_slice(rest));
        }
        Ok(())
    }

    /// Sends what waits; returns whether nothing waits any more.
    pub(crate) fn flush(&mut self, id: StreamId, quic: &mut impl Quic) -> QuicRes<bool> {
        while let Some(front) = self.queue.front_mut() {
            let sent = quic.stream_send_bytes(id, front.clone())?.min(front.len());
            self.len -= sent;
            if sent < front.len() {
                drop(front.split_to(sent));
                return Ok(false);
            }
            self.queue.pop_front();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Role;
    use neqo_transport::StreamType;

    use super::Outbox;
    use crate::core::{fake::FakeQuic, quic::Quic as _};

    #[test]
    fn keeps_the_order() {
        let mut quic = FakeQuic::new(Role::Client);
        let id = quic.stream_create(StreamType::UniDi).unwrap();
        quic.set_space(id, 5);
        let mut outbox = Outbox::default();
        outbox.write(id, b"abcdefgh", &mut quic).unwrap();
        outbox.write(id, b"ijk", &mut quic).unwrap();
        assert_eq!(outbox.len(), 6);
        assert!(!outbox.flush(id, &mut quic).unwrap());
        quic.set_space(id, 4);
        assert!(!outbox.flush(id, &mut quic).unwrap());
        assert_eq!(outbox.len(), 2);
        quic.set_space(id, 100);
        assert!(outbox.flush(id, &mut quic).unwrap());
        assert_eq!(outbox.len(), 0);
        assert_eq!(quic.sent(id), b"abcdefghijk");
    }
}
