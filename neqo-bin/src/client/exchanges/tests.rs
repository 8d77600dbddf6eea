//! Requests on a connection that is made of numbers.

use std::{collections::BTreeMap, num::NonZeroUsize};

use bytes::Bytes;
use neqo_transport::{AppError, CloseReason, Stats, Transmit};
use neqo_udp::RecvSegment;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    client::{args, exit::Exit, progress::Progress, sink, target, writer::MAX_QUEUED},
    clock,
    proto::Protocol,
};

const REJECTED: AppError = 7;

/// Allows some requests and answers with zeros.
#[derive(Debug, Default)]
struct Fake {
    allowed: u64,
    made: u64,
    /// What is left of each body.
    bodies: BTreeMap<StreamId, usize>,
    sent: BTreeMap<StreamId, usize>,
    /// How much each call to send takes.
    takes: usize,
    finished: Vec<StreamId>,
    cancelled: Vec<StreamId>,
    abandoned: Vec<StreamId>,
}

impl Engine for Fake {
    fn input(&mut self, _segment: RecvSegment, _now: Instant) {}

    fn write<'b>(&mut self, _now: Instant, _buf: &'b mut [u8], _max: NonZeroUsize) -> Transmit<'b> {
        Transmit::None
    }

    fn next(&mut self, _now: Instant) -> Option<Happening> {
        None
    }

    fn request(
        &mut self,
        target: &Target,
        _template: &Template,
        _length: Option<u64>,
        _now: Instant,
    ) -> Result<StreamId, Refusal> {
        if target.path() == "/never" {
            return Err(Refusal::Never("it is not allowed".into()));
        }
        if self.made == self.allowed {
            return Err(Refusal::Later);
        }
        self.made += 1;
        Ok(id(self.made - 1))
    }

    fn read(&mut self, id: StreamId, _now: Instant) -> Result<(Option<Bytes>, bool), String> {
        static ZEROS: [u8; MIN_READ] = [0; MIN_READ];
        let left = self.bodies.get_mut(&id).ok_or("no such stream")?;
        let n = MIN_READ.min(*left);
        *left -= n;
        let piece = (n > 0).then(|| Bytes::from_static(&ZEROS[..n]));
        Ok((piece, *left == 0))
    }

    fn send(&mut self, id: StreamId, data: Bytes, _now: Instant) -> Result<usize, String> {
        let n = data.len().min(self.takes);
        *self.sent.entry(id).or_default() += n;
        Ok(n)
    }

    fn finish(&mut self, id: StreamId, _now: Instant) {
        self.finished.push(id);
    }

    fn abandon_upload(&mut self, id: StreamId) {
        self.abandoned.push(id);
    }

    fn cancel(&mut self, id: StreamId) {
        self.cancelled.push(id);
    }

    fn close(&mut self, _now: Instant) {}

    fn tls(&self) -> Option<Tls> {
        None
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn is_unprocessed(&self, error: AppError) -> bool {
        error == REJECTED
    }
}

/// The n-th request's stream.
fn id(n: u64) -> StreamId {
    StreamId::from(n * 4)
}

fn ok_headers(id: StreamId) -> Happening {
    Happening::Headers(id, vec![(":status".into(), b"200".to_vec())], false)
}

struct Bench {
    dir: TempDir,
    job: Job,
    targets: Vec<Target>,
}

/// URLs `https://h/0` and so on, whose bodies go into a directory.
fn bench(count: usize, options: &[&str]) -> Bench {
    let urls: Vec<_> = (0..count).map(|n| format!("https://h/{n}")).collect();
    bench_of(&urls, options)
}

fn bench_of(urls: &[String], options: &[&str]) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let line = [
        "neqo-client",
        "-q",
        "--output-dir",
        dir.path().to_str().unwrap(),
    ]
    .into_iter()
    .chain(options.iter().copied())
    .chain(urls.iter().map(String::as_str));
    let args = args::parse(line).unwrap().fetch;
    let groups = target::group(&args.urls).unwrap();
    let job = Job {
        template: Template::new(&args.request, Protocol::H3, urls.len()).unwrap(),
        rules: Rules {
            protocol: Protocol::H3,
            head: false,
            fail: args.output.fail,
            show_headers: false,
            progress: Progress::new(true, false),
        },
        destinations: sink::destinations(&args.output, &groups).unwrap(),
        concurrency: args.network.concurrency.into(),
        connect_timeout: Duration::from_secs(1),
        stats: false,
    };
    Bench {
        dir,
        job,
        targets: groups.into_iter().flat_map(|g| g.targets).collect(),
    }
}

