//! Roots of one's own beside those that a database trusts.

use std::{fs, path::Path, process::Command};

use neqo_crypto::{Client, Identity, Provider, Server, Verification};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};

use crate::{NAME, alpn, connect, new_database, run};

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A server that shows these.
fn server(key: &KeyPair, chain: &[&Certificate]) -> Server {
    let pem: String = chain.iter().map(|c| c.pem()).collect();
    let identity = Identity::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    Server::builder(identity)
        .provider(Provider::Nss)
        .build()
        .unwrap()
}

/// An authority that the database trusts, and that another one has signed, too. Whoever trusts only the other one finds
/// the path to it, also after NSS has verified by the database.
pub fn beside_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["roots", dir.path().to_str().unwrap()])
        .status();
    assert!(status.unwrap().success());
}

/// The other process of [`beside_a_database`].
pub fn verify(dir: &Path) {
    let key = || KeyPair::generate().unwrap();
    let known = CertifiedIssuer::self_signed(authority("Known"), key()).unwrap();
    let other = CertifiedIssuer::self_signed(authority("Other"), key()).unwrap();
    // libpkix likes the one better that ends later.
    let mut crossed = authority("Known");
    crossed.not_after = date_time_ymd(2090, 1, 1);
    let crossed = crossed.signed_by(known.key(), &other).unwrap();
    let leaf_key = key();
    let leaf = CertificateParams::new(vec![NAME.into()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &known).unwrap();

    let db = new_database(dir);
    let pem = dir.join("known.pem");
    fs::write(&pem, known.pem()).unwrap();
    let pem = pem.to_str().unwrap();
    run(
        "certutil",
        &[
            "-A", "-d", &db, "-n", "known", "-t", "CT,,", "-a", "-i", pem,
        ],
    );
    neqo_crypto::init_db(dir).unwrap();

    let client = |verification| {
        let builder = Client::builder().provider(Provider::Nss);
        builder.verification(verification).build().unwrap()
    };
    let plain = server(&leaf_key, &[&leaf, known.as_ref()]);
    let across = server(&leaf_key, &[&leaf, &crossed]);
    let visit = |client: &Client, server: &Server| {
        let mut session = client.session(NAME, &alpn(), b"client").unwrap();
        connect(&mut *session, &mut *server.session(&alpn()).unwrap());
    };
    let platform = client(Verification::Platform);
    for _ in 0..3 {
        visit(&platform, &plain);
        visit(&platform, &across);
        if neqo_crypto::capabilities().unwrap().roots() {
            let roots = Verification::Roots(vec![other.der().to_vec()]);
            visit(&client(roots), &across);
        }
    }
}
