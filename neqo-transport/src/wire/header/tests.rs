use neqo_common::{Random, Role};
use neqo_crypto::{Level, OpenKeys, SealKeys, Version};
use proptest::prelude::*;

use super::{
    LongType, Packet, Protected, QuicBit, VersionNegotiation,
    decode::peek_dcid,
    encode::{LongHeader, short},
    retry, version_negotiation,
};
use crate::{
    Violation,
    cid::id::{ConnectionId, RandomConnectionIdGenerator},
    stats::DropReason,
    tx::packet::HeaderLayout,
    wire::put::Put as _,
};

const CIDS: RandomConnectionIdGenerator = RandomConnectionIdGenerator::new(8);
/// The client's first Destination Connection ID in RFC 9001 Appendix A.
const ODCID: &str = "8394c8f03e515708";

fn hex(s: &str) -> Vec<u8> {
    let digits: String = s.split_whitespace().collect();
    ::hex::decode(digits).unwrap()
}

fn cid(s: &str) -> ConnectionId {
    ConnectionId::new(&hex(s)).unwrap()
}

fn decode(datagram: &[u8]) -> Result<Packet<'_>, DropReason> {
    Packet::decode(datagram, &CIDS, QuicBit::Required)
}

fn protected(datagram: &[u8]) -> Protected {
    match decode(datagram) {
        Ok(Packet::Protected(p)) => p,
        other => panic!("{other:?}"),
    }
}

fn keys(version: Version, role: Role) -> (SealKeys, OpenKeys) {
    neqo_crypto::initial_keys(version, &hex(ODCID), role).unwrap()
}

/// Fills in the length, seals and masks, as RFC 9001 §5 says and not as the packet builder does.
fn seal(mut packet: Vec<u8>, layout: HeaderLayout, pn: u64, keys: &mut SealKeys) -> Vec<u8> {
    packet.resize(packet.len() + 16, 0);
    if let Some(at) = layout.length_at {
        let length = u16::try_from(packet.len() - layout.pn_at).unwrap();
        packet[at..at + 2].copy_from_slice(&(0x4000 | length).to_be_bytes());
    }
    keys.seal(pn, &mut packet, layout.pn_at + layout.pn_len)
        .unwrap();
    let sample = packet[layout.pn_at + 4..][..16].try_into().unwrap();
    let mask = keys.mask(sample);
    packet[0] ^= mask[0]
        & if layout.length_at.is_some() {
            0x0f
        } else {
            0x1f
        };
    for i in 0..layout.pn_len {
        packet[layout.pn_at + i] ^= mask[1 + i];
    }
    packet
}

fn initial(version: Version, token: &[u8]) -> LongHeader<'_> {
    LongHeader {
        version,
        kind: LongType::Initial,
        dcid: cid(ODCID),
        scid: cid("0102"),
        token,
    }
}

/// A sealed Initial packet of a client; `first` is set in the first byte before.
fn client_initial(version: Version, pn: u64, payload: &[u8], first: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    let layout = initial(version, b"")
        .write(&mut packet, (pn, None))
        .unwrap();
    packet[0] |= first;
    packet.put(payload);
    seal(packet, layout, pn, &mut keys(version, Role::Client).0)
}

/// The payload of a sealed Initial packet of a client.
#[expect(
    clippy::unwrap_in_result,
    reason = "the packet authenticates; what is in it is under test"
)]
fn open(packet: &mut [u8], version: Version) -> Result<Vec<u8>, Violation> {
    let (_, mut keys) = keys(version, Role::Server);
    let unprotected = protected(packet)
        .unmask(packet, |sample| keys.mask(sample))
        .unwrap();
    let pn = unprotected.packet_number(packet, None);
    let opened = unprotected.open(packet, pn, &mut keys).unwrap();
    opened.payload().map(|range| packet[range].to_vec())
}

