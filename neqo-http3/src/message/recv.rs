//! Receives a message.
//!
//! One chunk of the transport's data is held at a time. Frame headers are read from it and field sections decoded; the
//! content in it is what the application reads. While content waits, nothing more is taken from the transport, whose
//! flow control then holds the peer back.

use bytes::Bytes;
use neqo_common::{Header, Role, to_u64};
use neqo_transport::StreamId;

use super::{
    Cx,
    state::{Part, Phase},
};
use crate::{
    core::{events::CoreEvent, quic::Quic},
    error::{Res, StreamFault, Violation},
    headers::check::{self, ContentLength, Malformed, RequestKind},
    wire::{
        frame::FrameType,
        reader::{FrameReader, Item},
    },
};

/// What kind of message is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A request. Whether extended CONNECT was announced.
    Request { extended_connect: bool },
    /// The responses to a request of this kind.
    Response(RequestKind),
}

/// What the application was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// That it can read; and it has not read everything since.
    readable: bool,
    /// The header section of the message itself.
    header: bool,
    /// That the message is complete.
    end: bool,
}

/// A message that is being received.
#[derive(Debug)]
pub(crate) struct RecvMessage {
    expect: Expect,
    reader: FrameReader,
    /// Taken from the transport and not read yet.
    chunk: Bytes,
    /// The transport has nothing behind `chunk`.
    fin: bool,
    phase: Phase,
    content: ContentLength,
    max_section: u64,
    /// How much informational responses may still add up to.
    informational: u64,
    told: Told,
    /// What kind of request this turned out to be.
    kind: Option<RequestKind>,
}

impl RecvMessage {
    pub(crate) fn new(expect: Expect, max_section: u64) -> Self {
        let role = match expect {
            Expect::Request { .. } => Role::Server,
            Expect::Response(_) => Role::Client,
        };
        Self {
            expect,
            reader: FrameReader::request(role, max_section),
            chunk: Bytes::new(),
            fin: false,
            phase: Phase::default(),
            content: ContentLength::default(),
            max_section,
            informational: max_section,
            told: Told::default(),
            kind: None,
        }
    }

