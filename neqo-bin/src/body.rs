//! Bodies on their way out: where their bytes come from, with a bound on how far reading runs ahead of the network.

use std::{
    collections::VecDeque,
    fmt::{self, Debug, Formatter},
    io::{self, Read},
};

use bytes::Bytes;

/// How much is read at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// The most that is held in memory for one body, in bytes: what is ready and what is being read.
pub const READ_AHEAD: usize = 2 * CHUNK;

/// The period of generated content, in bytes.
const PERIOD: usize = 64 << 10;

/// Lines of 63 characters and a line feed.
static PATTERN: [u8; PERIOD] = pattern();

#[expect(clippy::large_stack_arrays, reason = "evaluated by the compiler")]
const fn pattern() -> [u8; PERIOD] {
    const LINE: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
    let mut out = [0; PERIOD];
    let mut i = 0;
    while i < PERIOD {
        out[i] = LINE[i % LINE.len()];
        i += 1;
    }
    out
}

/// What a body has for its stream now.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes. Say with [`Source::advance`] how many the stream took.
    Data(Bytes),
    /// Nothing yet: a read is under way.
    Pending,
    /// Nothing more.
    End,
}

/// Why [`Source::pump`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pumped {
    /// The stream takes no more for now.
    Blocked,
    /// A read is under way or due: see [`Source::job`].
    Pending,
    /// Everything was sent.
    End,
}

/// Why a body cannot be sent to its end.
#[derive(Debug)]
pub enum PumpError<E> {
    /// It cannot be read.
    Source(io::Error),
    /// It cannot be sent.
    Stream(E),
}

/// Where a body comes from.
#[derive(Debug)]
pub enum Source {
    /// Memory.
    Memory(Bytes),
    /// Generated content.
    Generated(Generated),
    /// A file, or standard input.
    Feed(Feed),
}

impl Source {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    /// The bytes that come next, without taking them.
    pub fn peek(&mut self) -> io::Result<Piece> {
        match self {
            Self::Memory(bytes) if bytes.is_empty() => Ok(Piece::End),
            Self::Memory(bytes) => Ok(Piece::Data(bytes.clone())),
            Self::Generated(generated) => Ok(generated.peek()),
            Self::Feed(feed) => feed.peek(),
        }
    }

    /// The stream took `n` bytes of the last piece.
    pub fn advance(&mut self, n: usize) {
        match self {
            Self::Memory(bytes) => drop(bytes.split_to(n.min(bytes.len()))),
            Self::Generated(generated) => generated.advance(n),
            Self::Feed(feed) => feed.advance(n),
        }
    }

    /// Gives bytes to `send`, which tells how many it took, as long as there are some and it takes all.
    pub fn pump<E>(
        &mut self,
        mut send: impl FnMut(Bytes) -> Result<usize, E>,
    ) -> Result<Pumped, PumpError<E>> {
        loop {
            let data = match self.peek().map_err(PumpError::Source)? {
                Piece::Data(data) => data,
                Piece::Pending => return Ok(Pumped::Pending),
                Piece::End => return Ok(Pumped::End),
            };
            let len = data.len();
            let taken = send(data).map_err(PumpError::Stream)?;
            self.advance(taken);
            if taken < len {
                return Ok(Pumped::Blocked);
            }
        }
    }

    /// A read that should be started on a thread that may block.
    pub fn job(&mut self) -> Option<Job> {
        match self {
            Self::Feed(feed) => feed.job(),
            Self::Memory(_) | Self::Generated(_) => None,
        }
    }

    /// The result of that read.
    pub fn done(&mut self, done: Done) {
        if let Self::Feed(feed) = self {
            feed.done(done);
        }
    }
}

/// Part of an endless text that repeats every 64 KiB; costs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    offset: u64,
    remaining: u64,
}

impl Generated {
    /// `len` bytes from `offset` on.
    #[must_use]
    pub const fn new(offset: u64, len: u64) -> Self {
        Self {
            offset,
            remaining: len,
        }
    }

