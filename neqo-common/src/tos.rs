//! The byte of the IP header that carries the differentiated services code point and the ECN field
//! (`Traffic Class` in IPv6, formerly `Type of Service` in IPv4).

use std::fmt::{self, Debug, Formatter};

use enum_map::Enum;
use strum::{EnumIter, FromRepr};

/// The bits of a [`Tos`] that hold the ECN field; the others hold the DSCP.
const ECN_BITS: u8 = 0b11;

/// The ECN field of an IP header (RFC 3168, Section 5).
#[derive(
    Clone, Copy, Debug, Default, Enum, EnumIter, FromRepr, Hash, PartialEq, Eq, PartialOrd, Ord,
)]
#[repr(u8)]
pub enum Ecn {
    /// The sender does not use ECN.
    #[default]
    NotEct = 0b00,
    /// ECN-capable transport, as used for L4S (RFC 9331).
    Ect1 = 0b01,
    /// ECN-capable transport, the mark that QUIC uses by default.
    Ect0 = 0b10,
    /// Congestion experienced.
    Ce = 0b11,
}

impl Ecn {
    /// Whether the packet may be marked instead of dropped, and was not: ECT(0) or ECT(1).
    #[must_use]
    pub const fn is_ect(self) -> bool {
        matches!(self, Self::Ect0 | Self::Ect1)
    }

    /// Whether the field is anything but Not-ECT.
    #[must_use]
    pub const fn is_marked(self) -> bool {
        !matches!(self, Self::NotEct)
    }
}

impl From<u8> for Ecn {
    /// The two low bits count.
    fn from(v: u8) -> Self {
        Self::from_repr(v & ECN_BITS).unwrap_or_default()
    }
}

impl From<Ecn> for u8 {
    fn from(v: Ecn) -> Self {
        v as Self
    }
}

impl From<Tos> for Ecn {
    fn from(v: Tos) -> Self {
        Self::from(v.0)
    }
}

