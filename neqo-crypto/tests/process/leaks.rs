//! Connections that end in every way, and of which nothing is kept.

use std::time::Instant;

use neqo_crypto::{
    Client, ClientCertificate, Direction, EchKeys, Events, Group, Identity, OpenKeys, Primitives,
    Provider, Res, SealKeys, Server, ServerBuilder, Session, Verification, Version,
};

use crate::{NAME, Seen, alpn, carry, client_by, connect};

/// Makes connections between these, a client's library and a server's, at least `count` of them.
pub fn look([from, to]: [Provider; 2], count: usize) {
    let pair = Pair::new(from, to);
    let mut made = 0;
    while made < count {
        made += pair.established();
        made += pair.encrypted();
        made += pair.verified();
        made += pair.abandoned();
        made += pair.spoiled();
    }
    println!("{made} connections of {from} to {to}");
}

/// Two libraries. Its functions make connections, and give how many.
struct Pair {
    from: Provider,
    to: Provider,
    /// Takes early data.
    server: Server,
    /// Has none of the groups that clients send a key share of.
    retrying: Server,
    /// Requires a certificate.
    demanding: Server,
    /// What they all are.
    identity: Identity,
    keys: EchKeys,
    /// Have these keys, if their library can; the second has none of the usual groups.
    encrypting: Option<[Server; 2]>,
}

impl Pair {
    fn new(from: Provider, to: Provider) -> Self {
        let identity = Identity::self_signed(&[NAME]).unwrap();
        let keys = EchKeys::generate(Provider::Nss, 1, "public.example").unwrap();
        let server = |change: &dyn Fn(ServerBuilder) -> ServerBuilder| {
            let builder = Server::builder(identity.clone()).provider(to);
            change(builder).build().unwrap()
        };
        Self {
            from,
            to,
            server: server(&|b| b.enable_early_data(true)),
            retrying: server(&|b| b.groups(&[Group::Secp384r1])),
            demanding: server(&|b| b.client_certificate(ClientCertificate::Required)),
            encrypting: (to == Provider::Nss).then(|| {
                [Group::X25519, Group::Secp384r1]
                    .map(|group| server(&|b| b.ech(keys.clone()).groups(&[group])))
            }),
            identity,
            keys,
        }
    }

    /// From the start, resumed with early data, and with another ClientHello.
    fn established(&self) -> usize {
        let client = client_by(self.from);
        let mut first = session(&client);
        let seen = connect(&mut *first, &mut *serving(&self.server));
        make_use(&*first, &seen);
        let token = seen.tickets.first().expect("a ticket");
        let resumed = client.resume(NAME, &alpn(), b"client", token, Instant::now());
        let mut resumed = resumed.unwrap();
        let seen = connect(&mut *resumed, &mut *serving(&self.server));
        make_use(&*resumed, &seen);
        assert!(resumed.info().unwrap().resumed());
        connect(&mut *session(&client), &mut *serving(&self.retrying));
        3
    }

    /// With ECH: refused, pretended, and accepted after lists that are none.
    fn encrypted(&self) -> usize {
        let client = client_by(self.from);
        let mut hidden = session(&client);
        hidden.enable_ech(self.keys.configs()).unwrap();
        assert!(!finishes(&mut *hidden, &mut *serving(&self.server)));
        let Some([server, retrying]) = &self.encrypting else {
            return 1;
        };
        let mut pretended = session(&client);
        pretended.enable_ech(&[]).unwrap();
        connect(&mut *pretended, &mut *serving(retrying));
        let mut hidden = session(&client);
        for bad in [&[1][..], &[0; 40], &self.keys.configs()[..20]] {
            hidden.enable_ech(bad).unwrap_err();
        }
        hidden.enable_ech(self.keys.configs()).unwrap();
        connect(&mut *hidden, &mut *serving(server));
        assert!(hidden.info().unwrap().ech_accepted());
        3
    }

    /// A client that shows a certificate.
    fn known(&self, verification: Verification) -> Res<Client> {
        let builder = Client::builder().provider(self.from);
        let builder = builder.identity(Identity::self_signed(&["client.example"])?);
        builder.verification(verification).build()
    }

