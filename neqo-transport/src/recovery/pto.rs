//! The probe timeout (RFC 9002 §6.2).

use std::time::{Duration, Instant};

use enum_map::EnumMap;

use super::rtt::Rtt;
use crate::space::PacketNumberSpace;

/// Back-off stops here: TCP allows a cap of at least 60 seconds too (RFC 6298 §2.5), and
/// the idle timeout ends a dead connection.
const MAX_PTO: Duration = Duration::from_mins(1);
/// Shifting further says nothing: [`MAX_PTO`] is reached before, however short the period.
const MAX_SHIFT: u32 = 30;

/// What the timer depends on.
#[derive(Clone, Copy, Debug)]
pub struct PtoInput<'a> {
    /// The estimates for the path in use.
    pub rtt: &'a Rtt,
    /// Per space, when the last ack-eliciting packet was sent, if any is outstanding.
    pub last_ack_eliciting: EnumMap<PacketNumberSpace, Option<Instant>>,
    /// The peer's `max_ack_delay` once the handshake is confirmed; nothing before.
    pub application: Option<Duration>,
    /// At a client that cannot know that the server validated its address: the space in which
    /// to probe although nothing is outstanding, and since when nothing happened (the last
    /// datagram sent or received).
    pub anti_deadlock: Option<(Instant, PacketNumberSpace)>,
}

/// How often the timer has expired in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pto {
    count: u32,
}

impl Pto {
    /// How often the timer has expired in a row.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The timer expired.
    pub const fn expired(&mut self) {
        //= rfc9002#section-6.2.1
        //# When a PTO timer expires, the PTO backoff MUST be increased, resulting in the
        //# PTO period being set to twice its current value.
        self.count = self.count.saturating_add(1); // hardening A34
    }

    /// Something was newly acknowledged or keys were discarded. A client that is not certain that
    /// the server has validated its address does not call this for Initial packets.
    pub const fn reset(&mut self) {
        self.count = 0;
    }

    /// `period` after back-off.
    pub fn backed_off(self, period: Duration) -> Duration {
        // hardening A34
        let factor = 1_u32 << self.count.min(MAX_SHIFT);
        period.saturating_mul(factor).min(MAX_PTO.max(period))
    }

    /// When to probe, and where.
    ///
    /// The caller does not arm it while a loss timer runs or amplification limits hold a server.
    pub fn deadline(self, input: &PtoInput<'_>) -> Option<(Instant, PacketNumberSpace)> {
        let base = input.rtt.pto_base();
        let mut earliest = None;
        for space in PacketNumberSpace::ALL {
            let Some(sent) = input.last_ack_eliciting[space] else {
                continue;
            };
            let period = match (space, input.application) {
                (PacketNumberSpace::ApplicationData, Some(delay)) => base.saturating_add(delay),
                //= rfc9002#section-6.2.1
                //# An endpoint MUST NOT set its PTO timer for the Application Data packet number
                //# space until the handshake is confirmed.
                (PacketNumberSpace::ApplicationData, None) => continue,
                (PacketNumberSpace::Initial | PacketNumberSpace::Handshake, _) => base,
            };
            let Some(at) = sent.checked_add(self.backed_off(period)) else {
                continue;
            };
            if earliest.is_none_or(|(t, _)| at < t) {
                earliest = Some((at, space));
            }
        }
        earliest.or_else(|| {
            //= rfc9002#section-6.2.2.1
            //# That is, the client MUST set the PTO timer
            //# if the client has not received an acknowledgment for any of its Handshake
            //# packets and the handshake is not confirmed
            let (since, space) = input.anti_deadlock?;
            Some((since.checked_add(self.backed_off(base))?, space))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use enum_map::EnumMap;

    use super::{MAX_PTO, Pto, PtoInput};
    use crate::{
        recovery::{
            rtt::Rtt,
            testing::{ms, now},
        },
        space::PacketNumberSpace::{ApplicationData, Handshake, Initial},
    };

    fn input(rtt: &Rtt, sent: [Option<Instant>; 3]) -> PtoInput<'_> {
        PtoInput {
            rtt,
            last_ack_eliciting: EnumMap::from_array(sent),
            application: None,
            anti_deadlock: None,
        }
    }

    //= rfc9002#section-6.2.1 type=test
    //# An endpoint MUST NOT set its PTO timer for the Application Data packet number
    //# space until the handshake is confirmed.
    #[test]
    fn earliest_space() {
        let (rtt, t, pto) = (Rtt::new(ms(100)), now(), Pto::default());
        assert_eq!(pto.deadline(&input(&rtt, [None; 3])), None);
        let sent = [Some(t + ms(5)), Some(t + ms(3)), Some(t)];
        assert_eq!(
            pto.deadline(&input(&rtt, sent)),
            Some((t + ms(303), Handshake))
        );
        let mut application = input(&rtt, [None, None, Some(t)]);
        assert_eq!(pto.deadline(&application), None);
        application.application = Some(ms(25));
        assert_eq!(
            pto.deadline(&application),
            Some((t + ms(325), ApplicationData))
        );
    }

    //= rfc9002#section-6.2.2.1 type=test
    //# That is, the client MUST set the PTO timer
    //# if the client has not received an acknowledgment for any of its Handshake
    //# packets and the handshake is not confirmed
    #[test]
    fn anti_deadlock() {
        let (rtt, t, pto) = (Rtt::new(ms(100)), now(), Pto::default());
        let mut i = input(&rtt, [None, None, Some(t)]);
        i.anti_deadlock = Some((t + ms(7), Handshake));
        assert_eq!(pto.deadline(&i), Some((t + ms(307), Handshake)));
        i.last_ack_eliciting[Initial] = Some(t);
        assert_eq!(pto.deadline(&i), Some((t + ms(300), Initial)));
    }

    //= rfc9002#section-6.2.1 type=test
    //# When a PTO timer expires, the PTO backoff MUST be increased, resulting in the
    //# PTO period being set to twice its current value.
    #[test]
    fn back_off() {
        let (rtt, t, mut pto) = (Rtt::new(ms(100)), now(), Pto::default());
        let mut i = input(&rtt, [None, None, Some(t)]);
        i.application = Some(ms(25));
        for n in 0..5 {
            assert_eq!(pto.count(), n);
            assert_eq!(
                pto.deadline(&i),
                Some((t + ms(325) * (1 << n), ApplicationData))
            );
            pto.expired();
        }
        pto.reset();
        assert_eq!(pto.backed_off(ms(325)), ms(325));
    }

    // hardening A34
    #[test]
    fn back_off_saturates() {
        let mut pto = Pto::default();
        for _ in 0..1000 {
            pto.expired();
        }
        assert_eq!(pto.backed_off(ms(1)), MAX_PTO);
        assert_eq!(pto.backed_off(Duration::MAX), Duration::MAX);
        let rtt = Rtt::new(Duration::MAX);
        let t = now();
        assert_eq!(pto.deadline(&input(&rtt, [Some(t); 3])), None);
    }
}
