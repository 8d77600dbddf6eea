//! Connection IDs as values, and who makes and recognizes them (RFC 9000 §5.1).

use std::{
    borrow::Borrow,
    fmt::{self, Debug, Display, Formatter},
    hash::{Hash, Hasher},
    ops::Deref,
};

use neqo_common::{Decoder, Random, hex::Hex};

use crate::{Error, Misuse};

/// A connection ID of 0 to 20 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionId {
    /// Zero behind `len`, so that equality may be derived.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ConnectionId {
    /// The most bytes that versions 1 and 2 allow (RFC 9000 §17.2).
    pub const MAX_LEN: usize = 20;
    /// The fewest bytes of the one that a client makes up for the server (RFC 9000 §7.2).
    pub const MIN_INITIAL_LEN: usize = 8;

    /// The connection ID with these bytes, if they are not too many.
    #[must_use]
    pub fn new(cid: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..cid.len())?.copy_from_slice(cid);
        let len = u8::try_from(cid.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// `len` random bytes; 20 if `len` is greater.
    #[must_use]
    pub fn generate(len: usize, rng: &mut Random) -> Self {
        let len = len.min(Self::MAX_LEN);
        let mut bytes = [0; Self::MAX_LEN];
        rng.fill(&mut bytes[..len]);
        Self {
            bytes,
            len: u8::try_from(len).unwrap_or_default(),
        }
    }

    /// What a client puts in its first Initial packet for want of the server's choice.
    //= rfc9000#section-7.2
    //# This Destination Connection ID
    //# MUST be at least 8 bytes in length.
    #[must_use]
    pub fn generate_initial(rng: &mut Random) -> Self {
        const CHOICES: u64 = (ConnectionId::MAX_LEN - ConnectionId::MIN_INITIAL_LEN + 1) as u64;
        let more = usize::try_from(rng.below(CHOICES)).unwrap_or_default();
        Self::generate(Self::MIN_INITIAL_LEN + more, rng)
    }

    /// A borrowed view.
    #[must_use]
    pub fn as_cid_ref(&self) -> ConnectionIdRef<'_> {
        ConnectionIdRef(self)
    }
}

impl Deref for ConnectionId {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for ConnectionId {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for ConnectionId {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Hash for ConnectionId {
    /// As its bytes, so that maps can be searched with a slice.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<ConnectionIdRef<'_>> for ConnectionId {
    fn from(cid: ConnectionIdRef<'_>) -> Self {
        // A reference is never longer than `MAX_LEN`.
        Self::new(cid.0).unwrap_or_default()
    }
}

impl TryFrom<&[u8]> for ConnectionId {
    type Error = Error;
    fn try_from(cid: &[u8]) -> Result<Self, Error> {
        Self::new(cid).ok_or(Error::Api(Misuse::InvalidInput))
    }
}

impl PartialEq<ConnectionIdRef<'_>> for ConnectionId {
    fn eq(&self, other: &ConnectionIdRef<'_>) -> bool {
        **self == *other.0
    }
}

impl Debug for ConnectionId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.as_cid_ref(), f)
    }
}

impl Display for ConnectionId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.as_cid_ref(), f)
    }
}

/// A connection ID of 0 to 20 bytes in somebody else's memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionIdRef<'a>(&'a [u8]);

impl<'a> ConnectionIdRef<'a> {
    /// A view of these bytes, if they are not too many.
    #[must_use]
    pub const fn new(cid: &'a [u8]) -> Option<Self> {
        if cid.len() <= ConnectionId::MAX_LEN {
            Some(Self(cid))
        } else {
            None
        }
    }

    /// The bytes, for as long as they live.
    #[must_use]
    pub const fn as_slice(self) -> &'a [u8] {
        self.0
    }
}

impl Deref for ConnectionIdRef<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl PartialEq<ConnectionId> for ConnectionIdRef<'_> {
    fn eq(&self, other: &ConnectionId) -> bool {
        *self.0 == **other
    }
}

impl Debug for ConnectionIdRef<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CID {}", Hex::new(self.0))
    }
}

impl Display for ConnectionIdRef<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex::new(self.0))
    }
}

/// Finds the end of a connection ID, whose length short headers do not tell.
pub trait ConnectionIdDecoder {
    /// Takes a connection ID from the front of `dec`; `None` if there is none of ours.
    fn decode_cid<'a>(&self, dec: &mut Decoder<'a>) -> Option<ConnectionIdRef<'a>>;
}

/// Makes the connection IDs that an endpoint issues, and recognizes their length.
pub trait ConnectionIdGenerator: ConnectionIdDecoder + Debug + Send {
    /// A new connection ID; `None` if no more can be made.
    fn generate_cid(&mut self, rng: &mut Random) -> Option<ConnectionId>;

