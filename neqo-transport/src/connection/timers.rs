//! When to act without input, and what to do then.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{Role, qdebug};

use super::{Connection, State};
use crate::{
    Error,
    recovery::pto::PtoInput,
    space::{PacketNumberSpace, table::Space},
};

/// How many packets a probe timeout sends.
//= rfc9002#section-6.2.4
//# An endpoint MAY send up to two
//# full-sized datagrams containing ack-eliciting packets
pub(super) const PROBES: u8 = 2;

impl Connection {
    /// How long until something is to be done, counted from `now`; nothing if never.
    #[must_use]
    pub fn next_timeout(&self, now: Instant) -> Option<Duration> {
        self.next_instant(now)
            .map(|at| at.saturating_duration_since(now))
    }

    /// When something is to be done.
    pub(crate) fn next_instant(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Closed(_) => return None,
            State::Closing { timeout, .. } | State::Draining { timeout, .. } => {
                return Some(*timeout);
            }
            _ => {}
        }
        let pto = self.pto();
        let recovery = self
            .loss_time()
            .map(|(at, _)| at)
            .or_else(|| self.pto_deadline().map(|(at, _)| at));
        let acks = self
            .spaces
            .iter()
            .filter(|(_, s)| s.keys.can_seal())
            .filter_map(|(_, s)| s.acks.ack_time());
        let keys = self.spaces.iter().filter_map(|(_, s)| s.keys.drop_time());
        let paths = self
            .paths
            .iter()
            .filter_map(|(_, p)| p.validation.next_timeout());
        // What is only to be sent waits for the peer while the amplification limit forbids it.
        let sending = acks
            .chain(self.keep_alive_time())
            .chain(self.pacing_time(now))
            .filter(|_| !self.paths.primary().amplification.is_blocked());
        recovery
            .into_iter()
            .chain(keys)
            .chain(paths)
            .chain(self.idle.deadline(pto))
            .chain(sending)
            .min()
    }

    /// When the pacer lets the next packet go, if one waits for it.
    fn pacing_time(&self, now: Instant) -> Option<Instant> {
        let path = self.paths.primary();
        let wants = self.spaces.iter().any(|(_, s)| s.crypto.wants_to_send())
            || self.app_wants_to_send(self.paths.primary_id());
        let open = path.sender.available() >= path.mtu();
        path.sender
            .pacing_deadline(now, &path.rtt)
            .filter(|_| wants && open)
    }

    fn keep_alive_time(&self) -> Option<Instant> {
        let interval = self.params.get_keep_alive();
        let wanted = interval.is_some() || self.streams.wants_keep_alive();
        self.idle
            .keep_alive(interval, self.pto())
            .filter(|_| wanted && self.state.connected())
    }

    fn loss_time(&self) -> Option<(Instant, PacketNumberSpace)> {
        self.spaces
            .iter()
            .filter_map(|(id, s)| Some((s.loss.loss_time()?, id)))
            .min()
    }

    /// When to probe, and where (RFC 9002 §6.2).
    pub(super) fn pto_deadline(&self) -> Option<(Instant, PacketNumberSpace)> {
        //= rfc9002#section-6.2.2.1
        //# If no additional data can be sent, the server's PTO timer MUST NOT be
        //# armed until datagrams have been received from the client
        if self.paths.primary().amplification.is_blocked() {
            return None;
        }
        let last = enum_map::EnumMap::from_fn(|id| {
            let space: &Space = self.spaces.get(id)?;
            space.loss.last_ack_eliciting()
        });
        self.pto.deadline(&PtoInput {
            rtt: &self.paths.primary().rtt,
            last_ack_eliciting: last,
            application: (self.state == State::Confirmed).then_some(self.peer.max_ack_delay),
            anti_deadlock: self.anti_deadlock(),
        })
    }

    /// A client probes although nothing is outstanding, as long as the server may be held by its
    /// amplification limit.
    fn anti_deadlock(&self) -> Option<(Instant, PacketNumberSpace)> {
        let handshake = self.spaces.get(PacketNumberSpace::Handshake)?;
        let in_doubt = self.role == Role::Client
            && self.state != State::Confirmed
            && handshake.loss.largest_acked().is_none();
        //= rfc9002#section-6.2.2.1
        //# When the PTO fires, the client MUST send a Handshake packet if it has Handshake keys,
        //# otherwise it MUST send an Initial packet
        let space = if handshake.keys.can_seal() {
            PacketNumberSpace::Handshake
        } else {
            PacketNumberSpace::Initial
        };
        in_doubt.then(|| (self.idle.last_activity(), space))
    }

    /// Does what is due.
    pub(super) fn on_timers(&mut self, now: Instant) {
        match &self.state {
            State::Closing { error, timeout } | State::Draining { error, timeout } => {
                if *timeout <= now {
                    let error = error.clone();
                    self.set_state(State::Closed(error));
                }
                return;
            }
            State::Closed(_) => return,
            _ => {}
        }
        if self.idle.deadline(self.pto()).is_some_and(|at| at <= now) {
            let connected = self.state.connected();
            return self.end_silently(if connected {
                Error::IdleTimeout
            } else {
                Error::HandshakeTimeout
            });
        }
        if let Some((at, id)) = self.loss_time() {
            if at <= now {
                self.detect_lost(id, now);
            }
        } else if let Some((_, id)) = self.pto_deadline().filter(|(at, _)| *at <= now) {
            self.on_pto(id);
        }
        if self.keep_alive_time().is_some_and(|at| at <= now)
            && let Some(space) = self.spaces.get_mut(PacketNumberSpace::ApplicationData)
        {
            space.owe_probes(1);
        }
        if let Some(space) = self.spaces.get_mut(PacketNumberSpace::ApplicationData) {
            space.keys.on_timer(now);
            if space.keys.update_due()
                && let Err(e) = space.keys.initiate_update()
            {
                qdebug!("{self} cannot update keys: {e}");
            }
        }
        for path in self.paths.iter_mut() {
            path.validation.on_timer(now);
        }
        if let Some(id) = self.paths.fall_back() {
            qdebug!("{self} falls back to path {id:?}");
        }
    }

    fn on_pto(&mut self, id: PacketNumberSpace) {
        self.pto.expired();
        self.stats.add_pto(self.pto.count());
        let max = self
            .params
            .get_max_pto()
            .map_or(usize::MAX, NonZeroUsize::get);
        if usize::try_from(self.pto.count()).is_ok_and(|n| n > max) {
            return self.end_silently(Error::TooManyPtos);
        }
        qdebug!("{self} probes {id:?} for the {}th time", self.pto.count());
        for other in PacketNumberSpace::ALL {
            //= rfc9002#section-6.2.4
            //# In addition to sending data in the packet number space for which the timer expired,
            //# the sender SHOULD send ack-eliciting packets from other packet number spaces with
            //# in-flight data, coalescing packets if possible.
            let handshake = other < PacketNumberSpace::ApplicationData;
            let in_flight = |s: &Space| handshake && s.loss.last_ack_eliciting().is_some();
            if other == id || self.spaces.get(other).is_some_and(in_flight) {
                if let Some(space) = self.spaces.get_mut(other) {
                    space.owe_pto_probes(PROBES);
                }
                self.with_fate(other, |loss, fate| loss.probe(PROBES.into(), fate));
            }
        }
    }

    /// Lets a probe that a timeout owes say again what is outstanding, if nothing else waits to be
    /// said: what the probe before it carried, too.
    pub(super) fn fill_probe(&mut self, id: PacketNumberSpace) {
        //= rfc9002#section-6.2.4
        //# An endpoint SHOULD include new data in packets that are sent on PTO expiration.
        //# Previously sent data MAY be sent if no new data can be sent.
        while self.spaces.get(id).is_some_and(Space::wants_pto_probe) && !self.wants_to_send(id) {
            // A packet may have carried nothing to be repeated: then it is the next one's turn.
            if self.with_fate(id, |loss, fate| loss.probe(1, fate)) == Some(1) {
                continue;
            }
            //= rfc9002#section-6.2.4
            //# When there is no data to
            //# send, the sender SHOULD send a PING or other ack-eliciting frame in a single
            //# packet, rearming the PTO timer.
            // During the handshake a second one lifts the server's amplification limit.
            if id == PacketNumberSpace::ApplicationData
                && let Some(space) = self.spaces.get_mut(id)
            {
                space.owe_one_probe();
            }
            return;
        }
    }
}
