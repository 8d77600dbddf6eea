mod vectors;

use neqo_common::Role;
use proptest::prelude::*;

use super::*;
use crate::{Cipher, Direction, Error, Level, Primitives, Secret, Version};

const DCID: &str = "8394c8f03e515708";

fn unhex(s: &str) -> Vec<u8> {
    hex::decode(s).unwrap()
}

/// Masks (or unmasks) the header of a packet whose packet number stands `pn_at` and has `pn_len` bytes.
fn apply_mask(packet: &mut [u8], mask: [u8; 5], pn_at: usize, pn_len: usize) {
    packet[0] ^= mask[0] & if packet[0] & 0x80 == 0 { 0x1f } else { 0x0f };
    for i in 0..pn_len {
        packet[pn_at + i] ^= mask[1 + i];
    }
}

fn sample(packet: &[u8], pn_at: usize) -> &[u8; 16] {
    packet[pn_at + 4..].first_chunk().unwrap()
}

/// Seals, masks, compares; unmasks, opens, compares.
fn both_ways(
    seal: &mut SealKeys,
    open: &mut OpenKeys,
    pn: u64,
    header: &[u8],
    payload: &[u8],
    expected: &[u8],
) {
    let pn_len = usize::from(header[0] & 3) + 1;
    let pn_at = header.len() - pn_len;
    let mut packet = [header, payload, &[0; 16]].concat();
    seal.seal(pn, &mut packet, header.len()).unwrap();
    let mask = seal.mask(sample(&packet, pn_at));
    apply_mask(&mut packet, mask, pn_at, pn_len);
    assert_eq!(hex::encode(&packet), hex::encode(expected));

    let mask = open.mask(sample(&packet, pn_at));
    apply_mask(&mut packet, mask, pn_at, pn_len);
    let (h, body) = packet.split_at_mut(header.len());
    assert_eq!(h, header);
    assert_eq!(open.open(pn, h, body).unwrap(), payload);
}

fn initial_vectors(version: Version, client: [&str; 2], server: [&str; 2]) {
    let dcid = unhex(DCID);
    let mut payload = unhex(vectors::CLIENT_CRYPTO);
    payload.resize(1162, 0);
    let client = (client.map(unhex), 2, payload);
    let server = (server.map(unhex), 1, unhex(vectors::SERVER_PAYLOAD));
    for (role, ([header, packet], pn, payload)) in [(Role::Client, client), (Role::Server, server)]
    {
        let peer = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let (mut seal, _) = initial_keys(version, &dcid, role).unwrap();
        let (_, mut open) = initial_keys(version, &dcid, peer).unwrap();
        both_ways(&mut seal, &mut open, pn, &header, &payload, &packet);
        for p in Primitives::ALL {
            let (secret, _) = initial_secrets(version, &dcid, role).unwrap();
            let mut seal = SealKeys::with(*p, version, &secret).unwrap();
            let mut open = OpenKeys::with(*p, version, &secret).unwrap();
            both_ways(&mut seal, &mut open, pn, &header, &payload, &packet);
        }
    }
}

//= rfc9001#section-5.2 type=test
//# This secret is determined by using HKDF-Extract (see {{Section 2.2 of HKDF}})
//# with a salt of 0x38762cf7f55934b34d179ae6a4c80cadccbb7f0a and the input keying
//# material (IKM) of the Destination Connection ID field.
#[test]
fn initial_packets_v1() {
    initial_vectors(
        Version::Version1,
        [vectors::V1_CLIENT_HEADER, vectors::V1_CLIENT_PACKET],
        [vectors::V1_SERVER_HEADER, vectors::V1_SERVER_PACKET],
    );
}

#[test]
fn initial_packets_v2() {
    initial_vectors(
        Version::Version2,
        [vectors::V2_CLIENT_HEADER, vectors::V2_CLIENT_PACKET],
        [vectors::V2_SERVER_HEADER, vectors::V2_SERVER_PACKET],
    );
}

#[test]
fn initial_secrets_of_both_roles() {
    let (dcid, v1) = (unhex(DCID), Version::Version1);
    let (write, read) = initial_secrets(v1, &dcid, Role::Client).unwrap();
    assert_eq!(
        hex::encode(write.bytes()),
        "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea"
    );
    assert_eq!(
        hex::encode(read.bytes()),
        "3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b"
    );
    let (server_write, server_read) = initial_secrets(v1, &dcid, Role::Server).unwrap();
    assert_eq!(server_write.bytes(), read.bytes());
    assert_eq!(server_read.bytes(), write.bytes());
}

