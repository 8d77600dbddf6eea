//! Initial secrets and keys: those that the client's first connection id yields.

use neqo_common::Role;

use super::{OpenKeys, SealKeys, hkdf};
use crate::{
    constants::{Cipher, Direction, Level},
    error::Res,
    primitives::{Primitives, Prk},
    secret::Secret,
    version::Version,
};

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];

/// The Initial secrets of the endpoint `role` for the Destination Connection ID of the client's first packet
/// (RFC 9001 §5.2): (write, read).
///
/// # Errors
/// `Internal` only.
//= rfc9001#section-5.2
//# This secret is determined by using HKDF-Extract (see {{Section 2.2 of HKDF}})
//# with a salt of 0x38762cf7f55934b34d179ae6a4c80cadccbb7f0a and the input keying
//# material (IKM) of the Destination Connection ID field.
pub fn initial_secrets(version: Version, dcid: &[u8], role: Role) -> Res<(Secret, Secret)> {
    const CIPHER: Cipher = Cipher::Aes128GcmSha256;
    let salt = match version {
        Version::Version1 => &SALT_V1,
        Version::Version2 => &SALT_V2,
    };
    let prk = Prk::extract(Primitives::DEFAULT, CIPHER, salt, dcid)?;
    let secret = |label, direction| {
        let mut bytes = [0; 32];
        hkdf::expand_label(&prk, label, &mut bytes)?;
        Secret::new(Level::Initial, direction, CIPHER, &bytes)
    };
    let (ours, theirs) = match role {
        Role::Client => ("client in", "server in"),
        Role::Server => ("server in", "client in"),
    };
    Ok((
        secret(ours, Direction::Write)?,
        secret(theirs, Direction::Read)?,
    ))
}

/// The Initial keys of the endpoint `role`; see [`initial_secrets`].
///
/// # Errors
/// `Internal` only.
pub fn initial_keys(version: Version, dcid: &[u8], role: Role) -> Res<(SealKeys, OpenKeys)> {
    let (write, read) = initial_secrets(version, dcid, role)?;
    Ok((
        SealKeys::new(version, &write)?,
        OpenKeys::new(version, &read)?,
    ))
}
