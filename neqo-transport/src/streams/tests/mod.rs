//! Two ends joined by packets that the tests carry, lose, repeat and acknowledge.

mod delivery;
mod flow;
mod hardening;
mod scheduling;
mod states;

use std::time::{Duration, Instant};

use neqo_common::{Decoder, Role};

use super::{StreamEvent, StreamFrame, Streams, Token, flow::limits::InitialLimits};
use crate::{
    Res,
    recovery::{self, sent::SentPackets, testing},
    rx::payload::Payload,
    stats::FrameStats,
    stream_id::{StreamId, StreamType},
    tx::{Tx, batch::Batch},
    wire::frame::Frame,
};

const RTT: Duration = Duration::from_millis(100);
/// How many bytes of frames a packet of these tests holds.
const ROOM: usize = 1173;
const TAG: usize = 16;

const C_BIDI: StreamId = StreamId::new(0);
const S_BIDI: StreamId = StreamId::new(1);
const C_UNI: StreamId = StreamId::new(2);
const S_UNI: StreamId = StreamId::new(3);

const fn limits(data: u64, stream: u64, streams: u64) -> InitialLimits {
    InitialLimits {
        max_data: data,
        max_stream_data_bidi_local: stream,
        max_stream_data_bidi_remote: stream,
        max_stream_data_uni: stream,
        max_streams_bidi: streams,
        max_streams_uni: streams,
    }
}

const WIDE: InitialLimits = limits(1 << 20, 1 << 20, 100);

/// A packet's frames, and the tokens that were left for them.
#[derive(Clone, Debug)]
struct Packet(Vec<u8>);

impl Packet {
    fn each(&self, mut f: impl FnMut(Frame<'_>)) {
        let mut dec = Decoder::from(self.0.as_slice());
        while dec.remaining() > 0 {
            f(Frame::decode(&mut dec).expect("what is written can be read"));
        }
    }

    fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        self.each(|f| {
            tokens.push(match f {
                Frame::Stream {
                    stream_id: id,
                    offset,
                    data,
                    fin,
                } => Token::Data {
                    id,
                    offset,
                    len: u32::try_from(data.len()).unwrap(),
                    fin,
                },
                Frame::ResetStream { stream_id, .. } => Token::Reset(stream_id),
                Frame::StopSending { stream_id, .. } => Token::StopSending(stream_id),
                Frame::MaxData { .. } => Token::MaxData,
                Frame::MaxStreamData { stream_id, .. } => Token::MaxStreamData(stream_id),
                Frame::MaxStreams { stream_type, .. } => Token::MaxStreams(stream_type),
                Frame::DataBlocked { .. } => Token::DataBlocked,
                Frame::StreamDataBlocked { stream_id, .. } => Token::StreamDataBlocked(stream_id),
                Frame::StreamsBlocked { stream_type, .. } => Token::StreamsBlocked(stream_type),
                Frame::Padding(_) => return,
                other => panic!("{other:?} is not a frame of streams"),
            });
        });
        tokens
    }

    /// The IDs and lengths of the STREAM frames.
    fn data(&self) -> Vec<(StreamId, usize)> {
        let mut all = Vec::new();
        self.each(|f| {
            if let Frame::Stream {
                stream_id, data, ..
            } = f
            {
                all.push((stream_id, data.len()));
            }
        });
        all
    }
}

/// One end.
#[derive(Debug)]
struct End {
    s: Streams,
    now: Instant,
    stats: FrameStats,
}

impl End {
    fn new(role: Role, local: InitialLimits, peer: InitialLimits, now: Instant) -> Self {
        let mut s = Streams::new(role, local);
        s.set_peer_limits(peer);
        // Creatable, because of the first limits.
        while s.next_event().is_some() {}
        Self {
            s,
            now,
            stats: FrameStats::default(),
        }
    }

    /// Writes a packet with this much room, if there is anything to write.
    fn write(&mut self, room: usize) -> Option<Packet> {
        let mut buf = vec![0; room + TAG];
        let mut sent = SentPackets::default();
        let mut tokens = sent.draft();
        let mut batch = Batch::new(&mut buf, room + TAG, 1);
        let Some(mut datagram) = batch.datagram(usize::MAX) else {
            panic!("the first of a batch");
        };
        let mut pkt = datagram.packet();
        let mut tx = Tx {
            pkt: &mut pkt,
            tokens: &mut tokens,
            stats: &mut self.stats,
            now: self.now,
            rtt: RTT,
        };
        let wanted = self.s.wants_to_send();
        self.s.write_control(&mut tx);
        self.s.write_data(&mut tx);
        let (len, eliciting) = (pkt.len(), pkt.is_ack_eliciting());
        tokens.sent(testing::packet(0, self.now));
        let mut left = Vec::new();
        sent.clear(|_, tokens| left.extend(tokens.copied()));
        buf.truncate(len);
        let packet = Packet(buf);
        let expected = packet
            .tokens()
            .into_iter()
            .map(recovery::token::Token::Stream);
        assert_eq!(left, expected.collect::<Vec<_>>(), "a token for each frame");
        assert_eq!(eliciting, !left.is_empty());
        assert_eq!(wanted, !left.is_empty(), "wants_to_send is the truth");
        assert!(self.s.consistent());
        (!left.is_empty()).then_some(packet)
    }

