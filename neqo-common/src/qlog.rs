//! Event traces in the format of qlog (JSON text sequences, `.sqlog`).

use std::{
    fmt::{self, Debug, Display, Formatter},
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    time::Instant,
};

use ::qlog::{
    CommonFields, Error, ReferenceTime, TimeFormat, TraceSeq, VantagePoint, VantagePointType,
    events::{EventData, EventImportance, HTTP3_URI, QUIC_URI},
    streamer::{EventTimePrecision, QlogStreamer},
};

use crate::{Role, qwarn};

/// Where the events of one connection are written, or nowhere.
///
/// It has one owner and is not `Clone`. When it is disabled, adding an event costs one comparison and
/// the closure that would make the event is not called. A write that fails disables it, with one
/// warning: a full disk must not hurt a connection. Dropping it ends the trace.
#[derive(Default)]
pub struct Qlog(Option<Box<Trace>>);

struct Trace {
    streamer: QlogStreamer,
    path: PathBuf,
    failed: bool,
}

impl Qlog {
    /// A trace that goes nowhere.
    #[must_use]
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// A trace that goes where `streamer` writes; `qlog_path` is for messages only.
    ///
    /// The streamer must be fresh: its header is written here. Its writer should be buffered.
    pub fn enabled(mut streamer: QlogStreamer, qlog_path: PathBuf) -> Result<Self, Error> {
        streamer.start_log()?;
        Ok(Self(Some(Box::new(Trace {
            streamer,
            path: qlog_path,
            failed: false,
        }))))
    }

    /// A trace in the new file `{file_prefix}.sqlog` in the directory `qlog_path`.
    ///
    /// The times in it count from `now`. The directory must exist; a file of that name is replaced.
    pub fn enabled_with_file<D: Display>(
        mut qlog_path: PathBuf,
        role: Role,
        title: Option<String>,
        description: Option<String>,
        file_prefix: D,
        now: Instant,
    ) -> Result<Self, Error> {
        qlog_path.push(format!("{file_prefix}.sqlog"));
        let writer = Sticky::new(BufWriter::new(File::create(&qlog_path)?));
        let streamer = QlogStreamer::new(
            title,
            description,
            now,
            new_trace(role),
            EventImportance::Base,
            EventTimePrecision::MicroSeconds,
            Box::new(writer),
        );
        Self::enabled(streamer, qlog_path)
    }

    /// Whether events are written.
    #[must_use]
    #[inline]
    pub const fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Writes the event that `f` makes, if any, with the time `now`.
    #[inline]
    pub fn add_event_at<F>(&mut self, f: F, now: Instant)
    where
        F: FnOnce() -> Option<EventData>,
    {
        self.add_event_with_stream(|streamer| {
            f().map_or(Ok(()), |event| {
                streamer.add_event_data_with_instant(event, now)
            })
        });
    }

    /// Lends the streamer to `f`, for events that need more than [`Qlog::add_event_at`] offers.
    #[inline]
    pub fn add_event_with_stream<F>(&mut self, f: F)
    where
        F: FnOnce(&mut QlogStreamer) -> Result<(), Error>,
    {
        if let Some(trace) = &mut self.0 {
            let result = f(&mut trace.streamer);
            if let Err(e) = result {
                self.on_error(&e);
            }
        }
    }

    #[cold]
    fn on_error(&mut self, error: &Error) {
        // `Done` says that the event is below the importance that is recorded.
        if matches!(error, Error::Done) {
            return;
        }
        if let Some(mut trace) = self.0.take() {
            trace.failed = true;
            qwarn!("qlog {} ends early: {error}", trace.path.display());
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Err(e) = self.streamer.finish_log()
            && !self.failed
        {
            qwarn!("qlog {} may lack its end: {e}", self.path.display());
        }
    }
}

impl Debug for Qlog {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(trace) => write!(f, "Qlog to {}", trace.path.display()),
            None => f.write_str("Qlog disabled"),
        }
    }
}

/// The header of a trace as this stack writes it: times relative to the start, QUIC and HTTP/3 events.
#[must_use]
pub fn new_trace(role: Role) -> TraceSeq {
    let common = CommonFields {
        protocol_types: Some(vec!["QUIC".to_owned(), "HTTP3".to_owned()]),
        // The wall clock is not read here, so the trace tells only differences of time.
        reference_time: ReferenceTime::new_monotonic(None),
        time_format: Some(TimeFormat::RelativeToEpoch),
        ..CommonFields::default()
    };
    let vantage_point = VantagePoint {
        name: Some(format!("neqo-{role}")),
        ty: match role {
            Role::Client => VantagePointType::Client,
            Role::Server => VantagePointType::Server,
        },
        flow: None,
    };
    let schemas = vec![QUIC_URI.to_owned(), HTTP3_URI.to_owned()];
    TraceSeq::new(None, None, Some(common), Some(vantage_point), schemas)
}