/// RFC 9001 Appendix A.2: the header before protection, and the packet after it.
#[test]
fn rfc_9001_client_initial() {
    let dcid = cid(ODCID);
    let header = hex("c300000001088394c8f03e5157080000449e00000002");
    let mut crypto = hex(
        "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
         04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
         616d706c652e636f6dff01000100000a00080006001d00170018001000070005
         04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
         baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
         0d0010000e0403050306030203080408050806002d00020101001c0002400100
         3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
         75300901100f088394c8f03e51570806048000ffff",
    );
    crypto.resize(1162, 0);
    let mut packet = header.clone();
    packet.put(&crypto);
    let layout = HeaderLayout {
        length_at: Some(16),
        pn_at: 18,
        pn_len: 4,
    };
    let mut packet = seal(
        packet,
        layout,
        2,
        &mut keys(Version::Version1, Role::Client).0,
    );
    assert_eq!(packet.len(), 1200);
    assert_eq!(
        packet[..22],
        hex("c000000001088394c8f03e5157080000449e7b9aec34")
    );
    let p = protected(&packet);
    assert_eq!((p.level(), p.len()), (Level::Initial, 1200));
    assert_eq!((*p.dcid(), p.scid().len()), (dcid, 0));
    assert!(!p.has_token());
    assert_eq!(open(&mut packet, Version::Version1).unwrap(), crypto);
    assert_eq!(packet[..22], header, "unmasked in place");
}

/// RFC 9001 Appendix A.5, up to the AEAD.
#[test]
fn rfc_9001_short_header() {
    let mut packet = hex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
    let empty = RandomConnectionIdGenerator::new(0);
    let Ok(Packet::Protected(p)) = Packet::decode(&packet, &empty, QuicBit::Required) else {
        panic!("a short header");
    };
    assert_eq!((p.level(), p.version()), (Level::OneRtt, None));
    let unprotected = p
        .unmask(&mut packet, |sample| {
            assert_eq!(sample[..], hex("5e5cd55c41f69080575d7999c25a5bfb"));
            [0xae, 0xfe, 0xfe, 0x7d, 0x03]
        })
        .unwrap();
    assert_eq!(packet[..4], hex("4200bff4"));
    assert!(!unprotected.key_phase());
    assert_eq!(
        unprotected.packet_number(&packet, Some(654_360_563)),
        654_360_564
    );
}

/// RFC 9001 Appendix A.4 and RFC 9369 Appendix A.4.
#[test]
fn retry_vectors() {
    for (version, packet) in [
        (
            Version::Version1,
            "ff000000010008f067a5502a4262b574 6f6b656e04a265ba2eff4d829058fb3f 0f2496ba",
        ),
        (
            Version::Version2,
            "cf6b3343cf0008f067a5502a4262b574 6f6b656ec8646ce8bfe33952d9555436 65dcc7b6",
        ),
    ] {
        let packet = hex(packet);
        let Ok(Packet::Retry(retry)) = decode(&packet) else {
            panic!("a Retry");
        };
        assert_eq!((retry.version, retry.token), (version, &b"token"[..]));
        assert_eq!(retry.scid, cid("f067a5502a4262b5"));
        assert!(retry.is_valid(&cid(ODCID)));
        assert!(!retry.is_valid(&cid("8394c8f03e515709")));
    }
}

#[test]
//= rfc9000#section-17.2.5.1 type=test
//# A client MUST discard a Retry packet that
//# contains a Source Connection ID field that is identical to the Destination
//# Connection ID field of its Initial packet.
//= rfc9000#section-17.2.5.2 type=test
//# Clients MUST discard Retry packets that have a Retry Integrity Tag that cannot
//# be validated; see {{Section 5.8 of QUIC-TLS}}.
fn retry_round_trip_and_forgeries() {
    // hardening A19: any length of connection ID
    let mut rng = Random::from_seed([5; 32]);
    for version in Version::all() {
        for len in 0..=20 {
            let [dcid, odcid] = [0; 2].map(|_| ConnectionId::generate(len, &mut rng));
            let scid = ConnectionId::new(b"new one").unwrap();
            let ids = [&dcid, &scid, &odcid];
            let packet = retry::encode(version, ids, b"a token", &mut rng).unwrap();
            let Ok(Packet::Retry(retry)) = decode(&packet) else {
                panic!("a Retry");
            };
            assert_eq!((retry.dcid, retry.scid), (dcid, scid));
            assert_eq!((retry.token, retry.version), (&b"a token"[..], version));
            assert!(retry.is_valid(&odcid));
            // hardening R3785
            assert!(!retry.is_valid(&scid));
            for i in 0..packet.len() {
                let mut forged = packet.clone();
                forged[i] ^= 0x01;
                if let Ok(Packet::Retry(retry)) = decode(&forged) {
                    assert!(!retry.is_valid(&odcid), "byte {i}");
                }
            }
        }
    }
}

