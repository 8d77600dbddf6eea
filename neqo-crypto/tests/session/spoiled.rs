//! Faults anywhere in what two sessions say to each other, in every kind of handshake.

use neqo_crypto::{
    AuthenticationStatus, Client, ClientCertificate, Direction, EchKeys, Error, Group, Identity,
    Level, ResumptionToken, Server, ServerBuilder, Verification,
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    ech::{self, PUBLIC},
    pair::{End, Failed, NAME, Pair, agreed, client_of, every_pair, handshake, join, join_with},
};

every_pair! {
    spoiled_flights,
}

/// What a fault does to one flight.
#[derive(Clone, Debug)]
enum Fault {
    Set(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat,
    Replace(Vec<u8>),
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = any::<prop::sample::Index>;
    let bytes = || prop::collection::vec(any::<u8>(), 1..64);
    prop_oneof![
        4 => (at(), 1..=u8::MAX).prop_map(|(a, b)| Fault::Set(a, b)),
        1 => at().prop_map(Fault::Truncate),
        2 => (at(), bytes()).prop_map(|(a, b)| Fault::Insert(a, b)),
        1 => Just(Fault::Repeat),
        1 => bytes().prop_map(Fault::Replace),
    ]
}

fn spoil(data: &mut Vec<u8>, fault: &Fault) {
    match fault {
        Fault::Set(at, xor) => {
            let at = at.index(data.len());
            data[at] ^= xor;
        }
        Fault::Truncate(at) => data.truncate(at.index(data.len())),
        Fault::Insert(at, bytes) => {
            let at = at.index(data.len());
            data.splice(at..at, bytes.iter().copied());
        }
        Fault::Repeat => data.extend_from_within(..),
        Fault::Replace(bytes) => data.clone_from(bytes),
    }
}

pub(crate) fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig::default();
    let config = ProptestConfig {
        // `PROPTEST_CASES` may ask for more.
        cases: cases.max(config.cases),
        failure_persistence: None,
        ..config
    };
    if let Err(e) = TestRunner::new(config).run(strategy, test) {
        panic!("{e}");
    }
}

/// A kind of handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Plain,
    /// With `HelloRetryRequest` and a second `ClientHello`.
    Retry,
    /// Resumed, with early data.
    Early,
    /// The client shows a certificate.
    Known,
    /// Encrypted `ClientHello` is accepted.
    Hidden,
    /// The same, and a session is resumed with early data.
    HiddenEarly,
    /// Encrypted `ClientHello` is not accepted.
    Exposed,
    /// The same with `HelloRetryRequest`.
    ExposedRetry,
    /// Encrypted `ClientHello` is pretended, with `HelloRetryRequest` of a server that has keys, if it can.
    PretendedRetry,
}

impl Scene {
    const fn exposed(self) -> bool {
        matches!(self, Self::Exposed | Self::ExposedRetry)
    }

    const fn early(self) -> bool {
        matches!(self, Self::Early | Self::HiddenEarly)
    }
}

/// The parties to all of them.
struct Cast {
    /// The second of them leaves the verdict to its host.
    clients: [Client; 2],
    server: Server,
    retrying: Server,
    demanding: Server,
    /// Has `keys`, if its library can.
    encrypting: Server,
    /// The same, and asks for another group.
    encrypting_retrying: Server,
    keys: Option<EchKeys>,
}

impl Cast {
    fn new(p: Pair) -> Self {
        // NSS refuses a certificate that has issuer and serial number of another that is in use. So spoiled ones are
        // not to look like those of other tests.
        let own = Identity::self_signed(&[NAME, PUBLIC]).unwrap();
        let shown = Identity::self_signed(&["client.example"]).unwrap();
        let client = |verification| {
            let builder = p.client_builder().identity(shown.clone());
            client_of(builder.enable_early_data(true), verification)
        };
        let server = |change: &dyn Fn(ServerBuilder) -> ServerBuilder| {
            change(p.server_builder_of(own.clone())).build().unwrap()
        };
        let keys = ech::keys(p);
        let with_keys = |b: ServerBuilder| match &keys {
            Some(keys) => b.ech(keys.clone()),
            None => b,
        };
        Self {
            clients: [Verification::Insecure, Verification::Host].map(client),
            server: server(&|b| b.enable_early_data(true)),
            retrying: server(&|b| b.groups(&[Group::Secp384r1])),
            demanding: server(&|b| b.client_certificate(ClientCertificate::Required)),
            encrypting: server(&|b| with_keys(b).enable_early_data(true)),
            encrypting_retrying: server(&|b| with_keys(b).groups(&[Group::Secp384r1])),
            keys,
        }
    }

    /// What these libraries can do.
    fn scenes(&self) -> Vec<Scene> {
        let mut scenes = vec![
            Scene::Plain,
            Scene::Retry,
            Scene::Early,
            Scene::Known,
            Scene::Exposed,
            Scene::ExposedRetry,
            Scene::PretendedRetry,
        ];
        if self.keys.is_some() {
            scenes.extend([Scene::Hidden, Scene::HiddenEarly]);
        }
        scenes
    }

