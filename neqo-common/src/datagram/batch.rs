//! Datagrams that leave in one system call.

use std::{
    fmt::{self, Debug, Formatter},
    net::SocketAddr,
    num::NonZeroUsize,
};

use super::Datagram;
use crate::tos::Tos;

/// One or more datagrams of the same size for the same destination, back to back in memory.
///
/// Only the last may be shorter. This is what generic segmentation offload sends in one system call.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    src: SocketAddr,
    dst: SocketAddr,
    tos: Tos,
    datagram_size: NonZeroUsize,
    d: Vec<u8>,
}

impl Batch {
    /// A batch of datagrams of `datagram_size` bytes; `d` holds them all.
    #[must_use]
    pub const fn new(
        src: SocketAddr,
        dst: SocketAddr,
        tos: Tos,
        datagram_size: NonZeroUsize,
        d: Vec<u8>,
    ) -> Self {
        Self {
            src,
            dst,
            tos,
            datagram_size,
            d,
        }
    }

    /// The address that the datagrams come from.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.src
    }

    /// The address that the datagrams go to.
    #[must_use]
    pub const fn destination(&self) -> SocketAddr {
        self.dst
    }

    /// DSCP and ECN, the same for all.
    #[must_use]
    pub const fn tos(&self) -> Tos {
        self.tos
    }

    /// Replaces DSCP and ECN.
    pub const fn set_tos(&mut self, tos: Tos) {
        self.tos = tos;
    }

    /// The size of every datagram but the last, in bytes.
    #[must_use]
    pub const fn datagram_size(&self) -> NonZeroUsize {
        self.datagram_size
    }

    /// How many datagrams there are.
    #[must_use]
    pub const fn num_datagrams(&self) -> usize {
        self.d.len().div_ceil(self.datagram_size.get())
    }

    /// The payload of all datagrams.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.d
    }

    /// The payload of all datagrams, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.d
    }

    /// The same batch, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> BatchRef<'_> {
        BatchRef::new(self.src, self.dst, self.tos, self.datagram_size, &self.d)
    }

    /// The datagrams one by one.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<&[u8]>> {
        self.borrowed().iter()
    }

    /// The datagrams one by one, writable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = Datagram<&mut [u8]>> {
        self.d
            .chunks_mut(self.datagram_size.get())
            .map(|d| Datagram::from_slice(self.src, self.dst, self.tos, d))
    }
}

impl From<Datagram> for Batch {
    /// A batch of one; of none, if the datagram is empty.
    fn from(d: Datagram) -> Self {
        let size = NonZeroUsize::new(d.len()).unwrap_or(NonZeroUsize::MIN);
        let (src, dst, tos) = (d.source(), d.destination(), d.tos());
        Self::new(src, dst, tos, size, d.into_data())
    }
}

impl Debug for Batch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.borrowed(), f)
    }
}

/// A [`Batch`] whose payload is borrowed, usually from memory that the sender uses again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchRef<'a> {
    src: SocketAddr,
    dst: SocketAddr,
    tos: Tos,
    datagram_size: NonZeroUsize,
    payload: &'a [u8],
}

impl<'a> BatchRef<'a> {
    /// A batch of datagrams of `datagram_size` bytes; `payload` holds them all.
    #[must_use]
    #[inline]
    pub const fn new(
        src: SocketAddr,
        dst: SocketAddr,
        tos: Tos,
        datagram_size: NonZeroUsize,
        payload: &'a [u8],
    ) -> Self {
        Self {
            src,
            dst,
            tos,
            datagram_size,
            payload,
        }
    }

    /// The address that the datagrams come from.
    #[must_use]
    #[inline]
    pub const fn source(&self) -> SocketAddr {
        self.src
    }

    /// The address that the datagrams go to.
    #[must_use]
    #[inline]
    pub const fn destination(&self) -> SocketAddr {
        self.dst
    }

    /// DSCP and ECN, the same for all.
    #[must_use]
    #[inline]
    pub const fn tos(&self) -> Tos {
        self.tos
    }

    /// The size of every datagram but the last, in bytes.
    #[must_use]
    #[inline]
    pub const fn datagram_size(&self) -> NonZeroUsize {
        self.datagram_size
    }

