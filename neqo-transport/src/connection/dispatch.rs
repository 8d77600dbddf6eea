//! From the frames of an opened packet to the components.

use std::time::{Duration, Instant};

use neqo_common::{Decoder, Role};

use super::{Connection, State, close::peer_close, fate::Fate};
use crate::{
    Error, PacketNumber, Res, Violation,
    cid::id::ConnectionId,
    path::PathId,
    recovery::{
        detect::{AckOutcome, Loss},
        rtt::ack_delay,
        token::Token,
    },
    rx::payload::Payload,
    space::PacketNumberSpace,
    stats::FrameStats,
    streams::StreamFrame,
    wire::frame::{AckFrame, Frame},
};

/// What is known about the packet whose frames are handled.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Its space.
    pub space: PacketNumberSpace,
    /// Its number.
    pub pn: PacketNumber,
    /// The path that it came on.
    pub path: PathId,
    /// Its Destination Connection ID.
    pub dcid: ConnectionId,
    /// When it came.
    pub now: Instant,
}

/// What the frames of a packet amount to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// One of them elicits an acknowledgement.
    pub ack_eliciting: bool,
    /// One of them is not a probing frame (RFC 9000 §9.1).
    pub non_probing: bool,
}

impl Connection {
    /// Handles all frames of a packet.
    pub(super) fn on_frames(&mut self, cx: &Context, payload: Payload<'_>) -> Res<Seen> {
        let (sender, level) = (self.role.remote(), cx.space.level());
        let mut seen = Seen::default();
        let mut decoder = Decoder::new(payload.bytes());
        while decoder.remaining() > 0 {
            let frame = Frame::decode(&mut decoder)?;
            let info = frame.kind();
            info.check(sender, level)?;
            seen.ack_eliciting |= info.is_ack_eliciting();
            seen.non_probing |= !info.is_probing();
            count(&mut self.stats.frame_rx, &frame);
            self.on_frame(cx, frame, payload)?;
        }
        Ok(seen)
    }

    fn on_frame(&mut self, cx: &Context, frame: Frame<'_>, payload: Payload<'_>) -> Res<()> {
        match frame {
            // Tokens for later connections are of no use without a store of them.
            Frame::Padding(_) | Frame::Ping | Frame::NewToken { .. } => Ok(()),
            Frame::Ack(ack) => self.on_ack(cx, &ack),
            Frame::Crypto { offset, data } => {
                self.on_crypto(cx.space, offset, payload.part(data), cx.now)
            }
            Frame::Stream {
                stream_id,
                offset,
                data,
                fin,
            } => {
                let data = payload.part(data);
                self.streams.on_stream(StreamFrame {
                    stream_id,
                    offset,
                    data,
                    fin,
                })
            }
            Frame::ConnectionClose { code, reason } => {
                self.drain(peer_close(code, reason), cx.now);
                Ok(())
            }
            Frame::HandshakeDone => self.on_handshake_done(),
            Frame::PathChallenge(data) => {
                self.paths.get_mut(cx.path).validation.on_challenge(data);
                Ok(())
            }
            Frame::PathResponse(data) => {
                self.on_path_response(data);
                Ok(())
            }
            Frame::NewConnectionId {
                seq,
                retire_prior,
                cid,
                reset_token,
            } => self.remote_cids.on_new(seq, retire_prior, cid, reset_token),
            Frame::RetireConnectionId { seq } => {
                self.local_cids.on_retire(seq, &cx.dcid, &mut self.random)
            }
            //= rfc9221#section-3
            //# An endpoint that receives a DATAGRAM frame when it has not indicated support
            //# via the transport parameter MUST terminate the connection
            // hardening R3745
            Frame::Datagram { .. } => {
                Err(Violation::ProtocolViolation("DATAGRAM without support").into())
            }
            flow => self.on_stream_control(flow),
        }
    }

