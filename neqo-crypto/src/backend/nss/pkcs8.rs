//! Private keys as NSS takes them: PKCS#8 (RFC 5208).

use neqo_common::Decoder;
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use crate::error::{Error, Res};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
/// `[0]`, where an ECPrivateKey (RFC 5915) has its curve.
const CURVE: u8 = 0xa0;
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

/// Turns a key (PKCS#8, PKCS#1 or SEC1) into PKCS#8.
///
/// # Errors
/// `Config` if it is none of them, or on a curve without a name here.
pub(super) fn wrap(key: &[u8]) -> Res<Zeroizing<Vec<u8>>> {
    let unusable = || Error::Config("private key of an unknown form".into());
    match PrivateKeyDer::try_from(key).map_err(|_| unusable())? {
        PrivateKeyDer::Pkcs8(_) => Ok(Zeroizing::new(key.to_vec())),
        PrivateKeyDer::Pkcs1(_) => Ok(info(RSA, key)),
        PrivateKeyDer::Sec1(_) => {
            let curve = curve(key).ok_or_else(unusable)?;
            Ok(info(&[EC_PUBLIC_KEY, curve].concat(), key))
        }
        _ => Err(unusable()),
    }
}

/// Makes the PKCS#8 of a P-256 key that NSS wrote as others want it: NSS leaves zeros out where the private key begins
/// with them, and RFC 5915 §3 wants it of full length.
///
/// # Errors
/// `Internal` if it is of another form.
#[cfg(any(test, not(feature = "rustls")))]
pub(crate) fn of_full_length(key: &[u8]) -> Res<Zeroizing<Vec<u8>>> {
    const LEN: usize = 32;
    let parse = || {
        let (_, body) = read(&mut Decoder::new(key))?;
        let mut d = Decoder::new(body);
        read(&mut d)?; // version
        let (_, algorithm) = read(&mut d)?;
        let (_, key) = read(&mut d)?;
        let (_, body) = read(&mut Decoder::new(key))?;
        let mut d = Decoder::new(body);
        let (INTEGER, _version) = read(&mut d)? else {
            return None;
        };
        let (OCTET_STRING, scalar) = read(&mut d)? else {
            return None;
        };
        let mut full = Zeroizing::new([0; LEN]);
        full.get_mut(LEN.checked_sub(scalar.len())?..)?
            .copy_from_slice(scalar);
        let mut body = Zeroizing::new(Vec::with_capacity(key.len() + LEN));
        body.extend_from_slice(&[INTEGER, 1, 1]);
        element(OCTET_STRING, &*full, &mut body);
        body.extend_from_slice(d.decode_remainder());
        let mut ec = Zeroizing::new(Vec::with_capacity(body.len() + 8));
        element(SEQUENCE, &body, &mut ec);
        Some(info(algorithm, &ec))
    };
    parse().ok_or(Error::Internal("a private key of NSS"))
}

/// A PrivateKeyInfo of version 0.
fn info(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    // What grows leaves its old self behind.
    let mut body = Zeroizing::new(Vec::with_capacity(algorithm.len() + key.len() + 32));
    body.extend_from_slice(&[INTEGER, 1, 0]);
    element(SEQUENCE, algorithm, &mut body);
    element(OCTET_STRING, key, &mut body);
    let mut out = Zeroizing::new(Vec::with_capacity(body.len() + 8));
    element(SEQUENCE, &body, &mut out);
    out
}

fn element(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let len = body.len().to_be_bytes();
    let zeros = len.iter().take_while(|&&b| b == 0).count();
    let len = len.get(zeros..).unwrap_or_default();
    match len {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        _ => {
            out.push(0x80 | u8::try_from(len.len()).unwrap_or_default());
            out.extend_from_slice(len);
        }
    }
    out.extend_from_slice(body);
}

