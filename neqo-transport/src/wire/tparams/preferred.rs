//! The address that a server would rather be spoken to at (RFC 9000 §9.6 and §18.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use neqo_common::Decoder;

use crate::{Violation, cid::id::ConnectionId, wire::put::Put};

/// Addresses, and a connection ID with the sequence number 1 to be used there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PreferredAddress {
    pub v4: Option<SocketAddrV4>,
    pub v6: Option<SocketAddrV6>,
    /// Not empty.
    pub cid: ConnectionId,
    pub reset_token: [u8; 16],
}

impl PreferredAddress {
    /// The value of the transport parameter.
    //= rfc9000#section-18.2
    //# Similarly,
    //# a server MUST NOT include a zero-length connection ID in this transport
    //# parameter.
    pub(super) fn decode(value: &[u8]) -> Result<Self, Violation> {
        let mut dec = Decoder::new(value);
        parse(&mut dec)
            .filter(|p| !p.cid.is_empty() && dec.remaining() == 0)
            .ok_or(Violation::TransportParameter)
    }

    /// Writes the value of the transport parameter.
    pub(super) fn encode(&self, put: &mut impl Put) {
        let v4 = self
            .v4
            .unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        put.put(&v4.ip().octets());
        put.put(&v4.port().to_be_bytes());
        let v6 = self
            .v6
            .unwrap_or(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0));
        put.put(&v6.ip().octets());
        put.put(&v6.port().to_be_bytes());
        put.byte(u8::try_from(self.cid.len()).unwrap_or_default());
        put.put(&self.cid);
        put.put(&self.reset_token);
    }
}

/// An address or a port of zero is none: nothing can be sent there.
fn parse(dec: &mut Decoder<'_>) -> Option<PreferredAddress> {
    let v4 = SocketAddrV4::new(Ipv4Addr::from(*dec.decode_array()?), dec.decode_uint()?);
    let v6 = Ipv6Addr::from(*dec.decode_array::<16>()?);
    let v6 = SocketAddrV6::new(v6, dec.decode_uint()?, 0, 0);
    Some(PreferredAddress {
        v4: Some(v4).filter(|a| a.port() != 0 && !a.ip().is_unspecified()),
        v6: Some(v6).filter(|a| a.port() != 0 && !a.ip().is_unspecified()),
        cid: ConnectionId::new(dec.decode_vec(1)?)?,
        reset_token: *dec.decode_array()?,
    })
}
