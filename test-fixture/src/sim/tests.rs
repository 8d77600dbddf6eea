use std::{
    collections::BTreeSet,
    mem,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Ecn, Random, Tos};

use super::{
    Bottleneck, Chance, Change, Failure, Link, Loss, Network, Node, Reason, Summary, address, run,
    run_many,
};

const MS: Duration = Duration::from_millis(1);

/// Sends numbered messages and repeats those that were not echoed: a toy that any link which is
/// better than none lets finish.
struct Asker {
    waiting: BTreeSet<u8>,
    resend: Option<Instant>,
    /// In the order of arrival, repetitions included.
    echoes: Vec<u8>,
}

const RESEND: Duration = Duration::from_millis(200);

impl Asker {
    fn new(messages: u8) -> Self {
        Self {
            waiting: (0..messages).collect(),
            resend: None,
            echoes: Vec::new(),
        }
    }
}

impl Node for Asker {
    fn input(&mut self, d: Datagram, _: Instant) {
        // A message is intact if all of its bytes are its number.
        let Some(number) = d.first().copied() else {
            return;
        };
        if d.iter().all(|b| *b == number) {
            self.waiting.remove(&number);
            self.echoes.push(number);
        }
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.resend.is_none_or(|t| t <= now) {
            out.extend(self.waiting.iter().map(|n| {
                Datagram::new(address(0), address(1), Tos::from(Ecn::Ect0), vec![*n; 100])
            }));
            self.resend = Some(now + RESEND);
        }
        self.resend
    }

    fn done(&self) -> bool {
        self.waiting.is_empty()
    }

    fn describe(&self) -> String {
        format!("{} unanswered", self.waiting.len())
    }
}

/// Sends everything back to where it came from.
#[derive(Default)]
struct Echo(Vec<Datagram>);

impl Node for Echo {
    fn input(&mut self, d: Datagram, _: Instant) {
        let (src, dst, tos) = (d.source(), d.destination(), d.tos());
        self.0.push(Datagram::new(dst, src, tos, d.into_data()));
    }

    fn output(&mut self, _: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        out.append(&mut self.0);
        None
    }

    fn done(&self) -> bool {
        true
    }
}

/// Sends a number of datagrams of one size, spaced evenly.
struct Source {
    left: u32,
    size: usize,
    every: Duration,
    next: Option<Instant>,
    ecn: Ecn,
}

impl Source {
    const fn new(count: u32, size: usize, every: Duration) -> Self {
        Self {
            left: count,
            size,
            every,
            next: None,
            ecn: Ecn::NotEct,
        }
    }
}

impl Node for Source {
    fn input(&mut self, _: Datagram, _: Instant) {}

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        let mut next = *self.next.get_or_insert(now);
        while self.left > 0 && next <= now {
            let mut data = vec![0; self.size];
            for (b, n) in data.iter_mut().zip(self.left.to_be_bytes()) {
                *b = n;
            }
            out.push(Datagram::new(
                address(0),
                address(1),
                Tos::from(self.ecn),
                data,
            ));
            self.left -= 1;
            next += self.every;
        }
        self.next = Some(next);
        (self.left > 0).then_some(next)
    }

    fn done(&self) -> bool {
        self.left == 0
    }
}

/// Keeps what arrives and when, and is done after a time without any.
#[derive(Default)]
struct Sink {
    got: Vec<(Instant, Datagram)>,
    quiet: Option<Instant>,
    over: bool,
}

impl Node for Sink {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.got.push((now, d));
        self.quiet = None;
    }

    fn output(&mut self, now: Instant, _: &mut Vec<Datagram>) -> Option<Instant> {
        let quiet = *self.quiet.get_or_insert(now + 1000 * MS);
        self.over = quiet <= now;
        (!self.over).then_some(quiet)
    }

    fn done(&self) -> bool {
        self.over
    }
}

fn pour(seed: u64, mut source: Source, link: Link) -> (Summary, Vec<(Instant, Datagram)>) {
    let mut sink = Sink::default();
    let summary = Network::new(seed)
        .link(0, 1, link)
        .run(&mut [&mut source, &mut sink])
        .unwrap();
    (summary, sink.got)
}

fn terrible() -> Link {
    Link::new(30 * MS)
        .jitter(20 * MS)
        .loss(Loss::bursts(Chance::percent(5), 4))
        .reorder(Chance::percent(10), 50 * MS)
        .duplicate(Chance::percent(10))
        .corrupt(Chance::percent(10))
        .bottleneck(Bottleneck::new(1_000_000, 8_000).mark_above(1_000))
}

