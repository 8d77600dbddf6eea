//! This side's critical streams, and what the frames on the peer's control stream mean (RFC 9114, Section 6.2.1).

use neqo_common::{Encoder, Role};
use neqo_qpack::{QPACK_UNI_STREAM_TYPE_DECODER, QPACK_UNI_STREAM_TYPE_ENCODER};
use neqo_transport::{StreamId, StreamType};

use super::{
    Config, Core,
    events::CoreEvent,
    outbox::Outbox,
    quic::{Quic, Urgency},
};
use crate::{
    Priority,
    config::limits::{MAX_EARLY_PRIORITIES, MAX_PENDING_CONTROL},
    error::{Error, H3_NO_ERROR, Misuse, Res, Violation},
    wire::{control::ControlFrame, frame, stream_type},
};

/// A stream that has to stay open as long as the connection.
#[derive(Debug, Default)]
struct Critical {
    id: Option<StreamId>,
    outbox: Outbox,
}

impl Critical {
    /// Opens the stream, unless that was done, and says its type and what follows. Whether the peer allows the stream.
    fn open(&mut self, stream_type: u64, rest: &[u8], quic: &mut impl Quic) -> Res<bool> {
        if self.id.is_some() {
            return Ok(true);
        }
        let Ok(id) = quic.stream_create(StreamType::UniDi) else {
            return Ok(false);
        };
        self.id = Some(id);
        quic.stream_urgency(id, Urgency::Control)?;
        let mut first = Vec::new();
        Encoder::new_borrowed_vec(&mut first).encode_varint(stream_type);
        first.extend_from_slice(rest);
        self.outbox.write(id, &first, quic)?;
        Ok(true)
    }

    fn flush(&mut self, quic: &mut impl Quic) -> Res<()> {
        if let Some(id) = self.id {
            self.outbox.flush(id, quic)?;
        }
        Ok(())
    }
}

/// The critical streams of this side: control, and those of QPACK.
#[derive(Debug, Default)]
pub(super) struct LocalControl {
    control: Critical,
    encoder: Critical,
    decoder: Critical,
    /// Streams are wanted, but the peer does not allow them yet.
    waiting: bool,
}

impl LocalControl {
    /// Opens the streams and says the settings.
    pub(super) fn start(&mut self, config: &Config, quic: &mut impl Quic) -> Res<()> {
        if self.decoder.id.is_some() {
            return Ok(());
        }
        self.waiting = !self.open(config, quic)?;
        if let Some(n) = config.grease.filter(|_| !self.waiting) {
            send_reserved_stream(n, quic);
        }
        Ok(())
    }

    /// Opens the streams that are not open. Whether the peer allows them all.
    //= rfc9114#section-6.2.1
    //# Each side MUST initiate a single control stream at the beginning of the
    //# connection and send its SETTINGS frame as the first frame on this stream.
    //= rfc9204#section-4.2
    //# Each endpoint MUST initiate, at most, one encoder stream and, at most, one
    //# decoder stream.
    fn open(&mut self, config: &Config, quic: &mut impl Quic) -> Res<bool> {
        let settings = settings(config);
        Ok(self.control.open(stream_type::CONTROL, &settings, quic)?
            && self
                .encoder
                .open(QPACK_UNI_STREAM_TYPE_ENCODER, &[], quic)?
            && self
                .decoder
                .open(QPACK_UNI_STREAM_TYPE_DECODER, &[], quic)?)
    }

    /// The peer allows more unidirectional streams.
    pub(super) fn resume(&mut self, config: &Config, quic: &mut impl Quic) -> Res<()> {
        if self.waiting {
            self.start(config, quic)
        } else {
            Ok(())
        }
    }

    /// Sends what waits for room.
    pub(super) fn flush(&mut self, quic: &mut impl Quic) -> Res<()> {
        self.control.flush(quic)?;
        self.encoder.flush(quic)?;
        self.decoder.flush(quic)
    }

    //= rfc9204#section-4.2
    //# The sender MUST NOT close either of these streams, and the receiver MUST NOT
    //# request that the sender close either of these streams.
    pub(super) fn on_stop_sending(&self, id: StreamId) -> Res<()> {
        let critical = [&self.control, &self.encoder, &self.decoder];
        Core::critical(critical.iter().any(|s| s.id == Some(id)))
    }

    /// Sends a frame.
    fn write(&mut self, frame: &[u8], quic: &mut impl Quic) -> Res<()> {
        let Critical { id, outbox } = &mut self.control;
        // hardening A14
        let id = id.filter(|_| outbox.len() < MAX_PENDING_CONTROL);
        outbox.write(id.ok_or(Misuse::Unavailable)?, frame, quic)?;
        Ok(())
    }
}

