//! Writing STREAM frames.

use std::ops::Range;

use super::{Fin, SendStream, state::Input};
use crate::{
    recovery::token::Token as Sent,
    stream_id::StreamId,
    streams::{Token, flow::Credit},
    tx::Tx,
    wire::frame::encode,
};

/// A frame with less data than this is not worth its header, unless that is all there is: the
/// rest of the packet is padded instead.
const MIN_FRAGMENT: usize = 16;

/// What became of an attempt to write a STREAM frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::streams) enum Wrote {
    /// There was nothing to write.
    Nothing,
    /// A frame was written.
    Frame,
    /// The rest of the packet is too short for what there is.
    NoRoom,
}

/// What one frame could carry if the packet had room for it.
#[derive(Debug)]
struct Span {
    data: Range<u64>,
    /// The stream ends behind the data.
    fin: bool,
}

/// How a frame fits in a packet.
#[derive(Clone, Copy, Debug)]
struct Fit {
    /// PADDING in front of the frame.
    padding: usize,
    /// How much of the data it takes.
    len: usize,
    /// Whether it has a Length field.
    has_length: bool,
}

/// Chooses the form of a frame with up to `want` bytes of data behind a header of `head` bytes
/// (without Length) in `room` bytes.
///
/// All datagrams of a batch but the last have one size. So the frame that fills a packet has no
/// Length field and fills it exactly: by taking that much data, or, where the data would fit but
/// for its Length field, by PADDING in front of it.
fn fit(room: usize, head: usize, want: usize, length_len: usize) -> Option<Fit> {
    let most = room.checked_sub(head)?;
    if want > most {
        return (most >= MIN_FRAGMENT).then_some(Fit {
            padding: 0,
            len: most,
            has_length: false,
        });
    }
    let spare = most - want;
    Some(if spare < length_len {
        Fit {
            padding: spare,
            len: want,
            has_length: false,
        }
    } else {
        Fit {
            padding: 0,
            len: want,
            has_length: true,
        }
    })
}

impl SendStream {
    fn lost_span(&self) -> Option<Span> {
        let end = self.buf.end();
        let fin_due = self.fin == Fin::Due;
        match self.buf.lost_range() {
            Some(data) => Some(Span {
                fin: fin_due && data.end == end,
                data,
            }),
            None => (self.buf.unsent() == 0 && (fin_due || self.announce)).then_some(Span {
                data: end..end,
                fin: fin_due,
            }),
        }
    }

    fn fresh_span(&self, most: u64) -> Option<Span> {
        //= rfc9000#section-4.1
        //# Senders MUST NOT send data in excess of either limit.
        let n = self.buf.unsent().min(most).min(self.credit.available());
        (n > 0).then(|| {
            let data = self.buf.next()..self.buf.next() + n;
            Span {
                fin: self.fin == Fin::Due && data.end == self.buf.end(),
                data,
            }
        })
    }

    /// Writes one frame with what was lost or needs no credit (`conn` is `None`), or with new data
    /// on the connection's credit.
    pub(in crate::streams) fn write(
        &mut self,
        id: StreamId,
        conn: Option<&mut Credit>,
        tx: &mut Tx<'_, '_, '_>,
    ) -> Wrote {
        if !self.state.is_sending() {
            return Wrote::Nothing;
        }
        let span = match &conn {
            None => self.lost_span(),
            Some(credit) => self.fresh_span(credit.available()),
        };
        let Some(Span { data, fin }) = span else {
            return Wrote::Nothing;
        };
        let offset = data.start;
        // More than a packet holds is all the same.
        let want = usize::try_from(data.end - offset).unwrap_or(usize::MAX);
        let head = encode::stream_header_len(id, offset, None);
        let length_len = encode::stream_header_len(id, offset, Some(want)) - head;
        let Some(fit) = fit(tx.remaining(), head, want, length_len) else {
            return Wrote::NoRoom;
        };
        let fin = fin && fit.len == want;
        encode::padding(tx.pkt, fit.padding);
        let length = fit.has_length.then_some(fit.len);
        encode::stream_header(tx.pkt, id, offset, length, fin);
        if let Some(to) = tx.pkt.unfilled().get_mut(..fit.len) {
            self.buf.copy(offset, to);
            tx.pkt.advance(fit.len);
        }
        tx.push(Sent::Stream(Token::Data {
            id,
            offset,
            len: u32::try_from(fit.len).unwrap_or(u32::MAX),
            fin,
        }));
        tx.stats.stream += 1;
        self.note_sent(offset, fit.len, fin, conn);
        Wrote::Frame
    }

    fn note_sent(&mut self, offset: u64, len: usize, fin: bool, conn: Option<&mut Credit>) {
        if let Some(conn) = conn {
            let taken = conn.take(len as u64) && self.credit.take(len as u64);
            debug_assert!(taken, "the span was cut to both credits");
        }
        self.buf.sent(offset, len);
        self.announce = false;
        if fin {
            self.fin = Fin::Sent;
            self.go(Input::SendFin);
        } else {
            self.go(Input::SendData);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MIN_FRAGMENT, fit};

    #[test]
    fn a_frame_fills_exactly_or_has_a_length() {
        for room in 0..200_usize {
            for head in 2..12 {
                for want in 0..200 {
                    let length_len = if want < 64 { 1 } else { 2 };
                    let Some(f) = fit(room, head, want, length_len) else {
                        assert!(room < head + want && room < head + MIN_FRAGMENT);
                        continue;
                    };
                    assert!(f.len <= want);
                    if f.has_length {
                        assert_eq!((f.padding, f.len), (0, want));
                        assert!(head + length_len + want <= room);
                    } else {
                        assert_eq!(f.padding + head + f.len, room);
                        assert!(f.padding < length_len);
                    }
                }
            }
        }
    }
}
