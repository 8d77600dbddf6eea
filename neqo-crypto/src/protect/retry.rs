//! The integrity tag of Retry packets (RFC 9001 §5.8, RFC 9369 §3.3.3).

use crate::{
    constants::Cipher,
    error::{Error, Res},
    primitives::{Primitives, Sealer, TAG_LEN, constant_time_eq},
    version::Version,
};

const V1: ([u8; 16], [u8; 12]) = (
    [
        0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8,
        0x4e,
    ],
    [
        0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
    ],
);
const V2: ([u8; 16], [u8; 12]) = (
    [
        0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc,
        0x92,
    ],
    [
        0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a,
    ],
);

/// The tag of a Retry packet: `odcid` is the Destination Connection ID of the Initial that it answers,
/// `retry_without_tag` the packet up to the tag.
///
/// # Errors
/// `Internal` if `odcid` is longer than 255 bytes.
pub fn tag(version: Version, odcid: &[u8], retry_without_tag: &[u8]) -> Res<[u8; TAG_LEN]> {
    let (key, nonce) = match version {
        Version::Version1 => V1,
        Version::Version2 => V2,
    };
    let odcid_len = u8::try_from(odcid.len()).map_err(|_| Error::Internal("ODCID length"))?;
    let mut pseudo = Vec::with_capacity(1 + odcid.len() + retry_without_tag.len());
    pseudo.push(odcid_len);
    pseudo.extend_from_slice(odcid);
    pseudo.extend_from_slice(retry_without_tag);
    let mut tag = [0; TAG_LEN];
    Sealer::new(Primitives::DEFAULT, Cipher::Aes128GcmSha256, &key)?.seal(
        nonce,
        &pseudo,
        &mut [],
        &mut tag,
    )?;
    Ok(tag)
}

/// True if the whole Retry packet `retry` ends in the tag that answers an Initial sent to `odcid`.
/// Takes the same time wherever the tags differ.
#[must_use]
pub fn verify(version: Version, odcid: &[u8], retry: &[u8]) -> bool {
    retry
        .split_last_chunk::<TAG_LEN>()
        .is_some_and(|(packet, found)| {
            tag(version, odcid, packet).is_ok_and(|expected| constant_time_eq(&expected, found))
        })
}