    /// How many bytes those it makes have, in `0..=20`.
    fn cid_len(&self) -> usize;

    /// Whether it makes empty ones: then none are ever issued (RFC 9000 §5.1.1).
    fn generates_empty_cids(&self) -> bool {
        self.cid_len() == 0
    }
}

/// Makes empty connection IDs: packets are told apart by addresses alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyConnectionIdGenerator;

impl ConnectionIdDecoder for EmptyConnectionIdGenerator {
    fn decode_cid<'a>(&self, _: &mut Decoder<'a>) -> Option<ConnectionIdRef<'a>> {
        ConnectionIdRef::new(&[])
    }
}

impl ConnectionIdGenerator for EmptyConnectionIdGenerator {
    fn generate_cid(&mut self, _: &mut Random) -> Option<ConnectionId> {
        Some(ConnectionId::default())
    }

    fn cid_len(&self) -> usize {
        0
    }
}

/// Makes random connection IDs of one length.
#[derive(Clone, Copy, Debug)]
pub struct RandomConnectionIdGenerator {
    len: usize,
}

impl RandomConnectionIdGenerator {
    /// Makes connection IDs of `len` bytes; 20 if `len` is greater.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self {
            len: if len < ConnectionId::MAX_LEN {
                len
            } else {
                ConnectionId::MAX_LEN
            },
        }
    }
}

impl ConnectionIdDecoder for RandomConnectionIdGenerator {
    fn decode_cid<'a>(&self, dec: &mut Decoder<'a>) -> Option<ConnectionIdRef<'a>> {
        dec.decode(self.len).and_then(ConnectionIdRef::new)
    }
}

impl ConnectionIdGenerator for RandomConnectionIdGenerator {
    fn generate_cid(&mut self, rng: &mut Random) -> Option<ConnectionId> {
        Some(ConnectionId::generate(self.len, rng))
    }

    fn cid_len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use neqo_common::{Decoder, Random};

    use super::{
        ConnectionId, ConnectionIdDecoder as _, ConnectionIdGenerator, ConnectionIdRef,
        EmptyConnectionIdGenerator, RandomConnectionIdGenerator,
    };

    #[test]
    fn at_most_twenty_bytes() {
        for len in 0..=20 {
            let bytes = vec![0xc1; len];
            let cid = ConnectionId::new(&bytes).unwrap();
            assert_eq!(*cid, *bytes);
            assert_eq!(ConnectionId::from(cid.as_cid_ref()), cid);
            assert!(ConnectionIdRef::new(&bytes).unwrap() == cid);
        }
        assert_eq!(ConnectionId::new(&[0; 21]), None);
        assert_eq!(ConnectionIdRef::new(&[0; 21]), None);
        assert!(ConnectionId::try_from(&[0; 21][..]).is_err());
    }

    #[test]
    fn length_is_part_of_the_value() {
        assert_ne!(ConnectionId::new(&[0; 3]), ConnectionId::new(&[0; 4]));
    }

    #[test]
    fn sets_are_searched_by_slice() {
        let set: HashSet<_> = [ConnectionId::new(&[1, 2, 3]).unwrap()].into();
        assert!(set.contains(&[1, 2, 3][..]));
        assert!(!set.contains(&[1, 2][..]));
    }

    #[test]
    fn initial_ones_have_eight_to_twenty_bytes() {
        let mut rng = Random::from_seed([3; 32]);
        let lens: HashSet<_> = (0..200)
            .map(|_| ConnectionId::generate_initial(&mut rng).len())
            .collect();
        assert_eq!(lens, (8..=20).collect());
    }

    #[test]
    fn generators_recognize_their_own() {
        let mut rng = Random::from_seed([4; 32]);
        let generators: [Box<dyn ConnectionIdGenerator>; 3] = [
            Box::new(EmptyConnectionIdGenerator),
            Box::new(RandomConnectionIdGenerator::new(5)),
            Box::new(RandomConnectionIdGenerator::new(200)),
        ];
        for mut g in generators {
            let cid = g.generate_cid(&mut rng).unwrap();
            assert_eq!(cid.len(), g.cid_len());
            assert_eq!(g.generates_empty_cids(), cid.is_empty());
            let packet = [&cid[..], &[1, 2]].concat();
            let mut dec = Decoder::from(&packet);
            assert!(g.decode_cid(&mut dec).unwrap() == cid);
            assert_eq!(dec.remaining(), 2);
        }
        let short = RandomConnectionIdGenerator::new(5);
        assert_eq!(short.decode_cid(&mut Decoder::from(&[0; 4])), None);
    }

    #[test]
    fn shown_in_hex() {
        let cid = ConnectionId::new(&[0xab, 1]).unwrap();
        assert_eq!(cid.to_string(), "ab01");
        assert_eq!(format!("{cid:?}"), "CID ab01");
    }
}