    /// Whether the message is complete, and the application knows.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done && self.told.end
    }

    /// What kind of request this is, once the application was told of it.
    pub(crate) const fn kind(&self) -> Option<RequestKind> {
        if self.told.header { self.kind } else { None }
    }

    /// Takes what the transport has and tells the application about it.
    pub(crate) fn receive(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> Res<()> {
        let content = self.advance(id, cx)?;
        let ended = self.phase == Phase::Done && !self.told.end;
        if (content || ended) && !self.told.readable {
            self.told.readable = true;
            cx.events.push(CoreEvent::Readable(id));
        }
        Ok(())
    }

    /// Reads content into `buf`. Returns how much, and whether the message is complete.
    pub(crate) fn read(
        &mut self,
        id: StreamId,
        buf: &mut [u8],
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<(usize, bool)> {
        let mut n = 0;
        while self.advance(id, cx)? && n < buf.len() {
            let part = self.reader.take_data(&mut self.chunk, buf.len() - n);
            if let Some(to) = buf.get_mut(n..n + part.len()) {
                to.copy_from_slice(&part);
            }
            n += part.len();
        }
        Ok((n, self.after_read(n < buf.len())))
    }

    /// Takes the next piece of content without a copy, and says whether the message is complete with it.
    pub(crate) fn read_bytes(
        &mut self,
        id: StreamId,
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<(Option<Bytes>, bool)> {
        if !self.advance(id, cx)? {
            return Ok((None, self.after_read(true)));
        }
        let part = self.reader.take_data(&mut self.chunk, usize::MAX);
        let more = self.advance(id, cx)?;
        Ok((Some(part), self.after_read(!more)))
    }

    fn after_read(&mut self, everything: bool) -> bool {
        let done = self.phase == Phase::Done;
        self.told.readable &= !everything && !done;
        self.told.end |= done;
        done
    }

    /// Goes on until content is there to be read (returns true), or nothing more is to be had for now.
    fn advance(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> Res<bool> {
        loop {
            if self.reader.data_remaining() > 0 {
                if !self.chunk.is_empty() || self.fetch(id, cx) {
                    return Ok(true);
                }
                break;
            }
            match self.reader.read(&mut self.chunk)? {
                Some(Item::Data(len)) => {
                    //= rfc9114#section-4.1
                    //# In particular, a DATA frame before
                    //# any HEADERS frame, or a HEADERS or DATA frame after the trailing HEADERS frame,
                    //# is considered invalid.
                    self.phase.receive(Part::Content)?;
                    self.content.add(len)?;
                }
                Some(Item::Frame(FrameType::Headers, block)) => self.on_section(id, &block, cx)?,
                //= rfc9114#section-7.2.5
                //# A client MUST treat receipt of a
                //# PUSH_PROMISE frame that contains a larger push ID than the client has advertised
                //# as a connection error of H3_ID_ERROR.
                Some(Item::Frame(FrameType::PushPromise, _)) => {
                    return Err(Violation::HttpId.into());
                }
                Some(Item::Frame(..)) => return Err(Violation::HttpFrameUnexpected.into()),
                None if self.fetch(id, cx) => {}
                None => break,
            }
        }
        if self.fin && self.phase != Phase::Done {
            self.end()?;
        }
        Ok(false)
    }

    /// Takes a chunk from the transport if there is one. A stream that was reset has none; an event tells.
    fn fetch(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> bool {
        if self.fin {
            return false;
        }
        let Ok((chunk, fin)) = cx.quic.stream_recv_bytes(id) else {
            return false;
        };
        self.fin = fin;
        self.chunk = chunk.unwrap_or_default();
        !self.chunk.is_empty()
    }

    fn end(&mut self) -> Res<()> {
        //= rfc9114#section-7.1
        //# When a stream terminates cleanly, if the last frame on the stream was truncated,
        //# this MUST be treated as a connection error of type H3_FRAME_ERROR.
        if !self.reader.at_boundary() {
            return Err(Violation::HttpFrame.into());
        }
        let Some(done) = self.phase.after(Part::End) else {
            //= rfc9114#section-4.1
            //# If a client-initiated stream terminates without enough of the HTTP
            //# message to provide a complete response, the server SHOULD abort its response
            //# stream with the error code H3_REQUEST_INCOMPLETE.
            return Err(match self.expect {
                Expect::Request { .. } => StreamFault::HttpRequestIncomplete.into(),
                Expect::Response(_) => Malformed::Sequence.into(),
            });
        };
        self.content.finish()?;
        self.phase = done;
        Ok(())
    }

    fn on_section(&mut self, id: StreamId, block: &[u8], cx: &mut Cx<'_, impl Quic>) -> Res<()> {
        if !self.phase.expects_header()? {
            let headers = cx.qpack.decode(block, id, self.max_section)?;
            check::trailers(&headers)?;
            self.content.finish()?;
            self.phase.receive(Part::Trailers)?;
            cx.events.push(CoreEvent::Trailers {
                stream_id: id,
                headers,
            });
            return Ok(());
        }
        let headers = cx.qpack.decode(block, id, self.max_section)?;
        let part = self.classify(&headers)?;
        self.phase.receive(part)?;
        let interim = part == Part::Informational;
        if interim {
            // hardening A10
            let size = section_size(&headers);
            self.informational = self
                .informational
                .checked_sub(size)
                .ok_or(StreamFault::FieldSectionTooLarge)?;
        }
        let fin = !interim && self.ends_here(id, cx)?;
        self.told.header = !interim;
        self.told.end = fin;
        cx.events.push(CoreEvent::Headers {
            stream_id: id,
            headers,
            interim,
            fin,
        });
        Ok(())
    }

    /// Checks a header section and says which it is.
    fn classify(&mut self, headers: &[Header]) -> Res<Part> {
        match self.expect {
            Expect::Request { extended_connect } => {
                let info = check::request(headers)?;
                self.kind = Some(info.kind);
                self.content = ContentLength::new(info.content_length);
                Ok(match info.kind {
                    RequestKind::Connect => self.tunnel(),
                    RequestKind::ExtendedConnect if extended_connect => self.tunnel(),
                    //= rfc9114#section-4.3
                    //# Endpoints MUST treat a
                    //# request or response that contains undefined or invalid pseudo-header fields as
                    //# malformed.
                    RequestKind::ExtendedConnect => return Err(Malformed::PseudoHeader.into()),
                    RequestKind::Head | RequestKind::Other => Part::Final,
                })
            }
            Expect::Response(kind) => {
                let info = check::response(headers)?;
                if info.is_informational() {
                    return Ok(Part::Informational);
                }
                self.content = ContentLength::new(info.content_length);
                let success = (200..300).contains(&info.status);
                Ok(match kind {
                    RequestKind::Connect | RequestKind::ExtendedConnect if success => self.tunnel(),
                    //= rfc9114#section-4.1.2
                    //# A response that is defined as never having content, even
                    //# when a Content-Length is present, can have a non-zero Content-Length header
                    //# field even though no content is included in DATA frames.
                    _ => {
                        if kind == RequestKind::Head || matches!(info.status, 204 | 304) {
                            self.content = ContentLength::new(Some(0));
                        }
                        Part::Final
                    }
                })
            }
        }
    }

    /// A tunnel has no content length.
    const fn tunnel(&mut self) -> Part {
        self.content = ContentLength::new(None);
        Part::Tunnel
    }

    /// Whether nothing follows, as far as can be seen now.
    fn ends_here(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> Res<bool> {
        if self.chunk.is_empty() && !self.fetch(id, cx) && self.fin {
            self.end()?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// The size of a field section (RFC 9114, Section 4.2.2).
pub(crate) fn section_size(headers: &[Header]) -> u64 {
    headers
        .iter()
        .map(|h| to_u64(h.name().len() + h.value().len() + 32))
        .sum()
}
