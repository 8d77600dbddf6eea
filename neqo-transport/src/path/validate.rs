//! Path validation (RFC 9000 §8.2): challenges sent and responses owed.

use std::time::{Duration, Instant};

use neqo_common::Random;

use crate::{recovery::token::Token, tx::Tx, wire::frame::encode};

/// How many probe timeouts an answer may take; a challenge is sent once in each.
//= rfc9000#section-8.2.4
//# A value of three times the larger of the current PTO or the PTO
//# for the new path (using kInitialRtt, as defined in {{QUIC-RECOVERY}}) is
const PTOS: u8 = 3;
/// A frame type of one byte and eight bytes of data.
const FRAME_LEN: usize = 9;

#[derive(Clone, Copy, Debug)]
struct Challenge {
    data: [u8; 8],
    /// When it is repeated; none while it waits to be sent.
    repeat_at: Option<Instant>,
    sent: u8,
    /// When the path is given up, even if the amplification limit let nothing be sent.
    give_up_at: Instant,
}

/// What is under way to validate one path.
#[derive(Debug, Default)]
pub struct Validation {
    challenge: Option<Challenge>,
    /// Data of the newest PATH_CHALLENGE that is not answered: one, the last one wins
    /// (hardening A2).
    response: Option<[u8; 8]>,
    failed: bool,
}

impl Validation {
    /// Begins to validate the path, of which the probe timeout is `pto`, unless that is under way.
    pub fn begin(&mut self, random: &mut Random, now: Instant, pto: Duration) {
        if self.challenge.is_none() {
            self.failed = false;
            self.challenge = Some(Challenge {
                data: random.bytes(),
                repeat_at: None,
                sent: 0,
                give_up_at: now + pto * u32::from(PTOS),
            });
        }
    }

    /// Whether all challenges went unanswered.
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// PATH_CHALLENGE arrived on this path.
    pub const fn on_challenge(&mut self, data: [u8; 8]) {
        self.response = Some(data);
    }

    /// PATH_RESPONSE arrived. Whether it answers the outstanding challenge of this path.
    pub fn on_response(&mut self, data: [u8; 8]) -> bool {
        let ok = self.challenge.is_some_and(|c| c.sent > 0 && c.data == data);
        if ok {
            self.challenge = None;
        }
        ok
    }

    /// Whether a frame waits.
    pub fn wants_to_send(&self) -> bool {
        self.response.is_some() || self.challenge.is_some_and(|c| c.repeat_at.is_none())
    }

    /// When something is to be done.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.challenge
            .map(|c| c.repeat_at.unwrap_or(c.give_up_at).min(c.give_up_at))
    }

    /// Repeats a challenge, or gives up.
    pub fn on_timer(&mut self, now: Instant) {
        let Some(c) = self.challenge.as_mut() else {
            return;
        };
        let due = c.repeat_at.is_some_and(|at| at <= now);
        if c.give_up_at <= now || due && c.sent >= PTOS {
            self.challenge = None;
            self.failed = true;
        } else if due {
            c.repeat_at = None;
        }
    }

    /// Writes what waits. A challenge is repeated after `timeout`.
    pub fn write(&mut self, tx: &mut Tx<'_, '_, '_>, timeout: Duration) {
        if let Some(data) = self.response.filter(|_| tx.remaining() >= FRAME_LEN) {
            encode::path_response(tx.pkt, data);
            tx.pkt.mark_ack_eliciting();
            tx.stats.path_response += 1;
            self.response = None;
        }
        if let Some(c) = self.challenge.as_mut()
            && c.repeat_at.is_none()
            && tx.remaining() >= FRAME_LEN
        {
            encode::path_challenge(tx.pkt, c.data);
            tx.push(Token::PathChallenge);
            tx.stats.path_challenge += 1;
            c.sent += 1;
            c.repeat_at = Some(tx.now + timeout);
        }
    }
}