    fn server(&self, scene: Scene) -> End {
        End::server(match scene {
            Scene::Plain | Scene::Early => &self.server,
            Scene::Retry => &self.retrying,
            Scene::Known => &self.demanding,
            Scene::Hidden | Scene::HiddenEarly | Scene::Exposed => &self.encrypting,
            Scene::ExposedRetry | Scene::PretendedRetry => &self.encrypting_retrying,
        })
    }

    fn client(&self, scene: Scene, host: bool) -> End {
        let client = &self.clients[usize::from(host)];
        let mut client = match scene {
            Scene::Early => End::resuming(client, &token(client, &self.server)),
            Scene::HiddenEarly => End::resuming(client, &token(client, &self.encrypting)),
            _ => End::client(client),
        };
        match scene {
            Scene::Plain | Scene::Retry | Scene::Known | Scene::Early => {}
            Scene::Hidden | Scene::HiddenEarly => {
                client.session.enable_ech(self.configs()).unwrap();
            }
            Scene::Exposed | Scene::ExposedRetry => {
                client.session.enable_ech(&ech::nobodys()).unwrap();
            }
            Scene::PretendedRetry => client.session.enable_ech(&[]).unwrap(),
        }
        client
    }

    /// What the server says its keys are.
    fn configs(&self) -> &[u8] {
        self.keys.as_ref().map_or(&[], |keys| keys.configs())
    }
}

fn token(client: &Client, server: &Server) -> ResumptionToken {
    let (mut client, mut server) = (End::client(client), End::server(server));
    handshake(&mut client, &mut server).unwrap();
    if !client.complete {
        client.verdict(AuthenticationStatus::Ok).unwrap();
        join(&mut client, &mut server).unwrap();
    }
    client.tickets.pop().expect("a ticket")
}

/// Checks that an undisturbed handshake was the one that it should be.
fn undisturbed(scene: Scene, client: &End, server: &End) {
    agreed(client, server);
    let info = client.session.info().unwrap();
    match scene {
        Scene::Retry | Scene::PretendedRetry => {
            assert_eq!(info.group(), Some(Group::Secp384r1));
        }
        Scene::Early => assert!(info.resumed()),
        Scene::HiddenEarly => assert!(info.resumed() && info.ech_accepted()),
        Scene::Known => assert!(server.session.peer_certificate().is_some()),
        Scene::Hidden => assert!(info.ech_accepted()),
        Scene::Plain => assert!(!info.resumed()),
        Scene::Exposed | Scene::ExposedRetry => unreachable!("{info:?}"),
    }
}

/// Whatever happens to one of the flights, nothing panics and the two never both believe in it, but for tickets: what
/// is wrong with those concerns the next connection.
fn spoiled_flights(p: Pair) {
    let cast = Cast::new(p);
    let scene = prop::sample::select(cast.scenes());
    let cases = (scene, 0usize..8, fault(), any::<bool>());
    run(256, &cases, |(scene, which, fault, host)| {
        let (mut client, mut server) = (cast.client(scene, host), cast.server(scene));
        server.start().unwrap();
        client.start().unwrap();
        let offered = client.has(Level::ZeroRtt, Direction::Write);
        prop_assert_eq!(offered, scene.early());
        let (mut n, mut ticket) = (0, false);
        let result = join_with(&mut client, &mut server, &mut |mut data| {
            if n == which {
                ticket = data.first() == Some(&4);
                spoil(&mut data, &fault);
            }
            n += 1;
            vec![data]
        });
        let done = client.complete && server.complete;
        // Who resumes was judged before.
        if scene.exposed() || host && !scene.early() {
            prop_assert!(!client.complete && !server.complete);
        } else if n > which && !ticket {
            prop_assert!(!done, "{:?}", result);
        } else {
            prop_assert!(done, "{:?}", result);
        }
        if n <= which {
            if done {
                undisturbed(scene, &client, &server);
            } else if scene == Scene::ExposedRetry && cast.keys.is_some() {
                // NSS cannot say what its keys are.
                prop_assert_eq!(&result, &Err(Failed::Server(Error::Alert(40))));
            } else if scene.exposed() && !host {
                prop_assert!(matches!(result, Err(Failed::Client(Error::EchRetry(_)))));
            } else {
                prop_assert_eq!(&result, &Ok(()));
            }
        }
        match result {
            Err(Failed::Client(Error::EchRetry(configs))) => {
                prop_assert_eq!(configs, cast.configs(), "nobody else's");
            }
            Err(Failed::Client(e) | Failed::Server(e)) => {
                prop_assert_ne!(e.alert(), 80, "blamed on us: {:?}", e);
            }
            Ok(()) => {}
        }
        Ok(())
    });
}
