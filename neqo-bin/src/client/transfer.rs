//! One transfer, whatever protocol carries it: counts, checks that nothing is missing, and knows the outcome.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    error::Error,
    progress::{Bar, Progress},
    sink::{Destination, Sink},
    summary::{Summary, Tls},
    target::Target,
    writer::{Outbox, Writer},
};
use crate::proto::Protocol;

/// What all transfers of a run have in common.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The application protocol.
    pub protocol: Protocol,
    /// The response has no body.
    pub head: bool,
    /// A status of 400 or more is a failure.
    pub fail: bool,
    /// Response headers are shown.
    pub show_headers: bool,
    /// Where bars and lines go.
    pub progress: Progress,
}

/// Where a response stands.
#[derive(Debug)]
enum State {
    /// Headers or body are arriving.
    Receiving,
    /// All of it has arrived, after this time; the disk has not got it yet.
    Received(Duration),
    /// Over.
    Over(Result<(), Error>),
}

/// One URL on its way to one destination.
#[derive(Debug)]
pub struct Transfer {
    target: Target,
    destination: Destination,
    started: Instant,
    bar: Option<Bar>,
    outbox: Outbox,
    opened: bool,
    status: Option<u16>,
    expected: Option<u64>,
    received: u64,
    sent: u64,
    state: State,
}

impl Transfer {
    /// A transfer that starts now. The target's index names it to the writer.
    #[must_use]
    pub fn new(target: Target, destination: Destination, rules: &Rules, now: Instant) -> Self {
        Self {
            bar: Some(rules.progress.bar(&label(&target))),
            outbox: Outbox::new(target.index),
            target,
            destination,
            started: now,
            opened: false,
            status: None,
            expected: None,
            received: 0,
            sent: 0,
            state: State::Receiving,
        }
    }

