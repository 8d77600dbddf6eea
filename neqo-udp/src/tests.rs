//! Real sockets on the loopback interface.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
    num::NonZeroUsize,
    thread,
    time::Duration,
};

use neqo_common::{BatchRef, Datagram, Ecn, Tos};

use crate::{Event, KERNEL_BUFFER_SIZE, Outcome, RecvBuf, RecvSegment, SLAB_SIZE, Socket, enlarge};

type Std = Socket<UdpSocket>;

fn socket(addr: &str) -> Std {
    Socket::new(UdpSocket::bind(addr).unwrap()).unwrap()
}

fn pair() -> (Std, Std) {
    (socket("127.0.0.1:0"), socket("127.0.0.1:0"))
}

fn batch<'a>(from: &Std, to: &Std, ecn: Ecn, size: usize, payload: &'a [u8]) -> BatchRef<'a> {
    BatchRef::new(
        from.local_addr(),
        to.local_addr(),
        Tos::from(ecn),
        NonZeroUsize::new(size).unwrap(),
        payload,
    )
}

/// Calls `f` until it does not say `WouldBlock`, for up to five seconds.
fn wait<T>(mut f: impl FnMut() -> io::Result<T>) -> T {
    for _ in 0..5000 {
        match f() {
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            other => return other.unwrap(),
        }
    }
    panic!("nothing arrives");
}

/// Receives `n` datagrams.
fn receive(socket: &Std, buf: &mut RecvBuf, n: usize) -> Vec<Datagram> {
    let mut got = Vec::new();
    while got.len() < n {
        let more = wait(|| {
            let iter = socket.recv(socket.local_addr(), buf)?;
            Ok(iter.map(|d| d.to_owned()).collect::<Vec<_>>())
        });
        got.extend(more);
    }
    got
}

