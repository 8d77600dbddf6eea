//! The primitives by NSS.
//!
//! # What they cost, and why
//!
//! `benches/protect.rs`, the fastest of many runs in nanoseconds for a packet of 1,400 bytes, on one core with AVX-512
//! (Sapphire Rapids), NSS 3.87.1 of Debian 12 against aws-lc-rs 1.19; in brackets the ratio with NSS 3.125 of Firefox:
//!
//! | | aws-lc-rs | NSS | ratio |
//! |---|---|---|---|
//! | AES-128-GCM, seal | 215 | 420 | 1.9 (2.0) |
//! | AES-128-GCM, open | 235 | 428 | 1.8 (1.9) |
//! | AES-256-GCM, seal | 218 | 415 | 1.9 (2.0) |
//! | ChaCha20-Poly1305, seal | 940 | 2,404 | 2.6 (1.5) |
//! | mask, AES | 12 | 73 | 6 (9) |
//! | mask, ChaCha20 | 116 | 122 | 1.0 |
//!
//! NSS has four ways to AES-GCM. For the 1,364 bytes of such a packet, with nothing around them:
//!
//! | | ns | allocations |
//! |---|---|---|
//! | freebl, the library below the token, by `FREEBL_GetVector` | 318 | none |
//! | `PK11_AEADOp` on a kept context | 371 | none |
//! | `SSL_AeadEncrypt`, which calls it | 407 | none |
//! | `PK11_Encrypt` | 1,017 | 5 |
//!
//! So PKCS#11 costs a packet about 50 ns: two locks, two look-ups of the session. Everything else is the cipher. NSS's
//! AES-GCM works on 128 bits at a time (AES-NI with AVX), aws-lc's on 512 here (VAES); its ChaCha20-Poly1305 on 128 in
//! Debian's build and on 256 in Firefox's, as aws-lc's does. No way through NSS is within 1.5 times aws-lc-rs for AES-GCM.
//! Calling freebl would gain an eighth, and is not done: the vector is private to NSS, no installed header describes it, a
//! statically linked NSS has none, and it would pass by the token's rules (FIPS). That aws-lc-rs remains the default where
//! both are compiled in follows from the table.
//!
//! Every context is a session of the token, and a look-up walks a list: with 10,000 keys alive in one process, sealing
//! takes 0.8 to 1.6 µs, with 100,000 it takes 11 µs. A host with few connections does not notice; a busy server does.

use chacha20::{
    ChaChaCore, R20,
    cipher::{KeyIvInit as _, StreamCipherCore as _},
    variants::Ietf,
};
use zeroize::Zeroizing;

use super::{NONCE_LEN, TAG_LEN};
use crate::{
    constants::Cipher,
    error::{Error, Res},
    nss::pk11::{self, AeadAlgorithm, AeadContext, AeadOperation, BlockCipher, Hash, Hmac},
};

pub(super) fn random(buf: &mut [u8]) {
    pk11::random(buf).expect("NSS starts and its random generator works");
}

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    pk11::sha256(data).expect("NSS starts and hashes")
}

pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    pk11::constant_time_eq(a, b)
}

/// HKDF, made of HMAC: NSS's own (`CKM_HKDF_DERIVE`) yields an object of the token, from which the bytes would have to be
/// read back.
pub(crate) struct Prk(Hmac);

impl Prk {
    const fn hash(cipher: Cipher) -> Hash {
        match cipher {
            Cipher::Aes128GcmSha256 | Cipher::ChaCha20Poly1305Sha256 => Hash::Sha256,
            Cipher::Aes256GcmSha384 => Hash::Sha384,
        }
    }

    pub(super) fn new(cipher: Cipher, secret: &[u8]) -> Res<Self> {
        Hmac::new(Self::hash(cipher), secret).map(Self)
    }

    // RFC 5869 §2.2.
    pub(super) fn extract(cipher: Cipher, salt: &[u8], ikm: &[u8]) -> Res<Self> {
        let hash = Self::hash(cipher);
        let mut prk = Zeroizing::new([0; Hash::MAX_LEN]);
        Hmac::new(hash, salt)?.sign(ikm, &mut prk)?;
        let (prk, _) = prk.split_at(hash.len());
        Self::new(cipher, prk)
    }