    /// Everything there is to write now.
    fn write_all(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.write(ROOM)).collect()
    }

    fn frame(&mut self, f: Frame<'_>) -> Res<()> {
        let s = &mut self.s;
        let res = match f {
            Frame::Stream {
                stream_id,
                offset,
                data,
                fin,
            } => s.on_stream(StreamFrame {
                stream_id,
                offset,
                data: Payload::borrowed(data),
                fin,
            }),
            Frame::ResetStream {
                stream_id,
                app_error,
                final_size,
            } => s.on_reset_stream(stream_id, app_error, final_size),
            Frame::StopSending {
                stream_id,
                app_error,
            } => s.on_stop_sending(stream_id, app_error),
            Frame::MaxData { max } => {
                s.on_max_data(max);
                Ok(())
            }
            Frame::MaxStreamData { stream_id, max } => s.on_max_stream_data(stream_id, max),
            Frame::MaxStreams { stream_type, max } => {
                s.on_max_streams(stream_type, max);
                Ok(())
            }
            Frame::DataBlocked { limit } => {
                s.on_data_blocked(limit);
                Ok(())
            }
            Frame::StreamDataBlocked { stream_id, limit } => {
                s.on_stream_data_blocked(stream_id, limit)
            }
            Frame::StreamsBlocked { stream_type, limit } => {
                s.on_streams_blocked(stream_type, limit);
                Ok(())
            }
            Frame::Padding(_) => Ok(()),
            other => panic!("{other:?} is not a frame of streams"),
        };
        if res.is_ok() {
            assert!(s.consistent());
        }
        res
    }

    fn stream(&mut self, id: StreamId, offset: u64, data: &[u8], fin: bool) -> Res<()> {
        self.frame(Frame::Stream {
            stream_id: id,
            offset,
            data,
            fin,
        })
    }

    fn deliver(&mut self, p: &Packet) {
        p.each(|f| self.frame(f).expect("an honest peer"));
    }

    fn acked(&mut self, p: &Packet) {
        for t in p.tokens() {
            self.s.acked(t);
        }
        assert!(self.s.consistent());
    }

    fn lost(&mut self, p: &Packet) {
        for t in p.tokens() {
            self.s.lost(t);
        }
        assert!(self.s.consistent());
    }

    fn events(&mut self) -> Vec<StreamEvent> {
        let all = std::iter::from_fn(|| self.s.next_event()).collect();
        assert!(self.s.consistent());
        all
    }

    fn read(&mut self, id: StreamId) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let mut buf = [0; 700];
        loop {
            let (n, fin) = self.s.recv(id, &mut buf).unwrap();
            all.extend_from_slice(&buf[..n]);
            if fin || n == 0 {
                assert!(self.s.consistent());
                return (all, fin);
            }
        }
    }
}

/// Both ends.
#[derive(Debug)]
struct Pair {
    client: End,
    server: End,
}

impl Pair {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some time to start from"
    )]
    fn with(client: InitialLimits, server: InitialLimits) -> Self {
        let now = Instant::now();
        Self {
            client: End::new(Role::Client, client, server, now),
            server: End::new(Role::Server, server, client, now),
        }
    }

    fn new() -> Self {
        Self::with(WIDE, WIDE)
    }

    /// Exchanges packets without loss until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let (up, down) = (self.client.write(ROOM), self.server.write(ROOM));
            if up.is_none() && down.is_none() {
                return;
            }
            if let Some(p) = up {
                self.server.deliver(&p);
                self.client.acked(&p);
            }
            if let Some(p) = down {
                self.client.deliver(&p);
                self.server.acked(&p);
            }
        }
    }
}

fn bidi(end: &mut End) -> StreamId {
    end.s.create(StreamType::BiDi).unwrap()
}

fn uni(end: &mut End) -> StreamId {
    end.s.create(StreamType::UniDi).unwrap()
}