    fn on_stream_control(&mut self, frame: Frame<'_>) -> Res<()> {
        let streams = &mut self.streams;
        match frame {
            Frame::ResetStream {
                stream_id,
                app_error,
                final_size,
            } => streams.on_reset_stream(stream_id, app_error, final_size),
            Frame::StopSending {
                stream_id,
                app_error,
            } => streams.on_stop_sending(stream_id, app_error),
            Frame::MaxData { max } => {
                streams.on_max_data(max);
                Ok(())
            }
            Frame::MaxStreamData { stream_id, max } => streams.on_max_stream_data(stream_id, max),
            Frame::MaxStreams { stream_type, max } => {
                streams.on_max_streams(stream_type, max);
                Ok(())
            }
            Frame::DataBlocked { limit } => {
                streams.on_data_blocked(limit);
                Ok(())
            }
            Frame::StreamDataBlocked { stream_id, limit } => {
                streams.on_stream_data_blocked(stream_id, limit)
            }
            Frame::StreamsBlocked { stream_type, limit } => {
                streams.on_streams_blocked(stream_type, limit);
                Ok(())
            }
            _ => Err(Error::Internal("frame without a handler")),
        }
    }

    fn on_handshake_done(&mut self) -> Res<()> {
        // hardening A25
        if !self.state.connected() {
            return Err(Violation::ProtocolViolation("unexpected HANDSHAKE_DONE").into());
        }
        if self.state == State::Connected {
            self.on_confirmed();
        }
        Ok(())
    }

    fn on_path_response(&mut self, data: [u8; 8]) {
        //= rfc9000#section-8.2.2
        //# A PATH_RESPONSE frame received on any network path validates the path on which the
        //# PATH_CHALLENGE was sent.
        for path in self.paths.iter_mut() {
            if path.validation.on_response(data) {
                path.amplification.validate();
            }
        }
    }

