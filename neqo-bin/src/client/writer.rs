//! The thread that writes bodies, so that a slow disk or a paused pipe never stops the connection's acknowledgements
//! and timers. What is on its way is bounded per transfer by the sender: [`Outbox`].

use std::{io, sync::mpsc, thread};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::sink::Sink;

/// How much of one body may wait for the disk, in bytes. Beyond that the stream is not read, and flow control holds
/// the server back.
pub const MAX_QUEUED: usize = 2 << 20;

enum Command {
    Open(usize, Box<Sink>),
    Write(usize, Vec<Bytes>),
    Complete(usize),
    Abort(usize),
}

/// What the thread has done.
#[derive(Debug)]
pub enum Report {
    /// So many bytes of a body have been written.
    Wrote {
        /// The transfer.
        id: usize,
        /// How many.
        bytes: usize,
    },
    /// The file has its name.
    Completed {
        /// The transfer.
        id: usize,
    },
    /// The body could not be written; its sink is gone.
    Failed {
        /// The transfer.
        id: usize,
        /// Why.
        error: io::Error,
    },
}

/// The handle on the thread. Dropping it lets the thread finish what is queued; transfers that were not completed
/// leave no file.
#[derive(Debug)]
pub struct Writer {
    commands: mpsc::Sender<Command>,
    thread: Option<thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, id) = match self {
            Self::Open(id, _) => ("Open", id),
            Self::Write(id, _) => ("Write", id),
            Self::Complete(id) => ("Complete", id),
            Self::Abort(id) => ("Abort", id),
        };
        write!(f, "{name}({id})")
    }
}

impl Writer {
    /// Starts the thread.
    pub fn spawn() -> io::Result<(Self, UnboundedReceiver<Report>)> {
        let (commands, inbox) = mpsc::channel();
        let (reports, outcome) = unbounded_channel();
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || run(&inbox, &reports))?;
        let writer = Self {
            commands,
            thread: Some(thread),
        };
        Ok((writer, outcome))
    }

    /// Hands over the sink of transfer `id`.
    pub fn open(&self, id: usize, sink: Sink) {
        self.tell(Command::Open(id, Box::new(sink)));
    }

    fn tell(&self, command: Command) {
        // The thread ends only after this sender, or by a panic that the join below reports.
        drop(self.commands.send(command));
    }

    /// Waits until everything queued is written or dropped.
    pub fn join(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        let (closed, _) = mpsc::channel();
        drop(std::mem::replace(&mut self.commands, closed));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the writer thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A process that ends before the thread does would leave temporary files behind.
        self.finish();
    }
}

/// What one transfer has under way to the writer.
#[derive(Debug)]
pub struct Outbox {
    id: usize,
    queued: usize,
}

impl Outbox {
    /// For the transfer `id`, whose sink was opened.
    #[must_use]
    pub const fn new(id: usize) -> Self {
        Self { id, queued: 0 }
    }

    /// The transfer's name to the writer.
    #[must_use]
    pub const fn id(&self) -> usize {
        self.id
    }

    /// Bytes that may be sent now.
    #[must_use]
    pub const fn room(&self) -> usize {
        MAX_QUEUED.saturating_sub(self.queued)
    }

    /// Queues the next pieces of the body.
    pub fn write(&mut self, writer: &Writer, pieces: Vec<Bytes>) {
        self.queued += total(&pieces);
        writer.tell(Command::Write(self.id, pieces));
    }

    /// So much has been written.
    pub const fn wrote(&mut self, bytes: usize) {
        self.queued = self.queued.saturating_sub(bytes);
    }

    /// The body is complete.
    pub fn complete(&self, writer: &Writer) {
        writer.tell(Command::Complete(self.id));
    }

    /// The body will not be complete.
    pub fn abort(&self, writer: &Writer) {
        writer.tell(Command::Abort(self.id));
    }
}