struct Run<'j> {
    exchanges: Exchanges<'j>,
    engine: Fake,
    reports: UnboundedReceiver<Report>,
    reads: UnboundedReceiver<(StreamId, Done)>,
    now: Instant,
}

impl Bench {
    fn start(&self, allowed: u64) -> Run<'_> {
        let (writer, reports) = Writer::spawn().unwrap();
        let (to, reads) = unbounded_channel();
        let mut run = Run {
            exchanges: Exchanges::new(&self.job, self.targets.clone(), writer, to),
            engine: Fake {
                allowed,
                takes: usize::MAX,
                ..Fake::default()
            },
            reports,
            reads,
            now: clock::now(),
        };
        run.exchanges.start(&mut run.engine, run.now);
        run
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }
}

impl Run<'_> {
    fn on(&mut self, happening: Happening) {
        self.exchanges.on(happening, &mut self.engine, self.now);
        self.exchanges.start(&mut self.engine, self.now);
    }

    /// A whole response of `len` bytes.
    fn respond(&mut self, id: StreamId, len: usize) {
        self.engine.bodies.insert(id, len);
        self.on(ok_headers(id));
        self.on(Happening::Readable(id));
    }

    async fn report(&mut self) {
        let report = self.reports.recv().await.unwrap();
        self.exchanges.on_report(report, &mut self.engine, self.now);
    }

    async fn read(&mut self) {
        let (id, done) = self.reads.recv().await.unwrap();
        self.exchanges.on_read(id, done, &mut self.engine, self.now);
    }

    async fn save_all(&mut self) {
        while !self.exchanges.is_done() {
            self.report().await;
        }
    }

    /// The exit codes by place on the command line, and how many are left over.
    fn end(self) -> (Vec<(usize, Exit)>, usize) {
        let (outcomes, leftover) = self.exchanges.into_outcomes();
        let mut codes: Vec<_> = outcomes
            .into_iter()
            .map(|(n, o)| (n, o.map_or_else(|e| e.exit(), |()| Exit::Success)))
            .collect();
        codes.sort_by_key(|(n, _)| *n);
        (codes, leftover.len())
    }
}

#[tokio::test]
async fn requests_are_made_as_others_end() {
    let bench = bench(5, &["--concurrency", "2"]);
    let mut run = bench.start(100);
    for n in 0..5 {
        assert_eq!(run.engine.made, (n + 2).min(5));
        run.respond(id(n), 1000);
    }
    run.save_all().await;
    let (codes, left) = run.end();
    assert!(codes.iter().all(|(_, c)| *c == Exit::Success));
    assert_eq!((codes.len(), left, bench.files()), (5, 0, 5));
}

#[tokio::test]
async fn the_stream_limit_is_waited_for() {
    let bench = bench(3, &[]);
    let mut run = bench.start(1);
    assert_eq!(run.engine.made, 1);
    run.engine.allowed = 3;
    run.on(Happening::Creatable);
    assert_eq!(run.engine.made, 3);
}

#[tokio::test]
async fn a_server_that_goes_away_leaves_the_rest() {
    let bench = bench(4, &["--concurrency", "2"]);
    let mut run = bench.start(100);
    run.on(Happening::GoingAway);
    run.on(Happening::Reset(id(1), REJECTED));
    run.respond(id(0), 10);
    assert_eq!(run.engine.made, 2);
    run.save_all().await;
    assert_eq!(run.end(), (vec![(0, Exit::Success)], 3));
}

#[tokio::test]
async fn a_rejection_after_an_answer_is_a_failure() {
    let bench = bench(1, &[]);
    let mut run = bench.start(100);
    run.on(ok_headers(id(0)));
    run.on(Happening::Reset(id(0), REJECTED));
    assert_eq!(run.end(), (vec![(0, Exit::Partial)], 0));
    assert_eq!(bench.files(), 0);
}

