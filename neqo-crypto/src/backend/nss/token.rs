//! Resumption tokens: what NSS writes out, its secret, and what NSS does not remember.

use std::time::Duration;

use neqo_common::{Decoder, Encoder};
use zeroize::Zeroizing;

use crate::{constants::Group, error::Res, nss, primitives::sha256, session::PeerChain};

/// Says that it is a token of ours, and of which format.
const MAGIC: &[u8] = b"neqo-nss-2";

/// A session that can be resumed.
pub(super) struct Token {
    /// Which server it was, and how that was verified.
    pub(super) binding: [u8; 32],
    /// When the server proved who it is, in microseconds since 1970.
    pub(super) proved: i64,
    pub(super) group: Option<Group>,
    pub(super) chain: PeerChain,
    secret: Zeroizing<Vec<u8>>,
    session: Vec<u8>,
}

impl Token {
    /// Takes over what NSS wrote out.
    pub(super) fn new(
        binding: [u8; 32],
        proved: i64,
        group: Option<Group>,
        chain: PeerChain,
        session: Vec<u8>,
    ) -> Res<Self> {
        Ok(Self {
            binding,
            proved,
            group,
            chain,
            secret: nss::secret(&session)?,
            session,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let certs: usize = self.chain.certs().iter().map(|c| c.len() + 4).sum();
        let fixed = MAGIC.len() + self.binding.len() + 8 + 2 + 4 + 1;
        // Were it to grow, it would leave parts of the secret behind.
        let mut e = Encoder::with_capacity(fixed + certs + self.secret.len() + self.session.len());
        e.encode(MAGIC)
            .encode(self.binding)
            .encode_uint(8, self.proved.cast_unsigned())
            .encode_uint(2, self.group.map_or(0, Group::id))
            .encode_vec_with(4, |e| {
                for cert in self.chain.certs() {
                    e.encode_vec(4, cert);
                }
            })
            .encode_vec(1, &self.secret)
            .encode(&self.session);
        e.into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(bytes);
        if d.decode(MAGIC.len())? != MAGIC {
            return None;
        }
        let binding = *d.decode_array()?;
        let proved = d.decode_uint::<u64>()?.cast_signed();
        let group = d.decode_uint::<u16>()?;
        let mut certs = Decoder::new(d.decode_vec(4)?);
        let mut chain = Vec::new();
        while !certs.is_empty() {
            chain.push(certs.decode_vec(4)?.to_vec());
        }
        Some(Self {
            binding,
            proved,
            group: Group::try_from(group).ok(),
            chain: PeerChain::new(chain),
            secret: Zeroizing::new(d.decode_vec(1)?.to_vec()),
            session: d.decode_remainder().to_vec(),
        })
    }

    /// What NSS in this process can resume.
    pub(super) fn session(&self) -> Res<Vec<u8>> {
        let mut session = self.session.clone();
        nss::renew(&mut session, &self.secret)?;
        Ok(session)
    }

    /// A name for it that shows nothing of it.
    pub(super) fn id(bytes: &[u8]) -> [u8; 32] {
        sha256(bytes)
    }
}

/// What has passed since `then`, both in microseconds since 1970.
pub(super) const fn age(then: i64, now: i64) -> Duration {
    let micros = now.saturating_sub(then);
    Duration::from_micros(if micros < 0 {
        0
    } else {
        micros.cast_unsigned()
    })
}
