//! Who is taken for the server.

use std::time::{Duration, SystemTime};

use neqo_crypto::{
    AuthenticationStatus, Client, Direction, Error, Identity, Level, Server, Verification, sha256,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

use crate::pair::{
    End, Failed, NAME, Pair, agreed, connected, every_pair, handshake, identity, join,
};

every_pair! {
    stapled,
    roots,
    roots_unknown_issuer,
    roots_wrong_name,
    the_common_name_is_no_host,
    roots_expired_or_not_yet_valid,
    self_signed_within,
    a_root_that_is_the_servers_own,
    roots_from_pem,
    default_fails_closed,
    pinned,
    pin_mismatch,
    certificate_verify_is_always_checked,
    verdict_accepts,
    verdict_refuses,
    verdict_never_comes,
    nothing_more_is_read_before_the_verdict,
    verdict_before_the_flight_ends,
    nobody_asked_for_a_verdict,
}

/// A certificate authority.
struct Ca {
    cert: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        // A name of its own: else the other's key is tried and its signature is what is wrong.
        let name = hex::encode(sha256(&key.serialize_der()));
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            cert,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, p: Pair, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Server {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![cert.der().to_vec(), self.cert.clone()];
        let identity = Identity::from_der(chain, key.serialize_der()).unwrap();
        p.server_builder_of(identity).build().unwrap()
    }

    fn client(&self, p: Pair) -> Option<Client> {
        p.trusting(std::slice::from_ref(&self.cert))
    }
}

/// The alert with which `client` refuses `server`; nothing of the client's may have shown acceptance.
fn refused(client: &Client, server: &Server) -> u8 {
    let (mut c, mut s) = (End::client(client), End::server(server));
    let Err(Failed::Client(e)) = handshake(&mut c, &mut s) else {
        panic!("the client accepts");
    };
    assert!(matches!(e, Error::Certificate { .. }), "{e:?}");
    leaks_nothing(&c, &s);
    assert_eq!(c.read(Level::Handshake, &[0]), Err(Error::State));
    e.alert()
}

fn leaks_nothing(client: &End, server: &End) {
    assert!(!client.complete && !server.complete);
    assert!(client.outbox.is_empty(), "{:?}", client.outbox);
    assert!(!client.has(Level::OneRtt, Direction::Write));
    assert!(!client.has(Level::OneRtt, Direction::Read));
    assert_eq!(client.exported(), Err(Error::NotAvailable));
}

fn roots(p: Pair) {
    let ca = Ca::new();
    let Some(client) = ca.client(p) else { return };
    let (client, _) = connected(&client, &ca.issue(p, NAME, |_| ()));
    assert!(client.chain.is_none(), "nobody is asked");
    assert_eq!(client.session.peer_certificate().unwrap().certs().len(), 2);
}

fn roots_unknown_issuer(p: Pair) {
    let (ca, other) = (Ca::new(), Ca::new());
    let (Some(stranger), Some(client)) = (other.client(p), ca.client(p)) else {
        return;
    };
    assert_eq!(refused(&stranger, &ca.issue(p, NAME, |_| ())), 48);
    assert_eq!(refused(&client, &p.server()), 48);
}

fn roots_wrong_name(p: Pair) {
    let ca = Ca::new();
    let Some(client) = ca.client(p) else { return };
    assert_eq!(refused(&client, &ca.issue(p, "example.org", |_| ())), 42);
}

/// Only what a certificate says under that title is the name of a host (RFC 9525 §2), and a wildcard is a whole label.
fn the_common_name_is_no_host(p: Pair) {
    let ca = Ca::new();
    let Some(client) = ca.client(p) else { return };
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    for others in [
        vec![],
        vec![SanType::IpAddress([127, 0, 0, 1].into())],
        vec![dns("e*.com")],
        vec![dns("*.com"), dns("*")],
    ] {
        let server = ca.issue(p, "example.org", |params| {
            params.distinguished_name.push(DnType::CommonName, NAME);
            params.subject_alt_names = others;
        });
        let alert = refused(&client, &server);
        assert_eq!(alert, 42);
    }
}

fn roots_expired_or_not_yet_valid(p: Pair) {
    let ca = Ca::new();
    let Some(client) = ca.client(p) else { return };
    let expired = ca.issue(p, NAME, |p| {
        p.not_before = date_time_ymd(2000, 1, 1);
        p.not_after = date_time_ymd(2001, 1, 1);
    });
    assert_eq!(refused(&client, &expired), 45);
    let early = ca.issue(p, NAME, |p| p.not_before = date_time_ymd(4000, 1, 1));
    assert_eq!(refused(&client, &early), 45);
}

fn self_signed_within(p: Pair) {
    let long_ago = SystemTime::UNIX_EPOCH;
    let later = long_ago + Duration::from_secs(1);
    let far_off = long_ago + Duration::from_secs(1 << 33);
    for (validity, ok) in [((long_ago, far_off), true), ((long_ago, later), false)] {
        let identity = Identity::self_signed_within(&[NAME], validity).unwrap();
        let Some(client) = p.trusting(identity.chain()) else {
            return;
        };
        let server = p.server_builder_of(identity).build().unwrap();
        if ok {
            connected(&client, &server);
        } else {
            assert_eq!(refused(&client, &server), 45);
        }
    }
    assert!(Identity::self_signed(&["n\u{e4}me"]).is_err());
}

/// A certificate of an authority that signed itself, given as root, and used by a server.
fn a_root_that_is_the_servers_own(p: Pair) {
    let identity = |edit: fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().der().to_vec();
        Identity::from_der(vec![cert], key.serialize_der()).unwrap()
    };
    let good = identity(|_| ());
    let trust = |i: &Identity| p.client(Verification::Roots(i.chain().to_vec()));
    let serve = |i: Identity| p.server_builder_of(i).build().unwrap();
    let Some(client) = p.trusting(good.chain()) else {
        return;
    };
    connected(&client, &serve(good.clone()));

    let expired = identity(|p| {
        p.not_before = date_time_ymd(2000, 1, 1);
        p.not_after = date_time_ymd(2001, 1, 1);
    });
    assert_eq!(refused(&trust(&expired), &serve(expired.clone())), 45);
    let other =
        identity(|p| p.subject_alt_names = vec![SanType::DnsName("o.example".try_into().unwrap())]);
    assert_eq!(refused(&trust(&other), &serve(other.clone())), 42);
    let stranger = identity(|p| p.distinguished_name.push(DnType::CommonName, "stranger"));
    let alert = refused(&trust(&stranger), &serve(good));
    assert!(matches!(alert, 43 | 46 | 48), "{alert}");
}