    /// Splits the connection into one space and the components that its packets concern.
    pub(super) fn with_fate<R>(
        &mut self,
        id: PacketNumberSpace,
        f: impl FnOnce(&mut Loss<Token>, &mut Fate<'_>) -> R,
    ) -> Option<R> {
        let Self {
            spaces,
            streams,
            local_cids,
            remote_cids,
            paths,
            handshake_done_due,
            stats,
            ..
        } = self;
        let space = spaces.get_mut(id)?;
        let mut fate = Fate {
            keys: &mut space.keys,
            acks: &mut space.acks,
            crypto: &mut space.crypto,
            streams,
            local_cids,
            remote_cids,
            paths,
            handshake_done_due,
            stats,
            marked_acked: 0,
        };
        Some(f(&mut space.loss, &mut fate))
    }

    fn on_ack(&mut self, cx: &Context, ack: &AckFrame<'_>) -> Res<()> {
        let (outcome, marked) = self
            .with_fate(cx.space, |loss, fate| {
                let outcome = loss.on_ack(ack.largest, ack.ranges(), cx.now, fate);
                (outcome, fate.marked_acked)
            })
            .ok_or(Error::Internal("ACK in a dropped space"))?;
        let outcome = outcome?;
        self.stats.late_ack += outcome.late;
        if let Some((path, sample)) = outcome.rtt_sample {
            let delay = self.ack_delay(cx.space, ack.delay);
            self.paths.get_mut(path).rtt.update(sample, delay, cx.now);
        }
        if !outcome.newly_acked {
            return Ok(());
        }
        self.on_ecn(cx, ack, &outcome, marked);
        self.detect_lost(cx.space, cx.now);
        for path in self.paths.iter_mut() {
            path.sender.on_ack_end(&path.rtt, cx.now);
        }
        //= rfc9002#section-6.2.1
        //# a client does not reset the PTO backoff when it receives acknowledgments in Initial packets
        if cx.space != PacketNumberSpace::Initial || self.role == Role::Server {
            self.pto.reset();
        }
        Ok(())
    }

    /// What the peer counted of our ECN marks.
    fn on_ecn(&mut self, cx: &Context, ack: &AckFrame<'_>, outcome: &AckOutcome, marked: u64) {
        let Some(largest) = outcome.largest.filter(|_| outcome.largest_increased) else {
            return;
        };
        let path = self.paths.get_mut(largest.path);
        if path.ecn.on_ack(cx.space, marked, ack.ecn) && path.sender.on_ecn_ce(largest.time, cx.now)
        {
            self.stats.congestion_events += 1;
        }
    }

    /// The delay that the peer says it waited (RFC 9002 §5.3).
    fn ack_delay(&self, space: PacketNumberSpace, raw: u64) -> Duration {
        let limit = (self.state == State::Confirmed).then_some(self.peer.max_ack_delay);
        match space {
            PacketNumberSpace::ApplicationData => {
                ack_delay(raw, self.peer.ack_delay_exponent, limit)
            }
            PacketNumberSpace::Initial | PacketNumberSpace::Handshake => Duration::ZERO,
        }
    }

    /// Declares losses in a space and lets congestion control know (RFC 9002 §6.1, §7).
    pub(super) fn detect_lost(&mut self, id: PacketNumberSpace, now: Instant) {
        let rtt = self.paths.primary().rtt;
        let persistent = rtt.persistent_congestion_duration(self.peer.max_ack_delay);
        let Some(outcome) = self.with_fate(id, |loss, fate| {
            loss.detect_lost(now, &rtt, persistent, fate)
        }) else {
            return;
        };
        for path in self.paths.iter_mut() {
            path.on_loss_end(now);
        }
        // "A packet can be sent to speed up loss recovery" (RFC 9002 appendix B.6). During the
        // handshake it must be: 1-RTT packets that cannot be acknowledged yet may fill the window,
        // and nothing but the lost packet would ever open it.
        if outcome.congestion.is_some()
            && id != PacketNumberSpace::ApplicationData
            && let Some(space) = self.spaces.get_mut(id)
        {
            space.owe_probes(1);
        }
        let path = self.paths.primary_mut();
        if let Some(sent) = outcome.congestion
            && path.sender.on_congestion_event(sent, now)
        {
            self.stats.congestion_events += 1;
        }
        if outcome.persistent {
            path.sender.on_persistent_congestion();
            //= rfc9002#section-5.2
            //# Endpoints SHOULD set the min_rtt to the newest RTT sample after
            //# persistent congestion is established.
            path.rtt.reset_min();
        }
    }
}

/// Counts a received frame.
const fn count(stats: &mut FrameStats, frame: &Frame<'_>) {
    let n = match frame {
        Frame::Padding(_) => &mut stats.padding,
        Frame::Ping => &mut stats.ping,
        Frame::Ack(ack) => {
            stats.largest_acknowledged = ack.largest;
            &mut stats.ack
        }
        Frame::ResetStream { .. } => &mut stats.reset_stream,
        Frame::StopSending { .. } => &mut stats.stop_sending,
        Frame::Crypto { .. } => &mut stats.crypto,
        Frame::NewToken { .. } => &mut stats.new_token,
        Frame::Stream { .. } => &mut stats.stream,
        Frame::MaxData { .. } => &mut stats.max_data,
        Frame::MaxStreamData { .. } => &mut stats.max_stream_data,
        Frame::MaxStreams { .. } => &mut stats.max_streams,
        Frame::DataBlocked { .. } => &mut stats.data_blocked,
        Frame::StreamDataBlocked { .. } => &mut stats.stream_data_blocked,
        Frame::StreamsBlocked { .. } => &mut stats.streams_blocked,
        Frame::NewConnectionId { .. } => &mut stats.new_connection_id,
        Frame::RetireConnectionId { .. } => &mut stats.retire_connection_id,
        Frame::PathChallenge(_) => &mut stats.path_challenge,
        Frame::PathResponse(_) => &mut stats.path_response,
        Frame::ConnectionClose { .. } => &mut stats.connection_close,
        Frame::HandshakeDone => &mut stats.handshake_done,
        Frame::Datagram { .. } => &mut stats.datagram,
    };
    *n += 1;
}
