//! NewReno's congestion avoidance (RFC 9002 §7.3.3).

use std::time::Instant;

use super::{
    Signal,
    window::{Avoidance, Growth},
};

/// One datagram more per window acknowledged, half of the window after congestion.
#[derive(Debug, Default)]
pub struct NewReno {
    /// Bytes acknowledged towards the next datagram.
    acked: usize,
}

impl Avoidance for NewReno {
    fn increase(&mut self, growth: &Growth) -> usize {
        self.acked = self.acked.saturating_add(growth.acked);
        //= rfc9002#section-7.3.3
        //# MUST limit the increase to the congestion window
        //# to at most one maximum datagram size for each congestion window that is
        //# acknowledged.
        if self.acked < growth.cwnd {
            return 0;
        }
        self.acked = (self.acked - growth.cwnd).min(growth.cwnd);
        growth.mtu
    }

    fn reduce(&mut self, cwnd: usize, _: Signal) -> usize {
        self.acked = 0;
        //= rfc9002#section-7.3.2
        //# On entering a recovery period, a sender MUST set the slow start threshold to
        //# half the value of the congestion window when loss is detected.
        cwnd / 2
    }

    fn skip(&mut self, _: Instant) {}

    fn forget(&mut self) {
        self.acked = 0;
    }
}