fn roots_from_pem(p: Pair) {
    let verification = Verification::roots_from_pem(identity().certificate_pem().as_bytes());
    let Ok(Verification::Roots(roots)) = verification else {
        panic!("{verification:?}");
    };
    if let Some(client) = p.trusting(&roots) {
        connected(&client, &p.server());
    }
    assert!(
        p.client_builder()
            .verification(Verification::Roots(Vec::new()))
            .build()
            .is_err()
    );
    let bad = Verification::Roots(vec![vec![1, 2, 3]]);
    assert!(p.client_builder().verification(bad).build().is_err());
}

/// Without a word about verification, a server that the system does not trust is refused.
//= rfc9001#section-4.4 type=test
//# A client MUST authenticate the identity of the server.
// hardening A31
fn default_fails_closed(p: Pair) {
    match p.client_builder().build() {
        Ok(client) => assert_eq!(refused(&client, &p.server()), 48),
        // A system without any root: no client at all. (Where tests run for everybody there are roots.)
        Err(e) => assert!(matches!(e, Error::Config(_)) && std::env::var_os("CI").is_none()),
    }
}

fn pinned(p: Pair) {
    let pins = vec![[0; 32], identity().sha256()];
    let (client, _) = connected(&p.client(Verification::PinSha256(pins)), &p.server());
    let chain = client.session.peer_certificate().unwrap();
    assert_eq!(chain.leaf_sha256(), identity().sha256());
    assert_eq!(sha256(chain.leaf()), identity().sha256());
}

