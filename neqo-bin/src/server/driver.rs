//! The server's event loop: one socket, all its connections.

use std::{
    io,
    time::{Duration, Instant},
};

use neqo_udp::RecvBuf;
use tokio::{sync::mpsc::unbounded_channel, time::timeout};

use super::{
    access_log::AccessLog,
    connections::Connections,
    exchanges::{Exchanges, Finished},
    service::Service,
};
use crate::{
    clock,
    runtime::{
        port::Port,
        signals::Signals,
        turn::{self, Next, Step},
    },
};

/// After the last response, nothing must have moved for so long before connections are closed: what was lost on the
/// way is sent again in this time.
const QUIET: Duration = Duration::from_secs(1);

/// How long the last datagrams may take to leave, when the kernel does not take them at once.
const FAREWELL: Duration = Duration::from_secs(1);

/// Results of other threads that are taken in one turn.
const MAX_FINISHED: usize = 256;

/// A server on one socket.
#[derive(Debug)]
pub struct Driver {
    connections: Connections,
    port: Port,
    recv_buf: RecvBuf,
    memory: Vec<u8>,
    /// When a datagram was last received or sent.
    moved: Instant,
}

/// How the end comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Not yet.
    No,
    /// New requests are refused; those under way may take until then.
    GoingAway(Instant),
    /// At once.
    Now,
}

impl Driver {
    /// A server on a bound socket.
    #[must_use]
    pub fn new(connections: Connections, port: Port) -> Self {
        Self {
            connections,
            recv_buf: port.recv_buf(),
            port,
            memory: Vec::new(),
            moved: clock::now(),
        }
    }

    fn receive(&mut self) -> io::Result<Next> {
        let Self {
            connections,
            port,
            recv_buf,
            moved,
            ..
        } = self;
        let now = clock::now();
        turn::receive(port, recv_buf, |segment| {
            *moved = now;
            connections.input(segment, now);
        })
    }

    fn transmit(&mut self) -> io::Result<Next> {
        let Self {
            connections,
            port,
            memory,
            moved,
            ..
        } = self;
        let now = clock::now();
        turn::transmit(port, memory, now, |buf, max| {
            let step = Step::from(connections.write(now, buf, max));
            if matches!(step, Step::Send(_)) {
                *moved = now;
            }
            step
        })
    }

    /// Serves until a signal comes, then for at most `grace` what is under way.
    pub async fn serve(
        mut self,
        service: Service,
        access_log: AccessLog,
        grace: Duration,
        mut signals: Signals,
    ) -> io::Result<()> {
        let (finish, mut finished) = unbounded_channel();
        let mut exchanges = Exchanges::new(service, access_log, finish);
        let mut ending = Ending::No;
        loop {
            let more = self.receive()?;
            let now = clock::now();
            self.happenings(&mut exchanges, now);
            for _ in 0..MAX_FINISHED {
                let Ok(work) = finished.try_recv() else { break };
                exchanges.on_finished(work, &mut self.connections, now);
            }
            let next = more.or(self.transmit()?);
            // Sending may have made room, or ended a connection.
            self.happenings(&mut exchanges, now);
            ending = self.ending(ending, &signals, grace, now);
            let Some(deadline) = self.deadline(ending, &exchanges, now) else {
                break;
            };
            let seen = signals.count();
            tokio::select! {
                biased;
                () = signals.more_than(seen) => {}
                ready = self.port.ready() => ready?,
                Some(work) = finished.recv() => self.on_finished(&mut exchanges, work),
                () = next.or(deadline).wait() => {}
            }
        }
        self.connections.close(clock::now());
        // Best effort: the clients' idle timeouts do the rest.
        match timeout(FAREWELL, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => log::debug!("some clients are not told of the end: {e}"),
            Err(_) => log::debug!("some clients are not told of the end: no room to send"),
        }
        exchanges.abort(clock::now());
        Ok(())
    }

    /// Sends until nothing is left that could be sent now.
    async fn flush(&mut self) -> io::Result<()> {
        loop {
            let next = self.transmit()?;
            if self.port.is_blocked() {
                self.port.writable().await?;
            } else if next == Next::Now {
                // Lets the time limit, and other sockets, have a turn.
                tokio::task::yield_now().await;
            } else {
                return Ok(());
            }
        }
    }

    fn on_finished(&mut self, exchanges: &mut Exchanges, work: Finished) {
        exchanges.on_finished(work, &mut self.connections, clock::now());
    }

    fn happenings(&mut self, exchanges: &mut Exchanges, now: Instant) {
        while let Some(happening) = self.connections.next_happening() {
            exchanges.on(happening, &mut self.connections, now);
        }
    }

    /// What to wait for, or that there is nothing to wait for any more.
    fn deadline(&self, ending: Ending, exchanges: &Exchanges, now: Instant) -> Option<Next> {
        let mut at = match ending {
            Ending::No => return Some(Next::Never),
            Ending::GoingAway(at) => at,
            Ending::Now => return None,
        };
        if self.connections.is_idle() {
            return None;
        }
        if exchanges.is_empty() {
            at = at.min(self.moved + QUIET);
        }
        (at > now).then_some(Next::At(at))
    }

    fn ending(
        &mut self,
        before: Ending,
        signals: &Signals,
        grace: Duration,
        now: Instant,
    ) -> Ending {
        match (before, signals.count()) {
            (Ending::No, 0) => Ending::No,
            (Ending::No, 1) => {
                log::info!("finishing requests for at most {} s", grace.as_secs_f64());
                self.connections.go_away();
                Ending::GoingAway(now + grace)
            }
            (Ending::GoingAway(at), 1) => Ending::GoingAway(at),
            _ => Ending::Now,
        }
    }
}
