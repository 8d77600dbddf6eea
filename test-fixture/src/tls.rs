//! TLS for tests: an identity, a server that has it and a client that trusts it.

use neqo_crypto::{Client, Identity, Provider, Server, Verification};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};

/// The name in the certificate.
pub const NAME: &str = "example.com";

/// The application protocol that the nodes speak.
pub const ALPN: &str = "test";

/// A self-signed certificate for [`NAME`].
///
/// Its signature is of Ed25519: one of ECDSA differs in length from run to run, and what has the
/// same seed must at least have the same sizes. NSS has no Ed25519 before version 3.99; where it is
/// the library by default this is the [`portable_identity`].
///
/// # Panics
/// When the cryptographic library cannot make keys.
#[must_use]
pub fn identity() -> Identity {
    if Provider::default().to_string() == "nss" {
        return portable_identity();
    }
    self_signed(KeyPair::generate_for(&PKCS_ED25519))
}

/// A self-signed certificate for [`NAME`] that every library can use, whatever its version. Its
/// signature is of RSA, which is always as long as the key.
///
/// # Panics
/// When the cryptographic library cannot read the key.
#[must_use]
pub fn portable_identity() -> Identity {
    let pem = include_str!("rsa.pem");
    self_signed(KeyPair::from_pem_and_sign_algo(pem, &PKCS_RSA_SHA256))
}

fn self_signed(key: Result<KeyPair, rcgen::Error>) -> Identity {
    let key = key.expect("a key can be made");
    let certificate = CertificateParams::new([NAME.to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("the name is valid");
    Identity::from_der(vec![certificate.der().to_vec()], key.serialize_der())
        .expect("what was just made can be used")
}

/// A client that trusts this certificate and no other.
///
/// # Panics
/// When the cryptographic library refuses its own defaults.
#[must_use]
pub fn client(identity: &Identity) -> Client {
    Client::builder()
        .verification(Verification::PinSha256(vec![identity.sha256()]))
        .build()
        .expect("the defaults can be used")
}

/// A server with this certificate.
///
/// # Panics
/// When the cryptographic library refuses the identity.
#[must_use]
pub fn server(identity: Identity) -> Server {
    Server::builder(identity)
        .build()
        .expect("the identity can be used")
}
