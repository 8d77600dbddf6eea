//! Reads frames as their bytes arrive (RFC 9114, Section 7.1).
//!
//! Nothing is stored because of a length that was declared: small frames and field sections are collected as they
//! arrive, below a cap; the payload of DATA stays where it is and is only counted; what is not known is skipped.

use bytes::{Buf, Bytes, BytesMut};
use neqo_common::{IncrementalDecoderUint, Role, to_u64};

use super::{
    frame::{FrameType, Place},
    stream_type::read_varint,
};
use crate::{
    config::limits::{HEADERS_SLACK, MAX_CONTROL_FRAME},
    error::{Res, StreamFault, Violation},
};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A frame with its whole payload.
    Frame(FrameType, Bytes),
    /// The header of a DATA frame with this many bytes. They follow, to be taken with [`FrameReader::take_data`].
    Data(u64),
}

#[derive(Debug)]
enum State {
    Type(IncrementalDecoderUint),
    Length(FrameType, IncrementalDecoderUint),
    /// A payload that is collected: what is there, and how much is missing.
    Payload(FrameType, BytesMut, usize),
    /// The payload of DATA: how much is to come.
    Data(u64),
    /// The payload of an unknown frame: how much is to come.
    Skip(u64),
}

/// Reads the frames of one stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    place: Place,
    role: Role,
    /// The longest payload of HEADERS and PUSH_PROMISE.
    max_section: u64,
    state: State,
    /// Whether the first frame of the stream has begun.
    begun: bool,
}

impl FrameReader {
    /// Reads the peer's control stream, at an endpoint in the role `role`.
    pub(crate) fn control(role: Role) -> Self {
        Self::new(Place::Control, role, 0)
    }

    /// Reads a request stream, at an endpoint in the role `role` that accepts field sections up to this size.
    pub(crate) fn request(role: Role, max_field_section_size: u64) -> Self {
        Self::new(
            Place::Request,
            role,
            max_field_section_size.saturating_add(HEADERS_SLACK),
        )
    }

    fn new(place: Place, role: Role, max_section: u64) -> Self {
        Self {
            place,
            role,
            max_section,
            state: State::Type(IncrementalDecoderUint::default()),
            begun: false,
        }
    }

    /// Whether the stream may end here, which is between two frames.
    pub(crate) const fn at_boundary(&self) -> bool {
        matches!(&self.state, State::Type(t) if !t.decoding_in_progress())
    }

    /// How many bytes of the current DATA frame are still to be taken.
    pub(crate) const fn data_remaining(&self) -> u64 {
        if let State::Data(n) = self.state {
            n
        } else {
            0
        }
    }

    /// Reads from `chunk` until there is something to tell, or nothing is left. Does nothing while DATA waits to be
    /// taken.
    pub(crate) fn read(&mut self, chunk: &mut Bytes) -> Res<Option<Item>> {
        loop {
            match &mut self.state {
                State::Type(reader) => {
                    let Some(v) = read_varint(reader, chunk) else {
                        return Ok(None);
                    };
                    let frame = FrameType::from(v);
                    self.check(frame)?;
                    self.state = State::Length(frame, IncrementalDecoderUint::default());
                }
                State::Length(frame, reader) => {
                    let Some(len) = read_varint(reader, chunk) else {
                        return Ok(None);
                    };
                    let frame = *frame;
                    self.state = self.payload(frame, len)?;
                    if matches!(self.state, State::Data(_)) {
                        self.leave_empty();
                        return Ok(Some(Item::Data(len)));
                    }
                }
                State::Payload(frame, collected, missing) => {
                    let taken = chunk.split_to(chunk.len().min(*missing));
                    *missing -= taken.len();
                    let frame = *frame;
                    let payload = if collected.is_empty() && *missing == 0 {
                        taken
                    } else {
                        collected.extend_from_slice(&taken);
                        if *missing > 0 {
                            return Ok(None);
                        }
                        std::mem::take(collected).freeze()
                    };
                    self.state = State::Type(IncrementalDecoderUint::default());
                    return Ok(Some(Item::Frame(frame, payload)));
                }
                State::Data(_) => return Ok(None),
                State::Skip(remaining) => {
                    let n = usize::try_from(*remaining).map_or(chunk.len(), |r| r.min(chunk.len()));
                    chunk.advance(n);
                    *remaining -= to_u64(n);
                    if *remaining > 0 {
                        return Ok(None);
                    }
                    self.state = State::Type(IncrementalDecoderUint::default());
                }
            }
        }
    }

    /// Takes what there is of the current DATA frame from `chunk`, without a copy and at most `max` bytes.
    pub(crate) fn take_data(&mut self, chunk: &mut Bytes, max: usize) -> Bytes {
        let State::Data(remaining) = &mut self.state else {
            return Bytes::new();
        };
        let n = usize::try_from(*remaining)
            .unwrap_or(usize::MAX)
            .min(chunk.len())
            .min(max);
        *remaining -= to_u64(n);
        self.leave_empty();
        chunk.split_to(n)
    }

    /// Ends a DATA frame that has nothing left.
    fn leave_empty(&mut self) {
        if matches!(self.state, State::Data(0)) {
            self.state = State::Type(IncrementalDecoderUint::default());
        }
    }

    /// Whether a frame of this type may begin here.
    fn check(&mut self, frame: FrameType) -> Result<(), Violation> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.place == Place::Control {
            //= rfc9114#section-6.2.1
            //# If
            //# the first frame of the control stream is any other frame type, this MUST be
            //# treated as a connection error of type H3_MISSING_SETTINGS.
            if first && frame != FrameType::Settings {
                return Err(Violation::HttpMissingSettings);
            }
            //= rfc9114#section-7.2.4
            //# If
            //# an endpoint receives a second SETTINGS frame on the control stream, the endpoint
            //# MUST respond with a connection error of type H3_FRAME_UNEXPECTED.
            if !first && frame == FrameType::Settings {
                return Err(Violation::HttpFrameUnexpected);
            }
        }
        frame.check(self.place, self.role)
    }

    /// What to do with a payload of `len` bytes.
    fn payload(&self, frame: FrameType, len: u64) -> Res<State> {
        // hardening A9, A10, R3799
        Ok(match frame {
            FrameType::Data => State::Data(len),
            FrameType::Unknown(_) => State::Skip(len),
            FrameType::Headers | FrameType::PushPromise => {
                if len > self.max_section {
                    return Err(StreamFault::FieldSectionTooLarge.into());
                }
                Self::collect(frame, len)?
            }
            _ => {
                if len > MAX_CONTROL_FRAME {
                    return Err(Violation::HttpExcessiveLoad.into());
                }
                Self::collect(frame, len)?
            }
        })
    }

    fn collect(frame: FrameType, len: u64) -> Res<State> {
        let missing = usize::try_from(len).map_err(|_| Violation::HttpExcessiveLoad)?;
        Ok(State::Payload(frame, BytesMut::new(), missing))
    }
}

#[cfg(test)]
mod tests;
