//! Measures any peers that can serve and fetch, and compares them.

use std::{
    fmt::{self, Display, Formatter},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use neqo_bin::clock;

use crate::{
    peer::{self, Client, Peer},
    setup::Setup,
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    Download,
    Upload,
    Requests,
    Handshakes,
}

impl Work {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Download,
        Self::Upload,
        Self::Requests,
        Self::Handshakes,
    ];

    /// How much is done per second, as numbers that suit the unit.
    #[expect(
        clippy::cast_precision_loss,
        reason = "four digits of the result are printed"
    )]
    fn rate(self, sizes: Sizes, time: Duration) -> f64 {
        let amount = match self {
            Self::Download | Self::Upload => sizes.bytes as f64 * 8.0 / 1e9,
            Self::Requests => sizes.requests as f64,
            Self::Handshakes => sizes.handshakes as f64,
        };
        amount / time.as_secs_f64()
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Download => "download, Gbit/s",
            Self::Upload => "upload, Gbit/s",
            Self::Requests => "requests of 1 byte per s",
            Self::Handshakes => "handshakes per s",
        }
    }

    fn run(self, client: &mut dyn Client, sizes: Sizes) -> Sample {
        if self != Self::Handshakes {
            client.connect();
        }
        let start = Clock::read();
        match self {
            Self::Download => client.download(sizes.bytes),
            Self::Upload => client.upload(sizes.bytes),
            Self::Requests => client.requests(sizes.requests),
            Self::Handshakes => (0..sizes.handshakes).for_each(|_| client.connect()),
        }
        start.elapsed()
    }
}

/// How much of each work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) handshakes: u64,
}

/// Time that one round took.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall: Duration,
    /// Of both threads, client and server.
    cpu: Duration,
}

/// The two clocks of a [`Sample`].
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn read() -> Self {
        Self {
            wall: clock::now(),
            cpu: cpu_time(),
        }
    }

    fn elapsed(&self) -> Sample {
        Sample {
            wall: self.wall.elapsed(),
            cpu: cpu_time().saturating_sub(self.cpu),
        }
    }
}

#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

/// The medians of all peers and works.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<&'static str>,
    sizes: Sizes,
    rows: Vec<(Work, Vec<Sample>)>,
}

/// Runs every work on every peer, `rounds` times, alternating.
pub(crate) fn measure(
    peers: &[Box<dyn Peer>],
    setup: &Setup,
    work: &[Work],
    sizes: Sizes,
    rounds: usize,
) -> Table {
    let mut clients: Vec<_> = peers
        .iter()
        .map(|p| peer::start(p.as_ref(), setup))
        .collect();
    let rows = work.iter().map(|work| {
        let mut samples = vec![Vec::new(); peers.len()];
        for _ in 0..rounds.max(1) {
            for (client, samples) in clients.iter_mut().zip(&mut samples) {
                samples.push(work.run(client.as_mut(), sizes));
            }
        }
        (*work, samples.iter().map(|s| median(s)).collect())
    });
    Table {
        rows: rows.collect(),
        names: peers.iter().map(|p| p.name()).collect(),
        sizes,
    }
}

/// The medians of wall time and of CPU time.
fn median(samples: &[Sample]) -> Sample {
    let middle = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    Sample {
        wall: middle(samples.iter().map(|s| s.wall).collect()),
        cpu: middle(samples.iter().map(|s| s.cpu).collect()),
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:<26}", "")?;
        for (n, name) in self.names.iter().enumerate() {
            write!(f, "{name:>12}{:>12}", "CPU ms")?;
            if n > 0 {
                write!(f, "{:>12}{:>12}", "ratio", "CPU ratio")?;
            }
        }
        for (work, samples) in &self.rows {
            write!(f, "\n{:<26}", work.unit())?;
            let rates = samples.iter().map(|s| work.rate(self.sizes, s.wall));
            let rates: Vec<_> = rates.collect();
            for (n, (rate, sample)) in rates.iter().zip(samples).enumerate() {
                write!(f, "{rate:>12.2}{:>12}", sample.cpu.as_millis())?;
                if n > 0 {
                    let cpu = samples[0].cpu.as_secs_f64() / sample.cpu.as_secs_f64();
                    write!(f, "{:>12.3}{cpu:>12.3}", rate / rates[0])?;
                }
            }
        }
        Ok(())
    }
}
