//! UDP datagrams, one by one and in batches.

mod batch;

use std::{
    fmt::{self, Debug, Formatter},
    net::SocketAddr,
    ops::{Deref, DerefMut},
};

pub use batch::{Batch, BatchRef};
use bytes::Bytes;

use crate::{hex::HexWithLen, tos::Tos};

/// One UDP payload with its addresses and the byte of the IP header that holds DSCP and ECN.
///
/// The payload may be owned (`Vec<u8>`), shared (`Bytes`) or borrowed (`&[u8]`, `&mut [u8]`).
#[derive(Clone, PartialEq, Eq)]
pub struct Datagram<D = Vec<u8>> {
    src: SocketAddr,
    dst: SocketAddr,
    tos: Tos,
    d: D,
}

impl<D> Datagram<D> {
    /// A datagram with any kind of payload.
    #[must_use]
    #[inline]
    pub const fn from_parts(src: SocketAddr, dst: SocketAddr, tos: Tos, d: D) -> Self {
        Self { src, dst, tos, d }
    }

    /// The address that the datagram comes from.
    #[must_use]
    #[inline]
    pub const fn source(&self) -> SocketAddr {
        self.src
    }

    /// The address that the datagram goes to.
    #[must_use]
    #[inline]
    pub const fn destination(&self) -> SocketAddr {
        self.dst
    }

    /// DSCP and ECN.
    #[must_use]
    #[inline]
    pub const fn tos(&self) -> Tos {
        self.tos
    }

    /// Replaces DSCP and ECN.
    pub const fn set_tos(&mut self, tos: Tos) {
        self.tos = tos;
    }

    /// The payload alone.
    #[must_use]
    #[inline]
    pub fn into_data(self) -> D {
        self.d
    }
}

impl Datagram<Vec<u8>> {
    /// A datagram that owns its payload.
    #[must_use]
    pub fn new<V: Into<Vec<u8>>>(src: SocketAddr, dst: SocketAddr, tos: Tos, d: V) -> Self {
        Self::from_parts(src, dst, tos, d.into())
    }
}

impl Datagram<Bytes> {
    /// A datagram whose payload is shared, not copied.
    #[must_use]
    pub const fn from_bytes(src: SocketAddr, dst: SocketAddr, tos: Tos, d: Bytes) -> Self {
        Self::from_parts(src, dst, tos, d)
    }
}

impl<'a> Datagram<&'a mut [u8]> {
    /// A datagram whose payload is borrowed, so that it can be decrypted in place.
    #[must_use]
    #[inline]
    pub const fn from_slice(src: SocketAddr, dst: SocketAddr, tos: Tos, d: &'a mut [u8]) -> Self {
        Self::from_parts(src, dst, tos, d)
    }
}

impl<D: AsRef<[u8]>> Datagram<D> {
    /// The length of the payload in bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.d.as_ref().len()
    }

    /// Whether there is no payload.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.d.as_ref().is_empty()
    }

    /// A copy that owns its payload.
    #[must_use]
    pub fn to_owned(&self) -> Datagram {
        Datagram::new(self.src, self.dst, self.tos, self.d.as_ref())
    }
}

impl<D: AsRef<[u8]>> AsRef<[u8]> for Datagram<D> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.d.as_ref()
    }
}

impl<D: AsMut<[u8]>> AsMut<[u8]> for Datagram<D> {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.d.as_mut()
    }
}

impl<D: AsRef<[u8]>> Deref for Datagram<D> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &Self::Target {
        self.d.as_ref()
    }
}

impl<D: AsRef<[u8]> + AsMut<[u8]>> DerefMut for Datagram<D> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.d.as_mut()
    }
}

impl<D: AsRef<[u8]>> Debug for Datagram<D> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Datagram {} -> {} {:?} {}",
            self.src,
            self.dst,
            self.tos,
            HexWithLen::new(self.d.as_ref())
        )
    }
}

impl TryFrom<Batch> for Datagram {
    type Error = ();

    /// Succeeds if the batch holds exactly one datagram.
    fn try_from(batch: Batch) -> Result<Self, Self::Error> {
        if batch.num_datagrams() != 1 {
            return Err(());
        }
        Ok(Self::new(
            batch.source(),
            batch.destination(),
            batch.tos(),
            batch.into_data(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Datagram, batch::tests::addr};
    use crate::tos::{Ecn, Tos};

    #[test]
    fn the_kinds_of_payload_are_alike() {
        let (src, dst, tos) = (addr(1), addr(2), Tos::from(Ecn::Ect0));
        let mut bytes = [1, 2, 3];
        let owned = Datagram::new(src, dst, tos, bytes);
        let shared = Datagram::from_bytes(src, dst, tos, Bytes::copy_from_slice(&bytes));
        assert_eq!(&owned[..], &shared[..]);
        assert_eq!(shared.to_owned(), owned);
        let mut borrowed = Datagram::from_slice(src, dst, tos, &mut bytes);
        assert_eq!(borrowed.to_owned(), owned);
        borrowed[0] = 9;
        borrowed.as_mut()[1] = 8;
        assert_eq!(borrowed.as_ref(), [9, 8, 3]);
        assert_eq!(borrowed.len(), 3);
        assert!(!borrowed.is_empty());
        assert_eq!(bytes, [9, 8, 3]);
        assert_eq!((owned.source(), owned.destination()), (src, dst));
        assert_eq!(owned.into_data(), [1, 2, 3]);
    }

    #[test]
    fn tos_and_debug() {
        let mut d = Datagram::new(addr(1), addr(2), Tos::default(), [0xab]);
        d.set_tos(Tos::from(Ecn::Ce));
        assert_eq!(Ecn::from(d.tos()), Ecn::Ce);
        assert_eq!(
            format!("{d:?}"),
            "Datagram 192.0.2.1:1 -> 192.0.2.1:2 Tos(Cs0, Ce) [1]: ab"
        );
    }
}
