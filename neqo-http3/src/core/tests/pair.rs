//! A client and a server that talk to each other.

use bytes::Bytes;
use neqo_common::Role;
use neqo_transport::StreamId;
use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

use super::{CONFIG, End, OK, POST, headers};
use crate::{
    Priority,
    core::{Config, events::CoreEvent},
};

/// Moves what `from` sent to `to`, in pieces of `size`. Returns whether there was anything.
fn transfer(from: &mut End, to: &mut End, size: usize) -> bool {
    let mut moved = Vec::new();
    for (&id, stream) in &mut from.quic.streams {
        if id.is_recv_only(from.role) || stream.moved == usize::MAX {
            continue;
        }
        let bytes = stream.sent_from(stream.moved).to_vec();
        let fin = stream.closed;
        if !bytes.is_empty() || fin {
            stream.moved = if fin {
                usize::MAX
            } else {
                stream.moved + bytes.len()
            };
            moved.push((id, bytes, fin));
        }
    }
    for (id, bytes, fin) in &moved {
        let mut pieces = bytes.chunks(size).peekable();
        if pieces.peek().is_none() {
            to.deliver(id.as_u64(), &[], *fin).unwrap();
        }
        while let Some(piece) = pieces.next() {
            to.deliver(id.as_u64(), piece, *fin && pieces.peek().is_none())
                .unwrap();
        }
    }
    !moved.is_empty()
}

/// An endpoint's view of one exchange.
#[derive(Default)]
struct Seen {
    headers: bool,
    content: Vec<u8>,
    trailers: bool,
    fin: bool,
}

fn look(end: &mut End, seen: &mut Seen, step: usize, bytes: bool) {
    for e in end.events() {
        match e {
            CoreEvent::Headers {
                interim: false,
                fin,
                ..
            } => {
                seen.headers = true;
                seen.fin |= fin;
            }
            CoreEvent::Trailers { .. } => seen.trailers = true,
            CoreEvent::Readable(id) => loop {
                let n = if bytes {
                    let (part, fin) = end.core.read_data_bytes(id, &mut end.quic).unwrap();
                    seen.fin |= fin;
                    seen.content
                        .extend_from_slice(part.as_deref().unwrap_or_default());
                    part.map_or(0, |p| p.len())
                } else {
                    let (part, fin) = end.read(id.as_u64(), step).unwrap();
                    seen.fin |= fin;
                    seen.content.extend_from_slice(&part);
                    part.len()
                };
                if seen.fin || n == 0 {
                    break;
                }
            },
            CoreEvent::Settings(_) => {}
            e => panic!("{e:?}"),
        }
    }
    // Trailers may come with the content.
    for e in end.events() {
        assert!(matches!(e, CoreEvent::Trailers { .. }), "{e:?}");
        seen.trailers = true;
    }
}

proptest! {
    /// Whatever the pieces, what arrives is what was sent.
    #[test]
    fn exchange(
        up in vec(vec(any::<u8>(), 0..300), 0..6),
        down in vec(vec(any::<u8>(), 0..300), 0..6),
        sizes in (1..400_usize, 1..100_usize),
        trailers: bool,
        bytes: bool,
        grease: u8,
    ) {
        let config = Config { grease: Some(grease), ..CONFIG };
        let mut client = End::with(Role::Client, config);
        let mut server = End::with(Role::Server, config);
        let (mut at_client, mut at_server) = (Seen::default(), Seen::default());
        let id: StreamId = client.core.fetch(&headers(POST), Priority::default(), &mut client.quic).unwrap();
        for part in &up {
            client.core.send_data(id, part, &mut client.quic).unwrap();
            transfer(&mut client, &mut server, sizes.0);
            look(&mut server, &mut at_server, sizes.1, bytes);
        }
        if trailers {
            client.core.send_headers(id, &headers(&[("a", "b")]), &mut client.quic).unwrap();
        }
        client.core.close_send(id, &mut client.quic).unwrap();
        transfer(&mut client, &mut server, sizes.0);
        look(&mut server, &mut at_server, sizes.1, bytes);
        prop_assert!(at_server.headers && at_server.fin);
        prop_assert_eq!(at_server.trailers, trailers);
        prop_assert_eq!(at_server.content, up.concat());

        server.core.send_headers(id, &headers(OK), &mut server.quic).unwrap();
        for part in &down {
            server.core.send_data_bytes(id, Bytes::copy_from_slice(part), &mut server.quic).unwrap();
        }
        if trailers {
            server.core.send_headers(id, &headers(&[("a", "b")]), &mut server.quic).unwrap();
        }
        server.core.close_send(id, &mut server.quic).unwrap();
        while transfer(&mut server, &mut client, sizes.0) {}
        look(&mut client, &mut at_client, sizes.1, bytes);
        prop_assert!(at_client.headers && at_client.fin);
        prop_assert_eq!(at_client.trailers, trailers);
        prop_assert_eq!(at_client.content, down.concat());
        prop_assert_eq!(client.core.open_requests() + server.core.open_requests(), 0);
    }

    /// No bytes of a peer make either side panic, on whatever stream.
    #[test]
    fn noise(noise in vec((0..5_u64, vec(any::<u8>(), 0..60), any::<bool>()), 0..20), server: bool) {
        let mut end = if server { End::server() } else { End::client() };
        if !server {
            end.get().unwrap();
        }
        for (n, bytes, fin) in noise {
            let id = if n == 0 { 0 } else { end.uni(n) };
            if end.deliver(id, &bytes, fin).is_err() {
                break;
            }
            let _read = end.read(0, 10);
        }
    }
}
