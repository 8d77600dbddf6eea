//! What a component may touch while it writes frames; everything else is out of reach.

use std::time::{Duration, Instant};

use super::packet::PacketBuilder;
use crate::{
    recovery::{sent::Draft, token::Token},
    stats::FrameStats,
    wire::put::Put as _,
};

/// Lent to each component's `write`.
#[derive(Debug)]
pub struct Tx<'a, 'p, 's> {
    /// The packet in the making.
    pub pkt: &'a mut PacketBuilder<'p>,
    /// The tokens of what it carries.
    pub tokens: &'a mut Draft<'s, Token>,
    /// Counters of the frames sent.
    pub stats: &'a mut FrameStats,
    /// The time of sending.
    pub now: Instant,
    /// The smoothed round-trip time of the path.
    pub rtt: Duration,
}

impl Tx<'_, '_, '_> {
    /// How many bytes of frames still fit.
    pub fn remaining(&self) -> usize {
        self.pkt.remaining()
    }

    /// Remembers what was just written. Everything but ACK elicits an acknowledgement.
    pub fn push(&mut self, token: Token) {
        if !matches!(token, Token::Ack { .. }) {
            self.pkt.mark_ack_eliciting();
        }
        self.tokens.push(token);
    }
}
