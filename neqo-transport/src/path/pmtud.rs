//! Discovery of the path MTU by probing (RFC 9000 §14.3, RFC 8899). Sizes are bytes of UDP payload.
//!
//! Nothing but the fate of packets moves the size in use: no word of ICMP, and no error of a
//! socket, which both can be forged (hardening A28). A datagram that the host cannot send because
//! it is too large is a lost one.
//!
//! - *Search*: datagrams of one size after the other, each larger than what is in use, of PING and
//!   PADDING. One that arrives makes its size the one in use; three lost ones end the search.
//! - *Black holes*: packets larger than the base size are lost again and again and none arrives,
//!   while others do. Then the base size is in use again.
//! - Both are followed by another search after a while, if there is use for it: only connections
//!   that fill their datagrams probe.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{PacketNumber, config::params::ConnectionParameters, recovery::sent::SentPacket};

/// What is probed for, in ascending order: what PPPoE, tunnels, Ethernet and its jumbo frames leave
/// behind the headers of IPv4 or IPv6, and powers of two on the way to the largest. The last size
/// that is tried is the largest possible one, whatever that is.
const SIZES: [usize; 11] = [
    1332, 1392, 1420, 1452, 1472, 2000, 4052, 8952, 8972, 16_336, 32_720,
];
/// The largest MTU that is assumed of an interface of which the host tells nothing: Ethernet's.
const USUAL_MTU: usize = 1500;
/// The headers of UDP and of IPv4 or IPv6, without options.
const HEADERS_V4: usize = 28;
const HEADERS_V6: usize = 48;
/// After how many losses a size is said not to pass (RFC 8899 §5.1.2, MAX_PROBES).
const MAX_PROBES: u8 = 3;
/// When to search again (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
const RAISE_AFTER: Duration = Duration::from_mins(10);
/// After how many losses in a row of larger packets, found at one time each, the path is said to
/// swallow them. One burst may hit a queue that is full.
const BLACK_HOLE: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next size waits for its probe to be sent, or to be sent again.
    Searching { lost: u8 },
    /// A probe is under way.
    Probing {
        pn: PacketNumber,
        size: usize,
        lost: u8,
    },
    /// Nothing is probed before this time.
    Done { until: Option<Instant> },
}

/// The size of datagrams on one path.
#[derive(Debug)]
pub struct Pmtud {
    enabled: bool,
    /// What every path carries.
    base: usize,
    /// What is known to arrive.
    mtu: usize,
    /// What may be tried.
    most: usize,
    state: State,
    /// A datagram of the size in use was filled since the last probe.
    in_use: bool,
    /// The newest packet larger than the base size that arrived.
    arrived: Option<PacketNumber>,
    /// Such packets were lost after it: in the losses that are being found, and how often before.
    losing: bool,
    losses: u8,
}

/// What the fate of a packet means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// It was the probe that was under way.
    pub probe: bool,
    /// The size in use changed to this.
    pub mtu: Option<usize>,
}

impl Pmtud {
    /// The size that the host says every path carries, and the search for more on the way to
    /// `remote`.
    pub fn new(remote: IpAddr, params: &ConnectionParameters) -> Self {
        let base = params.get_mtu();
        let headers = if remote.to_canonical().is_ipv4() {
            HEADERS_V4
        } else {
            HEADERS_V6
        };
        let interface = params.get_interface_mtu().unwrap_or(USUAL_MTU);
        Self {
            enabled: params.pmtud_enabled(),
            base,
            mtu: base,
            most: interface
                .saturating_sub(headers)
                .min(ConnectionParameters::MAX_MTU),
            state: State::Searching { lost: 0 },
            in_use: false,
            arrived: None,
            losing: false,
            losses: 0,
        }
    }

    /// The size in use.
    pub const fn mtu(&self) -> usize {
        self.mtu
    }

    /// The size that no path refuses: what is vital has it.
    pub const fn base(&self) -> usize {
        self.base
    }

    /// The peer takes no larger datagrams than this. Whether the size in use is another one now.
    pub fn limit(&mut self, largest: usize) -> bool {
        let before = self.mtu;
        self.most = self.most.min(largest);
        self.base = self.base.min(largest);
        self.mtu = self.mtu.min(largest);
        self.mtu != before
    }

    /// The next size to be tried, if there is any.
    fn next_size(&self) -> Option<usize> {
        let next = SIZES.into_iter().find(|size| *size > self.mtu);
        let size = next.unwrap_or(self.most).min(self.most);
        (size > self.mtu).then_some(size)
    }

    /// A datagram of the size in use was filled: a larger one would have been, too.
    pub fn on_filled(&mut self, now: Instant) {
        if let State::Done { until } = self.state
            && until.is_some_and(|at| at <= now)
        {
            self.state = State::Searching { lost: 0 };
        }
        self.in_use = true;
    }

    /// The size of the probe that is to be sent, if it is time for one.
    pub fn probe_size(&self) -> Option<usize> {
        let due = self.enabled && self.in_use && matches!(self.state, State::Searching { .. });
        due.then(|| self.next_size()).flatten()
    }

    /// A probe was sent.
    pub const fn probe_sent(&mut self, pn: PacketNumber, size: usize) {
        if let State::Searching { lost } = self.state {
            self.state = State::Probing { pn, size, lost };
            self.in_use = false;
        }
    }

    /// A packet arrived.
    pub fn on_acked(&mut self, p: &SentPacket) -> Verdict {
        if p.mtu_probe {
            return self.on_probe_acked(p.pn);
        }
        if usize::from(p.size) > self.base {
            self.arrived = self.arrived.max(Some(p.pn));
            self.losses = 0;
        }
        Verdict::default()
    }

    fn on_probe_acked(&mut self, acked: PacketNumber) -> Verdict {
        let State::Probing { pn, size, .. } = self.state else {
            return Verdict::default();
        };
        if pn != acked {
            return Verdict::default();
        }
        self.mtu = size.min(self.most).max(self.mtu);
        // With nothing left to be tried there is no use in trying again.
        self.state = if self.next_size().is_some() {
            State::Searching { lost: 0 }
        } else {
            State::Done { until: None }
        };
        Verdict {
            probe: true,
            mtu: Some(self.mtu),
        }
    }

    /// A packet was lost. Whether it was the probe. After all that were lost at once follows
    /// [`Self::on_loss_end`].
    pub fn on_lost(&mut self, p: &SentPacket) -> bool {
        if !p.mtu_probe {
            self.losing |=
                usize::from(p.size) > self.base && self.arrived.is_none_or(|pn| p.pn > pn);
            return false;
        }
        let State::Probing { pn, lost, .. } = self.state else {
            return false;
        };
        if pn != p.pn {
            return false;
        }
        let lost = lost + 1;
        self.state = if lost < MAX_PROBES {
            State::Searching { lost }
        } else {
            State::Done {
                until: p.time.checked_add(RAISE_AFTER),
            }
        };
        true
    }

    /// All packets that were found to be lost were told. The size to go back to, if the path
    /// swallows what is larger.
    pub fn on_loss_end(&mut self, now: Instant) -> Option<usize> {
        if !std::mem::take(&mut self.losing) {
            return None;
        }
        self.losses += 1;
        if self.losses < BLACK_HOLE {
            return None;
        }
        self.losses = 0;
        self.mtu = self.base;
        self.state = State::Done {
            until: now.checked_add(RAISE_AFTER),
        };
        Some(self.mtu)
    }
}

#[cfg(test)]
mod tests;
