//! NSS that the host started itself, as a browser does, with the user's database. A process of its own sees to it, for in
//! this one NSS is started without.

use std::{
    env,
    ffi::CString,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use super::{
    STARTED, Started,
    agent::tests::turn,
    certs::Credential,
    check,
    ffi::{
        self, NSS_Initialize, NSS_IsInitialized, NSS_SetDomesticPolicy, NSS_Shutdown,
        SSL_ShutdownServerSessionIDCache,
    },
    init, init_db,
};
use crate::{Client, Error, Event, Events, Identity, Provider, Server, Verification, capabilities};

/// Tells the process that it is the host, and where its database is.
const DATABASE: &str = "NEQO_CRYPTO_TEST_HOST_DATABASE";
const TEST: &str = "nss::by_host::started_by_the_host";
const NAME: &str = "example.com";

/// Runs NSS's own tool, with the libraries that it was made for.
fn certutil(args: &[&str]) {
    let status = Command::new("certutil")
        .args(args)
        .env_remove("LD_LIBRARY_PATH")
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap_or_else(|e| {
        panic!("certutil (of the package libnss3-tools or nss-tools) is needed: {e}")
    });
    assert!(status.success(), "certutil {args:?}");
}

/// A database with a key `key` for [`NAME`].
fn database() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let db = format!("sql:{path}");
    let noise = dir.path().join("noise");
    fs::write(&noise, path.repeat(20)).unwrap();
    certutil(&["-N", "-d", &db, "--empty-password"]);
    let noise = noise.to_str().unwrap();
    let key = ["-n", "key", "-s", "CN=example.com", "-8", NAME];
    let kind = ["-x", "-t", ",,", "-k", "ec", "-q", "nistp256", "-z", noise];
    certutil(&[&["-S", "-d", &db][..], &key, &kind].concat());
    dir
}

#[test]
fn started_by_the_host() {
    if let Some(dir) = env::var_os(DATABASE) {
        host(Path::new(&dir));
        return;
    }
    let dir = database();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(DATABASE, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(ran, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// What the other process does.
fn host(dir: &Path) {
    let db = CString::new(format!("sql:{}", dir.display())).unwrap();
    let (none, modules) = (c"".as_ptr(), c"secmod.db".as_ptr());
    // SAFETY: nothing uses NSS yet; the strings end with NUL and outlive the calls.
    unsafe {
        assert_eq!(NSS_IsInitialized(), 0);
        let status = NSS_Initialize(db.as_ptr(), none, none, modules, ffi::NSS_INIT_READONLY);
        check(status, "the host's start").unwrap();
        check(NSS_SetDomesticPolicy(), "the host's policy").unwrap();
    }
    init().unwrap();
    assert_eq!(STARTED.get(), Some(&Started::ByHost));
    for other in [env::temp_dir().as_path(), dir] {
        let e = init_db(other).unwrap_err();
        assert!(
            matches!(&e, Error::Config(e) if e.contains("by the host")),
            "{e}"
        );
    }
    init().unwrap();

    assert!(Identity::nss_nickname("nobody").is_err());
    connect(&Identity::nss_nickname("key").unwrap());

    // All of it is dropped; the host's goes on.
    // SAFETY: may be called at any time.
    assert_ne!(unsafe { NSS_IsInitialized() }, 0);
    Credential::find("key").unwrap();
    connect(&Identity::nss_nickname("key").unwrap());

    // Those who verify by NSS keep nothing of it either.
    let key = Identity::nss_nickname("key").unwrap();
    for verification in [
        Verification::Platform,
        Verification::Roots(key.chain().to_vec()),
    ] {
        let roots = matches!(verification, Verification::Roots(_));
        let client = Client::builder().provider(Provider::Nss);
        match client.verification(verification).build() {
            Ok(client) => drop(client.session(NAME, &[b"h3".to_vec()], b"").unwrap()),
            Err(e) => assert!(roots && !capabilities().unwrap().roots(), "{e}"),
        }
    }
    drop(key);

    // NSS refuses to end while anything of it is in use.
    // SAFETY: nobody uses NSS any more.
    unsafe {
        check(SSL_ShutdownServerSessionIDCache(), "the servers' end").unwrap();
        check(NSS_Shutdown(), "the host's end").unwrap();
    }
}

/// A handshake of a client that knows the certificate of `identity`.
fn connect(identity: &Identity) {
    let alpn = [b"h3".to_vec()];
    let client = Client::builder()
        .provider(Provider::Nss)
        .verification(Verification::PinSha256(vec![identity.sha256()]))
        .build();
    let server = Server::builder(identity.clone()).provider(Provider::Nss);
    let server = server.build().unwrap();
    let mut client = client.unwrap().session(NAME, &alpn, b"client").unwrap();
    let mut server = server.session(&alpn).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a base for the times passed in")]
    let now = Instant::now();
    let mut out = Events::default();
    server.start(now, &mut out).unwrap();
    client.start(now, &mut out).unwrap();
    let mut flight = Vec::new();
    while let Some(event) = out.pop() {
        if let Event::Crypto { level, data } = event {
            flight.push((level, data));
        }
    }
    let mut tickets = 0;
    while !flight.is_empty() {
        let answer = turn(&mut *server, flight, &mut tickets);
        flight = turn(&mut *client, answer, &mut tickets);
    }
    let shown = client.peer_certificate().unwrap();
    assert_eq!(shown.leaf_sha256(), identity.sha256());
    assert!(client.info().is_some() && server.info().is_some());
    // A server gives them when the handshake is complete.
    assert_eq!(tickets, 2);
}