    fn peek(&self) -> Piece {
        if self.remaining == 0 {
            return Piece::End;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less than PERIOD, a usize")]
        let start = (self.offset % PERIOD as u64) as usize;
        let whole = Bytes::from_static(&PATTERN).slice(start..);
        let len = usize::try_from(self.remaining).map_or(whole.len(), |n| n.min(whole.len()));
        Piece::Data(whole.slice(..len))
    }

    fn advance(&mut self, n: usize) {
        let n = (n as u64).min(self.remaining);
        self.offset = self.offset.wrapping_add(n);
        self.remaining -= n;
    }
}

/// Reads ahead in pieces. It never blocks: it gives out a [`Job`] to run elsewhere and takes back what was [`Done`].
pub struct Feed {
    /// Away while a job runs, gone at the end.
    reader: Option<Box<dyn Read + Send>>,
    /// How much is still to be read; `None`: until the reader ends.
    remaining: Option<u64>,
    ready: VecDeque<Bytes>,
    buffered: usize,
    ended: bool,
    error: Option<io::Error>,
}

impl Debug for Feed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("remaining", &self.remaining)
            .field("buffered", &self.buffered)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Exactly `len` bytes; a reader that ends before is an error.
    #[must_use]
    pub fn exactly(reader: impl Read + Send + 'static, len: u64) -> Self {
        Self::new(Box::new(reader), Some(len))
    }

    /// Everything until the reader ends.
    #[must_use]
    pub fn until_end(reader: impl Read + Send + 'static) -> Self {
        Self::new(Box::new(reader), None)
    }

    fn new(reader: Box<dyn Read + Send>, remaining: Option<u64>) -> Self {
        Self {
            reader: Some(reader),
            remaining,
            ready: VecDeque::new(),
            buffered: 0,
            ended: remaining == Some(0),
            error: None,
        }
    }

    fn peek(&mut self) -> io::Result<Piece> {
        if let Some(chunk) = self.ready.front() {
            return Ok(Piece::Data(chunk.clone()));
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        Ok(if self.ended {
            Piece::End
        } else {
            Piece::Pending
        })
    }

    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let Some(front) = self.ready.front_mut() else {
                return;
            };
            let taken = n.min(front.len());
            drop(front.split_to(taken));
            if front.is_empty() {
                self.ready.pop_front();
            }
            self.buffered -= taken;
            n -= taken;
        }
    }

    fn job(&mut self) -> Option<Job> {
        if self.ended || self.error.is_some() || self.buffered + CHUNK > READ_AHEAD {
            return None;
        }
        let want = self
            .remaining
            .and_then(|n| usize::try_from(n).ok())
            .map_or(CHUNK, |n| n.min(CHUNK));
        Some(Job {
            reader: self.reader.take()?,
            want,
        })
    }

    fn done(&mut self, done: Done) {
        match done.result {
            Err(error) => self.error = Some(error),
            Ok(data) => {
                let short = data.len() < done.want;
                if let Some(remaining) = &mut self.remaining {
                    *remaining = remaining.saturating_sub(data.len() as u64);
                    self.ended = *remaining == 0;
                    if short {
                        self.error = Some(io::ErrorKind::UnexpectedEof.into());
                    }
                } else {
                    self.ended = short;
                }
                if !data.is_empty() {
                    self.buffered += data.len();
                    self.ready.push_back(data);
                }
                self.reader = Some(done.reader);
            }
        }
    }
}

/// One read to be made, for `spawn_blocking`.
pub struct Job {
    reader: Box<dyn Read + Send>,
    want: usize,
}

impl Debug for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.want)
    }
}

impl Job {
    /// Reads. It blocks.
    #[must_use]
    pub fn run(mut self) -> Done {
        let mut data = Vec::with_capacity(self.want);
        let result = self
            .reader
            .by_ref()
            .take(self.want as u64)
            .read_to_end(&mut data)
            .map(|_n| Bytes::from(data));
        Done {
            reader: self.reader,
            want: self.want,
            result,
        }
    }
}

/// A read that was made.
pub struct Done {
    reader: Box<dyn Read + Send>,
    want: usize,
    result: io::Result<Bytes>,
}

