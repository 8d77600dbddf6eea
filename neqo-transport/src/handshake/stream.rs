//! The CRYPTO stream of one packet number space (RFC 9000 §19.6).

use bytes::Bytes;

use crate::{
    Res, Violation,
    config::limits,
    recovery::token::Token,
    rx::payload::Payload,
    streams::{Pool, recv::Reassembly, send},
    tx::Tx,
    wire::frame::encode,
};

/// Handshake bytes of one level, both ways.
#[derive(Debug, Default)]
pub struct CryptoStream {
    tx: send::Buffer,
    rx: Reassembly,
    pool: Pool,
}

impl CryptoStream {
    /// Queues bytes of TLS.
    pub fn send(&mut self, data: &[u8]) {
        self.tx.push(data, &mut self.pool);
    }

    /// A CRYPTO frame arrived. Whether all of it was there before.
    pub fn on_data(&mut self, offset: u64, data: Payload<'_>) -> Res<bool> {
        //= rfc9000#section-7.5
        //# If an endpoint does not expand its buffer, it MUST close
        //# the connection with a CRYPTO_BUFFER_EXCEEDED error code.
        // hardening A4
        let before = self.rx.read_to();
        let end = offset.saturating_add(data.bytes().len() as u64);
        if end.saturating_sub(before) > limits::CRYPTO_BUFFER {
            return Err(Violation::CryptoBufferExceeded.into());
        }
        self.rx
            .insert(offset, data, &mut self.pool)
            .map_err(|_| Violation::CryptoBufferExceeded)?;
        Ok(end <= before)
    }

    /// The next bytes for TLS, in order.
    pub fn read(&mut self) -> Option<Bytes> {
        self.rx.read_bytes(&mut self.pool)
    }

    /// Whether anything waits to be sent (again).
    pub fn wants_to_send(&self) -> bool {
        self.tx.to_send().is_some()
    }

    /// Writes CRYPTO frames as far as they fit.
    pub fn write(&mut self, tx: &mut Tx<'_, '_, '_>) {
        /// Less than this is not worth a frame's header.
        const LEAST: usize = 8;
        while let Some(range) = self.tx.to_send() {
            let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let room = tx.remaining();
            let header = encode::crypto_header_len(range.start, wanted.min(room));
            let Some(room) = room.checked_sub(header).filter(|r| *r >= LEAST.min(wanted)) else {
                return;
            };
            let n = wanted.min(room);
            encode::crypto_header(tx.pkt, range.start, n);
            let Some(to) = tx.pkt.unfilled().get_mut(..n) else {
                return;
            };
            self.tx.copy(range.start, to);
            tx.pkt.advance(n);
            self.tx.sent(range.start, n);
            tx.push(Token::Crypto {
                offset: range.start,
                len: u32::try_from(n).unwrap_or(u32::MAX),
            });
            tx.stats.crypto += 1;
        }
    }

    /// A range arrived.
    pub fn acked(&mut self, offset: u64, len: u32) {
        self.tx.acked(offset, len.into(), &mut self.pool);
    }

    /// A range was lost.
    pub fn lost(&mut self, offset: u64, len: u32) {
        self.tx.lost(offset, len.into());
    }
}
