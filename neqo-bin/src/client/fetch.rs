//! A run of `neqo-client`: from the command line to outcomes.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use neqo_common::qdebug;
use neqo_transport::{
    CongestionControl, Connection, ConnectionParameters, EmptyConnectionIdGenerator,
};

use super::{
    args::{Configs, FetchArgs, NetworkArgs},
    driver::{Driver, share},
    engine::Engine,
    error::Error,
    exchanges::{Job, Outcome},
    exit::Exit,
    h3::H3,
    hq::Hq,
    progress::Progress,
    request::Template,
    resolve::resolve,
    sink::{self, Destination},
    target::{self, Group, Origin, Target},
    transfer::Rules,
    trust,
};
use crate::{
    clock,
    proto::{Congestion, Protocol},
    runtime::{port::Port, signals::Signals},
    startup,
};

/// Connecting anew for one origin without a response in between: servers that always go away are given up.
const MAX_FRUITLESS: u32 = 3;

/// Why a run failed.
#[derive(Debug)]
pub enum Failure {
    /// Before it began; to be printed.
    Early(Error),
    /// In some of the transfers; printed. This is the first in the order of the command line.
    Transfers(Arc<Error>),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Early(e)
    }
}

impl Failure {
    /// Prints what was not printed yet, and tells how to exit.
    #[must_use]
    pub fn report(&self) -> Exit {
        match self {
            Self::Early(e) => {
                startup::complain("neqo-client", e);
                e.exit()
            }
            Self::Transfers(e) => e.exit(),
        }
    }
}

/// Fetches everything.
pub async fn fetch(args: &FetchArgs, signals: &Signals) -> Result<(), Failure> {
    let run = Run::new(args)?;
    let progress = run.job.rules.progress.clone();
    let mut outcomes = run.all(signals).await;
    outcomes.sort_by_key(|(index, _)| *index);
    let mut first = Ok(());
    let mut last_line = String::new();
    for (_, outcome) in outcomes {
        let Err(e) = outcome else { continue };
        let line = format!("neqo-client: {e}");
        // One origin that cannot be reached is one line, however many URLs it has.
        if line != last_line {
            progress.always(&line);
            last_line = line;
        }
        if first.is_ok() {
            first = Err(Failure::Transfers(e));
        }
    }
    first
}

/// Everything that was decided before the first packet.
struct Run {
    network: NetworkArgs,
    groups: Vec<Group>,
    params: ConnectionParameters,
    job: Job,
    one_by_one: bool,
}

impl Run {
    fn new(args: &FetchArgs) -> Result<Self, Error> {
        let groups = target::group(&args.urls)?;
        let network = args.network.clone();
        let hosts = groups.iter().map(|g| &g.origin.host);
        if network.ech.is_some() && hosts.collect::<HashSet<_>>().len() > 1 {
            let reason = "--ech is the configuration of one host; fetch from the others without it";
            return Err(Error::Usage(reason.to_owned()));
        }
        let template = Template::new(&args.request, network.alpn, args.urls.len())?;
        let tls = trust::tls(&args.trust, args.network.tls)?;
        let destinations = sink::destinations(&args.output, &groups)?;
        let on_stdout = destinations.contains(&Destination::Stdout);
        // Bodies on stdout come one after the other, each whole.
        let one_by_one = on_stdout && args.urls.len() > 1;
        let rules = Rules {
            protocol: network.alpn,
            head: template.is_head(),
            fail: args.output.fail,
            show_headers: args.output.verbose > 0,
            progress: Progress::new(args.output.quiet, on_stdout),
        };
        let params = ConnectionParameters::default()
            .client_tls(tls)
            .idle_timeout(network.idle_timeout)
            .congestion_control(congestion(network.cc));
        Ok(Self {
            job: Job {
                template,
                rules,
                destinations,
                concurrency: if one_by_one {
                    1
                } else {
                    network.concurrency.into()
                },
                connect_timeout: network.connect_timeout,
                stats: args.output.stats,
            },
            network,
            groups,
            params,
            one_by_one,
        })
    }

    /// One connection per origin; all at the same time unless their bodies would mix.
    async fn all(self, signals: &Signals) -> Vec<Outcome> {
        let run = Arc::new(self);
        let mut outcomes = Vec::new();
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..run.groups.len() {
            let run_of_task = Arc::clone(&run);
            let signals = signals.clone();
            tasks.spawn(async move { Box::pin(run_of_task.group(index, signals)).await });
            if run.one_by_one {
                collect(&mut tasks, &mut outcomes).await;
            }
        }
        collect(&mut tasks, &mut outcomes).await;
        outcomes
    }

    async fn group(&self, index: usize, mut signals: Signals) -> Vec<Outcome> {
        let Some(group) = self.groups.get(index) else {
            return Vec::new();
        };
        let mut outcomes = Vec::new();
        let mut targets = group.targets.clone();
        let mut fruitless = 0;
        while !targets.is_empty() {
            let before = outcomes.len();
            let result = match self.network.alpn {
                Protocol::H3 => {
                    Box::pin(self.once::<H3>(&group.origin, targets.clone(), &mut signals)).await
                }
                Protocol::HqInterop => {
                    Box::pin(self.once::<Hq>(&group.origin, targets.clone(), &mut signals)).await
                }
            };
            match result {
                Ok((done, leftover)) => {
                    outcomes.extend(done);
                    targets = leftover;
                }
                Err(e) => {
                    outcomes.extend(all_failed(&targets, e));
                    break;
                }
            }
            fruitless = if outcomes.len() > before {
                0
            } else {
                fruitless + 1
            };
            if fruitless == MAX_FRUITLESS {
                let reason = "it refuses every request; try again later".to_owned();
                let peer = group.origin.to_string();
                outcomes.extend(all_failed(&targets, Error::Connect { peer, reason }));
                break;
            }
        }
        outcomes
    }