    /// How many datagrams there are.
    #[must_use]
    #[inline]
    pub const fn num_datagrams(&self) -> usize {
        self.payload.len().div_ceil(self.datagram_size.get())
    }

    /// The payload of all datagrams.
    #[must_use]
    #[inline]
    pub const fn data(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether there is no datagram.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// The first `n` datagrams and the others. One of the two may be empty.
    #[must_use]
    #[inline]
    pub fn split_at(&self, n: usize) -> (Self, Self) {
        let mid = self.datagram_size.get().saturating_mul(n);
        let (head, tail) = self.payload.split_at(mid.min(self.payload.len()));
        let with = |payload| Self { payload, ..*self };
        (with(head), with(tail))
    }

    /// The datagrams one by one.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<&'a [u8]>> + use<'a> {
        let Self { src, dst, tos, .. } = *self;
        self.payload
            .chunks(self.datagram_size.get())
            .map(move |d| Datagram::from_parts(src, dst, tos, d))
    }

    /// A copy that owns its payload.
    #[must_use]
    pub fn to_batch(&self) -> Batch {
        let payload = self.payload.to_vec();
        Batch::new(self.src, self.dst, self.tos, self.datagram_size, payload)
    }
}

impl<'a> From<&'a Batch> for BatchRef<'a> {
    fn from(batch: &'a Batch) -> Self {
        batch.borrowed()
    }
}

impl Debug for BatchRef<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Batch {} -> {} {:?} {} bytes in datagrams of {}",
            self.src,
            self.dst,
            self.tos,
            self.payload.len(),
            self.datagram_size
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::{Batch, BatchRef, Datagram, NonZeroUsize};
    use crate::tos::{Ecn, Tos};

    pub(in crate::datagram) fn addr(port: u16) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 1), port).into()
    }

    fn batch(size: usize, len: usize) -> Batch {
        Batch::new(
            addr(1),
            addr(2),
            Tos::from(Ecn::Ect0),
            NonZeroUsize::new(size).unwrap(),
            (0..=u8::MAX).cycle().take(len).collect(),
        )
    }

    #[test]
    fn the_last_may_be_short() {
        let mut b = batch(4, 10);
        assert_eq!(b.num_datagrams(), 3);
        let lens: Vec<_> = b.iter().map(|d| d.len()).collect();
        assert_eq!(lens, [4, 4, 2]);
        assert!(b.iter().all(|d| Ecn::from(d.tos()) == Ecn::Ect0));
        b.set_tos(Tos::from(Ecn::Ce));
        for mut d in b.iter_mut() {
            assert_eq!(Ecn::from(d.tos()), Ecn::Ce);
            d.as_mut().fill(7);
        }
        assert_eq!(b.data(), [7; 10]);
        assert_eq!(batch(4, 8).num_datagrams(), 2);
        assert_eq!(batch(4, 0).num_datagrams(), 0);
    }

    #[test]
    fn one_datagram_is_a_batch_and_back() {
        let d = Datagram::new(addr(1), addr(2), Tos::default(), [1, 2, 3]);
        let b = Batch::from(d.clone());
        assert_eq!(b.datagram_size().get(), 3);
        assert_eq!(Datagram::try_from(b), Ok(d));
        assert_eq!(Datagram::try_from(batch(4, 5)), Err(()));
        let empty = Datagram::new(addr(1), addr(2), Tos::default(), []);
        assert_eq!(Batch::from(empty).num_datagrams(), 0);
    }

    #[test]
    fn split() {
        let b = batch(4, 10);
        let all = BatchRef::from(&b);
        for n in 0..5 {
            let (head, tail) = all.split_at(n);
            assert_eq!(head.num_datagrams(), n.min(3));
            assert_eq!(tail.num_datagrams(), 3 - n.min(3));
            assert_eq!([head.data(), tail.data()].concat(), b.data());
            assert_eq!(tail.is_empty(), n >= 3);
        }
        assert_eq!(all.split_at(usize::MAX).0, all);
        assert_eq!(all.to_batch(), b);
        assert_eq!(
            format!("{b:?}"),
            "Batch 192.0.2.1:1 -> 192.0.2.1:2 Tos(Cs0, Ect0) 10 bytes in datagrams of 4"
        );
    }
}