/// The frames that a control stream begins with.
fn settings(config: &Config) -> Vec<u8> {
    let mut out = Vec::new();
    ControlFrame::encode_settings(&config.settings, config.grease, &mut out);
    if let Some(n) = config.grease {
        // A frame that has no meaning, as long as its type says.
        Encoder::new_borrowed_vec(&mut out)
            .encode_varint(frame::grease(n))
            .encode_vvec(&[0; 7][..usize::from(n % 8)]);
    }
    out
}

/// Opens a stream that has no meaning. Nothing is lost when that fails.
//= rfc9114#section-6.2.3
//# When sending a reserved stream type, the implementation
//# MAY either terminate the stream cleanly or reset it.
fn send_reserved_stream(n: u8, quic: &mut impl Quic) {
    let mut data = Vec::new();
    Encoder::new_borrowed_vec(&mut data).encode_varint(frame::grease(n));
    if let Ok(id) = quic.stream_create(StreamType::UniDi) {
        let done = quic
            .stream_send(id, &data)
            .and_then(|_| quic.stream_close_send(id));
        if done.is_err() {
            // The stream is gone already, which is as good.
            let _gone = quic.stream_reset_send(id, H3_NO_ERROR);
        }
    }
}

impl Core {
    /// Acts on a frame of the peer's control stream.
    pub(super) fn on_control_frame(
        &mut self,
        frame: &ControlFrame,
        quic: &mut impl Quic,
    ) -> Res<()> {
        match *frame {
            ControlFrame::Settings(settings) => {
                self.peer.set_settings(settings);
                self.events.push(CoreEvent::Settings(settings));
                Ok(())
            }
            ControlFrame::Goaway(id) => self.on_goaway(id, quic),
            ControlFrame::MaxPushId(id) => self.peer.raise_max_push_id(id),
            // A server of ours promises nothing, and a client of ours allows nothing to be promised.
            //= rfc9114#section-7.2.3
            //# If a CANCEL_PUSH frame is received that references a push ID
            //# greater than currently allowed on the connection, this MUST be treated as a
            //# connection error of type H3_ID_ERROR.
            //= rfc9114#section-7.2.3
            //# If a
            //# server receives a CANCEL_PUSH frame for a push ID that has not yet been
            //# mentioned by a PUSH_PROMISE frame, this MUST be treated as a connection error of
            //= rfc9218#section-7.2
            //# If a server receives a PRIORITY_UPDATE (type=0xF0701) with a push ID that is greater than the maximum
            //# push ID or that has not yet been promised, this MUST be treated as a connection error of type H3_ID_ERROR.
            ControlFrame::CancelPush(_) | ControlFrame::PriorityUpdatePush(_) => {
                Err(Violation::HttpId.into())
            }
            ControlFrame::PriorityUpdateRequest(id, priority) => {
                self.on_priority_update(id, priority, quic)
            }
        }
    }

    fn on_priority_update(&mut self, id: u64, priority: Priority, quic: &mut impl Quic) -> Res<()> {
        let id = StreamId::new(id);
        //= rfc9218#section-7.2
        //# If a server receives a PRIORITY_UPDATE (type=0xF0700) for a stream ID that is not a request stream, this MUST
        //# be treated as a connection error of type H3_ID_ERROR.
        if !id.is_bidi() || !id.is_client_initiated() {
            return Err(Violation::HttpId.into());
        }
        if let Some(request) = self.requests.get_mut(&id) {
            request.set_priority(id, priority, quic);
            self.events.push(CoreEvent::PriorityUpdate(id, priority));
        } else if !self.goaway.has_seen(id) {
            //= rfc9218#section-7
            //# Servers SHOULD buffer the most recently received PRIORITY_UPDATE frame and apply it once the referenced
            //# stream is opened.
            if self.early_priorities.contains_key(&id)
                || self.early_priorities.len() < MAX_EARLY_PRIORITIES
            {
                self.early_priorities.insert(id, priority);
            }
        }
        Ok(())
    }

    /// Tells the server that a request has another priority. Returns whether there is anything to tell.
    pub(crate) fn send_priority_update(
        &mut self,
        id: StreamId,
        priority: Priority,
        quic: &mut impl Quic,
    ) -> Res<bool> {
        if self.role == Role::Server {
            return Err(Misuse::InvalidState.into());
        }
        let request = self.requests.get_mut(&id).ok_or(Misuse::InvalidStreamId)?;
        if !request.set_priority(id, priority, quic) {
            return Ok(false);
        }
        let mut out = Vec::new();
        ControlFrame::encode_priority_update(id.as_u64(), priority, &mut out);
        self.local.write(&out, quic)?;
        Ok(true)
    }

    /// Tells the peer that this side is going away.
    pub(crate) fn send_goaway(&mut self, quic: &mut impl Quic) -> Res<()> {
        let id = self
            .goaway
            .send(self.role)
            .ok_or(Error::Api(Misuse::InvalidState))?;
        let mut out = Vec::new();
        ControlFrame::encode_goaway(id, &mut out);
        self.local.write(&out, quic)
    }
}
