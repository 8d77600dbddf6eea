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

#[cfg(test)]
mod tests {
    use super::NewReno;
    use crate::{
        cc::{
            Signal,
            window::{Avoidance as _, Growth},
        },
        recovery::testing::{ms, now},
    };

    const MTU: usize = 1200;

    //= rfc9002#section-7.3.3 type=test
    //# MUST limit the increase to the congestion window
    //# to at most one maximum datagram size for each congestion window that is
    //# acknowledged.
    #[test]
    fn one_datagram_per_window() {
        let (mut reno, now) = (NewReno::default(), now());
        let mut cwnd = 10 * MTU;
        let mut growth = |cwnd, acked| {
            reno.increase(&Growth {
                cwnd,
                acked,
                mtu: MTU,
                rtt: ms(10),
                now,
            })
        };
        for _ in 0..9 {
            assert_eq!(growth(cwnd, MTU), 0);
        }
        assert_eq!(growth(cwnd, MTU), MTU);
        cwnd += MTU;
        assert_eq!(growth(cwnd, 10 * MTU), 0);
        assert_eq!(growth(cwnd, 2 * MTU), MTU);
        // hardening A34
        assert_eq!(growth(cwnd, usize::MAX), MTU);
        assert_eq!(growth(cwnd, usize::MAX), MTU);
    }

    //= rfc9002#section-7.3.2 type=test
    //# On entering a recovery period, a sender MUST set the slow start threshold to
    //# half the value of the congestion window when loss is detected.
    #[test]
    fn half_of_the_window() {
        assert_eq!(NewReno::default().reduce(10 * MTU, Signal::Loss), 5 * MTU);
    }
}