fn run(inbox: &mpsc::Receiver<Command>, reports: &UnboundedSender<Report>) {
    let mut sinks: Vec<(usize, Box<Sink>)> = Vec::new();
    let report = |r| drop(reports.send(r));
    while let Ok(command) = inbox.recv() {
        match command {
            Command::Open(id, sink) => sinks.push((id, sink)),
            Command::Write(id, pieces) => {
                let Some((_, sink)) = sinks.iter_mut().find(|(i, _)| *i == id) else {
                    continue;
                };
                match sink.write(&pieces) {
                    Ok(()) => report(Report::Wrote {
                        id,
                        bytes: total(&pieces),
                    }),
                    Err(error) => {
                        drop(take(&mut sinks, id));
                        report(Report::Failed { id, error });
                    }
                }
            }
            Command::Complete(id) => {
                if let Some(sink) = take(&mut sinks, id) {
                    report(match sink.complete() {
                        Ok(()) => Report::Completed { id },
                        Err(error) => Report::Failed { id, error },
                    });
                }
            }
            Command::Abort(id) => drop(take(&mut sinks, id)),
        }
    }
}

fn total(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

fn take(sinks: &mut Vec<(usize, Box<Sink>)>, id: usize) -> Option<Box<Sink>> {
    let at = sinks.iter().position(|(i, _)| *i == id)?;
    Some(sinks.swap_remove(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sink::Destination;

    #[tokio::test]
    async fn bodies_interleave() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut reports) = Writer::spawn().unwrap();
        let mut boxes: Vec<_> = (0..3)
            .map(|id| {
                let destination = Destination::File(dir.path().join(id.to_string()));
                writer.open(id, Sink::open(&destination).unwrap());
                Outbox::new(id)
            })
            .collect();
        for round in 0..10_u8 {
            for (id, outbox) in boxes.iter_mut().enumerate() {
                let id = u8::try_from(id).unwrap();
                outbox.write(&writer, vec![Bytes::from(vec![round * 3 + id; 1000])]);
            }
        }
        assert_eq!(boxes[0].room(), MAX_QUEUED - 10_000);
        boxes[0].complete(&writer);
        boxes[1].complete(&writer);
        boxes[2].abort(&writer);
        let mut completed = Vec::new();
        while completed.len() < 2 {
            match reports.recv().await.unwrap() {
                Report::Wrote { id, bytes } => boxes[id].wrote(bytes),
                Report::Completed { id } => completed.push(id),
                Report::Failed { error, .. } => panic!("{error}"),
            }
        }
        writer.join();
        assert!(boxes.iter().all(|b| b.room() == MAX_QUEUED));
        assert_eq!(completed, [0, 1]);
        for id in 0..2_u8 {
            let want: Vec<u8> = (0..10_u8).flat_map(|r| vec![r * 3 + id; 1000]).collect();
            assert_eq!(
                std::fs::read(dir.path().join(id.to_string())).unwrap(),
                want
            );
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            2,
            "nothing of the aborted one"
        );
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_reported_once() {
        let (writer, mut reports) = Writer::spawn().unwrap();
        writer.open(
            7,
            Sink::open(&Destination::File("/dev/full".into())).unwrap(),
        );
        let mut outbox = Outbox::new(7);
        outbox.write(&writer, vec![Bytes::from_static(b"x")]);
        outbox.write(&writer, vec![Bytes::from_static(b"y")]);
        outbox.complete(&writer);
        writer.join();
        let Some(Report::Failed { id: 7, error }) = reports.recv().await else {
            panic!("no failure");
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(reports.recv().await.is_none());
    }

    #[tokio::test]
    async fn dropping_the_writer_removes_partial_files() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, _reports) = Writer::spawn().unwrap();
        let destination = Destination::File(dir.path().join("f"));
        writer.open(0, Sink::open(&destination).unwrap());
        Outbox::new(0).write(&writer, vec![Bytes::from_static(b"half")]);
        drop(writer);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
