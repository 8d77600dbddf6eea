//! The requests of one connection: which wait, which are under way, and what became of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use neqo_transport::StreamId;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    engine::{Engine, Fields, Happening, Refusal},
    error::Error,
    request::Template,
    sink::Destination,
    summary::Tls,
    target::Target,
    transfer::{Rules, Transfer},
    writer::{Report, Writer},
};
use crate::body::{Done, PumpError, Pumped, Source};

/// How much goes to the writer at once, in bytes: enough for few messages between the threads, and not so much that
/// the disk would wait for the network.
const MAX_BATCH: usize = 256 << 10;

/// Reading with less room than this would make too many small batches, in bytes.
const MIN_READ: usize = 16 << 10;

/// What a run is to do, besides the targets.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is asked.
    pub template: Template,
    /// How transfers are judged and shown.
    pub rules: Rules,
    /// Where bodies go, by the place of the URL on the command line.
    pub destinations: Vec<Destination>,
    /// Requests under way at a time, per connection.
    pub concurrency: usize,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Whether the transport's counters are shown at the end.
    pub stats: bool,
}

/// The outcome of the transfer with this place on the command line. One failure may be that of many transfers.
pub type Outcome = (usize, Result<(), Arc<Error>>);

/// A request under way.
#[derive(Debug)]
struct Exchange {
    transfer: Transfer,
    /// What is still to be sent.
    upload: Option<Source>,
}

/// All requests of a connection.
#[derive(Debug)]
pub struct Exchanges<'j> {
    job: &'j Job,
    writer: Writer,
    /// Where reads of uploads report.
    reads: UnboundedSender<(StreamId, Done)>,
    tls: Tls,
    waiting: VecDeque<Target>,
    running: BTreeMap<StreamId, Exchange>,
    /// Responses that are complete but not on disk yet.
    saving: Vec<Transfer>,
    outcomes: Vec<Outcome>,
    /// For another connection: the server would not take them on this one.
    leftover: Vec<Target>,
}

impl<'j> Exchanges<'j> {
    /// Requests that have not been made.
    #[must_use]
    pub fn new(
        job: &'j Job,
        targets: Vec<Target>,
        writer: Writer,
        reads: UnboundedSender<(StreamId, Done)>,
    ) -> Self {
        Self {
            job,
            writer,
            reads,
            tls: Tls::default(),
            waiting: targets.into(),
            running: BTreeMap::new(),
            saving: Vec::new(),
            outcomes: Vec::new(),
            leftover: Vec::new(),
        }
    }