#[test]
fn retry_tags() {
    for (version, packet) in [
        (Version::Version1, vectors::V1_RETRY),
        (Version::Version2, vectors::V2_RETRY),
    ] {
        let (dcid, packet) = (unhex(DCID), unhex(packet));
        let (body, tag) = packet.split_last_chunk::<16>().unwrap();
        assert_eq!(&retry::tag(version, &dcid, body).unwrap(), tag);
        assert!(retry::verify(version, &dcid, &packet));
        assert!(!retry::verify(version, b"other", &packet));
        for i in 0..packet.len() {
            let mut bad = packet.clone();
            bad[i] ^= 1;
            assert!(!retry::verify(version, &dcid, &bad), "byte {i}");
            assert!(!retry::verify(version, &dcid, &packet[..i]), "length {i}");
        }
    }
}

fn chacha_secret() -> Secret {
    let bytes = unhex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b");
    secret(Cipher::ChaCha20Poly1305Sha256, &bytes)
}

fn secret(cipher: Cipher, bytes: &[u8]) -> Secret {
    Secret::new(Level::OneRtt, Direction::Write, cipher, bytes).unwrap()
}

//= rfc9001#section-5.3 type=test
//# The 62 bits of the reconstructed QUIC packet number in network byte
//# order are left-padded with zeros to the size of the IV.  The exclusive OR of the
//# padded packet number and the IV forms the AEAD nonce.
#[test]
fn chacha20_short_header() {
    for (version, packet) in [
        (
            Version::Version1,
            "4cfe4189655e5cd55c41f69080575d7999c25a5bfb",
        ),
        (
            Version::Version2,
            "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba",
        ),
    ] {
        let secret = chacha_secret();
        for p in Primitives::ALL {
            let mut seal = SealKeys::with(*p, version, &secret).unwrap();
            let mut open = OpenKeys::with(*p, version, &secret).unwrap();
            let header = unhex("4200bff4");
            let packet = unhex(packet);
            both_ways(&mut seal, &mut open, 654_360_564, &header, &[1], &packet);
        }
    }
}

//= rfc9001#section-6.1 type=test
//# This uses the KDF function provided by TLS with a label of "quic ku".
#[test]
fn key_update_secrets() {
    for (version, next) in [
        (
            Version::Version1,
            "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9",
        ),
        (
            Version::Version2,
            "c69374c49e3d2a9466fa689e49d476db5d0dfbc87d32ceeaa6343fd0ae4c7d88",
        ),
    ] {
        for p in Primitives::ALL {
            let keys = SealKeys::with(*p, version, &chacha_secret()).unwrap();
            assert_eq!(hex::encode(keys.next().unwrap().secret().bytes()), next);
        }
    }
}

//= rfc9001#section-6.1 type=test
//# The header protection key is not updated.
#[test]
fn key_update_chain() {
    // Each side by every library.
    let primitives = Primitives::ALL
        .iter()
        .flat_map(|s| Primitives::ALL.iter().map(move |o| (*s, *o)));
    for ((sealing, opening), cipher) in
        primitives.flat_map(|p| Cipher::ALL.into_iter().map(move |c| (p, c)))
    {
        let secret = secret(cipher, &vec![5; cipher.secret_len()]);
        let mut seal = SealKeys::with(sealing, Version::Version1, &secret).unwrap();
        let mut open = OpenKeys::with(opening, Version::Version1, &secret).unwrap();
        let mask = seal.mask(&[9; 16]);
        for pn in 0..5 {
            let mut packet = [&b"h"[..], b"payload", &[0; 16]].concat();
            seal.seal(pn, &mut packet, 1).unwrap();
            let (header, body) = packet.split_at_mut(1);
            assert_eq!(open.open(pn, header, body).unwrap(), b"payload");
            seal = seal.next().unwrap();
            let mut packet = [&b"h"[..], b"payload", &[0; 16]].concat();
            seal.seal(pn, &mut packet, 1).unwrap();
            let (header, body) = packet.split_at_mut(1);
            assert_eq!(open.open(pn, header, body), Err(Error::Aead));
            open = open.next().unwrap();
            assert_eq!(seal.mask(&[9; 16]), mask);
            assert_eq!(open.mask(&[9; 16]), mask);
        }
        assert_eq!(open.forged(), 5, "failures are counted over all keys");
    }
}

