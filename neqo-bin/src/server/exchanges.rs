//! The requests of all connections, from the first byte to the line in the access log.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use neqo_transport::server::ConnectionHandle;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    access_log::{AccessLog, Entry},
    connections::{Connections, Gone, Happening, RequestId},
    service::{Answer, Body, Plan, Request, Service},
};
use crate::{
    body::{Done, PumpError, Pumped, Source},
    clock,
};

/// Work that was done on a thread that may block.
#[derive(Debug)]
pub enum Finished {
    /// What to answer.
    Planned(RequestId, Plan),
    /// Some of a file was read.
    Read(RequestId, Done),
}

/// What happens to a request.
#[derive(Debug)]
enum Phase {
    /// The file system is asked.
    Planning,
    /// A response is sent.
    Sending(Source),
    /// The request's body goes back; this much of it waits.
    Echoing(Bytes),
    /// The request's body is counted.
    Counting(u64),
}

/// A request under way.
#[derive(Debug)]
struct Exchange {
    phase: Phase,
    log: Entry,
    started: Instant,
    /// Whether the request's body has been read to its end.
    read: bool,
}

/// All requests.
#[derive(Debug)]
pub struct Exchanges {
    service: Service,
    access_log: AccessLog,
    finished: UnboundedSender<Finished>,
    running: BTreeMap<RequestId, Exchange>,
}

impl Exchanges {
    /// None yet. What is done on other threads comes back through `finished`.
    #[must_use]
    pub const fn new(
        service: Service,
        access_log: AccessLog,
        finished: UnboundedSender<Finished>,
    ) -> Self {
        Self {
            service,
            access_log,
            finished,
            running: BTreeMap::new(),
        }
    }

    /// Whether no request is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Acts on an event of a connection.
    pub fn on(&mut self, happening: Happening, connections: &mut Connections, now: Instant) {
        match happening {
            Happening::Request(id, request, whole) => {
                self.insert(id, &request, whole, connections, now);
                self.answer(id, request, connections, now);
            }
            Happening::Readable(id) => self.read(id, connections, now),
            Happening::Writable(id) => self.send(id, connections, now),
            Happening::Reset(id) => self.on_reset(id, connections, now),
            Happening::StopSending(id) => self.on_stop_sending(id, connections, now),
            Happening::Gone(conn) => self.on_gone(conn, now),
        }
    }

    /// Without anybody to answer to, the rest of the request is of no use either.
    fn on_stop_sending(&mut self, id: RequestId, connections: &mut Connections, now: Instant) {
        if self.running.get(&id).is_some_and(|e| !e.read) {
            connections.ignore_body(id);
        }
        self.end(id, true, now);
    }

    fn on_gone(&mut self, conn: ConnectionHandle, now: Instant) {
        while let Some(id) = RequestId::any_of(conn, &self.running) {
            self.end(id, true, now);
        }
    }

    /// Goes on after work on another thread.
    pub fn on_finished(&mut self, finished: Finished, connections: &mut Connections, now: Instant) {
        match finished {
            Finished::Planned(id, plan) => self.carry_out(id, plan, connections, now),
            Finished::Read(id, done) => {
                if let Some(Exchange {
                    phase: Phase::Sending(source),
                    ..
                }) = self.running.get_mut(&id)
                {
                    source.done(done);
                    self.send(id, connections, now);
                }
            }
        }
    }

    fn insert(
        &mut self,
        id: RequestId,
        request: &Request,
        whole: bool,
        connections: &Connections,
        now: Instant,
    ) {
        let log = Entry {
            at: clock::wall(),
            peer: connections.peer(id.conn),
            method: request.method.clone(),
            path: request.path.clone(),
            protocol: connections.protocol(id.conn),
            status: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            aborted: false,
        };
        let exchange = Exchange {
            phase: Phase::Planning,
            log,
            started: now,
            read: whole,
        };
        self.running.insert(id, exchange);
    }

    fn answer(
        &mut self,
        id: RequestId,
        request: Request,
        connections: &mut Connections,
        now: Instant,
    ) {
        match self.service.answer(request) {
            Answer::Plan(plan) => self.carry_out(id, plan, connections, now),
            Answer::Lookup(lookup) => {
                let finished = self.finished.clone();
                tokio::task::spawn_blocking(move || {
                    drop(finished.send(Finished::Planned(id, lookup.run())));
                });
            }
        }
    }

    /// Begins the response, or the wait for what it depends on.
    fn carry_out(
        &mut self,
        id: RequestId,
        plan: Plan,
        connections: &mut Connections,
        now: Instant,
    ) {
        let Some(exchange) = self.running.get_mut(&id) else {
            return;
        };
        exchange.log.status = plan.status;
        let later = matches!(plan.body, Body::Count);
        exchange.phase = match plan.body {
            Body::Send(source) => Phase::Sending(source),
            Body::Echo => Phase::Echoing(Bytes::new()),
            Body::Count => Phase::Counting(0),
        };
        if !later && connections.respond(id, plan.status, &plan.headers) == Err(Gone) {
            self.end(id, true, now);
            return;
        }
        match exchange.phase {
            Phase::Sending(_) => self.send(id, connections, now),
            _ => self.read(id, connections, now),
        }
    }

