//! One line per request, composed and written by a thread of its own so that a full pipe never stops the server.

use std::{
    fmt::{self, Display, Formatter},
    io::{self, Write},
    net::SocketAddr,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use crate::proto::Protocol;

/// How many lines may wait. Beyond that they are counted and dropped.
const MAX_QUEUED: usize = 4096;

/// How much of a method or a path is kept, in bytes.
const MAX_TEXT: usize = 1024;

/// A finished request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was received.
    pub at: SystemTime,
    /// Who sent it.
    pub peer: Option<SocketAddr>,
    /// `:method`.
    pub method: String,
    /// `:path`.
    pub path: String,
    /// The protocol it came over.
    pub protocol: Protocol,
    /// The status of the answer; 0 when none was sent.
    pub status: u16,
    /// Size of the answer's body as far as it was sent.
    pub bytes: u64,
    /// From the request to the last byte of the answer handed to the connection.
    pub elapsed: Duration,
    /// Whether the answer was cut short.
    pub aborted: bool,
}

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} - - [{}] \"{} {} {}\" {} {} {:.6}{}",
            Peer(self.peer),
            httpdate::fmt_http_date(self.at),
            Escaped(&self.method),
            Escaped(&self.path),
            self.protocol.http_version(),
            self.status,
            self.bytes,
            self.elapsed.as_secs_f64(),
            if self.aborted { " aborted" } else { "" },
        )
    }
}

/// IPv4 peers of a dual-stack socket show as IPv4.
struct Peer(Option<SocketAddr>);

impl Display for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => SocketAddr::new(addr.ip().to_canonical(), addr.port()).fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Nothing from a request can end the line, end the quotes or drive a terminal.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                ' '..='~' if c != '"' && c != '\\' => write!(f, "{c}")?,
                c => write!(f, "{}", c.escape_default())?,
            }
        }
        Ok(())
    }
}

/// Cuts what is too long, so that what waits is bounded.
fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
        text.shrink_to_fit();
    }
}

/// What becomes a line.
#[derive(Debug)]
enum Line {
    Request(Entry),
    Lost(u64),
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(entry) => entry.fmt(f),
            Self::Lost(n) => write!(f, "({n} lines lost)"),
        }
    }
}

/// The queue to the thread that writes. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct AccessLog {
    queue: Option<SyncSender<Line>>,
    lost: u64,
}

/// Waits, when dropped, until all lines are written. To be dropped after every [`AccessLog`].
#[derive(Debug)]
pub struct Scribe(Option<JoinHandle<()>>);

impl AccessLog {
    /// Logs nothing.
    #[must_use]
    pub const fn disabled() -> Self {
        Self {
            queue: None,
            lost: 0,
        }
    }

    /// Logs to `out`.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<(Self, Scribe)> {
        let (queue, lines) = sync_channel(MAX_QUEUED);
        let thread = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_lines(&lines, out))?;
        let log = Self {
            queue: Some(queue),
            lost: 0,
        };
        Ok((log, Scribe(Some(thread))))
    }

    /// Queues one line; never blocks.
    pub fn log(&mut self, mut entry: Entry) {
        let Some(queue) = &self.queue else {
            return;
        };
        let send = |line| !matches!(queue.try_send(line), Err(TrySendError::Full(_)));
        if self.lost > 0 && send(Line::Lost(self.lost)) {
            self.lost = 0;
        }
        cut(&mut entry.method);
        cut(&mut entry.path);
        if !send(Line::Request(entry)) {
            self.lost += 1;
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            drop(thread.join());
        }
    }
}

fn write_lines(lines: &Receiver<Line>, mut out: impl Write) {
    while let Ok(line) = lines.recv() {
        let mut result = writeln!(out, "{line}");
        for line in lines.try_iter() {
            result = result.and_then(|()| writeln!(out, "{line}"));
        }
        if result.and_then(|()| out.flush()).is_err() {
            // The reader of the log went away; the server goes on.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry {
            at: SystemTime::UNIX_EPOCH,
            peer: "[::ffff:192.0.2.1]:5".parse().ok(),
            method: "GET".into(),
            path: path.into(),
            protocol: Protocol::H3,
            status: 200,
            bytes: 12,
            elapsed: Duration::from_micros(1500),
            aborted: false,
        }
    }

    #[test]
    fn a_line() {
        assert_eq!(
            entry("/a").to_string(),
            "192.0.2.1:5 - - [Thu, 01 Jan 1970 00:00:00 GMT] \"GET /a HTTP/3\" 200 12 0.001500"
        );
    }

    #[test]
    fn nothing_can_be_injected() {
        let line = entry("/\"x\"\r\n1.2.3.4 \u{1b}[31m\\\u{e9}").to_string();
        assert_eq!(line.lines().count(), 1);
        assert!(line.chars().all(|c| (' '..='~').contains(&c)), "{line}");
        assert!(line.contains("/\\\"x\\\"\\r\\n"), "{line}");
    }

    #[test]
    fn what_waits_is_cut() {
        let (log, lines) = sync_channel(1);
        let mut log = AccessLog {
            queue: Some(log),
            lost: 0,
        };
        log.log(entry(&format!("/{}", "é".repeat(MAX_TEXT))));
        let Line::Request(entry) = lines.recv().unwrap() else {
            panic!("nothing was lost");
        };
        assert_eq!(entry.path.len(), MAX_TEXT - 1 + "...".len());
        assert!(entry.path.ends_with("é..."));
    }

    /// Hands every write to a channel of capacity 0, so that it blocks until someone reads.
    struct Slow(SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0
                .send(buf.to_vec())
                .map_err(|_e| io::ErrorKind::BrokenPipe)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_not_time() {
        let (tx, rx) = sync_channel(0);
        let (mut log, scribe) = AccessLog::to(Slow(tx)).unwrap();
        for _ in 0..2 * MAX_QUEUED {
            log.log(entry("/"));
        }
        assert!(log.lost > 0);
        let reader = thread::spawn(move || {
            let all: Vec<u8> = rx.iter().flatten().collect();
            String::from_utf8(all).unwrap()
        });
        while log.lost > 0 {
            thread::yield_now();
            log.log(entry("/last"));
        }
        drop(log);
        drop(scribe);
        let text = reader.join().unwrap();
        assert!(text.contains(" lines lost)"), "{text}");
        assert!(text.contains("/last"));
    }

    #[test]
    fn a_reader_that_leaves_is_survived() {
        let (tx, rx) = sync_channel(0);
        drop(rx);
        let (mut log, scribe) = AccessLog::to(Slow(tx)).unwrap();
        for _ in 0..2 * MAX_QUEUED {
            log.log(entry("/"));
        }
        drop(log);
        drop(scribe);
    }
}
