//! What the tests of recovery and of congestion control share.

use std::time::{Duration, Instant};

use neqo_common::Ecn;

use super::sent::SentPacket;
use crate::{PacketNumber, path::PathId};

/// The path that all packets of the tests take.
pub const PATH: PathId = PathId(0);
/// The size of all packets of the tests.
pub const SIZE: u16 = 1200;

/// A base for all times of a test.
#[expect(clippy::disallowed_methods, reason = "a test needs a base")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An ack-eliciting packet.
pub const fn packet(pn: PacketNumber, time: Instant) -> SentPacket {
    SentPacket {
        pn,
        time,
        size: SIZE,
        ack_eliciting: true,
        in_flight: true,
        path: PATH,
        ecn: Ecn::NotEct,
        mtu_probe: false,
    }
}

/// A packet with nothing but an ACK frame.
pub const fn ack_only(pn: PacketNumber, time: Instant) -> SentPacket {
    SentPacket {
        ack_eliciting: false,
        in_flight: false,
        ..packet(pn, time)
    }
}
