//! Encrypted `ClientHello`: keys, and what connections do with them.

use std::{
    ffi::{CStr, CString, c_uint, c_ulong, c_void},
    fmt::{self, Debug, Formatter},
    ptr::null_mut,
};

use nss_gk_api::p11::{
    self, PK11_ATTR_INSENSITIVE, PK11_ATTR_PUBLIC, PK11_ATTR_SESSION,
    PK11_GenerateKeyPairWithOpFlags, SECOID_FindOIDByTag, SECOidTag, Slot,
};

use super::{
    agent::{Agent, count},
    certs::item,
    exp::{self, HpkeSymmetricSuite},
    hooks::bytes,
    init, last_error,
};
use crate::error::{Error, Res};

const CKM_EC_KEY_PAIR_GEN: c_ulong = 0x1040;
const CKF_DERIVE: c_ulong = 0x8_0000;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// DHKEM(X25519, HKDF-SHA256)
const KEM: c_uint = 0x20;
/// HKDF-SHA256 with AES-128-GCM, and with ChaCha20-Poly1305.
const SUITES: [HpkeSymmetricSuite; 2] = [
    HpkeSymmetricSuite { kdf: 1, aead: 1 },
    HpkeSymmetricSuite { kdf: 1, aead: 3 },
];
/// Clients pad names to this length, in bytes, so that theirs does not tell them apart.
const MAX_NAME: c_uint = 64;
/// The longest encoding that is expected, in bytes.
const MAX_CONFIGS: usize = 1024;

/// The functions that have to be there.
const NEEDED: [&CStr; 5] = [
    c"SSL_EnableTls13GreaseEch",
    c"SSL_SetClientEchConfigs",
    c"SSL_RemoveEchConfigs",
    c"SSL_SetServerEchConfigs",
    c"SSL_EncodeEchConfigId",
];

/// True if this NSS has what is needed.
pub(super) fn available() -> bool {
    NEEDED.into_iter().all(exp::has)
}

/// A server's key pair and the list of configurations that it publishes.
pub(crate) struct EchKeyPair {
    public: p11::PublicKey,
    private: p11::PrivateKey,
    configs: Vec<u8>,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "pointers of NSS, see below"
)]
// SAFETY: NSS's keys have locks for what changes in them.
unsafe impl Send for EchKeyPair {}
// SAFETY: as above; a shared reference only gives them to NSS, which copies them.
unsafe impl Sync for EchKeyPair {}

impl EchKeyPair {
    /// Makes a key and a configuration `id` that names `public_name` to those who look on; whether clients take that name
    /// is for the caller to know: NSS writes any.
    pub(crate) fn generate(id: u8, public_name: &str) -> Res<Self> {
        init()?;
        let name = CString::new(public_name).map_err(|_| Error::Internal("a name with NUL"))?;
        let (public, private) = x25519()?;
        let mut configs = vec![0; MAX_CONFIGS];
        let mut len = 0;
        // SAFETY: NSS reads name, key and suites, and writes at most as much as there is room for.
        unsafe {
            exp::encode_ech_config(
                id,
                name.as_ptr(),
                MAX_NAME,
                KEM,
                *public,
                SUITES.as_ptr(),
                count(&SUITES)?,
                configs.as_mut_ptr(),
                &raw mut len,
                count(&configs)?,
            )?;
        }
        configs.truncate(usize::try_from(len).unwrap_or(0));
        Ok(Self {
            public,
            private,
            configs,
        })
    }

    /// The list of configurations (ECHConfigList), for clients.
    pub(crate) fn configs(&self) -> &[u8] {
        &self.configs
    }
}

impl Debug for EchKeyPair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("EchKeyPair(..)")
    }
}

fn x25519() -> Res<(p11::PublicKey, p11::PrivateKey)> {
    let failed = || last_error("a key pair");
    // SAFETY: NSS is up; the OID is a constant; the parameters outlive the call; the keys are ours.
    unsafe {
        let oid = SECOID_FindOIDByTag(SECOidTag::SEC_OID_CURVE25519)
            .as_ref()
            .ok_or_else(failed)?;
        let oid = bytes(oid.oid.data, oid.oid.len);
        let len = u8::try_from(oid.len()).map_err(|_| Error::Internal("a long OID"))?;
        let params = [&[OBJECT_IDENTIFIER, len], oid].concat();
        let mut params = item(&params)?;
        let slot = Slot::internal().map_err(|_| failed())?;
        let mut public = null_mut();
        let flags = PK11_ATTR_SESSION | PK11_ATTR_INSENSITIVE | PK11_ATTR_PUBLIC;
        let private = PK11_GenerateKeyPairWithOpFlags(
            *slot,
            CKM_EC_KEY_PAIR_GEN,
            (&raw mut params).cast::<c_void>(),
            &raw mut public,
            flags,
            CKF_DERIVE,
            CKF_DERIVE,
            null_mut(),
        );
        let private = p11::PrivateKey::from_ptr(private).map_err(|_| failed())?;
        let public = p11::PublicKey::from_ptr(public).map_err(|_| failed())?;
        Ok((public, private))
    }
}

impl Agent {
    /// Has a client encrypt its `ClientHello` by one of `configs` (ECHConfigList), or pretend to if there is none.
    ///
    /// # Errors
    /// `Config` if none of the configurations can be used; those before are forgotten then, too.
    pub(crate) fn enable_ech(&self, configs: &[u8]) -> Res<()> {
        // SAFETY: the file is open; NSS copies the configurations.
        let result = unsafe {
            if configs.is_empty() {
                exp::remove_ech_configs(self.fd())
                    .and_then(|()| exp::enable_grease_ech(self.fd(), 1))
            } else {
                exp::set_client_ech_configs(self.fd(), configs.as_ptr(), count(configs)?)
            }
        };
        result.map_err(|e| Error::Config(format!("encrypted ClientHello: {e}")))
    }

    /// Has a server decrypt `ClientHello`s.
    pub(crate) fn decrypt_hello(&self, keys: &EchKeyPair) -> Res<()> {
        // SAFETY: the file is open; NSS copies keys and configurations.
        unsafe {
            exp::set_server_ech_configs(
                self.fd(),
                *keys.public,
                *keys.private,
                keys.configs.as_ptr(),
                count(&keys.configs)?,
            )
        }
    }

    /// The name to verify the server's certificate for, if it did not accept encrypted `ClientHello`.
    pub(crate) fn ech_public_name(&self) -> Res<Option<String>> {
        let name = self.preliminary()?.ech_public_name;
        if name.is_null() {
            return Ok(None);
        }
        // SAFETY: NSS lends a string that ends with NUL until the file is used again.
        let name = unsafe { CStr::from_ptr(name) };
        Ok(Some(name.to_string_lossy().into_owned()))
    }
}
