//! Stream identifiers (RFC 9000 §2.1).

use std::fmt::{self, Display, Formatter};

use enum_map::Enum;
use neqo_common::Role;

/// Whether one or both ends send on a stream. The value is the bit of the stream ID.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u64)]
pub enum StreamType {
    /// Both ends send.
    BiDi = 0,
    /// Only the initiator sends.
    UniDi = 2,
}

/// A stream ID: an index, and in its two low bits who opened the stream and its type.
/// At most 2^62-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

impl StreamId {
    const ROLE_BIT: u64 = 1;
    const TYPE_BIT: u64 = StreamType::UniDi as u64;
    const INDEX_SHIFT: u32 = 2;

    /// The stream with this number.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The first stream of `stream_type` that `role` opens.
    #[must_use]
    pub const fn init(stream_type: StreamType, role: Role) -> Self {
        Self(stream_type as u64 | Self::role_bit(role))
    }

    /// The stream of `stream_type` that `role` opens as number `index`, counted from 0.
    #[must_use]
    pub const fn nth(stream_type: StreamType, role: Role, index: u64) -> Self {
        Self((index << Self::INDEX_SHIFT) | Self::init(stream_type, role).0)
    }

    /// The number as it stands on the wire.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// How many streams of the same type and initiator come before this one.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.0 >> Self::INDEX_SHIFT
    }

    /// Goes on to the next stream of the same type and initiator.
    pub const fn next(&mut self) {
        self.0 += 1 << Self::INDEX_SHIFT;
    }

    /// Whether both ends send on it.
    #[must_use]
    pub const fn is_bidi(self) -> bool {
        self.0 & Self::TYPE_BIT == 0
    }

    /// Whether only its initiator sends on it.
    #[must_use]
    pub const fn is_uni(self) -> bool {
        !self.is_bidi()
    }

    /// Its type.
    #[must_use]
    pub const fn stream_type(self) -> StreamType {
        if self.is_bidi() {
            StreamType::BiDi
        } else {
            StreamType::UniDi
        }
    }

    /// Whether the client opens it.
    #[must_use]
    pub const fn is_client_initiated(self) -> bool {
        self.0 & Self::ROLE_BIT == 0
    }

    /// Whether the server opens it.
    #[must_use]
    pub const fn is_server_initiated(self) -> bool {
        !self.is_client_initiated()
    }

    /// Who opens it.
    #[must_use]
    pub const fn role(self) -> Role {
        if self.is_client_initiated() {
            Role::Client
        } else {
            Role::Server
        }
    }

    /// Whether `my_role` opens it.
    #[must_use]
    pub const fn is_self_initiated(self, my_role: Role) -> bool {
        self.0 & Self::ROLE_BIT == Self::role_bit(my_role)
    }

    /// Whether the peer of `my_role` opens it.
    #[must_use]
    pub const fn is_remote_initiated(self, my_role: Role) -> bool {
        !self.is_self_initiated(my_role)
    }

    /// Whether `my_role` only sends on it.
    #[must_use]
    pub const fn is_send_only(self, my_role: Role) -> bool {
        self.is_uni() && self.is_self_initiated(my_role)
    }

    /// Whether `my_role` only receives on it.
    #[must_use]
    pub const fn is_recv_only(self, my_role: Role) -> bool {
        self.is_uni() && self.is_remote_initiated(my_role)
    }

    /// The bit of a stream ID that says that `role` opens it.
    #[must_use]
    pub const fn role_bit(role: Role) -> u64 {
        match role {
            Role::Client => 0,
            Role::Server => Self::ROLE_BIT,
        }
    }
}

impl From<u64> for StreamId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl PartialEq<u64> for StreamId {
    fn eq(&self, other: &u64) -> bool {
        self.0 == *other
    }
}

impl Display for StreamId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Role;

    use super::{StreamId, StreamType};

    #[test]
    fn the_four_kinds() {
        // RFC 9000 Table 1.
        for (id, role, stream_type) in [
            (0, Role::Client, StreamType::BiDi),
            (1, Role::Server, StreamType::BiDi),
            (2, Role::Client, StreamType::UniDi),
            (3, Role::Server, StreamType::UniDi),
        ] {
            let s = StreamId::new(id);
            assert_eq!(s, StreamId::init(stream_type, role));
            assert_eq!((s.role(), s.stream_type()), (role, stream_type));
            assert_eq!(s.is_client_initiated(), role == Role::Client);
            assert_eq!(s.is_server_initiated(), role == Role::Server);
            assert_eq!(s.is_uni(), stream_type == StreamType::UniDi);
            assert!(s.is_self_initiated(role) && s.is_remote_initiated(role.remote()));
            assert_eq!(s.is_send_only(role), s.is_uni());
            assert_eq!(s.is_recv_only(role.remote()), s.is_uni());
            assert!(!s.is_recv_only(role) && !s.is_send_only(role.remote()));
        }
    }

    #[test]
    fn next_keeps_the_kind() {
        let mut s = StreamId::init(StreamType::UniDi, Role::Server);
        for i in 0..5 {
            assert_eq!(s, StreamId::nth(StreamType::UniDi, Role::Server, i));
            assert_eq!(s.index(), i);
            assert_eq!(s.role(), Role::Server);
            assert!(s.is_uni());
            s.next();
        }
        assert_eq!(s, 23);
        assert_eq!(s.to_string(), "23");
    }
}