    /// Whether nothing is left to do on this connection.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.saving.is_empty()
    }

    /// What became of the targets, and those that another connection should take.
    #[must_use]
    pub fn into_outcomes(self) -> (Vec<Outcome>, Vec<Target>) {
        self.writer.join();
        (self.outcomes, self.leftover)
    }

    /// Acts on an event of the connection.
    pub fn on(&mut self, happening: Happening, engine: &mut impl Engine, now: Instant) {
        match happening {
            Happening::Ready => self.tls = engine.tls().unwrap_or_default(),
            Happening::Creatable => {}
            Happening::Headers(id, fields, whole) => {
                self.on_headers(id, &fields, engine);
                if whole {
                    self.on_end(id, engine, now);
                }
            }
            Happening::Readable(id) => self.read(id, engine, now),
            Happening::Writable(id) => self.upload(id, engine, now),
            Happening::Reset(id, error) => self.on_reset(id, error, engine),
            Happening::StopSending(id) => {
                if let Some(exchange) = self.running.get_mut(&id) {
                    exchange.upload = None;
                }
            }
            Happening::GoingAway => self.leftover.extend(self.waiting.drain(..)),
            Happening::Ended(reason) => {
                let reason = reason.to_string();
                self.fail(|url| Error::Lost {
                    url,
                    reason: reason.clone(),
                });
            }
        }
    }

    /// Makes as many requests as may be under way.
    pub fn start(&mut self, engine: &mut impl Engine, now: Instant) {
        while self.running.len() < self.job.concurrency
            && let Some(target) = self.waiting.pop_front()
        {
            let (upload, length) = match self.job.template.body() {
                Ok(body) => body,
                Err(e) => {
                    self.outcomes.push((target.index, Err(e.into())));
                    continue;
                }
            };
            match engine.request(&target, &self.job.template, length, now) {
                Ok(id) => {
                    let destination = self.destination(target.index);
                    let transfer = Transfer::new(target, destination, &self.job.rules, now);
                    let upload = Some(upload);
                    self.running.insert(id, Exchange { transfer, upload });
                    self.upload(id, engine, now);
                }
                Err(Refusal::Later) => {
                    self.waiting.push_front(target);
                    return;
                }
                Err(Refusal::Never(reason)) => {
                    let url = target.url.to_string();
                    let error = Error::Lost { url, reason };
                    self.outcomes.push((target.index, Err(error.into())));
                }
            }
        }
    }

    /// The writer has done something: there may be room to read more.
    pub fn on_report(&mut self, report: Report, engine: &mut impl Engine, now: Instant) {
        match report {
            Report::Wrote { id, bytes } => {
                if let Some((stream, exchange)) = self.running_by_index(id) {
                    let was_full = exchange.transfer.room() < MIN_READ;
                    exchange.transfer.on_written(bytes);
                    if was_full {
                        self.read(stream, engine, now);
                    }
                }
            }
            Report::Completed { id } => {
                if let Some(mut transfer) = self.take_saving(id) {
                    transfer.on_saved(&self.job.rules, &self.tls);
                    self.over(transfer);
                }
            }
            Report::Failed { id, error } => {
                if let Some(mut transfer) = self.take_saving(id) {
                    transfer.on_write_error(error);
                    self.over(transfer);
                } else if let Some((stream, exchange)) = self.running_by_index(id) {
                    exchange.transfer.on_write_error(error);
                    self.settle(stream, engine);
                }
            }
        }
    }

    /// Some of an upload was read.
    pub fn on_read(&mut self, id: StreamId, done: Done, engine: &mut impl Engine, now: Instant) {
        if let Some(Exchange {
            upload: Some(source),
            ..
        }) = self.running.get_mut(&id)
        {
            source.done(done);
            self.upload(id, engine, now);
        }
    }

    /// Ends everything that the network still has to do.
    pub fn fail(&mut self, error: impl Fn(String) -> Error) {
        for target in self.waiting.drain(..) {
            let outcome = Err(error(target.url.to_string()).into());
            self.outcomes.push((target.index, outcome));
        }
        for (_, mut exchange) in std::mem::take(&mut self.running) {
            let error = error(exchange.transfer.url());
            exchange.transfer.on_failure(error, &self.writer);
            self.over(exchange.transfer);
        }
    }

    fn destination(&self, index: usize) -> Destination {
        self.job
            .destinations
            .get(index)
            .cloned()
            .unwrap_or(Destination::Stdout)
    }

    fn on_headers(&mut self, id: StreamId, fields: &Fields, engine: &mut impl Engine) {
        if let Some(exchange) = self.running.get_mut(&id) {
            let fields = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice()));
            exchange.transfer.on_headers(fields, &self.job.rules);
            self.settle(id, engine);
        }
    }

    fn on_end(&mut self, id: StreamId, engine: &mut impl Engine, now: Instant) {
        if let Some(exchange) = self.running.get_mut(&id) {
            exchange.transfer.on_end(&self.writer, &self.job.rules, now);
            self.settle(id, engine);
        }
    }

    fn on_reset(&mut self, id: StreamId, error: u64, engine: &impl Engine) {
        let Some(mut exchange) = self.running.remove(&id) else {
            return;
        };
        if engine.is_unprocessed(error) && exchange.transfer.is_untouched() {
            self.leftover.push(exchange.transfer.into_target());
            return;
        }
        exchange.transfer.on_reset(error, &self.writer);
        self.over(exchange.transfer);
    }

    /// Reads a body as far as the writer keeps up.
    fn read(&mut self, id: StreamId, engine: &mut impl Engine, now: Instant) {
        let Some(exchange) = self.running.get_mut(&id) else {
            return;
        };
        let transfer = &mut exchange.transfer;
        while transfer.room() >= MIN_READ {
            let most = transfer.room().min(MAX_BATCH);
            let (pieces, more) = take_pieces(engine, id, most, now);
            if !pieces.is_empty() {
                transfer.on_data(pieces, &self.writer);
            }
            match more {
                More::Maybe => {}
                More::Later => break,
                More::Never => transfer.on_end(&self.writer, &self.job.rules, now),
                More::Broken(reason) => {
                    let url = transfer.url();
                    transfer.on_failure(Error::Partial { url, reason }, &self.writer);
                }
            }
        }
        self.settle(id, engine);
    }

    /// Sends an upload as far as flow control and the disk keep up.
    fn upload(&mut self, id: StreamId, engine: &mut impl Engine, now: Instant) {
        let Some(exchange) = self.running.get_mut(&id) else {
            return;
        };
        let Some(source) = &mut exchange.upload else {
            return;
        };
        let transfer = &mut exchange.transfer;
        let pumped = source.pump(|data| {
            let sent = engine.send(id, data, now);
            transfer.on_sent(*sent.as_ref().unwrap_or(&0));
            sent
        });
        if let Some(job) = source.job() {
            let reads = self.reads.clone();
            tokio::task::spawn_blocking(move || drop(reads.send((id, job.run()))));
        }
        match pumped {
            Ok(Pumped::End) => {
                exchange.upload = None;
                engine.finish(id, now);
            }
            Ok(Pumped::Blocked | Pumped::Pending) => {}
            // The server may have an answer nevertheless.
            Err(PumpError::Stream(_)) => exchange.upload = None,
            Err(PumpError::Source(source)) => {
                let path = self.job.template.data_path();
                let error = Error::Read { path, source };
                exchange.transfer.on_failure(error, &self.writer);
                self.settle(id, engine);
            }
        }
    }

    /// Lets go of the stream when nothing more is wanted from it.
    fn settle(&mut self, id: StreamId, engine: &mut impl Engine) {
        match self.running.get(&id) {
            Some(exchange) if !exchange.transfer.is_receiving() => {}
            _ => return,
        }
        let Some(exchange) = self.running.remove(&id) else {
            return;
        };
        if exchange.transfer.is_over() {
            engine.cancel(id);
            self.over(exchange.transfer);
        } else {
            if exchange.upload.is_some() {
                engine.abandon_upload(id);
            }
            self.saving.push(exchange.transfer);
        }
    }

    fn over(&mut self, transfer: Transfer) {
        self.outcomes
            .push((transfer.index(), transfer.into_outcome().map_err(Arc::new)));
    }

    fn running_by_index(&mut self, index: usize) -> Option<(StreamId, &mut Exchange)> {
        self.running
            .iter_mut()
            .find(|(_, e)| e.transfer.index() == index)
            .map(|(id, e)| (*id, e))
    }

    fn take_saving(&mut self, index: usize) -> Option<Transfer> {
        let at = self.saving.iter().position(|t| t.index() == index)?;
        Some(self.saving.swap_remove(at))
    }
}

/// What to expect of a body after some pieces of it.
enum More {
    /// The batch is full, the body perhaps not over.
    Maybe,
    /// Nothing before more arrives.
    Later,
    /// That was the end.
    Never,
    /// The stream is of no use any more.
    Broken(String),
}

/// Takes pieces of a body until they have `most` bytes or slightly more, as long as there are any.
fn take_pieces(
    engine: &mut impl Engine,
    id: StreamId,
    most: usize,
    now: Instant,
) -> (Vec<Bytes>, More) {
    let mut pieces = Vec::new();
    let mut len = 0;
    while len < most {
        match engine.read(id, now) {
            Ok((piece, end)) => {
                let later = piece.is_none();
                len += piece.as_ref().map_or(0, Bytes::len);
                pieces.extend(piece);
                if end {
                    return (pieces, More::Never);
                }
                if later {
                    return (pieces, More::Later);
                }
            }
            Err(reason) => return (pieces, More::Broken(reason)),
        }
    }
    (pieces, More::Maybe)
}

#[cfg(test)]
mod tests;