impl Debug for Done {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Done({:?})", self.result.as_ref().map(Bytes::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything, in bites of `bite` bytes, and checks the bound on memory.
    fn drain(source: &mut Source, bite: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let job = source.job();
            if let Source::Feed(feed) = source {
                let reading = job.as_ref().map_or(0, |j| j.want);
                assert!(feed.buffered + reading <= READ_AHEAD);
            }
            if let Some(job) = job {
                source.done(job.run());
            }
            match source.peek()? {
                Piece::Data(data) => {
                    let n = bite.min(data.len());
                    all.extend_from_slice(&data[..n]);
                    source.advance(n);
                }
                Piece::Pending => assert!(matches!(source, Source::Feed(_))),
                Piece::End => return Ok(all),
            }
        }
    }

    fn content(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    #[test]
    fn memory() {
        let mut source = Source::Memory(Bytes::from_static(b"hello"));
        assert_eq!(drain(&mut source, 2).unwrap(), b"hello");
        assert_eq!(Source::empty().peek().unwrap(), Piece::End);
    }

    #[test]
    fn generated_is_the_same_from_any_offset() {
        let len = 3 * PERIOD + 77;
        let all = drain(
            &mut Source::Generated(Generated::new(0, len as u64)),
            usize::MAX,
        )
        .unwrap();
        assert_eq!(all.len(), len);
        for start in [1, 63, PERIOD - 1, PERIOD, 2 * PERIOD + 5] {
            let part = Generated::new(start as u64, 1000);
            let got = drain(&mut Source::Generated(part), 333).unwrap();
            assert_eq!(got, all[start..start + 1000]);
        }
        let mut huge = Generated::new(u64::MAX - 1, u64::MAX);
        huge.advance(10);
        assert!(matches!(huge.peek(), Piece::Data(_)));
    }

    #[test]
    fn sized_feeds_read_exactly() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3] {
            let data = content(len + 10);
            let feed = Feed::exactly(io::Cursor::new(data.clone()), len as u64);
            assert_eq!(drain(&mut Source::Feed(feed), 50_000).unwrap(), data[..len]);
        }
    }

    #[test]
    fn a_feed_that_ends_early_is_an_error_after_its_data() {
        let feed = Feed::exactly(io::Cursor::new(content(CHUNK + 5)), 3 * CHUNK as u64);
        let mut source = Source::Feed(feed);
        let e = drain(&mut source, CHUNK).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn unsized_feeds_read_to_the_end() {
        for len in [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 1] {
            let data = content(len);
            let feed = Feed::until_end(io::Cursor::new(data.clone()));
            assert_eq!(drain(&mut Source::Feed(feed), 70_001).unwrap(), data);
        }
    }

    #[test]
    fn read_errors_surface() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        let mut source = Source::Feed(Feed::exactly(Broken, 10));
        let e = drain(&mut source, 1).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn pumping_stops_where_the_stream_does() {
        let mut source = Source::Memory(Bytes::from_static(b"hello"));
        let mut room = 3;
        let mut got = Vec::new();
        let mut send = |data: Bytes| {
            let n = data.len().min(room);
            got.extend_from_slice(&data[..n]);
            room = 10;
            Ok::<_, ()>(n)
        };
        assert_eq!(source.pump(&mut send).unwrap(), Pumped::Blocked);
        assert_eq!(source.pump(&mut send).unwrap(), Pumped::End);
        assert_eq!(got, b"hello");
        let mut source = Source::Memory(Bytes::from_static(b"x"));
        assert!(matches!(source.pump(|_| Err(7)), Err(PumpError::Stream(7))));
        let mut source = Source::Feed(Feed::until_end(io::empty()));
        let mut send = |_| Ok::<_, ()>(0);
        assert_eq!(source.pump(&mut send).unwrap(), Pumped::Pending);
        let job = source.job().unwrap();
        source.done(job.run());
        assert_eq!(source.pump(&mut send).unwrap(), Pumped::End);
    }

    #[test]
    fn one_read_at_a_time() {
        let mut source = Source::Feed(Feed::until_end(io::repeat(7)));
        let job = source.job().unwrap();
        assert!(source.job().is_none());
        assert_eq!(source.peek().unwrap(), Piece::Pending);
        source.done(job.run());
        let job = source.job().unwrap();
        source.done(job.run());
        assert!(source.job().is_none(), "the read-ahead is full");
        source.advance(CHUNK);
        assert!(source.job().is_some());
    }
}
