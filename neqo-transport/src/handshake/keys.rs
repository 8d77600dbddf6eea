//! Packet protection keys of one packet number space, and key updates (RFC 9001 §6).

use std::time::{Duration, Instant};

use neqo_crypto::{Direction, OpenKeys, SealKeys, Secret, Version};

use crate::{Error, Misuse, PacketNumber, Res, Violation};

/// What 1-RTT keys have beyond those of the handshake: phases.
#[derive(Debug)]
struct Phase {
    /// The Key Phase bit of packets sent now.
    bit: bool,
    /// Keys for the peer's next phase, made in advance so that an update cannot be timed
    /// (RFC 9001 §9.5).
    next: OpenKeys,
    /// Keys of the phase before, for packets that were overtaken, and when to drop them: not
    /// before the peer is known to have followed.
    previous: Option<(OpenKeys, Option<Instant>)>,
    /// The lowest packet number received in this phase.
    first_rx: Option<PacketNumber>,
    /// The first packet number sent in this phase.
    first_tx: Option<PacketNumber>,
    /// Whether the peer acknowledged a packet of this phase.
    confirmed: bool,
    /// Whether an acknowledgement of a packet of this phase was sent.
    answered: bool,
}

/// Keys of one packet number space.
#[derive(Debug, Default)]
pub struct Keys {
    seal: Option<SealKeys>,
    open: Option<OpenKeys>,
    phase: Option<Phase>,
}

/// Which keys a 1-RTT packet was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedWith {
    /// Those in use.
    Current,
    /// Those of the phase before.
    Previous,
    /// Those of the next phase: the peer updated its keys.
    Next,
}

impl Keys {
    /// Keys of the Initial space (RFC 9001 §5.2).
    pub const fn initial(seal: SealKeys, open: OpenKeys) -> Self {
        Self {
            seal: Some(seal),
            open: Some(open),
            phase: None,
        }
    }

    /// Installs the keys of a traffic secret. Only 1-RTT keys are ever updated.
    pub fn install(&mut self, version: Version, secret: &Secret) -> Res<()> {
        match secret.direction {
            Direction::Write => self.seal = Some(SealKeys::new(version, secret)?),
            Direction::Read => {
                let open = OpenKeys::new(version, secret)?;
                if secret.level == neqo_crypto::Level::OneRtt {
                    self.phase = Some(Phase {
                        bit: false,
                        next: open.next()?,
                        previous: None,
                        first_rx: None,
                        first_tx: None,
                        confirmed: false,
                        answered: false,
                    });
                }
                self.open = Some(open);
            }
        }
        Ok(())
    }

    /// Whether packets can be sent.
    pub const fn can_seal(&self) -> bool {
        self.seal.is_some()
    }

    /// The keys that unmask headers: they are the same in all phases (RFC 9001 §6.1).
    pub const fn unmasker(&self) -> Option<&OpenKeys> {
        self.open.as_ref()
    }

    /// Keys to seal packet `pn` with, and its Key Phase bit.
    pub fn seal(&mut self, pn: PacketNumber) -> Res<(&mut SealKeys, bool)> {
        let bit = self.phase.as_mut().is_some_and(|p| {
            p.first_tx.get_or_insert(pn);
            p.bit
        });
        let seal = self.seal.as_mut().ok_or(Error::Internal("no keys"))?;
        Ok((seal, bit))
    }

    /// The Key Phase bit for packets sent now.
    pub fn phase_bit(&self) -> bool {
        self.phase.as_ref().is_some_and(|p| p.bit)
    }

    /// Which keys packet `pn` with this Key Phase bit is to be opened with.
    pub fn opener(&mut self, pn: PacketNumber, bit: bool) -> Option<(&mut OpenKeys, OpenedWith)> {
        let current = self.open.as_mut()?;
        let Some(phase) = self.phase.as_mut().filter(|p| p.bit != bit) else {
            return Some((current, OpenedWith::Current));
        };
        // The bit differs: a packet of the phase before, if it is older than this phase,
        // else one of the next (RFC 9001 §6.3, §6.5).
        let older = phase.first_rx.is_none_or(|first| pn < first);
        Some(match phase.previous.as_mut().filter(|_| older) {
            Some((previous, _)) => (previous, OpenedWith::Previous),
            None => (&mut phase.next, OpenedWith::Next),
        })
    }