    /// The place on the command line.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.target.index
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// Whether nothing of a response has arrived.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.status.is_none() && self.received == 0
    }

    /// Takes the target back, to be fetched in another way.
    #[must_use]
    pub fn into_target(self) -> Target {
        self.target
    }

    /// Whether more of the response is wanted.
    #[must_use]
    pub const fn is_receiving(&self) -> bool {
        matches!(self.state, State::Receiving)
    }

    /// How many bytes of the body may be read from the stream now.
    #[must_use]
    pub const fn room(&self) -> usize {
        if self.is_receiving() {
            self.outbox.room()
        } else {
            0
        }
    }

    /// The header section of the final response.
    pub fn on_headers<'f>(
        &mut self,
        fields: impl Iterator<Item = (&'f str, &'f [u8])>,
        rules: &Rules,
    ) {
        let mut location = None;
        for (name, value) in fields {
            let text = String::from_utf8_lossy(value);
            if rules.show_headers {
                let line = format!("< {}: {}", name.escape_debug(), text.escape_debug());
                rules.progress.always(&line);
            }
            match name {
                ":status" => self.status = text.parse().ok(),
                "content-length" => self.expected = text.parse().ok(),
                "location" => location = Some(text.escape_debug().to_string()),
                _ => {}
            }
        }
        let Some(status) = self.status else {
            self.incomplete("the response has no status");
            return;
        };
        if rules.head || matches!(status, 204 | 304) {
            self.expected = Some(0);
        }
        if rules.fail && status >= 400 {
            self.end(Err(Error::HttpStatus {
                url: self.url(),
                status,
            }));
            return;
        }
        if let (Some(location), 300..=399) = (location, status) {
            let url = &self.target.url;
            rules.progress.line(&format!(
                "{url}: is at {location} (redirects are not followed)"
            ));
        }
        if let (Some(bar), Some(total)) = (&self.bar, self.expected) {
            bar.set_total(total);
        }
    }

    /// The stream has taken so many bytes of the upload.
    pub const fn on_sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// The next pieces of the body.
    pub fn on_data(&mut self, pieces: Vec<Bytes>, writer: &Writer) {
        if !self.is_receiving() || !self.open(writer) {
            return;
        }
        self.received += pieces.iter().map(|p| p.len() as u64).sum::<u64>();
        if let Some(bar) = &self.bar {
            bar.set_position(self.received);
        }
        self.outbox.write(writer, pieces);
    }

    /// The stream ended as the server wanted.
    pub fn on_end(&mut self, writer: &Writer, rules: &Rules, now: Instant) {
        if !self.is_receiving() {
            return;
        }
        if self.status.is_none() && rules.protocol == Protocol::H3 {
            self.incomplete("the stream ended before a response");
        } else if let Some(expected) = self.expected.filter(|&e| e != self.received) {
            let received = self.received;
            self.incomplete(&format!("{received} of {expected} bytes arrived"));
        } else if self.open(writer) {
            self.state = State::Received(now.saturating_duration_since(self.started));
            self.outbox.complete(writer);
        }
        if self.is_over() {
            self.outbox.abort(writer);
        }
    }

    /// The server reset the stream.
    pub fn on_reset(&mut self, code: u64, writer: &Writer) {
        if self.is_receiving() {
            self.outbox.abort(writer);
            self.incomplete(&format!("the server reset the stream with error {code:#x}"));
        }
    }

    /// The request cannot be answered any more, for example because the connection is gone.
    pub fn on_failure(&mut self, error: Error, writer: &Writer) {
        if self.is_receiving() {
            self.outbox.abort(writer);
            self.end(Err(error));
        }
    }

    /// The writer has written so much.
    pub const fn on_written(&mut self, bytes: usize) {
        self.outbox.wrote(bytes);
    }

    /// The writer gave up.
    pub fn on_write_error(&mut self, source: std::io::Error) {
        self.end(Err(Error::Write {
            path: self.destination.path(),
            source,
        }));
    }

    /// The output is complete: the transfer is over.
    pub fn on_saved(&mut self, rules: &Rules, tls: &Tls) {
        let State::Received(elapsed) = self.state else {
            return;
        };
        self.end(Ok(()));
        let summary = Summary {
            url: self.url(),
            status: self.status,
            bytes: self.received,
            sent: self.sent,
            elapsed,
            protocol: rules.protocol,
            tls: tls.clone(),
        };
        rules.progress.line(&summary.to_string());
    }

    /// The outcome; that of a transfer which is not over is a failure.
    pub fn into_outcome(self) -> Result<(), Error> {
        match self.state {
            State::Over(outcome) => outcome,
            State::Receiving | State::Received(_) => Err(Error::Internal(format!(
                "{}: the transfer was dropped",
                self.target.url
            ))),
        }
    }

    /// The URL, for messages.
    #[must_use]
    pub fn url(&self) -> String {
        self.target.url.to_string()
    }

    fn incomplete(&mut self, reason: &str) {
        self.end(Err(Error::Partial {
            url: self.url(),
            reason: reason.to_owned(),
        }));
    }

    fn end(&mut self, outcome: Result<(), Error>) {
        if !self.is_over() {
            self.bar = None;
            self.state = State::Over(outcome);
        }
    }

    /// Opens the output when the first byte, or the end, has arrived: a failure before leaves no trace.
    fn open(&mut self, writer: &Writer) -> bool {
        if self.opened {
            return true;
        }
        match Sink::open(&self.destination) {
            Ok(sink) => {
                writer.open(self.outbox.id(), sink);
                self.opened = true;
            }
            Err(e) => self.on_write_error(e),
        }
        self.opened
    }
}