    // RFC 5869 §2.3.
    pub(super) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Res<()> {
        let hash_len = self.0.hash().len();
        if out.len() > 255 * hash_len {
            return Err(Error::Internal("HKDF-Expand"));
        }
        let mut block = Zeroizing::new([0; Hash::MAX_LEN]);
        let mut input = Zeroizing::new(Vec::new());
        for (counter, chunk) in (1u8..=255).zip(out.chunks_mut(hash_len)) {
            let previous = if counter == 1 { 0 } else { hash_len };
            input.clear();
            input.extend(block.iter().take(previous));
            for part in info {
                input.extend_from_slice(part);
            }
            input.push(counter);
            self.0.sign(&input, &mut block)?;
            for (o, b) in chunk.iter_mut().zip(block.iter()) {
                *o = *b;
            }
        }
        Ok(())
    }
}

fn aead(cipher: Cipher, operation: AeadOperation, key: &[u8]) -> Res<AeadContext> {
    if key.len() != cipher.key_len() {
        return Err(Error::Internal("AEAD key length"));
    }
    let algorithm = match cipher {
        Cipher::Aes128GcmSha256 | Cipher::Aes256GcmSha384 => AeadAlgorithm::AesGcm,
        Cipher::ChaCha20Poly1305Sha256 => AeadAlgorithm::ChaCha20Poly1305,
    };
    AeadContext::new(algorithm, operation, key)
}

pub(crate) struct Sealer(AeadContext);

impl Sealer {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        aead(cipher, AeadOperation::Seal, key).map(Self)
    }

    #[inline]
    pub(super) fn seal(
        &mut self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; TAG_LEN],
    ) -> Res<()> {
        self.0
            .apply(nonce, aad, data, tag)
            .map_err(|_| Error::Internal("AEAD seal"))
    }
}

pub(crate) struct Opener(AeadContext);

impl Opener {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        aead(cipher, AeadOperation::Open, key).map(Self)
    }

    #[inline]
    pub(super) fn open<'a>(
        &mut self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        body: &'a mut [u8],
    ) -> Res<&'a mut [u8]> {
        let (data, tag) = body.split_last_chunk_mut().ok_or(Error::Aead)?;
        self.0.apply(nonce, aad, data, tag)?;
        Ok(data)
    }
}

pub(crate) enum HeaderKey {
    Aes(BlockCipher),
    /// NSS computes ChaCha20 for a nonce of the caller's by `PK11_Encrypt` only, which `SSL_CreateMask` calls too: a
    /// session of the token and four allocations for five bytes. The block is computed here instead.
    ChaCha20(Zeroizing<[u8; 32]>),
}

impl HeaderKey {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        let wrong = Error::Internal("header key length");
        if key.len() != cipher.key_len() {
            return Err(wrong);
        }
        match cipher {
            Cipher::Aes128GcmSha256 | Cipher::Aes256GcmSha384 => {
                BlockCipher::aes(key).map(Self::Aes)
            }
            Cipher::ChaCha20Poly1305Sha256 => {
                let key = key.try_into().map_err(|_| wrong)?;
                Ok(Self::ChaCha20(Zeroizing::new(key)))
            }
        }
    }

    #[inline]
    pub(super) fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        let block = match self {
            Self::Aes(key) => key
                .encrypt(sample)
                .expect("a context that was made encrypts blocks"),
            Self::ChaCha20(key) => chacha20_start(key, sample),
        };
        std::array::from_fn(|i| block[i])
    }
}

/// The first bytes of the ChaCha20 block whose counter and nonce are in `sample`.
//= rfc9001#section-5.4.4
//# The first 4 bytes of the sampled ciphertext are the block counter.
//# The remaining 12 bytes are used as the nonce.
fn chacha20_start(key: &[u8; 32], sample: &[u8; 16]) -> [u8; 16] {
    let [a, b, c, d, nonce @ ..] = *sample;
    let mut core = ChaChaCore::<R20, Ietf>::new(&(*key).into(), &nonce.into());
    core.set_block_pos(u32::from_le_bytes([a, b, c, d]));
    // Unlike a stream, a single block may be the last one of its nonce.
    let mut block: [u8; 64] = [0; 64];
    core.write_keystream_block((&mut block).into());
    let (start, _) = block.split_first_chunk().expect("64 is more than 16");
    *start
}

#[derive(Clone)]
pub(crate) struct HmacKey(Hmac);

impl HmacKey {
    pub(super) fn new(key: &[u8]) -> Res<Self> {
        Hmac::new(Hash::Sha256, key).map(Self)
    }

    pub(super) fn sign(&self, data: &[u8]) -> [u8; 32] {
        let mut block = [0; Hash::MAX_LEN];
        self.0
            .sign(data, &mut block)
            .expect("a key that was imported signs");
        let (mac, _) = block.split_first_chunk().expect("48 is more than 32");
        *mac
    }
}
