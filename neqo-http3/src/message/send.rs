//! Sends a message.

use std::num::NonZeroUsize;

use bytes::Bytes;
use neqo_common::{Encoder, Header, to_u64};
use neqo_transport::StreamId;

use super::{
    Cx,
    state::{Part, Phase},
};
use crate::{
    core::{outbox::Outbox, quic::Quic},
    error::{Error, Misuse, Res},
    headers::check::ContentLength,
    wire::frame::{Outgoing, header_len},
};

/// The longest frame header: two varints.
const MAX_FRAME_HEADER: usize = 16;
/// The shortest DATA frame that carries anything: a header of two bytes and one of content.
const MIN_DATA_FRAME: NonZeroUsize = NonZeroUsize::new(3).expect("is not zero");

/// A message that is being sent.
#[derive(Debug, Default)]
pub(crate) struct SendMessage {
    phase: Phase,
    content: ContentLength,
    outbox: Outbox,
    /// The end was handed to the transport too.
    closed: bool,
}

impl SendMessage {
    /// Whether the header section of the message itself was sent.
    pub(crate) fn has_header(&self) -> bool {
        self.phase != Phase::Header
    }

    /// Whether everything was handed to the transport.
    pub(crate) const fn is_done(&self) -> bool {
        self.closed
    }

    /// Sends a header or trailer section. `content_length` is what the header section promises.
    pub(crate) fn send_section(
        &mut self,
        id: StreamId,
        headers: &[Header],
        part: Part,
        content_length: Option<u64>,
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<()> {
        let mut phase = self.phase;
        phase.send(part)?;
        match part {
            Part::Final | Part::Tunnel => self.content = ContentLength::new(content_length),
            Part::Trailers => self.content.finish().map_err(|_| Misuse::InvalidState)?,
            Part::Informational | Part::Content | Part::End => {}
        }
        self.phase = phase;
        let block = cx.qpack.encode(headers, id);
        let mut space = [0; MAX_FRAME_HEADER];
        let header = frame_header(Outgoing::Headers, block.len(), &mut space);
        self.outbox.write(id, header, cx.quic)?;
        self.outbox.write(id, block, cx.quic)?;
        Ok(())
    }

    /// Sends the beginning of `data` as content and returns how much of it.
    pub(crate) fn send_data(
        &mut self,
        id: StreamId,
        data: &[u8],
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<usize> {
        let Some(n) = self.begin_data(id, data.len(), cx)? else {
            return Ok(0);
        };
        let data = data.get(..n).unwrap_or_default();
        expect_all(cx.quic.stream_send(id, data)?, n)
    }

    /// [`Self::send_data`] without a copy.
    pub(crate) fn send_data_bytes(
        &mut self,
        id: StreamId,
        mut data: Bytes,
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<usize> {
        let Some(n) = self.begin_data(id, data.len(), cx)? else {
            return Ok(0);
        };
        data.truncate(n);
        expect_all(cx.quic.stream_send_bytes(id, data)?, n)
    }

    /// Sends the header of a DATA frame for up to `len` bytes, all of which the transport has room for, and returns how
    /// many that is.
    fn begin_data(
        &mut self,
        id: StreamId,
        len: usize,
        cx: &mut Cx<'_, impl Quic>,
    ) -> Res<Option<usize>> {
        let mut phase = self.phase;
        phase.send(Part::Content)?;
        if len == 0 || !self.outbox.flush(id, cx.quic)? {
            return Ok(None);
        }
        let space = cx.quic.stream_avail_send_space(id)?;
        let n = len.min(space.saturating_sub(header_len(Outgoing::Data, to_u64(len.min(space)))));
        if n == 0 {
            // The transport tells when there is room for more than a header.
            cx.quic
                .stream_set_writable_event_low_watermark(id, MIN_DATA_FRAME)?;
            return Ok(None);
        }
        //= rfc9114#section-4.1.2
        //# A request or response that is defined as having content when it contains a
        //# Content-Length header field ({{Section 8.6 of RFC9110}}) is malformed if the
        //# value of the Content-Length header field does not equal the sum of the DATA
        self.content
            .add(to_u64(n))
            .map_err(|_| Misuse::InvalidInput)?;
        self.phase = phase;
        let mut header = [0; MAX_FRAME_HEADER];
        let header = frame_header(Outgoing::Data, n, &mut header);
        let sent = cx.quic.stream_send(id, header)?;
        expect_all(sent, header.len())?;
        Ok(Some(n))
    }

    /// Ends the message.
    pub(crate) fn close(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> Res<()> {
        let mut phase = self.phase;
        phase.send(Part::End)?;
        self.content.finish().map_err(|_| Misuse::InvalidState)?;
        self.phase = phase;
        self.flush(id, cx).map(|_| ())
    }

    /// Sends what waits for room; returns whether there is room for more.
    pub(crate) fn flush(&mut self, id: StreamId, cx: &mut Cx<'_, impl Quic>) -> Res<bool> {
        let room = self.outbox.flush(id, cx.quic)?;
        if room && self.phase == Phase::Done && !self.closed {
            self.closed = true;
            cx.quic.stream_close_send(id)?;
        }
        Ok(room && self.phase != Phase::Done)
    }
}

const fn expect_all(sent: usize, all: usize) -> Res<usize> {
    if sent == all {
        Ok(all)
    } else {
        Err(Error::Internal("the transport has less room than it said"))
    }
}

fn frame_header(frame: Outgoing, len: usize, space: &mut [u8; MAX_FRAME_HEADER]) -> &[u8] {
    let mut enc = Encoder::new_borrowed_slice(space);
    enc.encode_varint(frame as u64).encode_len(len);
    enc.into_written()
}
