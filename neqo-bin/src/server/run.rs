//! A run of `neqo-server`: from the command line to the end.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use neqo_crypto::{EchKeys, KeyLog};
use neqo_http3::{Http3Parameters, Http3Server};
use neqo_transport::{
    ConnectionParameters, RandomConnectionIdGenerator,
    server::{Server, ValidateAddress},
};
use tokio::task::JoinSet;

use super::{
    access_log::AccessLog, args::Cli, connections::Connections, driver::Driver, error::Error,
    identity::Certificate, listen, service::Service,
};
use crate::{
    client::fetch::congestion,
    clock,
    runtime::{port::Port, signals::Signals},
};

/// The length of connection IDs, in bytes.
const CID_LEN: usize = 8;

/// A server that is bound but does not serve yet.
#[derive(Debug)]
pub struct Bound {
    args: Cli,
    ports: Vec<Port>,
    service: Service,
    certificate: Certificate,
    ech: Option<EchKeys>,
}

impl Bound {
    /// Does everything that can fail at the start.
    pub async fn new(args: Cli) -> Result<Self, Error> {
        args.tls.start().map_err(|e| Error::Tls {
            library: args.tls,
            reason: e.to_string(),
        })?;
        let service = Service::new(args.root.as_deref()).map_err(|source| Error::Root {
            path: args.root.as_deref().unwrap_or_else(|| Path::new("")).into(),
            source,
        })?;
        let certificate = Certificate::new(&args)?;
        let ech = args.ech.as_deref().map(|name| {
            let mut id = [0];
            neqo_crypto::random(&mut id);
            EchKeys::generate(args.tls, id[0], name).map_err(|e| Error::Ech {
                reason: e.to_string(),
            })
        });
        let ech = ech.transpose()?;
        let ports = listen::bind(&args.listen)
            .await?
            .into_iter()
            .map(Port::new)
            .collect::<io::Result<Vec<_>>>()
            .map_err(|source| Error::System {
                doing: "cannot set a socket up",
                source,
            })?;
        Ok(Self {
            args,
            ports,
            service,
            certificate,
            ech,
        })
    }

    /// The addresses of the sockets.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.ports.iter().map(Port::local_addr)
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Tells where the server listens, and how to trust it.
    pub fn announce(&self, out: &mut impl Write) -> io::Result<()> {
        for addr in self.addrs() {
            writeln!(out, "listening on {addr}")?;
        }
        let port = self.addrs().next().map_or(0, |a| a.port());
        if let Some(hint) = self.certificate.hint(port) {
            writeln!(out, "{hint}")?;
        }
        if let Some(ech) = &self.ech {
            writeln!(out, "ECH {}", BASE64.encode(ech.configs()))?;
        }
        out.flush()
    }

    /// Serves until a signal comes.
    pub async fn serve(self, access_log: AccessLog, signals: Signals) -> Result<(), Error> {
        let internal = |e: &dyn std::fmt::Display| Error::Internal(e.to_string());
        let key_log = KeyLog::from_env().map_err(|e| Error::KeyLog {
            reason: e.to_string(),
        })?;
        let mut tls = neqo_crypto::Server::builder(self.certificate.identity.clone())
            .provider(self.args.tls)
            .key_log(key_log);
        if let Some(keys) = self.ech {
            tls = tls.ech(keys);
        }
        let tls = tls.build().map_err(|e| Error::Identity {
            reason: e.to_string(),
        })?;
        let params = ConnectionParameters::default()
            .idle_timeout(self.args.idle_timeout)
            .congestion_control(congestion(self.args.cc));
        let mut tasks = JoinSet::new();
        for port in self.ports {
            let serving = Serving {
                args: self.args.clone(),
                service: self.service.clone(),
                access_log: access_log.clone(),
                signals: signals.clone(),
            };
            let params = params.clone().pmtud(port.keeps_whole());
            let connections = serving
                .connections(tls.clone(), params)
                .map_err(|e| internal(&e))?;
            tasks.spawn(Box::pin(serving.run(connections, port)));
        }
        while let Some(result) = tasks.join_next().await {
            result
                .map_err(|e| internal(&e))?
                .map_err(|source| Error::System {
                    doing: "a socket is of no use any more",
                    source,
                })?;
        }
        Ok(())
    }
}

/// What one socket's loop needs.
struct Serving {
    args: Cli,
    service: Service,
    access_log: AccessLog,
    signals: Signals,
}

impl Serving {
    fn connections(
        &self,
        tls: neqo_crypto::Server,
        params: ConnectionParameters,
    ) -> neqo_transport::Res<Connections> {
        let cids = || Box::new(RandomConnectionIdGenerator::new(CID_LEN)) as Box<_>;
        let alpn: Vec<_> = self.args.protocols().iter().map(|p| p.alpn()).collect();
        let mut quic = Server::new(clock::now(), tls, &alpn, cids, params.clone())?;
        if self.args.retry {
            quic.set_validation(ValidateAddress::Always);
        }
        let params = Http3Parameters::default().connection_parameters(params);
        Ok(Connections::new(Http3Server::with_transport(quic, params)))
    }

    async fn run(self, connections: Connections, port: Port) -> io::Result<()> {
        Driver::new(connections, port)
            .serve(self.service, self.access_log, self.args.grace, self.signals)
            .await
    }
}