    /// With clients that show a certificate and verify the server's, which another server does not have.
    fn verified(&self) -> usize {
        let stranger = Identity::self_signed(&[NAME]).unwrap();
        let stranger = Server::builder(stranger).provider(self.to).build().unwrap();
        let pinned = self.known(Verification::PinSha256(vec![self.identity.sha256()]));
        let mut clients = vec![pinned.unwrap()];
        match self.known(Verification::Roots(self.identity.chain().to_vec())) {
            Ok(client) => clients.push(client),
            // One without libpkix has no roots but its own.
            Err(e) => assert_eq!(self.from, Provider::Nss, "{e}"),
        }
        for client in &clients {
            let mut shown = serving(&self.demanding);
            connect(&mut *session(client), &mut *shown);
            assert!(shown.peer_certificate().is_some());
            assert!(!finishes(&mut *session(client), &mut *serving(&stranger)));
        }
        2 * clients.len()
    }

    /// Left before anything, after the first ClientHello, and before the verdict.
    fn abandoned(&self) -> usize {
        let client = client_by(self.from);
        drop((session(&client), serving(&self.server)));
        let mut out = Events::default();
        session(&client).start(Instant::now(), &mut out).unwrap();
        let host = Client::builder().provider(self.from);
        let host = host.verification(Verification::Host).build().unwrap();
        assert!(!finishes(&mut *session(&host), &mut *serving(&self.server)));
        3
    }

    /// With one byte changed: in the ClientHello, and at the end of each message or flight of either side.
    fn spoiled(&self) -> usize {
        let client = self.known(Verification::Insecure).unwrap();
        let fails = |spoil: &dyn Fn(usize, &mut [u8])| {
            let (mut client, mut server) = (session(&client), serving(&self.demanding));
            !finishes_spoiled(&mut *client, &mut *server, spoil)
        };
        let places = [10, 60, 130, 200];
        for at in places {
            assert!(fails(&|n, data| if n == 0 {
                data[at] ^= 0x15;
            }));
        }
        // The last is a ticket, at the latest, and a ticket need not be right.
        let flights = (0..).take_while(|&flight| {
            fails(&|n, data| {
                if let Some(last) = data.last_mut().filter(|_| n == flight) {
                    *last ^= 0x15;
                }
            })
        });
        let flights = flights.count();
        // ClientHello, the server's answer, and Finished.
        assert!(flights >= 3, "{flights}");
        places.len() + flights + 1
    }
}

fn session(client: &Client) -> Box<dyn Session> {
    client.session(NAME, &alpn(), b"client").unwrap()
}

fn serving(server: &Server) -> Box<dyn Session> {
    server.session(&alpn()).unwrap()
}

/// Protects packets with all secrets of a connection, before and after a key update, by each library; and exports one.
fn make_use(session: &dyn Session, seen: &Seen) {
    let version = Version::default();
    for &primitives in Primitives::ALL {
        for secret in &seen.secrets {
            let mut packet = [0; 64];
            match secret.direction {
                Direction::Write => {
                    let mut keys = SealKeys::with(primitives, version, secret).unwrap();
                    keys.seal(1, &mut packet, 20).unwrap();
                    keys = keys.next().unwrap();
                    keys.seal(2, &mut packet, 20).unwrap();
                    let _mask = keys.mask(&[1; 16]);
                }
                Direction::Read => {
                    let mut keys = OpenKeys::with(primitives, version, secret).unwrap();
                    let (header, body) = packet.split_at_mut(20);
                    keys.open(1, header, body).unwrap_err();
                    keys = keys.next().unwrap();
                    keys.open(2, header, body).unwrap_err();
                    let _mask = keys.mask(&[1; 16]);
                }
            }
        }
    }
    session
        .export("EXPERIMENTAL label", b"context", &mut [0; 40])
        .unwrap();
}

/// Whether a client and a server come to an end.
fn finishes(client: &mut dyn Session, server: &mut dyn Session) -> bool {
    finishes_spoiled(client, server, &|_, _| ())
}

/// The same with what they say spoiled.
fn finishes_spoiled(
    client: &mut dyn Session,
    server: &mut dyn Session,
    spoil: &dyn Fn(usize, &mut [u8]),
) -> bool {
    carry(client, server, spoil).is_ok_and(|seen| seen.iter().all(|s| s.complete))
}