#[test]
//= rfc9000#section-17.2.5.2 type=test
//# A client MUST discard a Retry packet with a zero-length Retry
//# Token field.
fn retry_without_token() {
    let packet = hex("ff000000010008f067a5502a4262b5 04a265ba2eff4d829058fb3f0f2496ba");
    assert_eq!(decode(&packet).unwrap_err(), DropReason::Retry);
    assert_eq!(decode(&packet[..20]).unwrap_err(), DropReason::Retry);
}

#[test]
fn long_types_of_both_versions() {
    // RFC 9000 Table 5 and RFC 9369 §3.2.
    for (kind, v1, v2) in [
        (LongType::Initial, 0b00, 0b01),
        (LongType::ZeroRtt, 0b01, 0b10),
        (LongType::Handshake, 0b10, 0b11),
        (LongType::Retry, 0b11, 0b00),
    ] {
        assert_eq!(kind.bits(Version::Version1), v1 << 4);
        assert_eq!(kind.bits(Version::Version2), v2 << 4);
        assert_eq!(
            LongType::of(0xcf | v1 << 4, Version::Version1),
            LongType::of(v1 << 4, Version::Version1)
        );
        for version in Version::all() {
            assert_eq!(LongType::of(0xc0 | kind.bits(version), version), kind);
        }
    }
}

#[test]
fn initials_of_both_versions() {
    for version in Version::all() {
        let mut packet = client_initial(version, 70_000, b"frames here", 0);
        assert_eq!(open(&mut packet, version).unwrap(), b"frames here");
    }
}

#[test]
//= rfc9000#section-17.2 type=test
//# An endpoint MUST treat receipt of a packet that has a non-zero value for these
//# bits after removing both packet and header protection as a connection error
//# of type PROTOCOL_VIOLATION.
fn reserved_bits() {
    // hardening R3749
    for bit in [0x04, 0x08, 0x0c] {
        let mut packet = client_initial(Version::Version1, 1, b"frames", bit);
        assert!(matches!(
            open(&mut packet, Version::Version1),
            Err(Violation::ProtocolViolation(_))
        ));
    }
}

#[test]
//= rfc9000#section-17.3.1 type=test
//# An endpoint MUST treat
//# receipt of a packet that has a non-zero value for these bits, after removing
//# both packet and header protection, as a connection error of type
fn reserved_bits_of_short_headers() {
    // hardening R3749; the keys are those of an Initial, the header is short.
    for (bits, ok) in [
        (0, true),
        (0x20, true),
        (0x04, true),
        (0x08, false),
        (0x10, false),
    ] {
        let (mut write, _) = keys(Version::Version1, Role::Client);
        let (_, mut read) = keys(Version::Version1, Role::Server);
        let mut packet = Vec::new();
        let layout = short(&mut packet, &cid(ODCID), false, (9, Some(7))).unwrap();
        packet[0] |= bits;
        packet.put(b"some frames");
        let mut packet = seal(packet, layout, 9, &mut write);
        let p = protected(&packet);
        let unprotected = p.unmask(&mut packet, |s| read.mask(s)).unwrap();
        assert_eq!(unprotected.key_phase(), bits == 0x04);
        let pn = unprotected.packet_number(&packet, Some(8));
        let opened = unprotected.open(&mut packet, pn, &mut read).unwrap();
        assert_eq!(opened.payload().is_ok(), ok, "{bits:#x}");
    }
}

