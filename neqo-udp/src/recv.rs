//! Receiving into buffers that are used again.

use std::{
    io::{self, IoSliceMut},
    iter::Zip,
    net::{IpAddr, SocketAddr},
    slice,
};

use bytes::BytesMut;
use neqo_common::{Datagram, Tos};
use quinn_udp::{BATCH_SIZE, RecvMeta};

use crate::{
    AsSocketHandle, Socket,
    buffer::{RecvBuf, SLOT_SIZE},
    errors::{Meaning, meaning},
    stats::Event,
};

/// How many ICMP messages are passed over in search of a datagram, so that nobody who sends many of
/// them keeps a call from returning.
const MAX_STALE: usize = 16;

impl<S: AsSocketHandle> Socket<S> {
    /// Receives up to one datagram, or with GRO one train of datagrams, per slot of `recv_buf`.
    ///
    /// `local_address` gives the port of the destination, and its address where the system does not
    /// tell. Datagrams that are not taken from the iterator are lost with the next call.
    ///
    /// The iterator may be empty although more is waiting: datagrams without payload are skipped, and
    /// so is what cannot be answered. Only the error `WouldBlock` says that nothing is waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or that the socket cannot be used.
    pub fn recv<'a>(
        &self,
        local_address: SocketAddr,
        recv_buf: &'a mut RecvBuf,
    ) -> io::Result<DatagramIter<'a>> {
        let messages = self.recv_into(recv_buf)?;
        Ok(DatagramIter {
            messages: recv_buf.messages(messages),
            local_address,
            train: None,
        })
    }

    /// Receives like [`Socket::recv`], but gives the memory away instead of lending it.
    ///
    /// Every segment owns what one message brought. The memory returns to `recv_buf` when all of it
    /// has been dropped; until then `recv_buf` uses other memory.
    ///
    /// # Errors
    ///
    /// Like [`Socket::recv`].
    pub fn recv_owned<'a>(
        &self,
        local_address: SocketAddr,
        recv_buf: &'a mut RecvBuf,
    ) -> io::Result<SegmentIter<'a>> {
        let messages = self.recv_into(recv_buf)?;
        Ok(SegmentIter {
            messages: recv_buf.messages(messages),
            local_address,
        })
    }

    /// Fills slots, and returns how many; the metadata of those to be skipped says that they are
    /// empty.
    fn recv_into(&self, recv_buf: &mut RecvBuf) -> io::Result<usize> {
        recv_buf.refill();
        let n = recv_buf.slots.len();
        let mut slots = recv_buf.slots.iter_mut();
        let mut io: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            let slot = slots.next().and_then(|slot| slot.get_mut(..SLOT_SIZE));
            IoSliceMut::new(slot.unwrap_or_default())
        });
        let io = io.split_at_mut(n).0;
        for _ in 0..MAX_STALE {
            match self.state.recv(self.sock_ref(), io, &mut recv_buf.metas) {
                Ok(messages) => {
                    for meta in recv_buf.metas.iter_mut().take(messages) {
                        self.admit(meta);
                    }
                    return Ok(messages);
                }
                Err(e) => match meaning(&e) {
                    Meaning::Stale | Meaning::Unreachable => self.stats.count(Event::Unreachable),
                    Meaning::TooBig => self.stats.count(Event::TooBig),
                    Meaning::NoBuffers => self.stats.count(Event::NoBuffers),
                    _ => return Err(e),
                },
            }
        }
        Ok(0)
    }

    /// Counts a message that is to be skipped, and makes it empty if it is not.
    fn admit(&self, meta: &mut RecvMeta) {
        if meta.len == 0 {
            self.stats.count(Event::Empty);
        } else if !is_unicast(meta) {
            self.stats.count(Event::BadAddress);
            meta.len = 0;
        }
    }
}

/// Whether the message has one sender and one receiver.
///
/// An answer to any other would be refused by the kernel with the same error that tells of missing
/// GSO support, and one spoofed datagram would take GSO and ECN from the socket.
fn is_unicast(meta: &RecvMeta) -> bool {
    let single = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    };
    meta.addr.port() != 0 && single(meta.addr.ip()) && meta.dst_ip.is_none_or(single)
}