/// The differentiated services code point of an IP header (RFC 2474), as it stands in the byte: the
/// value of each is the code point times four.
#[derive(Clone, Copy, Debug, Default, EnumIter, FromRepr, Hash, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dscp {
    /// Default forwarding (RFC 2474).
    #[default]
    Cs0 = 0x00 << 2,
    /// Lower effort (RFC 8622).
    Le = 0x01 << 2,
    /// Code point 2, not assigned.
    Reserved2 = 0x02 << 2,
    /// Code point 3, not assigned.
    Reserved3 = 0x03 << 2,
    /// Code point 4, not assigned.
    Reserved4 = 0x04 << 2,
    /// Code point 5, not assigned.
    Reserved5 = 0x05 << 2,
    /// Code point 6, not assigned.
    Reserved6 = 0x06 << 2,
    /// Code point 7, not assigned.
    Reserved7 = 0x07 << 2,
    /// Class selector 1 (RFC 2474).
    Cs1 = 0x08 << 2,
    /// Code point 9, not assigned.
    Reserved9 = 0x09 << 2,
    /// Assured forwarding class 1, drop precedence 1 (RFC 2597).
    Af11 = 0x0a << 2,
    /// Code point 11, not assigned.
    Reserved11 = 0x0b << 2,
    /// Assured forwarding class 1, drop precedence 2 (RFC 2597).
    Af12 = 0x0c << 2,
    /// Code point 13, not assigned.
    Reserved13 = 0x0d << 2,
    /// Assured forwarding class 1, drop precedence 3 (RFC 2597).
    Af13 = 0x0e << 2,
    /// Code point 15, not assigned.
    Reserved15 = 0x0f << 2,
    /// Class selector 2 (RFC 2474).
    Cs2 = 0x10 << 2,
    /// Code point 17, not assigned.
    Reserved17 = 0x11 << 2,
    /// Assured forwarding class 2, drop precedence 1 (RFC 2597).
    Af21 = 0x12 << 2,
    /// Code point 19, not assigned.
    Reserved19 = 0x13 << 2,
    /// Assured forwarding class 2, drop precedence 2 (RFC 2597).
    Af22 = 0x14 << 2,
    /// Code point 21, not assigned.
    Reserved21 = 0x15 << 2,
    /// Assured forwarding class 2, drop precedence 3 (RFC 2597).
    Af23 = 0x16 << 2,
    /// Code point 23, not assigned.
    Reserved23 = 0x17 << 2,
    /// Class selector 3 (RFC 2474).
    Cs3 = 0x18 << 2,
    /// Code point 25, not assigned.
    Reserved25 = 0x19 << 2,
    /// Assured forwarding class 3, drop precedence 1 (RFC 2597).
    Af31 = 0x1a << 2,
    /// Code point 27, not assigned.
    Reserved27 = 0x1b << 2,
    /// Assured forwarding class 3, drop precedence 2 (RFC 2597).
    Af32 = 0x1c << 2,
    /// Code point 29, not assigned.
    Reserved29 = 0x1d << 2,
    /// Assured forwarding class 3, drop precedence 3 (RFC 2597).
    Af33 = 0x1e << 2,
    /// Code point 31, not assigned.
    Reserved31 = 0x1f << 2,
    /// Class selector 4 (RFC 2474).
    Cs4 = 0x20 << 2,
    /// Code point 33, not assigned.
    Reserved33 = 0x21 << 2,
    /// Assured forwarding class 4, drop precedence 1 (RFC 2597).
    Af41 = 0x22 << 2,
    /// Code point 35, not assigned.
    Reserved35 = 0x23 << 2,
    /// Assured forwarding class 4, drop precedence 2 (RFC 2597).
    Af42 = 0x24 << 2,
    /// Code point 37, not assigned.
    Reserved37 = 0x25 << 2,
    /// Assured forwarding class 4, drop precedence 3 (RFC 2597).
    Af43 = 0x26 << 2,
    /// Code point 39, not assigned.
    Reserved39 = 0x27 << 2,
    /// Class selector 5 (RFC 2474).
    Cs5 = 0x28 << 2,
    /// Code point 41, not assigned.
    Reserved41 = 0x29 << 2,
    /// Code point 42, not assigned.
    Reserved42 = 0x2a << 2,
    /// Code point 43, not assigned.
    Reserved43 = 0x2b << 2,
    /// Capacity-admitted traffic (RFC 5865).
    VoiceAdmit = 0x2c << 2,
    /// Code point 45, not assigned.
    Reserved45 = 0x2d << 2,
    /// Expedited forwarding (RFC 3246).
    Ef = 0x2e << 2,
    /// Code point 47, not assigned.
    Reserved47 = 0x2f << 2,
    /// Class selector 6 (RFC 2474).
    Cs6 = 0x30 << 2,
    /// Code point 49, not assigned.
    Reserved49 = 0x31 << 2,
    /// Code point 50, not assigned.
    Reserved50 = 0x32 << 2,
    /// Code point 51, not assigned.
    Reserved51 = 0x33 << 2,
    /// Code point 52, not assigned.
    Reserved52 = 0x34 << 2,
    /// Code point 53, not assigned.
    Reserved53 = 0x35 << 2,
    /// Code point 54, not assigned.
    Reserved54 = 0x36 << 2,
    /// Code point 55, not assigned.
    Reserved55 = 0x37 << 2,
    /// Class selector 7 (RFC 2474).
    Cs7 = 0x38 << 2,
    /// Code point 57, not assigned.
    Reserved57 = 0x39 << 2,
    /// Code point 58, not assigned.
    Reserved58 = 0x3a << 2,
    /// Code point 59, not assigned.
    Reserved59 = 0x3b << 2,
    /// Code point 60, not assigned.
    Reserved60 = 0x3c << 2,
    /// Code point 61, not assigned.
    Reserved61 = 0x3d << 2,
    /// Code point 62, not assigned.
    Reserved62 = 0x3e << 2,
    /// Code point 63, not assigned.
    Reserved63 = 0x3f << 2,
}

impl From<u8> for Dscp {
    /// The six high bits count.
    fn from(v: u8) -> Self {
        // Every multiple of four has a name.
        Self::from_repr(v & !ECN_BITS).unwrap_or_default()
    }
}