    /// Packet `pn` was opened with the current keys. Those of the phase before are kept until
    /// `now + keep` once the peer has followed.
    pub fn on_opened(&mut self, pn: PacketNumber, now: Instant, keep: impl FnOnce() -> Duration) {
        if let Some(p) = self.phase.as_mut() {
            p.first_rx = Some(p.first_rx.map_or(pn, |first| first.min(pn)));
            //= rfc9001#section-6.5
            //# An endpoint SHOULD retain old read keys for no more than three times the PTO after
            //# having received a packet protected using the new keys.
            if let Some((_, at @ None)) = &mut p.previous {
                *at = Some(now + keep());
            }
        }
    }

    /// The peer updated its keys with packet `pn`: follows it, and answers with an update unless
    /// this side began it. Keys of the phase before are kept until `now + keep`.
    pub fn on_peer_update(&mut self, pn: PacketNumber, now: Instant, keep: Duration) -> Res<()> {
        let phase = self.phase.as_ref().ok_or(Error::Internal("no phase"))?;
        //= rfc9001#section-6.2
        //# An endpoint MAY treat the receipt of such a packet as a connection error of type
        //# KEY_UPDATE_ERROR
        // hardening A32, R3893: an update before anything of this phase was acknowledged.
        if phase.first_rx.is_some() && !phase.answered {
            return Err(Violation::KeyUpdate.into());
        }
        self.rotate()?;
        self.on_opened(pn, now, || keep);
        Ok(())
    }

    /// Begins a key update (RFC 9001 §6.1).
    pub fn initiate_update(&mut self) -> Res<()> {
        //= rfc9001#section-6.1
        //# An endpoint MUST NOT initiate a subsequent key update unless it has received
        //# an acknowledgment for a packet that was sent protected with keys from the
        //# current key phase.
        if !self.phase.as_ref().is_some_and(|p| p.confirmed) {
            return Err(Misuse::KeyUpdateBlocked.into());
        }
        self.rotate()
    }

    /// Sealing and opening keys move to the next phase together, whoever began.
    fn rotate(&mut self) -> Res<()> {
        let (Some(phase), Some(open), Some(seal)) =
            (&mut self.phase, &mut self.open, &mut self.seal)
        else {
            return Err(Error::Internal("key update without keys"));
        };
        let next = phase.next.next()?;
        let new = std::mem::replace(&mut phase.next, next);
        let old = std::mem::replace(open, new);
        *seal = seal.next()?;
        phase.previous = Some((old, None));
        phase.bit = !phase.bit;
        phase.first_rx = None;
        phase.first_tx = None;
        phase.confirmed = false;
        phase.answered = false;
        Ok(())
    }

    /// The peer acknowledged packet `pn`.
    pub fn on_acked(&mut self, pn: PacketNumber) {
        if let Some(p) = &mut self.phase
            && p.first_tx.is_some_and(|first| pn >= first)
        {
            p.confirmed = true;
        }
    }

    /// An ACK frame up to `largest` was sent.
    pub fn on_ack_sent(&mut self, largest: PacketNumber) {
        if let Some(p) = &mut self.phase
            && p.first_rx.is_some_and(|first| largest >= first)
        {
            p.answered = true;
        }
    }

    /// When the keys of the phase before are to be dropped.
    pub fn drop_time(&self) -> Option<Instant> {
        let phase = self.phase.as_ref()?;
        phase.previous.as_ref().and_then(|(_, at)| *at)
    }

    /// Drops the keys of the phase before if their time has come.
    pub fn on_timer(&mut self, now: Instant) {
        if let Some(p) = &mut self.phase
            && p.previous
                .as_ref()
                .is_some_and(|(_, at)| at.is_some_and(|at| at <= now))
        {
            p.previous = None;
        }
    }

    /// Whether so many packets were sealed that an update is due (RFC 9001 §6.6).
    pub fn update_due(&self) -> bool {
        /// How many seals before the limit an update begins: enough for it to be confirmed.
        const MARGIN: u64 = 1 << 20;
        self.phase.as_ref().is_some_and(|p| p.confirmed)
            && self.seal.as_ref().is_some_and(|s| s.remaining() < MARGIN)
    }

    /// Whether so many packets failed to open that the connection must end (RFC 9001 §6.6).
    pub fn integrity_exhausted(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(OpenKeys::integrity_exhausted)
    }
}