impl RecvBuf {
    fn messages(&mut self, n: usize) -> Messages<'_> {
        let metas = self.metas.split_at(n.min(BATCH_SIZE)).0;
        self.slots.iter_mut().zip(metas)
    }
}

type Messages<'a> = Zip<slice::IterMut<'a, BytesMut>, slice::Iter<'a, RecvMeta>>;

fn destination(meta: &RecvMeta, local_address: SocketAddr) -> SocketAddr {
    let ip = meta.dst_ip.unwrap_or_else(|| local_address.ip());
    SocketAddr::new(ip, local_address.port())
}

fn tos(meta: &RecvMeta) -> Tos {
    meta.ecn
        .map_or_else(Tos::default, |ecn| Tos::from(ecn as u8))
}

/// The datagrams that one call received, in memory that is lent.
#[derive(Debug)]
pub struct DatagramIter<'a> {
    messages: Messages<'a>,
    local_address: SocketAddr,
    train: Option<Train<'a>>,
}

/// What is left of one message.
#[derive(Debug)]
struct Train<'a> {
    meta: &'a RecvMeta,
    datagrams: slice::ChunksMut<'a, u8>,
}

impl<'a> Iterator for DatagramIter<'a> {
    type Item = Datagram<&'a mut [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(train) = &mut self.train
                && let Some(d) = train.datagrams.next()
            {
                let dst = destination(train.meta, self.local_address);
                return Some(Datagram::from_slice(
                    train.meta.addr,
                    dst,
                    tos(train.meta),
                    d,
                ));
            }
            let (slot, meta) = self.messages.next()?;
            self.train = slot.get_mut(..meta.len).map(|data| Train {
                meta,
                datagrams: data.chunks_mut(meta.stride.max(1)),
            });
        }
    }
}

/// One datagram, or a train of datagrams that arrived together, with its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecvSegment {
    /// The address that sent the datagrams.
    pub src: SocketAddr,
    /// The local address that they were sent to.
    pub dst: SocketAddr,
    /// The ECN field, the same for all.
    pub tos: Tos,
    /// The size of every datagram but the last, in bytes, at least one. The last may be shorter.
    pub stride: usize,
    /// The datagrams back to back; never empty.
    pub data: BytesMut,
}

/// What one call received, with its memory.
#[derive(Debug)]
pub struct SegmentIter<'a> {
    messages: Messages<'a>,
    local_address: SocketAddr,
}

impl Iterator for SegmentIter<'_> {
    type Item = RecvSegment;

    fn next(&mut self) -> Option<Self::Item> {
        let (slot, meta) = self.messages.find(|(_, meta)| meta.len > 0)?;
        Some(RecvSegment {
            src: meta.addr,
            dst: destination(meta, self.local_address),
            tos: tos(meta),
            stride: meta.stride.max(1),
            data: slot.split_to(meta.len.min(slot.len())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{RecvMeta, is_unicast};

    fn meta(src: &str, dst: Option<&str>) -> RecvMeta {
        let mut meta = RecvMeta::default();
        meta.addr = src.parse().unwrap();
        meta.dst_ip = dst.map(|ip| ip.parse().unwrap());
        meta
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let good = "192.0.2.1:7";
        assert!(is_unicast(&meta(good, None)));
        assert!(is_unicast(&meta(good, Some("192.0.2.2"))));
        assert!(is_unicast(&meta("[2001:db8::1]:7", Some("2001:db8::2"))));
        for (src, dst) in [
            ("192.0.2.1:0", None),
            ("0.0.0.0:7", None),
            ("255.255.255.255:7", None),
            ("[::]:7", None),
            (good, Some("255.255.255.255")),
            (good, Some("224.0.0.251")),
            ("[2001:db8::1]:7", Some("ff02::1")),
        ] {
            assert!(!is_unicast(&meta(src, dst)), "{src} {dst:?}");
        }
    }
}