    /// One connection.
    async fn once<E: Engine + FromConnection>(
        &self,
        origin: &Origin,
        targets: Vec<Target>,
        signals: &mut Signals,
    ) -> Result<(Vec<Outcome>, Vec<Target>), Error> {
        let driver = self.connect::<E>(origin, signals).await?;
        if self.job.rules.show_headers
            && let Some(tls) = driver.engine().tls()
        {
            let group = tls.group.unwrap_or_default();
            self.job.rules.progress.line(&format!(
                "connected to {origin}: {}, {}, {group}{}",
                self.network.alpn,
                tls.cipher,
                if tls.ech { ", ECH" } else { "" },
            ));
        }
        driver.fetch(&self.job, targets, signals).await
    }

    /// Tries the addresses of an origin in turn.
    async fn connect<E: Engine + FromConnection>(
        &self,
        origin: &Origin,
        signals: &mut Signals,
    ) -> Result<Driver<E>, Error> {
        let started = clock::now();
        let addrs = tokio::select! {
            () = signals.more_than(0) => return Err(Error::Interrupted),
            found = resolve(origin, &self.network) => found?,
            () = tokio::time::sleep(self.job.connect_timeout) => return Err(Error::Resolve {
                host: origin.host.to_string(),
                reason: "the resolver does not answer".into(),
            }),
        };
        let mut failure = None;
        for (n, addr) in addrs.iter().enumerate() {
            let left = u32::try_from(addrs.len() - n).unwrap_or(u32::MAX);
            let timeout = share(self.job.connect_timeout, started, clock::now(), left);
            let mut driver = match self.start::<E>(origin, *addr) {
                Ok(driver) => driver,
                Err(e) => {
                    failure = Some(e);
                    continue;
                }
            };
            match driver.connect(origin, *addr, timeout, signals).await {
                Ok(()) => return Ok(driver),
                // Another address will not help.
                Err(e @ (Error::Certificate { .. } | Error::Interrupted)) => return Err(e),
                Err(e) => failure = Some(e),
            }
        }
        Err(failure.unwrap_or_else(|| Error::Internal("no address was tried".into())))
    }

    fn start<E: Engine + FromConnection>(
        &self,
        origin: &Origin,
        addr: SocketAddr,
    ) -> Result<Driver<E>, Error> {
        let fail = |reason: String| Error::Connect {
            peer: format!("{origin} ({addr})"),
            reason,
        };
        let socket = bind(addr).map_err(|e| fail(e.to_string()))?;
        let port = Port::new(socket).map_err(|e| fail(e.to_string()))?;
        let interface = mtu::interface_and_mtu(addr.ip()).inspect_err(|e| {
            qdebug!("no MTU is known for {addr}: {e}");
        });
        let params = self.params.clone().pmtud(port.keeps_whole());
        let params = params.interface_mtu(interface.ok().map(|(_, mtu)| mtu));
        let mut connection = Connection::new_client(
            origin.server_name(),
            &[self.network.alpn.alpn()],
            Box::new(EmptyConnectionIdGenerator),
            port.local_addr(),
            addr,
            params,
            clock::now(),
        )
        .map_err(|e| fail(e.to_string()))?;
        if let Some(Configs(list)) = &self.network.ech {
            connection
                .client_enable_ech(list, clock::now())
                .map_err(|e| Error::Usage(format!("--ech: {e}")))?;
        }
        Ok(Driver::new(E::from_connection(connection), port))
    }
}

/// An engine for a connection that was just made.
pub trait FromConnection {
    /// Makes it.
    fn from_connection(connection: Connection) -> Self;
}

impl FromConnection for Hq {
    fn from_connection(connection: Connection) -> Self {
        Self::new(connection)
    }
}

impl FromConnection for H3 {
    fn from_connection(connection: Connection) -> Self {
        Self::new(connection)
    }
}

/// The algorithm's name in the transport.
#[must_use]
pub const fn congestion(cc: Congestion) -> CongestionControl {
    match cc {
        Congestion::Cubic => CongestionControl::Cubic,
        Congestion::Newreno => CongestionControl::NewReno,
    }
}

/// A socket of the address family of `addr`. Where that does not keep it from sending, it is connected, so that the
/// system tells about closed ports.
fn bind(addr: SocketAddr) -> std::io::Result<UdpSocket> {
    let any = match addr {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    if cfg!(any(target_os = "linux", target_os = "android", windows)) {
        socket.connect(addr)?;
    }
    Ok(socket)
}

async fn collect(tasks: &mut tokio::task::JoinSet<Vec<Outcome>>, outcomes: &mut Vec<Outcome>) {
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(done) => outcomes.extend(done),
            Err(e) => {
                let error = Error::Internal(e.to_string());
                outcomes.push((usize::MAX, Err(error.into())));
            }
        }
    }
}

fn all_failed(targets: &[Target], error: Error) -> Vec<Outcome> {
    let error = Arc::new(error);
    targets
        .iter()
        .map(|t| (t.index, Err(Arc::clone(&error))))
        .collect()
}
