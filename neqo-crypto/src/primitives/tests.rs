//! Each library by published vectors, and each against the other.

use proptest::prelude::*;

use super::*;
use crate::error::Error;

fn each(f: impl Fn(Primitives)) {
    for &primitives in Primitives::ALL {
        f(primitives);
    }
}

/// `f` of every library, which must all say the same.
fn agreed<T: PartialEq + std::fmt::Debug>(f: impl Fn(Primitives) -> T) -> T {
    let mut all = Primitives::ALL.iter().map(|p| f(*p));
    let first = all.next().unwrap();
    all.for_each(|other| assert_eq!(first, other));
    first
}

fn cipher() -> impl Strategy<Value = Cipher> {
    prop::sample::select(Cipher::ALL.to_vec())
}

#[test]
fn default_comes_first() {
    assert_eq!(Primitives::ALL[0], Primitives::default());
    assert_eq!(
        Primitives::ALL.len(),
        usize::from(cfg!(feature = "rustls")) + usize::from(cfg!(feature = "nss"))
    );
}

#[test]
fn sha256_of_abc() {
    assert_eq!(
        hex::encode(agreed(|p| p.sha256(b"abc"))),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        hex::encode(agreed(|p| p.sha256(&[]))),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn random_fills() {
    each(|p| {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        p.random(&mut a);
        p.random(&mut b);
        p.random(&mut []);
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    });
}

#[test]
fn equality() {
    each(|p| {
        assert!(p.constant_time_eq(b"abc", b"abc"));
        assert!(p.constant_time_eq(b"", b""));
        assert!(!p.constant_time_eq(b"abc", b"abd"));
        assert!(!p.constant_time_eq(b"abc", b"ab"));
    });
}

// RFC 4231, test case 2.
#[test]
fn hmac_vector() {
    let mac = agreed(|p| {
        let key = HmacKey::new(p, b"Jefe").unwrap();
        let copy = key.clone();
        drop(key);
        copy.sign(b"what do ya want for nothing?")
    });
    assert_eq!(
        hex::encode(mac),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

// RFC 5869, test case 1.
#[test]
fn hkdf_vector() {
    let okm = agreed(|p| {
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let prk = Prk::extract(p, Cipher::Aes128GcmSha256, &salt, &[0x0b; 22]).unwrap();
        let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let mut okm = [0; 42];
        prk.expand(&[&info[..3], &info[3..]], &mut okm).unwrap();
        okm
    });
    assert_eq!(
        hex::encode(okm),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    );
}

// RFC 5869 §2.3: L <= 255*HashLen.
#[test]
fn hkdf_has_a_longest_output() {
    for (cipher, longest) in [
        (Cipher::Aes128GcmSha256, 255 * 32),
        (Cipher::Aes256GcmSha384, 255 * 48),
    ] {
        agreed(|p| {
            let prk = Prk::new(p, cipher, &vec![7; cipher.secret_len()]).unwrap();
            let mut okm = vec![0; longest + 1];
            assert!(prk.expand(&[b"info"], &mut okm).is_err());
            okm.pop();
            prk.expand(&[b"info"], &mut okm).unwrap();
            okm
        });
    }
}

// RFC 8439 §2.3.2: the block of counter 1.
#[test]
fn chacha20_mask_vector() {
    let key: Vec<u8> = (0..32).collect();
    let sample = hex::decode("01000000000000090000004a00000000").unwrap();
    let sample = sample.first_chunk().unwrap();
    let mask = agreed(|p| {
        HeaderKey::new(p, Cipher::ChaCha20Poly1305Sha256, &key)
            .unwrap()
            .mask(sample)
    });
    assert_eq!(mask, [0x10, 0xf1, 0xe7, 0xe4, 0xd1]);
}

// A peer chooses the sample, and with it the counter.
#[test]
fn chacha20_mask_of_the_last_counter() {
    agreed(|p| {
        HeaderKey::new(p, Cipher::ChaCha20Poly1305Sha256, &[5; 32])
            .unwrap()
            .mask(&[0xff; 16])
    });
}

#[test]
fn short_ciphertext_is_refused() {
    each(|p| {
        for cipher in Cipher::ALL {
            let mut key = Opener::new(p, cipher, &vec![0; cipher.key_len()]).unwrap();
            for n in 0..TAG_LEN {
                assert_eq!(
                    key.open([0; 12], &[], &mut vec![0; n]).unwrap_err(),
                    Error::Aead
                );
            }
        }
    });
}

#[test]
fn length_of_keys_is_checked() {
    each(|p| {
        for cipher in Cipher::ALL {
            for n in [0, cipher.key_len() - 1, cipher.key_len() + 1] {
                let key = vec![0; n];
                assert!(Sealer::new(p, cipher, &key).is_err());
                assert!(Opener::new(p, cipher, &key).is_err());
                assert!(HeaderKey::new(p, cipher, &key).is_err());
            }
        }
    });
}

// RFC 9001 §A.4: a Retry packet's tag is that of an empty plaintext.
#[test]
fn tag_of_nothing() {
    let key = hex::decode("be0c690b9f66575a1d766b54e368c84e").unwrap();
    let nonce = hex::decode("461599d35d632bf2239825bb").unwrap();
    let pseudo = hex::decode("088394c8f03e515708ff000000010008f067a5502a4262b5746f6b656e").unwrap();
    let tag = agreed(|p| {
        let mut tag = [0; TAG_LEN];
        Sealer::new(p, Cipher::Aes128GcmSha256, &key)
            .unwrap()
            .seal(*nonce.first_chunk().unwrap(), &pseudo, &mut [], &mut tag)
            .unwrap();
        tag
    });
    assert_eq!(hex::encode(tag), "04a265ba2eff4d829058fb3f0f2496ba");
}

#[test]
fn keys_are_for_any_thread() {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<(Sealer, Opener, HeaderKey, HmacKey, Prk)>();
    each(|p| {
        for cipher in Cipher::ALL {
            let bytes = vec![9; cipher.key_len()];
            let (key, hmac) = (
                HeaderKey::new(p, cipher, &bytes).unwrap(),
                HmacKey::new(p, &bytes).unwrap(),
            );
            let masks: Vec<_> = (0..=255).map(|i| key.mask(&[i; 16])).collect();
            let mac = hmac.sign(b"data");
            std::thread::scope(|s| {
                for _ in 0..4 {
                    s.spawn(|| {
                        for (i, mask) in (0..=255).zip(&masks) {
                            assert_eq!(&key.mask(&[i; 16]), mask);
                        }
                        assert_eq!(hmac.sign(b"data"), mac);
                    });
                }
            });
        }
    });
}

proptest! {
    #[test]
    fn each_opens_what_another_sealed(
        cipher in cipher(),
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
        aad in prop::collection::vec(any::<u8>(), 0..64),
        data in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let key = &key[..cipher.key_len()];
        let sealed = agreed(|p| {
            let (mut body, mut tag) = (data.clone(), [0; TAG_LEN]);
            let mut sealer = Sealer::new(p, cipher, key).unwrap();
            sealer.seal(nonce, &aad, &mut body, &mut tag).unwrap();
            body.extend(tag);
            body
        });
        each(|p| {
            let (mut body, mut opener) = (sealed.clone(), Opener::new(p, cipher, key).unwrap());
            assert_eq!(opener.open(nonce, &aad, &mut body).unwrap(), &data[..]);
            // A forgery in between leaves the key as it was.
            assert_eq!(opener.open(nonce, &aad, &mut sealed[1..].to_vec()), Err(Error::Aead));
            body.clone_from(&sealed);
            assert_eq!(opener.open(nonce, &aad, &mut body).unwrap(), &data[..]);
        });
    }

    #[test]
    fn masks_agree(
        cipher in cipher(),
        key in any::<[u8; 32]>(),
        samples in prop::collection::vec(any::<[u8; 16]>(), 1..4),
    ) {
        let key = &key[..cipher.key_len()];
        agreed(|p| {
            let key = HeaderKey::new(p, cipher, key).unwrap();
            samples.iter().map(|s| key.mask(s)).collect::<Vec<_>>()
        });
    }

    #[test]
    fn derivation_agrees(
        cipher in cipher(),
        salt in prop::collection::vec(any::<u8>(), 1..64),
        ikm in prop::collection::vec(any::<u8>(), 0..64),
        info in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..32), 0..4),
        len in 1usize..300,
    ) {
        let info: Vec<&[u8]> = info.iter().map(|i| &i[..]).collect();
        agreed(|p| {
            let mut out = vec![0; len];
            Prk::extract(p, cipher, &salt, &ikm).unwrap().expand(&info, &mut out).unwrap();
            let mac = HmacKey::new(p, &salt).unwrap().sign(&ikm);
            (out, mac, p.sha256(&ikm))
        });
    }
}
