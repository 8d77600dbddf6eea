//! Clients that are asked who they are.

use neqo_crypto::{Client, ClientCertificate, Error, Identity, Verification};

use crate::pair::{End, Failed, Pair, agreed, client_of, every_pair, handshake};

every_pair! {
    shown,
    not_shown,
    required,
    not_asked,
}

fn with_identity(p: Pair) -> (Client, Identity) {
    let identity = Identity::self_signed(&["client.example"]).unwrap();
    let builder = p.client_builder().identity(identity.clone());
    (client_of(builder, Verification::Insecure), identity)
}

/// A server that asks; `None` if its library cannot.
fn server(p: Pair, request: ClientCertificate) -> Option<End> {
    match p.server_builder().client_certificate(request).build() {
        Ok(server) => Some(End::server(&server)),
        Err(e) => {
            assert!(p.server.to_string() == "rustls" && matches!(e, Error::Config(_)));
            None
        }
    }
}

fn shown(p: Pair) {
    let (c, identity) = with_identity(p);
    for request in [ClientCertificate::Requested, ClientCertificate::Required] {
        let Some(mut server) = server(p, request) else {
            return;
        };
        let mut client = End::client(&c);
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        let chain = server.session.peer_certificate().unwrap();
        assert_eq!(chain.certs(), identity.chain());
        // NSS makes no token of a session in which its client showed a certificate.
        assert_eq!(client.tickets.is_empty(), p.client_is_nss());
    }
}

fn not_shown(p: Pair) {
    let Some(mut server) = server(p, ClientCertificate::Requested) else {
        return;
    };
    let mut client = End::client(&p.client(Verification::Insecure));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.peer_certificate().is_none());
}

fn required(p: Pair) {
    let Some(mut server) = server(p, ClientCertificate::Required) else {
        return;
    };
    let mut client = End::client(&p.client(Verification::Insecure));
    let result = handshake(&mut client, &mut server);
    let Err(Failed::Server(e)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(e.alert(), 116, "certificate_required");
    assert!(!server.complete);
}

fn not_asked(p: Pair) {
    let (c, _) = with_identity(p);
    let (mut client, mut server) = (End::client(&c), End::server(&p.server()));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.peer_certificate().is_none());
}