//= rfc9001#section-6.6 type=test
//# Endpoints MUST count the number of encrypted packets for each set of keys. If
//# the total number of encrypted packets with the same key exceeds the
//# confidentiality limit for the selected AEAD, the endpoint MUST stop using those
#[test]
fn confidentiality_limit() {
    for (cipher, limit) in [
        (Cipher::Aes128GcmSha256, 1 << 23),
        (Cipher::Aes256GcmSha384, 1 << 23),
        (Cipher::ChaCha20Poly1305Sha256, 1 << 62),
    ] {
        let secret = secret(cipher, &vec![1; cipher.secret_len()]);
        let mut keys = SealKeys::new(Version::Version1, &secret).unwrap();
        assert_eq!(keys.remaining(), limit);
        keys.count(limit - 1);
        let mut packet = [0; 32];
        keys.seal(0, &mut packet, 8).unwrap();
        assert_eq!(keys.remaining(), 0);
        let before = packet;
        assert_eq!(keys.seal(1, &mut packet, 8), Err(Error::KeyExhausted));
        assert_eq!(packet, before, "nothing is sealed");
        assert_eq!(keys.next().unwrap().remaining(), limit, "counts by key");
    }
}

//= rfc9001#section-6.6 type=test
//# connection, across all keys, exceeds the integrity limit for the selected AEAD,
//# the endpoint MUST immediately close the connection with a connection error of
//# type AEAD_LIMIT_REACHED and not process any more packets.
// hardening A32
#[test]
fn integrity_limit() {
    for (cipher, limit) in [
        (Cipher::Aes128GcmSha256, 1 << 52),
        (Cipher::Aes256GcmSha384, 1 << 52),
        (Cipher::ChaCha20Poly1305Sha256, 1 << 36),
    ] {
        let secret = secret(cipher, &vec![1; cipher.secret_len()]);
        let keys = OpenKeys::new(Version::Version1, &secret).unwrap();
        keys.count(limit);
        assert!(!keys.integrity_exhausted());
        let mut next = keys.next().unwrap();
        assert_eq!(next.open(0, b"", &mut [0; 40]), Err(Error::Aead));
        assert!(keys.integrity_exhausted() && next.integrity_exhausted());
    }
}

#[test]
fn too_short_to_seal() {
    let mut keys = SealKeys::new(Version::Version1, &chacha_secret()).unwrap();
    for (len, header) in [(0, 0), (15, 0), (16, 1), (20, 21)] {
        let mut packet = vec![0; len];
        assert!(matches!(
            keys.seal(0, &mut packet, header),
            Err(Error::Internal(_))
        ));
    }
    // Nothing but a header and a tag is fine.
    keys.seal(0, &mut [0; 20], 4).unwrap();
    assert_eq!(SealKeys::tag_len(), 16);
}

#[test]
fn nonce_is_the_iv_for_packet_zero() {
    let iv = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert_eq!(nonce(iv, 0), iv);
    assert_eq!(nonce([0; 12], 0x0102), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(
        nonce([0xff; 12], u64::MAX >> 2)[..5],
        [0xff, 0xff, 0xff, 0xff, 0xc0]
    );
}

#[test]
fn debug_hides_keys() {
    let keys = SealKeys::new(
        Version::Version1,
        &secret(Cipher::Aes128GcmSha256, &[0xab; 32]),
    );
    let text = format!("{keys:?}");
    assert!(!text.contains("171") && !text.contains("ab, ab"), "{text}");
}

proptest! {
    #[test]
    fn any_packet_round_trips_and_no_other_opens(
        cipher in prop::sample::select(Cipher::ALL.to_vec()),
        pn in 0u64..1 << 62,
        header in prop::collection::vec(any::<u8>(), 0..40),
        payload in prop::collection::vec(any::<u8>(), 0..1500),
        flip in any::<prop::sample::Index>(),
    ) {
        let secret = secret(cipher, &vec![3; cipher.secret_len()]);
        let mut seal = SealKeys::new(Version::Version2, &secret).unwrap();
        let mut open = OpenKeys::new(Version::Version2, &secret).unwrap();
        let mut packet = [&header[..], &payload, &[0; 16]].concat();
        seal.seal(pn, &mut packet, header.len()).unwrap();
        let mut bad = packet.clone();
        bad[flip.index(packet.len())] ^= 0x10;
        let (h, body) = packet.split_at_mut(header.len());
        prop_assert_eq!(open.open(pn, h, body).unwrap(), &payload[..]);
        let (h, body) = bad.split_at_mut(header.len());
        prop_assert_eq!(open.open(pn, h, body), Err(Error::Aead));
    }

    #[test]
    fn garbage_does_not_open(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0usize..100) {
        let mut open = OpenKeys::new(Version::Version1, &chacha_secret()).unwrap();
        let mut bytes = bytes;
        let at = at.min(bytes.len());
        let (h, body) = bytes.split_at_mut(at);
        prop_assert_eq!(open.open(1, h, body), Err(Error::Aead));
        prop_assert_eq!(open.forged(), 1);
    }
}