fn ask(seed: u64) -> Result<(Summary, Vec<u8>), Box<Failure>> {
    let (mut asker, mut echo) = (Asker::new(200), Echo::default());
    Network::new(seed)
        .connect(0, 1, terrible())
        .run(&mut [&mut asker, &mut echo])
        .map(|summary| (summary, asker.echoes))
}

#[test]
fn the_same_seed_is_the_same_run() {
    run_many(5, |seed| {
        let (first, echoes) = ask(seed).unwrap();
        assert_eq!((first.clone(), echoes), ask(seed).unwrap());
        let (other, _) = ask(seed + 1).unwrap();
        assert_ne!(first.shape, other.shape);
        assert_ne!(first.bytes, other.bytes);
    });
}

#[test]
fn every_impairment_happens() {
    run(|seed| {
        let (summary, echoes) = ask(seed).unwrap();
        let out = summary.between(0, 1);
        assert!(
            out.lost > 0 && out.queue_full > 0 && out.corrupted > 0,
            "{out:?}"
        );
        assert!(
            out.held_back > 0 && out.duplicated > 0 && out.marked > 0,
            "{out:?}"
        );
        assert_eq!(out.sent, out.delivered + out.lost + out.queue_full);
        assert!(!echoes.is_sorted(), "nothing was reordered");
        assert!(echoes.len() > 200, "nothing arrived twice");
    });
}

#[test]
fn a_perfect_link_delivers_all_in_order_after_the_delay() {
    run(|seed| {
        let start = crate::now();
        let (summary, got) = pour(seed, Source::new(50, 200, MS), Link::new(25 * MS));
        assert_eq!(got.len(), 50);
        for (i, (at, d)) in (0..).zip(&got) {
            assert_eq!(at.duration_since(start), (25 + i) * MS);
            assert_eq!(d[..4], (50 - i).to_be_bytes());
        }
        assert_eq!(summary.between(0, 1).bytes, 50 * 200);
        assert_eq!(summary.between(1, 0).sent, 0);
    });
}

#[test]
fn loss_is_as_frequent_as_asked() {
    run_many(3, |seed| {
        let link = Link::default().loss(Loss::Uniform(Chance::percent(10)));
        let (summary, got) = pour(seed, Source::new(20_000, 50, MS / 10), link);
        let lost = summary.between(0, 1).lost;
        assert_eq!(u64::try_from(got.len()).unwrap() + lost, 20_000);
        // Five standard deviations, of 42 each.
        assert!((1_788..=2_212).contains(&lost), "{lost}");
    });
}

#[test]
fn burst_loss_comes_in_bursts() {
    run_many(3, |seed| {
        let link = Link::default().loss(Loss::bursts(Chance::percent(1), 8));
        let (_, got) = pour(seed, Source::new(50_000, 50, MS / 10), link);
        let numbers = got
            .iter()
            .map(|(_, d)| u32::from_be_bytes(d[..4].try_into().unwrap()));
        let mut previous = 50_001;
        let (mut bursts, mut lost) = (0_u32, 0);
        for n in numbers {
            lost += previous - n - 1;
            bursts += u32::from(previous - n > 1);
            previous = n;
        }
        // The mean is eight and the share of time in the bad state 1/13.5.
        assert!(
            (7 * bursts..=9 * bursts).contains(&lost),
            "{lost} in {bursts} bursts"
        );
        assert!((3_000..=4_600).contains(&lost), "{lost}");
    });
}

#[test]
fn counted_loss_hits_the_nth() {
    run(|seed| {
        let link = Link::default().loss(Loss::Every(3));
        let (summary, got) = pour(seed, Source::new(10, 4, MS), link);
        let numbers = got.iter().map(|(_, d)| d[3]);
        assert_eq!(numbers.collect::<Vec<_>>(), [10, 9, 7, 6, 4, 3, 1]);
        assert_eq!(summary.between(0, 1).lost, 3);
    });
}

#[test]
fn the_bottleneck_limits_rate_and_queue() {
    run(|seed| {
        // 100 datagrams of 1000 bytes at once, room for 40, 1 ms each.
        let b = Bottleneck::new(8_000_000, 40_000).mark_above(20_000);
        let mut source = Source::new(100, 1000, Duration::ZERO);
        source.ecn = Ecn::Ect0;
        let (summary, got) = pour(seed, source, Link::new(10 * MS).bottleneck(b));
        let stats = summary.between(0, 1);
        assert_eq!((got.len(), stats.queue_full), (40, 60));
        for ((at, _), after) in got.iter().zip(1..) {
            assert_eq!(at.duration_since(crate::now()), 10 * MS + after * MS);
        }
        // The 22nd is the first that finds more than 20,000 bytes before it.
        let marked = got.iter().map(|(_, d)| Ecn::from(d.tos()) == Ecn::Ce);
        assert_eq!(
            marked.collect::<Vec<_>>(),
            [[false; 21].as_slice(), &[true; 19]].concat()
        );
        assert_eq!(stats.marked, 19);
    });
}