/// Receives segments until they hold `n` bytes.
fn receive_owned(socket: &Std, buf: &mut RecvBuf, n: usize) -> Vec<RecvSegment> {
    let mut got: Vec<RecvSegment> = Vec::new();
    while got.iter().map(|s| s.data.len()).sum::<usize>() < n {
        let more = wait(|| {
            let iter = socket.recv_owned(socket.local_addr(), buf)?;
            Ok(iter.collect::<Vec<_>>())
        });
        got.extend(more);
    }
    got
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

#[test]
fn a_batch_with_a_short_tail_arrives_as_it_was() {
    let (a, b) = pair();
    let payload = pattern(10 * 1200 + 300);
    let sent = a.send(batch(&a, &b, Ecn::Ect0, 1200, &payload)).unwrap();
    assert_eq!((sent.datagrams, sent.outcome), (11, Outcome::Complete));

    let got = receive(&b, &mut RecvBuf::default(), 11);
    let lens: Vec<_> = got.iter().map(Datagram::len).collect();
    assert_eq!(lens, [[1200; 10].as_slice(), &[300]].concat());
    for d in &got {
        assert_eq!(d.source(), a.local_addr());
        assert_eq!(d.destination(), b.local_addr());
        assert_eq!(Ecn::from(d.tos()), Ecn::Ect0);
    }
    let bytes: Vec<u8> = got.iter().flat_map(|d| d.iter().copied()).collect();
    assert_eq!(bytes, payload);
}

#[test]
fn a_batch_with_a_short_tail_arrives_owned() {
    let (a, b) = pair();
    let payload = pattern(10 * 1200 + 300);
    let sent = a.send(batch(&a, &b, Ecn::Ect1, 1200, &payload)).unwrap();
    assert_eq!(sent.datagrams, 11);

    let got = receive_owned(&b, &mut RecvBuf::default(), payload.len());
    let lens: Vec<_> = got
        .iter()
        .flat_map(|s| s.data.chunks(s.stride).map(<[u8]>::len))
        .collect();
    assert_eq!(lens, [[1200; 10].as_slice(), &[300]].concat());
    for s in &got {
        assert_eq!((s.src, s.dst), (a.local_addr(), b.local_addr()));
        assert_eq!(Ecn::from(s.tos), Ecn::Ect1);
    }
    let bytes: Vec<u8> = got.iter().flat_map(|s| s.data.iter().copied()).collect();
    assert_eq!(bytes, payload);
    if b.gro_segments() > 1 && a.max_gso_segments() > 1 {
        assert!(got.len() < 11, "GRO keeps the train together");
    }
}

#[test]
fn more_than_one_call_can_send() {
    let (a, b) = pair();
    // Both of the limits, segments and bytes, are crossed.
    for (size, n) in [(100, 150), (1400, 120)] {
        let payload = pattern(size * n);
        let sent = a.send(batch(&a, &b, Ecn::NotEct, size, &payload)).unwrap();
        assert_eq!((sent.datagrams, sent.outcome), (n, Outcome::Complete));
        let got = receive(&b, &mut RecvBuf::default(), n);
        let bytes: Vec<u8> = got.iter().flat_map(|d| d.iter().copied()).collect();
        assert_eq!(bytes, payload);
    }
}

#[test]
fn every_mark_arrives() {
    for (from, to, dst) in [
        ("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"),
        ("[::1]:0", "[::1]:0", "::1"),
        // A socket that takes both versions of IP.
        ("127.0.0.1:0", "[::]:0", "127.0.0.1"),
        ("[::1]:0", "[::]:0", "::1"),
    ] {
        if UdpSocket::bind(from).is_err() || UdpSocket::bind(to).is_err() {
            continue; // A machine without IPv6.
        }
        let (a, b) = (socket(from), socket(to));
        let dst = SocketAddr::new(dst.parse().unwrap(), b.local_addr().port());
        let mut buf = RecvBuf::default();
        for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
            let size = NonZeroUsize::new(9).unwrap();
            let train = BatchRef::new(a.local_addr(), dst, ecn.into(), size, &[7; 30]);
            assert_eq!(a.send(train).unwrap().datagrams, 4);
            for d in receive(&b, &mut buf, 4) {
                assert_eq!(Ecn::from(d.tos()), ecn, "{from} {to}");
                assert_eq!(d.destination().ip().to_canonical(), dst.ip());
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")] // Elsewhere 127.0.0.2 has to be configured.
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let client = socket("127.0.0.1:0");
    let server = socket("0.0.0.0:0");
    let asked: SocketAddr = ([127, 0, 0, 2], server.local_addr().port()).into();
    let one = NonZeroUsize::MIN;
    let tos = Tos::default();
    let question = BatchRef::new(client.local_addr(), asked, tos, one, &[1]);
    assert_eq!(client.send(question).unwrap().datagrams, 1);
    let mut buf = RecvBuf::default();
    let got = receive(&server, &mut buf, 1);
    assert_eq!(got[0].destination(), asked);

    let answer = BatchRef::new(got[0].destination(), got[0].source(), tos, one, &[2]);
    assert_eq!(server.send(answer).unwrap().datagrams, 1);
    assert_eq!(receive(&client, &mut buf, 1)[0].source(), asked);
}

// hardening R3895
#[test]
fn a_closed_port_does_not_break_the_socket() {
    let (a, b) = pair();
    let closed = socket("127.0.0.1:0").local_addr();
    // A connected socket is the one that hears of ICMP messages.
    a.inner().connect(closed).unwrap();
    let mut buf = RecvBuf::default();
    let one = NonZeroUsize::MIN;
    for _ in 0..10 {
        let to_closed = BatchRef::new(a.local_addr(), closed, Tos::default(), one, &[1]);
        let sent = a.send(to_closed).unwrap();
        assert!(!sent.is_blocked(), "{sent:?}");
        thread::sleep(Duration::from_millis(1));
        let error = a.recv(a.local_addr(), &mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    assert!(a.stats().get(Event::Unreachable) > 0, "{:?}", a.stats());

    // The socket still works.
    a.inner().connect(b.local_addr()).unwrap();
    assert_eq!(
        a.send(batch(&a, &b, Ecn::Ce, 1, &[1])).unwrap().datagrams,
        1
    );
    assert_eq!(receive(&b, &mut buf, 1).len(), 1);
    assert_eq!(
        b.send(batch(&b, &a, Ecn::Ce, 1, &[1])).unwrap().datagrams,
        1
    );
    assert_eq!(receive(&a, &mut buf, 1).len(), 1);
}

// hardening A24
#[test]
fn empty_datagrams_are_skipped() {
    let (a, b) = pair();
    let empty = || a.inner().send_to(&[], b.local_addr()).unwrap();
    let mut buf = RecvBuf::with_slots(NonZeroUsize::new(4).unwrap());
    // More than one call can take, before, between and after.
    for byte in 1..=3 {
        for _ in 0..10 {
            empty();
        }
        a.inner().send_to(&[byte], b.local_addr()).unwrap();
    }
    empty();
    let got = receive(&b, &mut buf, 3);
    assert!(got.iter().map(|d| d.to_vec()).eq([[1], [2], [3]]));

    empty();
    a.inner().send_to(&[4], b.local_addr()).unwrap();
    assert_eq!(receive_owned(&b, &mut buf, 1)[0].data[..], [4]);
    let error = b.recv(b.local_addr(), &mut buf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(b.stats().get(Event::Empty), 32);
}

#[test]
fn a_datagram_that_is_too_big_is_no_error() {
    let (a, b) = pair();
    let payload = pattern(65_508);
    let sent = a
        .send(batch(&a, &b, Ecn::NotEct, 65_508, &payload))
        .unwrap();
    assert_eq!(sent.datagrams, 0);
    assert!(matches!(sent.outcome, Outcome::Dropped(_)));
    assert_eq!(a.stats().get(Event::TooBig), 1);
}

#[test]
fn memory_is_used_again() {
    let (a, b) = pair();
    let mut buf = RecvBuf::with_slots(NonZeroUsize::MIN);
    let payload = pattern(1200);
    let mut lowest = usize::MAX;
    let mut highest = 0;
    // Several times what one allocation holds.
    for _ in 0..1000 {
        assert_eq!(
            a.send(batch(&a, &b, Ecn::Ect0, 1200, &payload))
                .unwrap()
                .datagrams,
            1
        );
        let got = receive_owned(&b, &mut buf, 1200);
        assert_eq!(got[0].data, payload);
        let at = got[0].data.as_ptr().addr();
        lowest = lowest.min(at);
        highest = highest.max(at + 1200);
    }
    assert!(highest - lowest <= SLAB_SIZE);
}

#[test]
fn what_is_held_stays_as_it_is() {
    let (a, b) = pair();
    let mut buf = RecvBuf::with_slots(NonZeroUsize::MIN);
    let mut held = Vec::new();
    for n in 0..200_u8 {
        let payload = [n; 1200];
        assert_eq!(
            a.send(batch(&a, &b, Ecn::Ect0, 1200, &payload))
                .unwrap()
                .datagrams,
            1
        );
        held.extend(receive_owned(&b, &mut buf, 1200));
        // Memory that is lent and memory that is given away do not get in each other's way.
        assert_eq!(
            a.send(batch(&a, &b, Ecn::Ect0, 1200, &[0xee; 1200]))
                .unwrap()
                .datagrams,
            1
        );
        assert_eq!(receive(&b, &mut buf, 1)[0][..], [0xee; 1200]);
    }
    for (n, segment) in (0..200).zip(&held) {
        assert_eq!(segment.data[..], [n; 1200]);
    }
}

#[test]
fn kernel_buffers_grow() {
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = socket2::SockRef::from(&plain).recv_buffer_size().unwrap();
    let s = Socket::new(plain).unwrap();
    assert!(s.recv_buffer_size() >= before);
    assert!(s.send_buffer_size() > 0);
    assert_eq!(
        socket2::SockRef::from(s.inner())
            .recv_buffer_size()
            .unwrap(),
        s.recv_buffer_size()
    );
    assert!(!s.may_fragment());
    assert_eq!(
        s.into_inner().local_addr().unwrap().ip().to_string(),
        "127.0.0.1"
    );
}

#[test]
fn the_request_is_halved_until_it_is_granted() {
    let size = Cell::new(100_000);
    let asked = Cell::new(0);
    let limit = KERNEL_BUFFER_SIZE / 5;
    let set = |n| {
        asked.set(asked.get() + 1);
        if n > limit {
            return Err(ErrorKind::OutOfMemory.into());
        }
        size.set(n);
        Ok(())
    };
    assert_eq!(
        enlarge(|| Ok(size.get()), set).unwrap(),
        KERNEL_BUFFER_SIZE / 8
    );
    assert_eq!(asked.get(), 4);
    // What is large enough is left alone.
    size.set(2 * KERNEL_BUFFER_SIZE);
    let kept = enlarge(|| Ok(size.get()), set).unwrap();
    assert_eq!((kept, asked.get()), (2 * KERNEL_BUFFER_SIZE, 4));
    // And so is what cannot be enlarged.
    size.set(limit + 1);
    assert_eq!(
        enlarge(|| Ok(size.get()), |_| Err(ErrorKind::OutOfMemory.into())).unwrap(),
        limit + 1
    );
}

#[test]
fn sockets_are_send_and_sync() {
    fn check<T: Send + Sync>(_: T) {}
    check(socket("127.0.0.1:0"));
    check(RecvBuf::default());
}