#[test]
//= rfc9000#section-12.4 type=test
//# An endpoint MUST
//# treat receipt of a packet containing no frames as a connection error of type
//# PROTOCOL_VIOLATION.
fn no_frames() {
    // A packet number of four bytes leaves room for a sample without any payload.
    let mut packet = client_initial(Version::Version1, 0x0100_0000, b"", 0);
    assert!(matches!(
        open(&mut packet, Version::Version1),
        Err(Violation::ProtocolViolation(_))
    ));
}

#[test]
//= rfc9000#section-17.2 type=test
//# Packets containing a zero value for this bit are not
//# valid packets in this version and MUST be discarded.
//= rfc9000#section-17.3.1 type=test
//# Packets containing a zero
//# value for this bit are not valid packets in this version and MUST be discarded.
//= rfc9287#section-3 type=test
//# An endpoint that advertises the grease_quic_bit transport parameter MUST accept
//# packets with the QUIC Bit set to a value of 0.
fn quic_bit() {
    let mut long = client_initial(Version::Version1, 1, b"frames", 0);
    let mut short_header = Vec::new();
    short(&mut short_header, &cid(ODCID), false, (1, None)).unwrap();
    for packet in [&mut long, &mut short_header] {
        assert!(decode(packet).is_ok());
        packet[0] &= !0x40;
        assert_eq!(decode(packet).unwrap_err(), DropReason::Header);
        assert!(matches!(
            Packet::decode(packet, &CIDS, QuicBit::Any),
            Ok(Packet::Protected(_))
        ));
    }
}

