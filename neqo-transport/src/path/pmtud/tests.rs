use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{BLACK_HOLE, MAX_PROBES, Pmtud, RAISE_AFTER, Verdict};
use crate::{
    ConnectionParameters, PacketNumber,
    recovery::{sent::SentPacket, testing},
};

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn to(remote: &str, params: &ConnectionParameters) -> Pmtud {
    Pmtud::new(ip(remote), params)
}

/// A path that carries `link`, and what was sent on it.
struct Fixture {
    pmtud: Pmtud,
    link: usize,
    now: Instant,
    pn: PacketNumber,
    probes: Vec<usize>,
}

impl Fixture {
    fn new(remote: &str, params: &ConnectionParameters, link: usize) -> Self {
        Self {
            pmtud: to(remote, params),
            link,
            now: crate::test_now(),
            pn: 0,
            probes: Vec::new(),
        }
    }

    fn packet(&mut self, size: usize, mtu_probe: bool) -> SentPacket {
        self.pn += 1;
        SentPacket {
            size: u16::try_from(size).unwrap(),
            mtu_probe,
            ..testing::packet(self.pn, self.now)
        }
    }

    /// Sends a packet and learns what became of it.
    fn send(&mut self, size: usize, mtu_probe: bool) -> Verdict {
        let p = self.packet(size, mtu_probe);
        if mtu_probe {
            self.probes.push(size);
            self.pmtud.probe_sent(p.pn, size);
            assert_eq!(self.pmtud.probe_size(), None, "one at a time");
        }
        if size <= self.link {
            return self.pmtud.on_acked(&p);
        }
        let probe = self.pmtud.on_lost(&p);
        let mtu = self.pmtud.on_loss_end(self.now);
        Verdict { probe, mtu }
    }

    /// Fills datagrams until nothing more is probed for.
    fn search(&mut self) -> usize {
        for _ in 0..100 {
            self.pmtud.on_filled(self.now);
            let Some(size) = self.pmtud.probe_size() else {
                return self.pmtud.mtu();
            };
            assert!(self.send(size, true).probe);
        }
        panic!("it searches for ever");
    }
}

fn found(remote: &str, params: &ConnectionParameters, link: usize) -> usize {
    Fixture::new(remote, params, link).search()
}

#[test]
fn what_the_link_carries_is_found() {
    let params = ConnectionParameters::default();
    assert_eq!(found(V4, &params, 1472), 1472);
    assert_eq!(found("::ffff:192.0.2.1", &params, 1472), 1472);
    assert_eq!(found(V4, &params, 1471), 1452);
    assert_eq!(found(V4, &params, 1232), 1232);
    assert_eq!(found(V4, &params, 9000), 1472, "more is not assumed");
    assert_eq!(found(V6, &params, 9000), 1452);
    // The host knows better.
    let jumbo = params.clone().interface_mtu(Some(9000));
    assert_eq!(found(V4, &jumbo, 8972), 8972);
    assert_eq!(found(V6, &jumbo, 8952), 8952);
    assert_eq!(found(V6, &jumbo, 1452), 1452);
    let loopback = params.clone().interface_mtu(Some(65_536));
    assert_eq!(found(V4, &loopback, 65_507), ConnectionParameters::MAX_MTU);
    assert_eq!(found(V6, &loopback, 40_000), 32_720);
    let odd = params.clone().interface_mtu(Some(1400));
    assert_eq!(found(V4, &odd, 1372), 1372);
    let less = params.interface_mtu(Some(576));
    assert_eq!(found(V4, &less, 1472), 1232, "nothing is ever lowered");
}

#[test]
fn the_peer_limits_the_search() {
    let params = ConnectionParameters::default();
    let mut f = Fixture::new(V4, &params, 1472);
    assert!(!f.pmtud.limit(1400));
    assert_eq!(f.search(), 1400);
    assert!(f.pmtud.limit(1200));
    assert_eq!((f.pmtud.mtu(), f.pmtud.base()), (1200, 1200));
}

#[test]
fn three_losses_end_the_search() {
    let mut f = Fixture::new(V4, &ConnectionParameters::default(), 1400);
    assert_eq!(f.search(), 1392);
    let mut expected = vec![1332, 1392];
    expected.extend([1420].repeat(MAX_PROBES.into()));
    assert_eq!(f.probes, expected);
    // Until it is time to try again.
    f.now += RAISE_AFTER.saturating_sub(Duration::from_secs(1));
    f.search();
    assert_eq!(f.probes, expected);
    f.now += Duration::from_secs(1);
    f.link = 1472;
    assert_eq!(f.search(), 1472);
    // Then there is nothing left to be tried.
    let n = f.probes.len();
    f.now += 2 * RAISE_AFTER;
    assert_eq!(f.search(), 1472);
    assert_eq!(f.probes.len(), n);
}

#[test]
fn only_who_fills_datagrams_probes() {
    let params = ConnectionParameters::default();
    let mut pmtud = to(V4, &params);
    assert_eq!(pmtud.probe_size(), None);
    pmtud.on_filled(crate::test_now());
    assert_eq!(pmtud.probe_size(), Some(1332));
    let mut off = to(V4, &params.pmtud(false));
    off.on_filled(crate::test_now());
    assert_eq!(off.probe_size(), None);
}

#[test]
fn a_probe_of_another_path_proves_nothing() {
    let mut f = Fixture::new(V4, &ConnectionParameters::default(), 1472);
    let mut p = f.packet(1472, true);
    assert_eq!(f.pmtud.on_acked(&p), Verdict::default());
    assert!(!f.pmtud.on_lost(&p));
    f.pmtud.probe_sent(p.pn, 1332);
    p.pn += 1;
    assert_eq!(f.pmtud.on_acked(&p), Verdict::default());
    assert!(!f.pmtud.on_lost(&p));
    assert_eq!(f.pmtud.mtu(), 1232);
}

#[test]
fn a_black_hole_is_left() {
    let mut f = Fixture::new(V4, &ConnectionParameters::default(), 1472);
    f.search();
    f.send(1472, false);
    f.link = 1300;
    for _ in 1..BLACK_HOLE {
        assert_eq!(f.send(1472, false).mtu, None);
        f.send(1232, false);
    }
    assert_eq!(f.send(1472, false).mtu, Some(1232));
    // No search before its time, then one that finds what there is.
    f.link = 1400;
    assert_eq!(f.search(), 1232);
    f.now += RAISE_AFTER;
    assert_eq!(f.search(), 1392);
}

#[test]
fn congestion_is_no_black_hole() {
    let mut f = Fixture::new(V4, &ConnectionParameters::default(), 1472);
    f.search();
    // However many are lost, if later ones arrive.
    for _ in 0..100 {
        let lost: Vec<_> = (0..10).map(|_| f.packet(1472, false)).collect();
        f.send(1472, false);
        for p in lost {
            f.pmtud.on_lost(&p);
        }
        assert_eq!(f.pmtud.on_loss_end(f.now), None);
    }
    // Or if the losses are of one burst at the end of all that was sent.
    let lost: Vec<_> = (0..10).map(|_| f.packet(1472, false)).collect();
    f.send(100, false);
    for p in lost {
        f.pmtud.on_lost(&p);
    }
    assert_eq!(f.pmtud.on_loss_end(f.now), None);
    // Small packets that are lost say nothing.
    f.link = 0;
    for _ in 0..10 {
        assert_eq!(f.send(1232, false), Verdict::default());
    }
    assert_eq!(f.pmtud.mtu(), 1472);
}