#[test]
fn the_queue_drains() {
    run(|seed| {
        // Exactly the rate: nothing is dropped however small the queue.
        let link = Link::default().bottleneck(Bottleneck::new(8_000_000, 1_000));
        let (summary, got) = pour(seed, Source::new(500, 1000, MS), link.clone());
        assert_eq!((got.len(), summary.between(0, 1).queue_full), (500, 0));
        // Twice the rate: half is dropped.
        let (summary, _) = pour(seed, Source::new(500, 1000, MS / 2), link);
        assert_eq!(summary.between(0, 1).queue_full, 250);
    });
}

#[test]
fn what_cannot_be_marked_is_not() {
    run(|seed| {
        let b = Bottleneck::new(8_000_000, 40_000).mark_above(0);
        let source = Source::new(10, 1000, Duration::ZERO);
        let (summary, got) = pour(seed, source, Link::default().bottleneck(b));
        assert_eq!(summary.between(0, 1).marked, 0);
        assert!(got.iter().all(|(_, d)| Ecn::from(d.tos()) == Ecn::NotEct));
    });
}

#[test]
fn bleaching_clears_ecn() {
    run(|seed| {
        let mut source = Source::new(5, 100, MS);
        source.ecn = Ecn::Ect1;
        let (_, got) = pour(seed, source, Link::default().bleach_ecn());
        assert!(got.iter().all(|(_, d)| Ecn::from(d.tos()) == Ecn::NotEct));
    });
}

#[test]
fn jitter_keeps_the_order_and_reordering_does_not() {
    run_many(5, |seed| {
        let in_order = |got: &[(Instant, Datagram)]| {
            got.iter().map(|(_, d)| d[..4].to_vec()).rev().is_sorted()
        };
        let link = Link::new(10 * MS).jitter(10 * MS);
        let (_, got) = pour(seed, Source::new(300, 100, MS), link.clone());
        assert!(in_order(&got));
        let start = crate::now();
        for ((at, _), sent) in got.iter().zip(0..) {
            let took = at.duration_since(start + sent * MS);
            assert!((10 * MS..=20 * MS).contains(&took), "{took:?}");
        }
        let (summary, got) = pour(
            seed,
            Source::new(300, 100, MS),
            link.reorder(Chance::percent(5), 20 * MS),
        );
        assert!(!in_order(&got));
        assert_eq!(got.len(), 300);
        assert!((1..=40).contains(&summary.between(0, 1).held_back));
    });
}

#[test]
fn corruption_changes_bits_only() {
    run(|seed| {
        let link = Link::default().corrupt(Chance::ALWAYS);
        let (summary, got) = pour(seed, Source::new(100, 64, MS), link);
        assert_eq!(summary.between(0, 1).corrupted, 100);
        for ((_, d), number) in got.iter().zip((1_u32..=100).rev()) {
            let mut sent = vec![0; 64];
            sent[..4].copy_from_slice(&number.to_be_bytes());
            let flipped: u32 = d.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(d.len(), 64);
            assert!(flipped <= 8, "{flipped}");
        }
        let empty = Source::new(1, 0, MS);
        let (_, got) = pour(seed, empty, Link::default().corrupt(Chance::ALWAYS));
        assert_eq!(got.len(), 1);
    });
}

#[test]
fn what_exceeds_the_mtu_is_dropped() {
    run(|seed| {
        for (size, arrive) in [(1200, 3), (1201, 0)] {
            let link = Link::default().mtu(1200);
            let (summary, got) = pour(seed, Source::new(3, size, MS), link);
            assert_eq!(got.len(), arrive);
            assert_eq!(
                usize::try_from(summary.between(0, 1).too_big).unwrap(),
                3 - arrive
            );
        }
    });
}

#[test]
fn a_link_may_change_during_a_run() {
    run(|seed| {
        let mut source = Source::new(100, 100, 10 * MS);
        let mut sink = Sink::default();
        let (from, to) = (address(0).ip(), address(1).ip());
        let change = |link| Change::Link { from, to, link };
        // Lost: what is sent at 300 ms until 490 ms.
        let summary = Network::new(seed)
            .fallback(Link::new(5 * MS))
            .at(295 * MS, change(Link::down()))
            .at(495 * MS, change(Link::new(5 * MS)))
            .run(&mut [&mut source, &mut sink])
            .unwrap();
        assert_eq!(summary.between(0, 1).lost, 20);
        assert_eq!(sink.got.len(), 80);
    });
}