    /// Sends a response as far as flow control and the disk keep up.
    fn send(&mut self, id: RequestId, connections: &mut Connections, now: Instant) {
        let Some(exchange) = self.running.get_mut(&id) else {
            return;
        };
        let Exchange { phase, log, .. } = exchange;
        let source = match phase {
            Phase::Sending(source) => source,
            Phase::Echoing(_) => return self.read(id, connections, now),
            Phase::Planning | Phase::Counting(_) => return,
        };
        let pumped = source.pump(|data| {
            let sent = connections.send(id, data, now);
            log.bytes += sent.unwrap_or_default() as u64;
            sent
        });
        if let Some(job) = source.job() {
            let finished = self.finished.clone();
            tokio::task::spawn_blocking(move || {
                drop(finished.send(Finished::Read(id, job.run())));
            });
        }
        match pumped {
            Ok(Pumped::Blocked | Pumped::Pending) => {}
            Ok(Pumped::End) => {
                if !exchange.read {
                    // A small body is here already: it is checked with the rest of the message.
                    exchange.read = drain(id, connections, now);
                }
                connections.finish(id, now);
                if !exchange.read {
                    // RFC 9114 §4.1: the response does not depend on the rest of the request.
                    connections.ignore_body(id);
                }
                self.end(id, false, now);
            }
            Err(PumpError::Source(e)) => {
                log::warn!("{}: {e}", exchange.log.path);
                connections.abort(id);
                connections.ignore_body(id);
                self.end(id, true, now);
            }
            Err(PumpError::Stream(Gone)) => self.end(id, true, now),
        }
    }

    /// Reads a request's body as far as it goes back, or counts it.
    fn read(&mut self, id: RequestId, connections: &mut Connections, now: Instant) {
        let Some(exchange) = self.running.get_mut(&id) else {
            return;
        };
        loop {
            if let Phase::Echoing(pending) = &mut exchange.phase {
                match echo(id, pending, connections, now) {
                    Ok(sent) => exchange.log.bytes += sent,
                    Err(Gone) => return self.end(id, true, now),
                }
                if !pending.is_empty() {
                    return;
                }
            }
            if exchange.read {
                break;
            }
            if matches!(exchange.phase, Phase::Planning | Phase::Sending(_)) {
                // Not read, so that flow control holds the client back.
                return;
            }
            let Ok((piece, end)) = connections.read(id, now) else {
                return self.end(id, true, now);
            };
            exchange.read = end;
            match (&mut exchange.phase, piece) {
                (_, None) if !end => return,
                (Phase::Echoing(pending), Some(data)) => *pending = data,
                (Phase::Counting(count), Some(data)) => *count += data.len() as u64,
                _ => {}
            }
        }
        match exchange.phase {
            Phase::Counting(count) => self.carry_out(id, Plan::counted(count), connections, now),
            Phase::Echoing(_) => {
                connections.finish(id, now);
                self.end(id, false, now);
            }
            Phase::Planning | Phase::Sending(_) => {}
        }
    }

    /// The request is incomplete: without it there is nothing to answer, unless the answer is on its way already.
    fn on_reset(&mut self, id: RequestId, connections: &mut Connections, now: Instant) {
        if let Some(exchange) = self.running.get_mut(&id) {
            exchange.read = true;
            if matches!(exchange.phase, Phase::Echoing(_) | Phase::Counting(_)) {
                connections.abort(id);
                self.end(id, true, now);
            }
        }
    }

    /// Ends everything, because the connections are closed.
    pub fn abort(&mut self, now: Instant) {
        while let Some(id) = self.running.keys().next().copied() {
            self.end(id, true, now);
        }
    }

    fn end(&mut self, id: RequestId, aborted: bool, now: Instant) {
        if let Some(Exchange {
            mut log, started, ..
        }) = self.running.remove(&id)
        {
            log.aborted = aborted;
            log.elapsed = now.saturating_duration_since(started);
            self.access_log.log(log);
        }
    }
}

/// Reads what is there of a body that nobody wants, within bounds. Whether that was all of it.
fn drain(id: RequestId, connections: &mut Connections, now: Instant) -> bool {
    const MAX_READS: usize = 48;
    for _ in 0..MAX_READS {
        match connections.read(id, now) {
            Ok((_, true)) | Err(Gone) => return true,
            Ok((None, false)) => return false,
            Ok((Some(_), false)) => {}
        }
    }
    false
}

/// Sends as much of what waits as possible: how much that was.
fn echo(
    id: RequestId,
    pending: &mut Bytes,
    connections: &mut Connections,
    now: Instant,
) -> Result<u64, Gone> {
    if pending.is_empty() {
        return Ok(0);
    }
    let sent = connections.send(id, pending.clone(), now)?;
    drop(pending.split_to(sent.min(pending.len())));
    Ok(sent as u64)
}
