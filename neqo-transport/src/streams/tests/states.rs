//! States of the parts of streams, and which frames are allowed when.

use super::{
    super::{recv, send},
    C_BIDI, C_UNI, End, Pair, ROOM, S_BIDI, S_UNI, StreamEvent, WIDE, bidi, uni,
};
use crate::{
    Error, Misuse, Violation,
    stream_id::{StreamId, StreamType},
    wire::frame::Frame,
};

#[test]
fn sending_states() {
    use send::state::{Input as I, State as S};
    let inputs = [
        I::SendData,
        I::SendFin,
        I::Reset,
        I::AllAcked,
        I::ResetAcked,
    ];
    // RFC 9000 Figure 2, row by row.
    for (state, after) in [
        (
            S::Ready,
            [
                Some(S::Send),
                Some(S::DataSent),
                Some(S::ResetSent),
                None,
                None,
            ],
        ),
        (
            S::Send,
            [
                Some(S::Send),
                Some(S::DataSent),
                Some(S::ResetSent),
                None,
                None,
            ],
        ),
        (
            S::DataSent,
            [
                Some(S::DataSent),
                Some(S::DataSent),
                Some(S::ResetSent),
                Some(S::DataRecvd),
                None,
            ],
        ),
        //= rfc9000#section-3.3 type=test
        //# A sender MUST NOT send any of these frames from a terminal state
        //# ("Data Recvd" or "Reset Recvd").
        (S::DataRecvd, [None; 5]),
        (S::ResetSent, [None, None, None, None, Some(S::ResetRecvd)]),
        (S::ResetRecvd, [None; 5]),
    ] {
        for (input, after) in inputs.into_iter().zip(after) {
            assert_eq!(state.on(input), after, "{state:?} {input:?}");
        }
        let over = after.iter().all(Option::is_none);
        assert_eq!(state.is_terminal(), over, "{state:?}");
    }
}

#[test]
fn receiving_states() {
    use recv::state::{Input as I, State as S};
    let inputs = [I::Fin, I::AllData, I::Reset, I::ReadAll, I::ReadReset];
    // RFC 9000 Figure 3.
    for (state, after) in [
        (
            S::Recv,
            [Some(S::SizeKnown), None, Some(S::ResetRecvd), None, None],
        ),
        (
            S::SizeKnown,
            [None, Some(S::DataRecvd), Some(S::ResetRecvd), None, None],
        ),
        (S::DataRecvd, [None, None, None, Some(S::DataRead), None]),
        (S::DataRead, [None; 5]),
        (S::ResetRecvd, [None, None, None, None, Some(S::ResetRead)]),
        (S::ResetRead, [None; 5]),
    ] {
        for (input, after) in inputs.into_iter().zip(after) {
            assert_eq!(state.on(input), after, "{state:?} {input:?}");
        }
        let over = after.iter().all(Option::is_none);
        assert_eq!(state.is_terminal(), over, "{state:?}");
    }
}