fn pin_mismatch(p: Pair) {
    let pins = |pins| p.client(Verification::PinSha256(pins));
    assert_eq!(refused(&pins(vec![[0; 32]]), &p.server()), 46);
    assert_eq!(refused(&pins(Vec::new()), &p.server()), 46);
}

/// Who has the certificate but not the key is refused even by those who do not look at the certificate.
fn certificate_verify_is_always_checked(p: Pair) {
    for verification in [
        Verification::PinSha256(vec![identity().sha256()]),
        Verification::Host,
        Verification::Insecure,
    ] {
        let (mut c, mut s) = (
            End::client(&p.client(verification)),
            End::server(&p.server()),
        );
        c.start().unwrap();
        s.start().unwrap();
        let (_, hello) = c.outbox.pop_front().unwrap();
        s.read(Level::Initial, &hello).unwrap();
        let mut flight = Vec::new();
        for (level, data) in s.outbox.drain(..) {
            if level == Level::Initial {
                c.read(level, &data).unwrap();
            } else {
                flight.extend(data);
            }
        }
        // EncryptedExtensions, Certificate, CertificateVerify: spoil the last byte of the signature.
        let mut at = 0;
        loop {
            let len = u32::from_be_bytes([0, flight[at + 1], flight[at + 2], flight[at + 3]]);
            let end = at + 4 + usize::try_from(len).unwrap();
            if flight[at] == 15 {
                flight[end - 1] ^= 1;
                break;
            }
            at = end;
        }
        let e = c.read(Level::Handshake, &flight).unwrap_err();
        assert!(matches!(e, Error::Certificate { .. }), "{e:?}");
        assert_eq!(e.alert(), 51, "decrypt_error (RFC 8446 §4.4.3)");
        assert!(c.chain.is_none(), "the host is not even asked");
        leaks_nothing(&c, &s);
    }
}

fn at_the_gate(p: Pair) -> (End, End) {
    let (mut c, mut s) = (
        End::client(&p.client(Verification::Host)),
        End::server(&p.server()),
    );
    handshake(&mut c, &mut s).unwrap();
    (c, s)
}

fn verdict_accepts(p: Pair) {
    let (mut c, mut s) = at_the_gate(p);
    let chain = c.chain.clone().expect("the host is asked");
    assert_eq!(chain.certs(), identity().chain());
    assert_eq!(c.session.peer_certificate(), Some(&chain));
    c.verdict(AuthenticationStatus::Ok).unwrap();
    assert!(c.complete);
    join(&mut c, &mut s).unwrap();
    agreed(&c, &s);
    assert_eq!(c.verdict(AuthenticationStatus::Ok), Err(Error::State));
}

fn verdict_refuses(p: Pair) {
    for (status, alert) in [
        (AuthenticationStatus::CertInvalid, 42),
        (AuthenticationStatus::CertRevoked, 44),
        (AuthenticationStatus::CertExpired, 45),
        (AuthenticationStatus::UnknownIssuer, 48),
        (AuthenticationStatus::PolicyRejection, 49),
    ] {
        let (mut c, s) = at_the_gate(p);
        c.verdict(status).unwrap();
        assert_eq!(c.alert, Some(alert));
        leaks_nothing(&c, &s);
        assert_eq!(c.verdict(AuthenticationStatus::Ok), Err(Error::State));
        assert_eq!(c.read(Level::Handshake, &[1]), Err(Error::State));
        leaks_nothing(&c, &s);
    }
}

/// The host never answers: the client has read the server's whole flight and says nothing.
fn verdict_never_comes(p: Pair) {
    let (c, s) = at_the_gate(p);
    assert!(c.chain.is_some() && c.params.is_some());
    assert!(c.has(Level::Handshake, Direction::Write));
    assert!(c.has(Level::Handshake, Direction::Read));
    leaks_nothing(&c, &s);
}

