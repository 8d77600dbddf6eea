//! Sealing, opening and masking packets do not allocate.

use allocation_counter::measure;
use neqo_common::Role;
use neqo_crypto::{
    Cipher, Direction, Level, OpenKeys, Primitives, SealKeys, Secret, Version, initial_keys,
};

fn allocations(f: impl FnOnce()) -> u64 {
    measure(f).count_total
}

#[cfg(test)]
fn exchange(seal: &mut SealKeys, open: &mut OpenKeys, packets: u64) {
    let mut packet = [7; 1400];
    for pn in 0..packets {
        packet[..20].fill(1);
        seal.seal(pn, &mut packet, 20).unwrap();
        let sample = packet[24..].first_chunk().unwrap();
        assert_eq!(seal.mask(sample), open.mask(sample));
        let (header, body) = packet.split_at_mut(20);
        assert_eq!(open.open(pn, header, body).unwrap().len(), 1364);
        assert!(open.open(pn, header, body).is_err());
    }
}

#[test]
fn packets() {
    // `nss/allocations.sh` asks for more.
    let packets = std::env::var("NEQO_PACKETS").map_or(100, |n| n.parse().unwrap());
    let version = Version::Version1;
    for cipher in Cipher::ALL {
        let bytes = vec![1; cipher.secret_len()];
        let secret = Secret::new(Level::OneRtt, Direction::Write, cipher, &bytes).unwrap();
        for &primitives in Primitives::ALL {
            let mut seal = SealKeys::with(primitives, version, &secret).unwrap();
            let mut open = OpenKeys::with(primitives, version, &secret).unwrap();
            assert_eq!(
                allocations(|| exchange(&mut seal, &mut open, packets)),
                0,
                "{cipher} by {primitives:?}"
            );
        }
    }
    assert!(
        allocations(|| drop(initial_keys(Version::Version1, b"cid", Role::Client))) > 0,
        "the counter counts"
    );
}
