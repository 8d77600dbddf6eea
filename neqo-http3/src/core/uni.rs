//! Unidirectional streams of the peer (RFC 9114, Section 6.2): their types, and what arrives on the critical ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use neqo_common::{Role, qtrace};
use neqo_transport::StreamId;

use super::{Core, quic::Quic};
use crate::{
    error::{Res, Violation},
    settings::Settings,
    wire::{
        control::ControlFrame,
        reader::{FrameReader, Item},
        stream_type::{TypeReader, UniType},
    },
};

/// The streams that a peer has once each.
#[derive(Debug, Default)]
pub(super) struct PeerStreams {
    /// Streams whose type is not known yet. The transport's stream limit bounds them.
    untyped: BTreeMap<StreamId, TypeReader>,
    control: Option<(StreamId, FrameReader)>,
    encoder: Option<StreamId>,
    decoder: Option<StreamId>,
    settings: Option<Settings>,
    max_push_id: Option<u64>,
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Untyped,
    Control,
    Encoder,
    Decoder,
}

impl PeerStreams {
    /// The peer opened a stream.
    pub(super) fn open(&mut self, id: StreamId) {
        self.untyped.insert(id, TypeReader::default());
    }

    /// The peer's settings, once they have arrived.
    pub(super) const fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    pub(super) const fn set_settings(&mut self, settings: Settings) {
        self.settings = Some(settings);
    }

    //= rfc9114#section-7.2.7
    //# receipt of a MAX_PUSH_ID
    //# frame that contains a smaller value than previously received MUST be treated as
    //# a connection error of type H3_ID_ERROR.
    pub(super) fn raise_max_push_id(&mut self, id: u64) -> Res<()> {
        if self.max_push_id.is_some_and(|old| id < old) {
            return Err(Violation::HttpId.into());
        }
        self.max_push_id = Some(id);
        Ok(())
    }

    fn kind(&self, id: StreamId) -> Option<Kind> {
        if self.control.as_ref().is_some_and(|c| c.0 == id) {
            Some(Kind::Control)
        } else if self.encoder == Some(id) {
            Some(Kind::Encoder)
        } else if self.decoder == Some(id) {
            Some(Kind::Decoder)
        } else {
            self.untyped.contains_key(&id).then_some(Kind::Untyped)
        }
    }

    /// The type of a stream is known. Returns whether it is of any use.
    fn assign(&mut self, id: StreamId, uni_type: UniType, role: Role) -> Res<bool> {
        let taken = match uni_type {
            //= rfc9114#section-6.2.1
            //# Only one control
            //# stream per peer is permitted; receipt of a second stream claiming to be a
            //# control stream MUST be treated as a connection error of type
            UniType::Control => self
                .control
                .replace((id, FrameReader::control(role)))
                .is_some(),
            // hardening A29
            //= rfc9204#section-4.2
            //# Receipt
            //# of a second instance of either stream type MUST be treated as a connection error
            //# of type H3_STREAM_CREATION_ERROR.
            UniType::QpackEncoder => self.encoder.replace(id).is_some(),
            UniType::QpackDecoder => self.decoder.replace(id).is_some(),
            UniType::Push => {
                return Err(match role {
                    //= rfc9114#section-4.6
                    //# A client MUST
                    //# treat receipt of a push stream as a connection error of type H3_ID_ERROR
                    //# when no MAX_PUSH_ID frame has been sent
                    Role::Client => Violation::HttpId,
                    //= rfc9114#section-6.2.2
                    //# Only servers can push; if a server receives a client-initiated push stream, this
                    //# MUST be treated as a connection error of type H3_STREAM_CREATION_ERROR.
                    Role::Server => Violation::HttpStreamCreation,
                }
                .into());
            }
            UniType::Unknown(t) => {
                qtrace!("stream {id} has the unknown type {t:#x}");
                return Ok(false);
            }
        };
        if taken {
            Err(Violation::HttpStreamCreation.into())
        } else {
            Ok(true)
        }
    }
}

impl Core {
    /// Something can be read from a unidirectional stream.
    pub(super) fn on_uni_readable(&mut self, id: StreamId, quic: &mut impl Quic) -> Res<()> {
        while self.peer.kind(id).is_some() {
            let Ok((chunk, fin)) = quic.stream_recv_bytes(id) else {
                return Ok(());
            };
            let empty = chunk.is_none();
            self.on_uni_data(id, chunk.unwrap_or_default(), quic)?;
            if fin {
                return self.on_uni_closed(id);
            }
            if empty {
                break;
            }
        }
        Ok(())
    }

    fn on_uni_data(&mut self, id: StreamId, mut chunk: Bytes, quic: &mut impl Quic) -> Res<()> {
        if let Some(reader) = self.peer.untyped.get_mut(&id) {
            let Some(uni_type) = reader.read(&mut chunk) else {
                return Ok(());
            };
            self.peer.untyped.remove(&id);
            //= rfc9114#section-6.2
            //# Recipients of unknown stream types MUST either abort reading of the
            //# stream or discard incoming data without further processing.
            if !self.peer.assign(id, uni_type, self.role)? {
                // That the stream is over already is as good.
                let _gone = quic.stream_stop_sending(id, Violation::HttpStreamCreation.code());
                return Ok(());
            }
        }
        match self.peer.kind(id) {
            Some(Kind::Control) => self.on_control_data(chunk, quic),
            Some(Kind::Encoder) => Ok(self.qpack.decoder.on_encoder_stream(&chunk)?),
            Some(Kind::Decoder) => Ok(self.qpack.encoder.on_decoder_stream(&chunk)?),
            Some(Kind::Untyped) | None => Ok(()),
        }
    }

    fn on_control_data(&mut self, mut chunk: Bytes, quic: &mut impl Quic) -> Res<()> {
        while let Some((_, reader)) = &mut self.peer.control {
            match reader.read(&mut chunk)? {
                Some(Item::Frame(frame, payload)) => {
                    let frame = ControlFrame::decode(frame, &payload)?;
                    self.on_control_frame(&frame, quic)?;
                }
                Some(Item::Data(_)) => return Err(Violation::HttpFrameUnexpected.into()),
                None => break,
            }
        }
        Ok(())
    }

    /// A unidirectional stream ended or was reset.
    //= rfc9114#section-6.2
    //# A receiver MUST tolerate unidirectional streams being closed or reset prior to
    //# the reception of the unidirectional stream header.
    pub(super) fn on_uni_closed(&mut self, id: StreamId) -> Res<()> {
        self.peer.untyped.remove(&id);
        Self::critical(self.peer.kind(id).is_some())
    }
}