/// Bytes after the server's flight, before the verdict.
fn nothing_more_is_read_before_the_verdict(p: Pair) {
    for level in [Level::Initial, Level::Handshake, Level::OneRtt] {
        let (mut c, s) = at_the_gate(p);
        let e = c.read(level, &[0]).unwrap_err();
        assert!(matches!(e, Error::ProtocolViolation(_)));
        assert_eq!(c.verdict(AuthenticationStatus::Ok), Err(Error::State));
        leaks_nothing(&c, &s);
    }
}

/// The verdict comes between `CertificateVerify` and Finished.
fn verdict_before_the_flight_ends(p: Pair) {
    let (mut c, mut s) = (
        End::client(&p.client(Verification::Host)),
        End::server(&p.server()),
    );
    c.start().unwrap();
    s.start().unwrap();
    let (level, hello) = c.outbox.pop_front().unwrap();
    s.read(level, &hello).unwrap();
    while let Some((level, data)) = s.outbox.pop_front() {
        for byte in data {
            let asked = c.chain.is_some();
            c.read(level, &[byte]).unwrap();
            if !asked && c.chain.is_some() {
                leaks_nothing(&c, &s);
                c.verdict(AuthenticationStatus::Ok).unwrap();
                leaks_nothing(&c, &s);
            }
        }
    }
    assert!(c.complete, "with Finished");
    join(&mut c, &mut s).unwrap();
    agreed(&c, &s);
}

fn nobody_asked_for_a_verdict(p: Pair) {
    let (mut c, mut s) = (
        End::client(&p.client(Verification::Host)),
        End::server(&p.server()),
    );
    assert_eq!(c.verdict(AuthenticationStatus::Ok), Err(Error::State));
    c.start().unwrap();
    assert_eq!(c.verdict(AuthenticationStatus::Ok), Err(Error::State));
    s.start().unwrap();
    assert_eq!(s.verdict(AuthenticationStatus::Ok), Err(Error::State));
    join(&mut c, &mut s).unwrap();
    c.verdict(AuthenticationStatus::Ok).unwrap();
    join(&mut c, &mut s).unwrap();
    agreed(&c, &s);
}

/// What a server staples to its certificate reaches its client.
fn stapled(p: Pair) {
    // A SignedCertificateTimestampList of one that is four bytes long, and bytes in place of an OCSP response: nobody
    // but the host judges either.
    let (timestamps, ocsp) = ([0, 6, 0, 4, 1, 2, 3, 4], [0x30, 3, 0x0a, 1, 6]);
    let identity = identity().clone().with_ocsp_response(&ocsp);
    let both = identity.clone().with_certificate_timestamps(&timestamps);
    let (s, sent) = match p.server_builder_of(both).build() {
        Ok(s) => (s, Some(&timestamps[..])),
        Err(e) => {
            assert!(!p.server_is_nss() && matches!(e, Error::Config(_)));
            (p.server_builder_of(identity).build().unwrap(), None)
        }
    };
    let c = p.client(Verification::Insecure);
    let (client, _) = connected(&c, &s);
    let token = client.tickets.first().expect("a ticket");
    let (mut resumed, mut server) = (End::resuming(&c, token), End::server(&s));
    handshake(&mut resumed, &mut server).unwrap();
    let chain = resumed.session.peer_certificate().unwrap();
    assert_eq!(
        chain.leaf(),
        client.session.peer_certificate().unwrap().leaf()
    );
    assert_eq!(
        (chain.ocsp_response(), chain.certificate_timestamps()),
        (None, None)
    );
    let chain = client.session.peer_certificate().unwrap();
    assert_eq!(chain.ocsp_response(), Some(&ocsp[..]));
    assert_eq!(
        chain.certificate_timestamps(),
        sent.filter(|_| p.client_is_nss())
    );
}