#[test]
//= rfc9000#section-17.2 type=test
//# Endpoints that receive a version 1 long header with a value larger than 20
//# MUST drop the packet.
fn long_connection_ids() {
    for (version, known) in [(1_u32, true), (0x6b33_43cf, true), (0x0a0a_0a0a, false)] {
        for [dcid_len, scid_len] in [[21, 0], [0, 21], [255, 255]] {
            let mut packet = vec![0xc0];
            packet.put(&version.to_be_bytes());
            for len in [dcid_len, scid_len] {
                packet.byte(len);
                packet.put(&vec![len; usize::from(len)]);
            }
            packet.put(&[0; 40]);
            match decode(&packet) {
                Err(DropReason::Header) => assert!(known),
                Ok(Packet::OtherVersion(other)) => {
                    assert!(!known);
                    assert_eq!(other.version, version);
                    assert_eq!(other.dcid, vec![dcid_len; usize::from(dcid_len)]);
                    assert_eq!(other.scid, vec![scid_len; usize::from(scid_len)]);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(
                peek_dcid(&packet, &CIDS).unwrap().len(),
                usize::from(dcid_len)
            );
        }
    }
}

#[test]
fn version_negotiation_round_trip() {
    let mut rng = Random::from_seed([6; 32]);
    let (dcid, scid) = (vec![1; 200], vec![2; 3]);
    let packet = version_negotiation::encode(&dcid, &scid, &Version::all(), &mut rng);
    let Ok(Packet::VersionNegotiation(vn)) = decode(&packet) else {
        panic!("a Version Negotiation");
    };
    assert_eq!((vn.dcid, vn.scid), (&scid[..], &dcid[..]), "swapped");
    let versions: Vec<_> = vn.versions().collect();
    assert_eq!(versions[..2], [1, 0x6b33_43cf]);
    assert_eq!(versions[2] & 0x0f0f_0f0f, 0x0a0a_0a0a);
    assert_eq!(versions.len(), 3);
}

#[test]
//= rfc8999#section-6 type=test
//# An endpoint MUST ignore a packet that contains no Supported Version
//# fields or contains a truncated Supported Version value.
fn version_negotiation_without_versions() {
    for (tail, ok) in [
        (0, false),
        (1, false),
        (3, false),
        (4, true),
        (6, false),
        (8, true),
    ] {
        // The seven bits behind the first one mean nothing.
        for first in [0x80, 0xff] {
            let mut packet = vec![first, 0, 0, 0, 0, 1, 5, 1, 6];
            packet.resize(packet.len() + tail, 1);
            match decode(&packet) {
                Ok(Packet::VersionNegotiation(vn)) => {
                    assert!(ok);
                    assert_eq!(vn.versions().count(), tail / 4);
                    assert_eq!(
                        vn,
                        VersionNegotiation::decode(&[5], &[6], &packet[9..]).unwrap()
                    );
                }
                other => {
                    assert!(!ok);
                    assert_eq!(other.unwrap_err(), DropReason::VersionNegotiation);
                }
            }
        }
    }
}

#[test]
fn coalesced_packets() {
    let mut datagram = client_initial(Version::Version1, 1, b"first packet", 0);
    let first = datagram.len();
    let mut header = initial(Version::Version1, b"");
    header.kind = LongType::Handshake;
    let mut second = Vec::new();
    let layout = header.write(&mut second, (3, None)).unwrap();
    second.put(b"second packet");
    let (mut seal_keys, _) = keys(Version::Version1, Role::Client);
    datagram.put(&seal(second, layout, 3, &mut seal_keys));
    let handshake_end = datagram.len();
    short(&mut datagram, &cid(ODCID), true, (1, None)).unwrap();
    datagram.put(&[0; 30]);

    let p = protected(&datagram);
    assert_eq!((p.level(), p.len()), (Level::Initial, first));
    let p = protected(&datagram[first..]);
    assert_eq!(
        (p.level(), p.len()),
        (Level::Handshake, handshake_end - first)
    );
    let p = protected(&datagram[handshake_end..]);
    assert_eq!(p.level(), Level::OneRtt);
    assert_eq!(p.len(), datagram.len() - handshake_end, "to the end");
    assert_eq!(p.dcid(), &cid(ODCID));
}

#[test]
fn a_length_beyond_the_datagram() {
    let packet = client_initial(Version::Version1, 1, b"frames", 0);
    for cut in 1..packet.len() {
        assert_eq!(decode(&packet[..cut]).unwrap_err(), DropReason::Header);
    }
    assert_eq!(decode(&[]).unwrap_err(), DropReason::Header);
}

#[test]
fn too_short_for_a_sample() {
    // hardening A25: no byte less than header, four bytes and a sample may be unmasked.
    for body in 0..25 {
        let mut packet = vec![0x40];
        packet.put(&cid(ODCID));
        packet.put(&vec![0; body]);
        let result = protected(&packet).unmask(&mut packet, |_| [0xff; 5]);
        assert_eq!(result.is_ok(), body >= 20, "{body}");
    }
    let packet = vec![0x40, 1, 2, 3];
    assert_eq!(decode(&packet).unwrap_err(), DropReason::ConnectionId);
}

#[test]
fn tokens() {
    let token = vec![0xaa; 300];
    let mut packet = Vec::new();
    let layout = initial(Version::Version2, &token)
        .write(&mut packet, (0, None))
        .unwrap();
    packet.put(&[0; 20]);
    let (mut seal_keys, _) = keys(Version::Version2, Role::Client);
    let packet = seal(packet, layout, 0, &mut seal_keys);
    let p = protected(&packet);
    assert!(p.has_token());
    assert_eq!(p.token(&packet), token);
    assert_eq!(peek_dcid(&packet, &CIDS), Some(&hex(ODCID)[..]));
}

#[test]
fn a_header_that_does_not_fit_is_not_written() {
    struct Full(usize, bool);
    impl crate::wire::put::Put for Full {
        fn remaining(&self) -> usize {
            self.0
        }
        fn put(&mut self, bytes: &[u8]) {
            self.1 = true;
            self.0 = self.0.checked_sub(bytes.len()).unwrap();
        }
    }
    let long = initial(Version::Version1, b"token");
    let mut whole = Vec::new();
    long.write(&mut whole, (0, None)).unwrap();
    for room in 0..=whole.len() {
        let mut put = Full(room, false);
        let layout = long.write(&mut put, (0, None));
        assert_eq!(layout.is_some(), room == whole.len());
        assert_eq!(put.1, layout.is_some());
        let mut put = Full(room, false);
        let layout = short(&mut put, &long.dcid, false, (0, None));
        assert_eq!(layout.is_some(), room >= 10);
        assert_eq!(put.1, layout.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Hardening A25: whatever arrives is a packet or dropped, at whatever step.
    #[test]
    fn every_datagram(mut data in prop::collection::vec(any::<u8>(), 0..200), version in 0..4) {
        // Random versions are never known ones.
        let wire = [0, 1, 0x6b33_43cf_u32].get(usize::try_from(version).unwrap()).copied();
        if let (Some(wire), Some(field)) = (wire, data.get_mut(1..5)) {
            field.copy_from_slice(&wire.to_be_bytes());
            data[0] |= 0x80;
        }
        let mut rest = &mut data[..];
        while !rest.is_empty() {
            prop_assert!(peek_dcid(rest, &CIDS).is_none_or(|dcid| dcid.len() < rest.len()));
            let Ok(Packet::Protected(p)) = Packet::decode(rest, &CIDS, QuicBit::Any) else {
                break;
            };
            let (packet, tail) = rest.split_at_mut_checked(p.len()).unwrap();
            prop_assert!(!packet.is_empty());
            prop_assert!(p.token(packet).len() < packet.len());
            if let Ok(unprotected) = p.unmask(packet, |s| [s[0], s[1], s[2], s[3], s[4]]) {
                let pn = unprotected.packet_number(packet, Some(1000));
                let (_, mut keys) = keys(Version::Version1, Role::Server);
                prop_assert!(unprotected.open(packet, pn, &mut keys).is_err());
            }
            rest = tail;
        }
    }

    #[test]
    fn headers_round_trip(
        kind in prop::sample::select(vec![LongType::Initial, LongType::ZeroRtt, LongType::Handshake]),
        v2: bool,
        lens in prop::array::uniform2(0_usize..=20),
        token in prop::collection::vec(any::<u8>(), 0..100),
        acked in 0_u64..1 << 40,
        ahead in 1_u64..1 << 20,
        phase: bool,
    ) {
        let mut rng = Random::from_seed([9; 32]);
        let [dcid, scid] = lens.map(|len| ConnectionId::generate(len, &mut rng));
        let version = if v2 { Version::Version2 } else { Version::Version1 };
        let pn = (acked + ahead, Some(acked));
        let header = LongHeader { version, kind, dcid, scid, token: &token };
        let mut packet = Vec::new();
        let layout = header.write(&mut packet, pn).unwrap();
        prop_assert_eq!(layout.pn_at + layout.pn_len, packet.len());
        let length_at = layout.length_at.unwrap();
        prop_assert_eq!(length_at + 2, layout.pn_at);
        packet[length_at + 1] = 30;
        packet.resize(layout.pn_at + 30, 0);
        let p = protected(&packet);
        prop_assert_eq!((*p.dcid(), *p.scid(), p.version()), (dcid, scid, Some(version)));
        prop_assert_eq!(p.len(), packet.len());
        prop_assert_eq!(p.token(&packet).len(), if kind == LongType::Initial { token.len() } else { 0 });
        let unprotected = p.unmask(&mut packet, |_| [0; 5]).unwrap();
        prop_assert_eq!(unprotected.packet_number(&packet, Some(acked)), acked + ahead);

        let cids = RandomConnectionIdGenerator::new(dcid.len());
        let mut packet = Vec::new();
        let layout = short(&mut packet, &dcid, phase, pn).unwrap();
        prop_assert_eq!(layout.pn_at + layout.pn_len, packet.len());
        prop_assert_eq!(layout.length_at, None);
        packet.resize(packet.len() + 30, 0);
        let Ok(Packet::Protected(p)) = Packet::decode(&packet, &cids, QuicBit::Required) else {
            panic!("a short header");
        };
        prop_assert_eq!((*p.dcid(), p.len()), (dcid, packet.len()));
        let unprotected = p.unmask(&mut packet, |_| [0; 5]).unwrap();
        prop_assert_eq!(unprotected.key_phase(), phase);
        prop_assert_eq!(unprotected.packet_number(&packet, Some(acked)), acked + ahead);
    }
}