/// Every frame about stream `id`.
fn frames(id: StreamId) -> [(Frame<'static>, bool); 5] {
    let stream_id = id;
    [
        (
            Frame::Stream {
                stream_id,
                offset: 0,
                data: b"x",
                fin: false,
            },
            true,
        ),
        (
            Frame::ResetStream {
                stream_id,
                app_error: 1,
                final_size: 1,
            },
            true,
        ),
        (
            Frame::StreamDataBlocked {
                stream_id,
                limit: 1,
            },
            true,
        ),
        (
            Frame::StopSending {
                stream_id,
                app_error: 1,
            },
            false,
        ),
        (
            Frame::MaxStreamData {
                stream_id,
                max: 1 << 21,
            },
            false,
        ),
    ]
}

#[test]
fn frames_on_the_wrong_half() {
    // hardening R3743
    //= rfc9000#section-19.8 type=test
    //# An endpoint MUST terminate the connection with error STREAM_STATE_ERROR
    //# if it receives a STREAM frame for a locally initiated stream that has
    //# not yet been created, or for a send-only stream.
    //= rfc9000#section-19.5 type=test
    //# An endpoint that receives a STOP_SENDING frame for a receive-only stream
    //# MUST terminate the connection with error STREAM_STATE_ERROR.
    //= rfc9000#section-19.10 type=test
    //# An endpoint that receives a MAX_STREAM_DATA frame for a receive-only
    //# stream MUST terminate the connection with error STREAM_STATE_ERROR.
    let state_error = Err(Error::Peer(Violation::StreamState));
    for i in 0..5 {
        let (_, from_sender) = frames(C_UNI)[i];
        let mut p = Pair::new();
        uni(&mut p.client);
        // The client's own unidirectional stream.
        let res = p.client.frame(frames(C_UNI)[i].0);
        assert_eq!(
            res,
            if from_sender {
                state_error.clone()
            } else {
                Ok(())
            }
        );
        // The server's, seen by the client.
        let res = p.client.frame(frames(S_UNI)[i].0);
        assert_eq!(
            res,
            if from_sender {
                Ok(())
            } else {
                state_error.clone()
            }
        );
        // One of its own that the server has not opened.
        for id in [S_UNI, S_BIDI] {
            assert_eq!(p.server.frame(frames(id)[i].0), state_error);
        }
        // One that the client opens thereby.
        assert_eq!(p.server.frame(frames(C_BIDI)[i].0), Ok(()));
        assert_eq!(p.server.s.len(), 1);
    }
}

/// Every state in which a bidirectional stream of the client can be at the server, by name.
fn ends() -> Vec<(&'static str, End)> {
    let mut all = Vec::new();
    let mut add = |name, f: fn(&mut End)| {
        let mut end = Pair::new().server;
        end.stream(C_BIDI, 0, b"", false).unwrap();
        end.events();
        f(&mut end);
        all.push((name, end));
    };
    add("fresh", |_| {});
    add("size known", |e| e.stream(C_BIDI, 1, b"", true).unwrap());
    add("data received", |e| {
        e.stream(C_BIDI, 0, b"x", true).unwrap();
    });
    add("data read", |e| {
        e.stream(C_BIDI, 0, b"x", true).unwrap();
        assert_eq!(e.read(C_BIDI), (b"x".to_vec(), true));
    });
    add("reset received", |e| {
        e.s.on_reset_stream(C_BIDI, 1, 1).unwrap();
    });
    add("reset read", |e| {
        e.s.on_reset_stream(C_BIDI, 1, 1).unwrap();
        e.events();
    });
    add("stopped", |e| e.s.stop_sending(C_BIDI, 1).unwrap());
    add("stopped and sent", |e| {
        e.s.stop_sending(C_BIDI, 1).unwrap();
        e.write_all();
    });
    add("written", |e| {
        e.s.send(C_BIDI, b"y").unwrap();
    });
    add("end sent", |e| {
        e.s.send(C_BIDI, b"y").unwrap();
        e.s.close_send(C_BIDI).unwrap();
        e.write_all();
    });
    add("complete", |e| {
        e.s.close_send(C_BIDI).unwrap();
        let p = e.write(ROOM).unwrap();
        e.acked(&p);
    });
    add("reset sent", |e| {
        e.s.reset_send(C_BIDI, 3).unwrap();
        e.write_all();
    });
    add("reset acknowledged", |e| {
        e.s.reset_send(C_BIDI, 3).unwrap();
        let p = e.write(ROOM).unwrap();
        e.acked(&p);
    });
    add("gone", |e| {
        e.stream(C_BIDI, 0, b"x", true).unwrap();
        e.read(C_BIDI);
        e.s.reset_send(C_BIDI, 3).unwrap();
        let p = e.write(ROOM).unwrap();
        e.acked(&p);
        e.events();
        assert_eq!(e.s.len(), 0);
    });
    all
}

#[test]
fn every_frame_in_every_state() {
    for (i, (name, _)) in ends().into_iter().enumerate() {
        for a in 0..5 {
            for b in 0..5 {
                let (_, mut end) = ends().swap_remove(i);
                for frame in [a, b] {
                    // An honest peer's frames are fine in any state and in any order.
                    end.frame(frames(C_BIDI)[frame].0)
                        .unwrap_or_else(|e| panic!("{name} {a} {b}: {e}"));
                }
                end.write_all();
                end.events();
                end.write_all();
            }
        }
    }
}

#[test]
fn final_size() {
    let size_error = Err(Error::Peer(Violation::FinalSize));
    //= rfc9000#section-4.5 type=test
    //# Once a final size for a stream is known, it cannot change.
    for known in [
        |e: &mut End| e.stream(C_UNI, 5, b"", true),
        |e: &mut End| e.stream(C_UNI, 0, b"12345", true),
    ] {
        let mut e = Pair::new().server;
        known(&mut e).unwrap();
        assert_eq!(e.stream(C_UNI, 2, b"3456", false), size_error);
        assert_eq!(e.stream(C_UNI, 2, b"34", true), size_error);
        assert_eq!(e.stream(C_UNI, 9, b"", true), size_error);
        assert_eq!(e.s.on_reset_stream(C_UNI, 0, 4), size_error);
        assert_eq!(e.stream(C_UNI, 2, b"345", true), Ok(()));
        assert_eq!(e.s.on_reset_stream(C_UNI, 0, 5), Ok(()));
    }
    // It cannot be below what was received, either.
    let mut e = Pair::new().server;
    e.stream(C_UNI, 3, b"45", false).unwrap();
    assert_eq!(e.stream(C_UNI, 4, b"", true), size_error);
    assert_eq!(e.s.on_reset_stream(C_UNI, 0, 4), size_error);
    // Nor can offsets be beyond 2^62-1.
    assert_eq!(
        e.stream(C_UNI, (1 << 62) - 1, b"x", false),
        Err(Error::Peer(Violation::FlowControl))
    );
    assert_eq!(
        e.stream(C_UNI, u64::MAX, b"x", false),
        Err(Error::Peer(Violation::FlowControl))
    );
}

#[test]
fn stop_sending_is_answered_with_reset() {
    //= rfc9000#section-3.5 type=test
    //# An endpoint that receives a STOP_SENDING frame MUST send a RESET_STREAM
    //# frame if the stream is in the "Ready" or "Send" state.
    for written in [0, 3000] {
        let mut p = Pair::new();
        let id = bidi(&mut p.client);
        p.client.s.send(id, &vec![7; written]).unwrap();
        let sent = p.client.write(ROOM);
        p.client.s.on_stop_sending(id, 77).unwrap();
        assert_eq!(
            p.client.events(),
            [StreamEvent::SendStreamStopSending {
                stream_id: id,
                app_error: 77
            }]
        );
        assert_eq!(
            p.client.s.send(id, b"more"),
            Err(Error::Api(Misuse::StreamState))
        );
        let final_size = sent.map_or(0, |s| s.data()[0].1 as u64);
        for _ in 0..3 {
            let reset = p.client.write(ROOM).unwrap();
            reset.each(|f| {
                let expected = Frame::ResetStream {
                    stream_id: id,
                    app_error: 77,
                    final_size,
                };
                assert_eq!(f, expected, "the same each time");
            });
            // Lost data of a reset stream is not sent again, the reset is.
            p.client.s.lost(super::Token::Data {
                id,
                offset: 0,
                len: 100,
                fin: false,
            });
            p.client.lost(&reset);
        }
        let reset = p.client.write(ROOM).unwrap();
        p.client.acked(&reset);
        assert!(!p.client.s.wants_to_send());
        assert_eq!(
            p.client.s.avail_send_space(id),
            Err(Error::Api(Misuse::InvalidStreamId)),
            "the part is gone"
        );
    }
}

#[test]
fn reset_is_told_and_then_read() {
    let mut p = Pair::new();
    let id = uni(&mut p.client);
    p.client.s.send(id, b"unread").unwrap();
    p.settle();
    p.client.s.reset_send(id, 9).unwrap();
    p.settle();
    assert_eq!(p.client.s.len(), 0);
    assert_eq!(
        p.server.s.recv(id, &mut [0; 9]),
        Err(Error::Api(Misuse::NoMoreData))
    );
    assert_eq!(
        p.server.events(),
        [
            StreamEvent::NewStream { stream_id: id },
            StreamEvent::RecvStreamReset {
                stream_id: id,
                app_error: 9
            }
        ]
    );
    assert_eq!(p.server.s.len(), 0);
    assert_eq!(
        p.server.s.recv(id, &mut [0; 9]),
        Err(Error::Api(Misuse::InvalidStreamId))
    );
}

#[test]
fn stop_sending_discards_and_is_repeated() {
    let mut p = Pair::new();
    let id = uni(&mut p.client);
    p.client.s.send(id, &[1; 5000]).unwrap();
    let first = p.client.write(ROOM).unwrap();
    p.server.deliver(&first);
    p.server.s.stop_sending(id, 5).unwrap();
    let stop = p.server.write(ROOM).unwrap();
    p.server.lost(&stop);
    // Data on its way is accounted for and discarded.
    let second = p.client.write(ROOM).unwrap();
    p.server.deliver(&second);
    assert_eq!(
        p.server.events(),
        [StreamEvent::NewStream { stream_id: id }]
    );
    assert_eq!(
        p.server.s.recv(id, &mut [0; 9]),
        Err(Error::Api(Misuse::NoMoreData))
    );
    let stop = p.server.write(ROOM).unwrap();
    p.client.deliver(&stop);
    let reset = p.client.write(ROOM).unwrap();
    p.server.deliver(&reset);
    assert_eq!(p.server.s.len(), 0);
    // The frame is of no use any more.
    p.server.lost(&stop);
    assert_eq!(p.server.write(ROOM).map(|p| p.tokens()), None);
}

#[test]
fn calls_out_of_place() {
    let mut p = Pair::new();
    let invalid = Error::Api(Misuse::InvalidStreamId);
    assert_eq!(p.client.s.send(C_BIDI, b"x"), Err(invalid.clone()));
    let id = uni(&mut p.client);
    assert_eq!(p.client.s.recv(id, &mut [0]), Err(invalid.clone()));
    assert_eq!(p.client.s.stop_sending(id, 0), Err(invalid.clone()));
    assert_eq!(
        p.client.s.reset_send(id, 1 << 62),
        Err(Error::Api(Misuse::InvalidInput))
    );
    p.client.s.send(id, b"x").unwrap();
    p.client.s.close_send(id).unwrap();
    p.client.s.close_send(id).unwrap();
    assert_eq!(
        p.client.s.send(id, b"x"),
        Err(Error::Api(Misuse::StreamState))
    );
    assert_eq!(p.client.s.avail_send_space(id), Ok(0));
    p.settle();
    assert_eq!(p.server.s.send(id, b"x"), Err(invalid));
    assert_eq!(
        p.client.events(),
        [StreamEvent::SendStreamComplete { stream_id: id }]
    );
    assert_eq!(p.client.s.len(), 0);
    assert_eq!(p.server.read(id), (b"x".to_vec(), true));
}

#[test]
fn streams_are_opened_in_order() {
    //= rfc9000#section-3.2 type=test
    //# Before a stream is created, all streams of the same type with
    //# lower-numbered stream IDs MUST be created.
    let mut e = Pair::with(WIDE, WIDE).server;
    e.stream(StreamId::new(8), 0, b"x", false).unwrap();
    let new = |id| StreamEvent::NewStream {
        stream_id: StreamId::new(id),
    };
    assert_eq!(
        e.events(),
        [
            new(0),
            new(4),
            new(8),
            StreamEvent::RecvStreamReadable {
                stream_id: StreamId::new(8)
            }
        ]
    );
    // Only peers' streams are opened by frames; the server's own come from the application.
    assert_eq!(e.s.create(StreamType::BiDi), Ok(S_BIDI));
    assert_eq!(e.s.create(StreamType::UniDi), Ok(S_UNI));
    assert_eq!(e.s.create(StreamType::BiDi), Ok(StreamId::new(5)));
    assert!(e.s.is_allowed(StreamId::new(9)) && !e.s.is_allowed(StreamId::new(8)));
}

#[test]
fn a_committed_stream_becomes_known() {
    let mut p = Pair::new();
    let id = bidi(&mut p.client);
    assert!(!p.client.s.wants_to_send());
    p.client.s.commit(id).unwrap();
    let open = p.client.write(ROOM).unwrap();
    assert_eq!(open.data(), [(id, 0)]);
    assert!(!p.client.s.wants_to_send());
    p.client.lost(&open);
    p.settle();
    assert_eq!(
        p.server.events(),
        [StreamEvent::NewStream { stream_id: id }]
    );
}