/// The next element's tag and body.
fn read<'a>(d: &mut Decoder<'a>) -> Option<(u8, &'a [u8])> {
    let tag = d.decode_byte()?;
    let len = match d.decode_byte()? {
        short @ 0..=0x7f => usize::from(short),
        long => {
            let n = usize::from(long & 0x7f);
            (1..=size_of::<u64>()).contains(&n).then_some(())?;
            usize::try_from(d.decode_n(n)?).ok()?
        }
    };
    Some((tag, d.decode(len)?))
}

/// The curve of an ECPrivateKey: named, or the one that fits the key's length.
fn curve(key: &[u8]) -> Option<&'static [u8]> {
    let (SEQUENCE, body) = read(&mut Decoder::new(key))? else {
        return None;
    };
    let mut d = Decoder::new(body);
    read(&mut d)?; // version
    let (_, scalar) = read(&mut d)?;
    while !d.is_empty() {
        if let (CURVE, oid) = read(&mut d)? {
            return [P256, P384, P521].into_iter().find(|c| *c == oid);
        }
    }
    match scalar.len() {
        32 => Some(P256),
        48 => Some(P384),
        66 => Some(P521),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec1_is_wrapped() {
        let scalar = [7; 32];
        let mut body = vec![0x02, 0x01, 0x01];
        element(OCTET_STRING, &scalar, &mut body);
        for named in [false, true] {
            let mut body = body.clone();
            if named {
                element(CURVE, P256, &mut body);
            }
            let mut sec1 = Vec::new();
            element(SEQUENCE, &body, &mut sec1);
            let wrapped = wrap(&sec1).unwrap();
            let (tag, inner) = read(&mut Decoder::new(&wrapped)).unwrap();
            assert_eq!(tag, SEQUENCE);
            let mut d = Decoder::new(inner);
            assert_eq!(read(&mut d), Some((0x02, &[0][..])));
            let algorithm = [EC_PUBLIC_KEY, P256].concat();
            assert_eq!(read(&mut d), Some((SEQUENCE, &algorithm[..])));
            assert_eq!(read(&mut d), Some((OCTET_STRING, &sec1[..])));
            assert!(d.is_empty());
        }
    }

    /// NSS leaves the zeros out of one key in 256.
    #[test]
    fn every_key_of_nss_is_of_full_length() {
        let scalar = |key: &[u8]| {
            let (_, info) = read(&mut Decoder::new(key)).unwrap();
            let mut d = Decoder::new(info);
            read(&mut d).unwrap();
            let (_, algorithm) = read(&mut d).unwrap();
            let (_, ec) = read(&mut d).unwrap();
            let (_, ec) = read(&mut Decoder::new(ec)).unwrap();
            let mut d = Decoder::new(ec);
            read(&mut d).unwrap();
            let (_, scalar) = read(&mut d).unwrap();
            let rest = d.decode_remainder();
            (algorithm.to_vec(), scalar.to_vec(), rest.to_vec())
        };
        let made = crate::nss::SigningKey::generate().unwrap().pkcs8().unwrap();
        let (algorithm, whole, rest) = scalar(&of_full_length(&made).unwrap());
        assert_eq!(whole.len(), 32);
        for zeros in 0..=31 {
            let short = &whole[zeros..];
            let mut body = vec![INTEGER, 1, 1];
            element(OCTET_STRING, short, &mut body);
            body.extend(&rest);
            let mut ec = Vec::new();
            element(SEQUENCE, &body, &mut ec);
            let full = of_full_length(&info(&algorithm, &ec)).unwrap();
            let expected = [&vec![0; zeros][..], short].concat();
            assert_eq!(scalar(&full), (algorithm.clone(), expected, rest.clone()));
        }
        assert!(of_full_length(b"garbage").is_err());
    }

    #[test]
    fn long_lengths() {
        for len in [0usize, 0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
            let mut out = Vec::new();
            element(OCTET_STRING, &vec![1; len], &mut out);
            let (_, body) = read(&mut Decoder::new(&out)).unwrap();
            assert_eq!(body.len(), len);
        }
    }

    #[test]
    fn garbage() {
        for bad in [&[][..], &[0x30], &[0x30, 0x84, 1, 1], b"no key"] {
            assert!(wrap(bad).is_err());
        }
    }
}
