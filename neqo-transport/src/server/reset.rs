//! Stateless resets (RFC 9000 §10.3): the answer to packets of connections that are gone.

use std::time::{Duration, Instant};

use neqo_common::Random;
use neqo_crypto::ResetKey;

use crate::{cid::ResetToken, config::limits};

/// The smallest datagram that may be a reset: two fixed bits, 38 others, the token.
const LEAST: usize = 21;
/// Resets of this size and more look like any other packet.
//= rfc9000#section-10.3
//# An endpoint that
//# sends a Stateless Reset in response to a packet that is 43 bytes or shorter
//# SHOULD send a Stateless Reset that is one byte shorter than the packet it
//# responds to.
const INCONSPICUOUS: usize = 42;
/// There is no reason for larger ones.
const MOST: usize = 80;
/// With shorter connection IDs, an attacker could collect the tokens of all of them beforehand.
// hardening A27
const LEAST_CID: usize = 8;
const TOKEN_LEN: usize = size_of::<ResetToken>();
/// The first two bits of a short header are 01, the others are protected.
const FORM_AND_FIXED: u8 = 0b1100_0000;
const SHORT_HEADER: u8 = 0b0100_0000;

/// Whether the first byte is that of a packet with a short header and the fixed bit.
pub const fn looks_short(first: u8) -> bool {
    first & FORM_AND_FIXED == SHORT_HEADER
}

/// Makes stateless resets, not too many of them.
#[derive(Debug, Default)]
pub struct Resetter {
    /// When the second began for which `left` counts.
    second: Option<Instant>,
    left: u32,
}

impl Resetter {
    /// A reset in answer to a packet of `trigger` bytes to `cid`, which belongs to no connection.
    pub fn answer(
        &mut self,
        key: &ResetKey,
        cid: &[u8],
        trigger: usize,
        random: &mut Random,
        now: Instant,
    ) -> Option<Vec<u8>> {
        //= rfc9000#section-10.3.3
        //# An endpoint MUST ensure that every Stateless Reset that it sends is smaller than
        //# the packet that triggered it, unless it maintains state sufficient to prevent
        //# looping.
        let most = trigger.checked_sub(1).filter(|most| *most >= LEAST)?;
        if cid.len() < LEAST_CID || !self.may_send(now) {
            return None;
        }
        let size = if most <= INCONSPICUOUS {
            most
        } else {
            let choices = most.min(MOST) - INCONSPICUOUS + 1;
            let more = random.below(u64::try_from(choices).unwrap_or(1));
            INCONSPICUOUS + usize::try_from(more).unwrap_or_default()
        };
        let mut packet = vec![0; size];
        let (unpredictable, token) = packet.split_at_mut(size - TOKEN_LEN);
        random.fill(unpredictable);
        if let Some(first) = unpredictable.first_mut() {
            *first = *first & !FORM_AND_FIXED | SHORT_HEADER;
        }
        token.copy_from_slice(&key.token(cid));
        Some(packet)
    }

    //= rfc9000#section-10.3.3
    //# An endpoint can remember the number of Stateless Resets that it has sent and
    //# stop generating new Stateless Resets once a limit is reached.
    fn may_send(&mut self, now: Instant) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let over = |began| now.saturating_duration_since(began) >= SECOND;
        if self.second.is_none_or(over) {
            self.second = Some(now);
            self.left = limits::STATELESS_RESETS_PER_SECOND;
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        INCONSPICUOUS, LEAST, MOST, Random, ResetKey, Resetter, TOKEN_LEN, limits, looks_short,
    };

    const CID: &[u8] = &[7; 8];

    //= rfc9000#section-10.3.3 type=test
    //# An endpoint MUST ensure that every Stateless Reset that it sends is smaller than
    //# the packet that triggered it, unless it maintains state sufficient to prevent
    //# looping.
    // hardening A27
    #[test]
    fn smaller_than_the_trigger() {
        let key = ResetKey::random();
        let mut random = Random::from_seed([1; 32]);
        let mut now = crate::test_now();
        for trigger in 0..1500 {
            now += Duration::from_secs(1);
            let reset = Resetter::default().answer(&key, CID, trigger, &mut random, now);
            let Some(reset) = reset else {
                assert!(trigger <= LEAST);
                continue;
            };
            assert!(reset.len() < trigger && (LEAST..=MOST).contains(&reset.len()));
            if trigger <= 43 {
                assert_eq!(reset.len(), trigger - 1);
            } else {
                assert!(reset.len() >= INCONSPICUOUS);
            }
            assert!(looks_short(reset[0]));
            assert_eq!(reset[reset.len() - TOKEN_LEN..], key.token(CID));
        }
    }

    // Two endpoints that reset each other fall silent.
    // hardening A27
    #[test]
    fn no_loop() {
        let key = ResetKey::random();
        let mut random = Random::from_seed([1; 32]);
        let mut resetter = Resetter::default();
        let (mut size, mut count) = (1500, 0);
        while let Some(r) = resetter.answer(&key, CID, size, &mut random, crate::test_now()) {
            size = r.len();
            count += 1;
        }
        assert!(count <= MOST - LEAST + 1);
    }

    //= rfc9000#section-10.3.3 type=test
    //# An endpoint can remember the number of Stateless Resets that it has sent and
    //# stop generating new Stateless Resets once a limit is reached.
    // hardening A27
    #[test]
    fn rate_limited() {
        let key = ResetKey::random();
        let mut random = Random::from_seed([1; 32]);
        let mut resetter = Resetter::default();
        let now = crate::test_now();
        let mut sent = |now| {
            (0..1000)
                .filter(|_| resetter.answer(&key, CID, 100, &mut random, now).is_some())
                .count()
        };
        let limit = usize::try_from(limits::STATELESS_RESETS_PER_SECOND).unwrap();
        assert_eq!(sent(now), limit);
        assert_eq!(sent(now + Duration::from_millis(999)), 0);
        assert_eq!(sent(now + Duration::from_secs(1)), limit);
    }

    // hardening A27
    #[test]
    fn guessable_connection_ids_are_not_reset() {
        let key = ResetKey::random();
        let mut random = Random::from_seed([1; 32]);
        for len in 0..8 {
            let mut r = Resetter::default();
            let reset = r.answer(&key, &CID[..len], 100, &mut random, crate::test_now());
            assert_eq!(reset, None);
        }
    }
}