/// What the bar is called: the end of the path, or the host.
fn label(target: &Target) -> String {
    let path = target.url.path().trim_end_matches('/');
    match path.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => target.authority(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::client::{exit::Exit, target, writer::Report};

    struct Bench {
        dir: tempfile::TempDir,
        rules: Rules,
        writer: Writer,
        reports: UnboundedReceiver<Report>,
        transfer: Transfer,
        base: Instant,
    }

    fn bench(change: impl FnOnce(&mut Rules)) -> Bench {
        let mut rules = Rules {
            protocol: Protocol::H3,
            head: false,
            fail: false,
            show_headers: false,
            progress: Progress::new(true, false),
        };
        change(&mut rules);
        let dir = tempfile::tempdir().unwrap();
        let base = crate::clock::now();
        let target = target::group(&["https://h/x".into()])
            .unwrap()
            .remove(0)
            .targets
            .remove(0);
        let destination = Destination::File(dir.path().join("x"));
        let transfer = Transfer::new(target, destination, &rules, base);
        let (writer, reports) = Writer::spawn().unwrap();
        Bench {
            dir,
            rules,
            writer,
            reports,
            transfer,
            base,
        }
    }

    impl Bench {
        fn headers(&mut self, fields: &[(&str, &str)]) {
            let fields = fields.iter().map(|(n, v)| (*n, v.as_bytes()));
            self.transfer.on_headers(fields, &self.rules);
        }

        fn data(&mut self, data: &'static [u8]) {
            self.transfer
                .on_data(vec![Bytes::from_static(data)], &self.writer);
        }

        fn end(&mut self) {
            let now = self.base + Duration::from_millis(5);
            self.transfer.on_end(&self.writer, &self.rules, now);
        }

        /// Lets the writer finish; the directory afterwards, and the outcome.
        fn finish(mut self) -> (Vec<PathBuf>, Result<(), Error>) {
            self.writer.join();
            while let Ok(report) = self.reports.try_recv() {
                match report {
                    Report::Wrote { bytes, .. } => self.transfer.on_written(bytes),
                    Report::Completed { .. } => {
                        self.transfer.on_saved(&self.rules, &Tls::default());
                    }
                    Report::Failed { error, .. } => self.transfer.on_write_error(error),
                }
            }
            let files = std::fs::read_dir(self.dir.path())
                .unwrap()
                .map(|e| e.unwrap().path())
                .collect();
            (files, self.transfer.into_outcome())
        }

        fn fails_with(self, exit: Exit) {
            let (files, outcome) = self.finish();
            assert!(files.is_empty(), "{files:?}");
            let e = outcome.unwrap_err();
            assert_eq!(e.exit(), exit, "{e}");
            assert_eq!(e.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn complete() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200"), ("content-length", "6")]);
        b.data(b"abc");
        b.data(b"def");
        assert!(b.transfer.room() < crate::client::writer::MAX_QUEUED);
        b.end();
        assert!(!b.transfer.is_over(), "the disk comes first");
        let (files, outcome) = b.finish();
        assert!(outcome.is_ok());
        assert_eq!(files.len(), 1);
    }

    #[test]
    fn an_empty_body_makes_an_empty_file() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200")]);
        b.end();
        let (files, outcome) = b.finish();
        assert!(outcome.is_ok());
        assert_eq!(files.len(), 1);
    }

    #[test]
    fn a_short_body_is_partial() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200"), ("content-length", "7")]);
        b.data(b"abc");
        b.end();
        b.fails_with(Exit::Partial);
    }

    #[test]
    fn a_long_body_is_partial_too() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200"), ("content-length", "2")]);
        b.data(b"abc");
        b.end();
        b.fails_with(Exit::Partial);
    }

    #[test]
    fn a_reset_is_partial() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200")]);
        b.data(b"abc");
        b.transfer.on_reset(0x10c, &b.writer);
        b.end();
        b.fails_with(Exit::Partial);
    }

    #[test]
    fn no_response_is_partial() {
        let mut b = bench(|_| {});
        b.end();
        b.fails_with(Exit::Partial);
        let mut b = bench(|_| {});
        b.headers(&[("server", "x")]);
        b.fails_with(Exit::Partial);
    }

    #[test]
    fn a_lost_connection() {
        let mut b = bench(|_| {});
        b.headers(&[(":status", "200")]);
        b.data(b"abc");
        let error = Error::Lost {
            url: b.transfer.url(),
            reason: "idle".into(),
        };
        b.transfer.on_failure(error, &b.writer);
        b.fails_with(Exit::Lost);
    }

    #[test]
    fn status_counts_with_fail_only() {
        let mut b = bench(|r| r.fail = true);
        b.headers(&[(":status", "404")]);
        assert_eq!(b.transfer.room(), 0);
        b.data(b"not found");
        b.end();
        b.fails_with(Exit::HttpStatus);
        let mut b = bench(|_| {});
        b.headers(&[(":status", "404")]);
        b.data(b"not found");
        b.end();
        assert!(b.finish().1.is_ok());
    }

    #[test]
    fn responses_without_a_body() {
        for (head, status) in [(true, "200"), (false, "304"), (false, "204")] {
            let mut b = bench(|r| r.head = head);
            b.headers(&[(":status", status), ("content-length", "1000")]);
            b.end();
            assert!(b.finish().1.is_ok());
        }
    }

    #[test]
    fn http_0_9_has_no_headers() {
        let mut b = bench(|r| r.protocol = Protocol::HqInterop);
        b.data(b"abc");
        b.end();
        assert!(b.finish().1.is_ok());
    }

    #[test]
    fn an_output_that_cannot_be_written() {
        let mut b = bench(|_| {});
        b.transfer.destination = Destination::File(b.dir.path().join("no/such/dir"));
        b.headers(&[(":status", "200")]);
        b.data(b"abc");
        assert!(b.transfer.is_over());
        b.fails_with(Exit::Write);
    }

    #[test]
    fn labels() {
        let label = |u: &str| {
            let t = target::group(&[u.to_owned()])
                .unwrap()
                .remove(0)
                .targets
                .remove(0);
            label(&t)
        };
        assert_eq!(label("https://h/a/b.txt?q"), "b.txt");
        assert_eq!(label("https://h/a/"), "a");
        assert_eq!(label("https://h:44/"), "h:44");
    }
}