impl From<Dscp> for u8 {
    fn from(v: Dscp) -> Self {
        v as Self
    }
}

impl From<Tos> for Dscp {
    fn from(v: Tos) -> Self {
        Self::from(v.0)
    }
}

/// A DSCP and an ECN field in one byte.
#[derive(Clone, Copy, Default, Hash, PartialEq, Eq)]
pub struct Tos(u8);

impl Tos {
    /// Replaces the ECN field.
    pub fn set_ecn(&mut self, ecn: Ecn) {
        self.0 = self.0 & !ECN_BITS | u8::from(ecn);
    }

    /// Replaces the DSCP.
    pub fn set_dscp(&mut self, dscp: Dscp) {
        self.0 = self.0 & ECN_BITS | u8::from(dscp);
    }

    /// Whether the ECN field is anything but Not-ECT.
    #[must_use]
    pub fn is_ecn_marked(self) -> bool {
        Ecn::from(self).is_marked()
    }
}

impl From<u8> for Tos {
    fn from(v: u8) -> Self {
        Self(v)
    }
}

impl From<Tos> for u8 {
    fn from(v: Tos) -> Self {
        v.0
    }
}

impl From<Ecn> for Tos {
    fn from(v: Ecn) -> Self {
        Self(v.into())
    }
}

impl From<Dscp> for Tos {
    fn from(v: Dscp) -> Self {
        Self(v.into())
    }
}

impl From<(Dscp, Ecn)> for Tos {
    fn from((dscp, ecn): (Dscp, Ecn)) -> Self {
        Self(u8::from(dscp) | u8::from(ecn))
    }
}

impl From<(Ecn, Dscp)> for Tos {
    fn from((ecn, dscp): (Ecn, Dscp)) -> Self {
        Self::from((dscp, ecn))
    }
}

impl Debug for Tos {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Tos({:?}, {:?})", Dscp::from(*self), Ecn::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::{Dscp, Ecn, Tos};

    #[test]
    fn every_byte_is_a_tos() {
        for b in 0..=u8::MAX {
            let tos = Tos::from(b);
            let (dscp, ecn) = (Dscp::from(tos), Ecn::from(tos));
            assert_eq!(u8::from(dscp) | u8::from(ecn), b);
            assert_eq!(Tos::from((dscp, ecn)), tos);
            assert_eq!(Tos::from((ecn, dscp)), tos);
            assert_eq!(u8::from(tos), b);
        }
    }

    #[test]
    fn every_name_has_its_own_value() {
        assert_eq!(Dscp::iter().count(), 64);
        for dscp in Dscp::iter() {
            assert_eq!(Dscp::from(u8::from(dscp)), dscp);
        }
        assert_eq!(u8::from(Dscp::Ef), 184);
        assert_eq!(u8::from(Dscp::Af43), 152);
        assert_eq!(u8::from(Dscp::VoiceAdmit), 176);
        assert_eq!(u8::from(Dscp::Reserved63), 252);
    }

    #[test]
    fn set_one_keep_the_other() {
        for (ecn, dscp) in Ecn::iter().zip([Dscp::Le, Dscp::Ef, Dscp::Cs7, Dscp::Cs0]) {
            let mut tos = Tos::from((Dscp::Af11, Ecn::Ce));
            tos.set_ecn(ecn);
            assert_eq!((Dscp::from(tos), Ecn::from(tos)), (Dscp::Af11, ecn));
            tos.set_dscp(dscp);
            assert_eq!((Dscp::from(tos), Ecn::from(tos)), (dscp, ecn));
            assert_eq!(tos.is_ecn_marked(), ecn != Ecn::NotEct);
        }
    }

    #[test]
    fn classes_of_marks() {
        assert!(
            Ecn::iter()
                .filter(|e| e.is_ect())
                .eq([Ecn::Ect1, Ecn::Ect0])
        );
        assert_eq!(Ecn::iter().filter(|e| e.is_marked()).count(), 3);
        assert_eq!(
            format!("{:?}", Tos::from((Dscp::Le, Ecn::Ect0))),
            "Tos(Le, Ect0)"
        );
    }
}