/// A writer that fails for good once it has failed.
///
/// The streamer reports an error inside of an event like an event that it filtered out. Failing again
/// at the start of the next event makes it an I/O error, and nothing follows the event that was cut.
struct Sticky<W> {
    inner: W,
    error: Option<io::ErrorKind>,
}

impl<W> Sticky<W> {
    const fn new(inner: W) -> Self {
        Self { inner, error: None }
    }

    fn guard<T>(&mut self, f: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if let Some(kind) = self.error {
            return Err(kind.into());
        }
        f(&mut self.inner).inspect_err(|e| {
            if e.kind() != io::ErrorKind::Interrupted {
                self.error = Some(e.kind());
            }
        })
    }
}

impl<W: Write> Write for Sticky<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.guard(|w| w.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.guard(W::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        fs,
        io::{self, Write},
        path::PathBuf,
        time::{Duration, Instant},
    };

    use qlog::{
        Error,
        events::{
            EventData, EventImportance,
            quic::{PacketSent, PacketsAcked},
        },
        streamer::{EventTimePrecision, QlogStreamer},
    };

    use super::{Qlog, Sticky, new_trace};
    use crate::Role;

    #[expect(clippy::disallowed_methods, reason = "a test needs a base")]
    fn now() -> Instant {
        Instant::now()
    }

    fn event() -> EventData {
        EventData::QuicPacketSent(PacketSent::default())
    }

    /// Takes `room` bytes and then fails.
    struct Full {
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if buf.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= buf.len();
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn streamer(writer: impl Write + Send + Sync + 'static) -> QlogStreamer {
        QlogStreamer::new(
            None,
            None,
            now(),
            new_trace(Role::Server),
            EventImportance::Base,
            EventTimePrecision::MicroSeconds,
            Box::new(writer),
        )
    }

    #[test]
    fn a_file_holds_the_header_and_the_events() {
        let dir = tempfile::tempdir().unwrap();
        let start = now();
        let mut qlog = Qlog::enabled_with_file(
            dir.path().to_owned(),
            Role::Client,
            Some("a title".into()),
            Some("a description".into()),
            "prefix",
            start,
        )
        .unwrap();
        assert!(qlog.is_enabled());
        assert!(format!("{qlog:?}").ends_with("prefix.sqlog"));
        qlog.add_event_at(|| Some(event()), start + Duration::from_micros(1500));
        qlog.add_event_at(|| None, start);
        // Of less importance than what is recorded: not an error.
        let unimportant = || Some(EventData::QuicPacketsAcked(PacketsAcked::default()));
        qlog.add_event_at(unimportant, start);
        qlog.add_event_with_stream(|s| s.add_event_data_with_instant(event(), start));
        assert!(qlog.is_enabled());
        drop(qlog);

        let text = fs::read_to_string(dir.path().join("prefix.sqlog")).unwrap();
        let records: Vec<&str> = text.split('\x1e').collect();
        assert_eq!(records.len(), 4, "{text}");
        assert!(records[0].is_empty());
        for expected in [
            "a title",
            "a description",
            "neqo-Client",
            r#""type":"client""#,
        ] {
            assert!(
                records[1].contains(expected),
                "{expected} in {}",
                records[1]
            );
        }
        assert!(records[2].starts_with(r#"{"time":1.5,"name":"quic:packet_sent""#));
        assert!(records[3].starts_with(r#"{"time":0.0,"name":"quic:packet_sent""#));
        assert!(records[1..].iter().all(|r| r.ends_with("}\n")));
    }

    #[test]
    fn a_directory_that_does_not_exist_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing");
        let result = Qlog::enabled_with_file(path, Role::Server, None, None, "x", now());
        assert!(matches!(result, Err(Error::IoError(_))));
    }

    #[test]
    fn disabled_makes_no_event() {
        let called = Cell::new(false);
        let mut qlog = Qlog::disabled();
        qlog.add_event_at(
            || {
                called.set(true);
                None
            },
            now(),
        );
        qlog.add_event_with_stream(|_| {
            called.set(true);
            Ok(())
        });
        assert!(!called.get());
        assert!(!qlog.is_enabled());
        assert_eq!(format!("{:?}", Qlog::default()), "Qlog disabled");
    }

    #[test]
    fn a_write_error_disables() {
        // The header is some 400 bytes, an event some 100.
        let mut lived = 0;
        for room in (0..700).step_by(7) {
            let writer = Sticky::new(Full { room });
            let Ok(mut qlog) = Qlog::enabled(streamer(writer), PathBuf::from("full")) else {
                continue;
            };
            lived += 1;
            for _ in 0..10 {
                qlog.add_event_at(|| Some(event()), now());
            }
            assert!(!qlog.is_enabled(), "{room}");
        }
        assert!(lived > 20);
        let writer = Sticky::new(Full { room: 0 });
        assert!(Qlog::enabled(streamer(writer), PathBuf::new()).is_err());
    }

    #[test]
    fn is_send() {
        fn send<T: Send>(_: T) {}
        send(Qlog::disabled());
    }
}