#[test]
fn a_rebound_nat_changes_the_source_and_forgets_the_old_mapping() {
    run(|seed| {
        let inside = address(0);
        let outside = "[fd00::99]:7".parse().unwrap();
        let (mut asker, mut echo) = (Asker::new(3), Echo::default());
        let summary = Network::new(seed)
            .fallback(Link::new(50 * MS))
            // The first questions are on their way back, to an address that is gone.
            .at(75 * MS, Change::Rebind { inside, outside })
            .run(&mut [&mut asker, &mut echo])
            .unwrap();
        assert_eq!(summary.unroutable, 3);
        assert_eq!(asker.echoes, [0, 1, 2]);
        assert_eq!(summary.elapsed, RESEND + 100 * MS);
        assert_eq!(summary.link(address(1).ip(), outside.ip()).sent, 3);
    });
}

#[test]
fn an_alias_reaches_its_node_over_its_own_link() {
    struct Two(bool);
    impl Node for Two {
        fn input(&mut self, _: Datagram, _: Instant) {}
        fn output(&mut self, _: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
            for src in mem::take(&mut self.0)
                .then_some(["[fd00::1]:1", "10.0.0.1:1"])
                .into_iter()
                .flatten()
            {
                let src = src.parse().unwrap();
                out.push(Datagram::new(src, address(1), Tos::default(), vec![1]));
            }
            None
        }
        fn done(&self) -> bool {
            true
        }
    }
    run(|seed| {
        let alias = "10.0.0.1".parse().unwrap();
        let mut sink = Sink::default();
        Network::new(seed)
            .alias(0, alias)
            .link(0, 1, Link::new(9 * MS))
            .link_addresses(alias, address(1).ip(), Link::new(4 * MS))
            .run(&mut [&mut Two(true), &mut sink])
            .unwrap();
        let got = sink
            .got
            .iter()
            .map(|(at, d)| (at.duration_since(crate::now()), d.source().ip()));
        assert_eq!(
            got.collect::<Vec<_>>(),
            [(4 * MS, alias), (9 * MS, address(0).ip())]
        );
    });
}

#[test]
fn a_failure_tells_what_is_needed_to_repeat_it() {
    run(|seed| {
        let (mut asker, mut echo) = (Asker::new(3), Echo::default());
        let failure = Network::new(seed)
            .link(0, 1, Link::down())
            .deadline(5_050 * MS)
            .run(&mut [&mut asker, &mut echo])
            .unwrap_err();
        assert_eq!(failure.reason, Reason::Deadline);
        assert_eq!(failure.elapsed, 5_000 * MS);
        let report = failure.to_string();
        for part in [
            &format!("NEQO_SIM_SEED={seed}"),
            "0: done=false 3 unanswered",
            "1: done=true",
            "[fd00::1]:4433 -> [fd00::2]:4433 sent 100 bytes [lost]",
            "Uniform",
        ] {
            assert!(report.contains(part), "no {part:?} in {report}");
        }
        assert_eq!(report, format!("{failure:?}"));
    });
}

#[test]
fn a_run_in_which_nothing_can_happen_fails() {
    struct Waiter;
    impl Node for Waiter {
        fn input(&mut self, _: Datagram, _: Instant) {}
        fn output(&mut self, _: Instant, _: &mut Vec<Datagram>) -> Option<Instant> {
            None
        }
        fn done(&self) -> bool {
            false
        }
    }
    let failure = Network::new(1).run(&mut [&mut Waiter]).unwrap_err();
    assert_eq!(failure.reason, Reason::Stuck);
}

#[test]
fn a_node_that_never_lets_time_pass_fails() {
    struct Spinner;
    impl Node for Spinner {
        fn input(&mut self, _: Datagram, _: Instant) {}
        fn output(&mut self, now: Instant, _: &mut Vec<Datagram>) -> Option<Instant> {
            Some(now)
        }
        fn done(&self) -> bool {
            false
        }
    }
    let failure = Network::new(1)
        .run(&mut [&mut Echo::default(), &mut Spinner])
        .unwrap_err();
    assert_eq!(failure.reason, Reason::Spinning { node: 1 });
    assert_eq!(failure.elapsed, Duration::ZERO);
}

#[test]
fn chances_are_bounded() {
    let mut random = Random::from_seed([7; 32]);
    assert_eq!(Chance::ppm(u32::MAX), Chance::ALWAYS);
    assert_eq!(Chance::percent(u32::MAX), Chance::ALWAYS);
    assert_eq!(Chance::percent(50), Chance::ppm(500_000));
    assert!(Chance::ALWAYS.draw(&mut random));
    assert!(!Chance::NEVER.draw(&mut random));
    let heads = (0..10_000)
        .filter(|_| Chance::percent(50).draw(&mut random))
        .count();
    assert!((4_750..=5_250).contains(&heads), "{heads}");
}