#[tokio::test]
async fn the_end_of_the_connection_ends_everything() {
    let bench = bench(3, &["--concurrency", "2"]);
    let mut run = bench.start(100);
    run.engine.bodies.insert(id(0), 100_000);
    run.on(ok_headers(id(0)));
    run.on(Happening::Ended(CloseReason::Application(1)));
    assert!(run.exchanges.is_done());
    let lost = |n| (n, Exit::Lost);
    assert_eq!(run.end(), (vec![lost(0), lost(1), lost(2)], 0));
    assert_eq!(bench.files(), 0);
}

#[tokio::test]
async fn what_cannot_be_asked_does_not_stop_the_others() {
    let bench = bench_of(&["https://h/never".into(), "https://h/x".into()], &[]);
    let mut run = bench.start(100);
    run.respond(id(0), 5);
    run.save_all().await;
    assert_eq!(run.end(), (vec![(0, Exit::Lost), (1, Exit::Success)], 0));
}

#[tokio::test]
async fn a_slow_disk_holds_reading_back() {
    let bench = bench(1, &[]);
    let mut run = bench.start(1);
    let len = 4 * MAX_QUEUED;
    // The reports of the writer are not looked at: for all that is known nothing is written.
    run.respond(id(0), len);
    let left = run.engine.bodies[&id(0)];
    assert!(left >= len - MAX_QUEUED && left > 0);
    run.save_all().await;
    assert_eq!(run.end(), (vec![(0, Exit::Success)], 0));
    let file = bench.dir.path().join("0");
    assert_eq!(std::fs::metadata(file).unwrap().len(), len as u64);
}

#[tokio::test]
async fn a_failed_transfer_lets_go_of_its_stream() {
    let bench = bench(1, &["--fail"]);
    let mut run = bench.start(1);
    let not_found = vec![(":status".to_owned(), b"404".to_vec())];
    run.on(Happening::Headers(id(0), not_found, false));
    assert_eq!(run.engine.cancelled, [id(0)]);
    assert_eq!(run.end(), (vec![(0, Exit::HttpStatus)], 0));
}

#[tokio::test]
async fn a_response_without_body_is_whole() {
    let bench = bench(1, &[]);
    let mut run = bench.start(1);
    let fields = vec![(":status".to_owned(), b"204".to_vec())];
    run.on(Happening::Headers(id(0), fields, true));
    run.save_all().await;
    assert_eq!(run.end(), (vec![(0, Exit::Success)], 0));
    assert_eq!(bench.files(), 1);
}

fn upload(len: usize) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("up");
    std::fs::write(&path, vec![1; len]).unwrap();
    let option = format!("@{}", path.display());
    (dir, option)
}

#[tokio::test]
async fn uploads_go_on_as_the_stream_takes_them() {
    let (_dir, data) = upload(500_000);
    let bench = bench(1, &["-d", &data]);
    let mut run = bench.start(1);
    run.engine.takes = 10_000;
    while run.engine.finished.is_empty() {
        if let Ok((id, done)) = run.reads.try_recv() {
            run.exchanges.on_read(id, done, &mut run.engine, run.now);
        }
        run.on(Happening::Writable(id(0)));
        tokio::task::yield_now().await;
    }
    assert_eq!(run.engine.sent[&id(0)], 500_000);
    assert_eq!(run.engine.finished, [id(0)]);
}

#[tokio::test]
async fn an_upload_that_is_not_wanted_stops() {
    let (_dir, data) = upload(4_000_000);
    let bench = bench(2, &["-d", &data]);
    let mut run = bench.start(2);
    while !run.engine.sent.contains_key(&id(0)) {
        run.read().await;
    }
    run.on(Happening::StopSending(id(0)));
    let before = run.engine.sent[&id(0)];
    run.on(Happening::Writable(id(0)));
    assert_eq!(run.engine.sent[&id(0)], before);
    // The answer to the other comes before all of it was sent.
    run.respond(id(1), 5);
    assert_eq!(run.engine.abandoned, [id(1)]);
    run.respond(id(0), 5);
    run.save_all().await;
    let done = |n| (n, Exit::Success);
    assert_eq!(run.end(), (vec![done(0), done(1)], 0));
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_is_given_up() {
    let (dir, data) = upload(500_000);
    let bench = bench(1, &["-d", &data]);
    let mut run = bench.start(1);
    std::fs::write(dir.path().join("up"), b"short").unwrap();
    while !run.exchanges.is_done() {
        run.read().await;
    }
    assert_eq!(run.engine.cancelled, [id(0)]);
    assert_eq!(run.end(), (vec![(0, Exit::Read)], 0));
}
