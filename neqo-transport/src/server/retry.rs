//! Address validation tokens for Retry packets (RFC 9000 §8.1.2): what the server would have to
//! remember about a client, given to the client to keep.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use neqo_common::{Decoder, Random};
use neqo_crypto::{TokenKey, Version};

use super::accept::Proof;
use crate::{
    Error, Res,
    cid::id::ConnectionId,
    config::limits,
    wire::{header::retry, put::Put as _},
};

/// Sealed together with a token, so that no other kind of token can pass for this one.
//= rfc9000#section-8.1.1
//# A token sent in a NEW_TOKEN frame or a Retry packet MUST be constructed in a
//# way that allows the server to identify how it was provided to a client.
const KIND: &[u8] = b"retry";

/// Makes and checks tokens. The keys change with time and are never stored anywhere.
#[derive(Debug)]
pub struct Tokens {
    /// Times in tokens count from here.
    start: Instant,
    current: TokenKey,
    /// The first byte of tokens sealed with `current`; it counts keys.
    id: u8,
    since: Instant,
    previous: Option<TokenKey>,
}

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    client: SocketAddr,
    /// Milliseconds after the server's start.
    issued: u64,
    /// Where the client's first packet was addressed to.
    original_dcid: ConnectionId,
    /// Where the packet with this token is to be addressed to.
    dcid: ConnectionId,
}

impl Tokens {
    /// Fresh keys.
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            current: TokenKey::random(),
            id: 0,
            since: now,
            previous: None,
        }
    }

    fn rotate(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < limits::TOKEN_KEY_LIFETIME {
            return;
        }
        let old = std::mem::replace(&mut self.current, TokenKey::random());
        self.previous = (age < limits::TOKEN_KEY_LIFETIME * 2).then_some(old);
        self.id = self.id.wrapping_add(1);
        self.since = now;
    }

    fn clock(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// A token for `client`, who sent its first packet to `original_dcid` and is told to send the
    /// next one to `dcid`.
    pub fn issue(
        &mut self,
        client: SocketAddr,
        original_dcid: &ConnectionId,
        dcid: &ConnectionId,
        now: Instant,
    ) -> Res<Vec<u8>> {
        self.rotate(now);
        let claim = Claim {
            client: canonical(client),
            issued: self.clock(now),
            original_dcid: *original_dcid,
            dcid: *dcid,
        };
        let sealed = self.current.seal(KIND, &claim.encode())?;
        let mut token = Vec::with_capacity(1 + sealed.len());
        token.byte(self.id);
        token.put(&sealed);
        Ok(token)
    }

    /// What a token proves about `client`, who sent it in a packet to `dcid`.
    pub fn check(
        &mut self,
        token: &[u8],
        client: SocketAddr,
        dcid: &ConnectionId,
        now: Instant,
    ) -> Proof {
        self.rotate(now);
        //= rfc9000#section-8.1.3
        //# If the token is invalid, then the server SHOULD proceed as if the
        //# client did not have a validated address, including potentially sending a Retry
        //# packet.
        let Some(claim) = self.open(token) else {
            return Proof::None;
        };
        //= rfc9000#section-8.1.4
        //# Tokens sent in Retry packets
        //# SHOULD include information that allows the server to verify that the source IP
        //# address and port in client packets remain constant.
        let same = claim.client == canonical(client) && claim.dcid == *dcid;
        //= rfc9000#section-8.1.4
        //# Servers SHOULD ensure that tokens sent in Retry packets
        //# are only accepted for a short time, as they are returned immediately by clients.
        let lifetime = limits::RETRY_TOKEN_LIFETIME.as_millis();
        let fresh = self
            .clock(now)
            .checked_sub(claim.issued)
            .is_some_and(|age| u128::from(age) <= lifetime);
        if same && fresh {
            Proof::Retry {
                original_dcid: claim.original_dcid,
            }
        } else {
            Proof::Invalid
        }
    }

    /// What is in a token of ours; nothing, for whatever else is in that field.
    fn open(&self, token: &[u8]) -> Option<Claim> {
        let (id, sealed) = token.split_first()?;
        let key = if *id == self.id {
            &self.current
        } else {
            self.previous
                .as_ref()
                .filter(|_| *id == self.id.wrapping_sub(1))?
        };
        Claim::decode(&key.open(KIND, sealed).ok()?)
    }
}

impl Claim {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let ip = match &self.client.ip() {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        };
        out.put(&self.issued.to_be_bytes());
        out.put(&self.client.port().to_be_bytes());
        for field in [&ip[..], &self.original_dcid, &self.dcid] {
            out.byte(u8::try_from(field.len()).unwrap_or_default());
            out.put(field);
        }
        out
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let mut dec = Decoder::new(plain);
        let issued = dec.decode_uint()?;
        let port = dec.decode_uint()?;
        let ip = dec.decode_vec(1)?;
        let ip = <[u8; 4]>::try_from(ip)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from))
            .ok()?;
        let original_dcid = ConnectionId::new(dec.decode_vec(1)?)?;
        let dcid = ConnectionId::new(dec.decode_vec(1)?)?;
        dec.is_empty().then_some(Self {
            client: (ip, port).into(),
            issued,
            original_dcid,
            dcid,
        })
    }
}

/// An address without what a socket adds to it: scopes, and IPv4 in IPv6's clothes.
fn canonical(addr: SocketAddr) -> SocketAddr {
    (addr.ip().to_canonical(), addr.port()).into()
}

/// The Retry packet that answers a client's packet from `scid` to `dcid`; the client is to send
/// to `fresh` from now on.
pub fn packet(
    version: Version,
    [dcid, scid, fresh]: [&ConnectionId; 3],
    token: &[u8],
    random: &mut Random,
) -> Res<Vec<u8>> {
    //= rfc9000#section-17.2.5.1
    //# This value MUST NOT be equal to the Destination Connection ID field of
    //# the packet sent by the client.
    if fresh == dcid {
        return Err(Error::Internal("the client's own connection ID"));
    }
    retry::encode(version, [scid, fresh, dcid], token, random)
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use neqo_common::Random;
    use proptest::{collection::vec, prelude::any, proptest};

    use super::{Claim, ConnectionId, Instant, Proof, Tokens, Version, canonical, limits, packet};
    use crate::{
        cid::id::EmptyConnectionIdGenerator,
        wire::header::{Packet, QuicBit},
    };

    const MS: Duration = Duration::from_millis(1);

    fn cid(byte: u8) -> ConnectionId {
        ConnectionId::new(&[byte; 9]).unwrap()
    }

    fn addr(s: &str) -> SocketAddr {
        s.parse().unwrap()
    }

    struct Setup {
        now: Instant,
        tokens: Tokens,
        client: SocketAddr,
    }

    fn setup() -> Setup {
        let now = crate::test_now();
        Setup {
            now,
            tokens: Tokens::new(now),
            client: addr("192.0.2.7:50000"),
        }
    }

    const GOOD: fn() -> Proof = || Proof::Retry {
        original_dcid: cid(1),
    };

    //= rfc9000#section-8.1.4 type=test
    //# Tokens sent in Retry packets
    //# SHOULD include information that allows the server to verify that the source IP
    //# address and port in client packets remain constant.
    #[test]
    fn bound_to_address_and_connection_id() {
        let Setup {
            now,
            mut tokens,
            client,
        } = setup();
        let token = tokens.issue(client, &cid(1), &cid(2), now).unwrap();
        assert_eq!(tokens.check(&token, client, &cid(2), now), GOOD());
        let mapped = addr("[::ffff:192.0.2.7]:50000");
        assert_eq!(tokens.check(&token, mapped, &cid(2), now), GOOD());
        for (other, dcid) in [
            ("192.0.2.7:50001", cid(2)),
            ("192.0.2.8:50000", cid(2)),
            ("[2001:db8::1]:50000", cid(2)),
            ("192.0.2.7:50000", cid(1)),
        ] {
            assert_eq!(
                tokens.check(&token, addr(other), &dcid, now),
                Proof::Invalid
            );
        }
    }

    //= rfc9000#section-8.1.4 type=test
    //# Servers SHOULD ensure that tokens sent in Retry packets
    //# are only accepted for a short time, as they are returned immediately by clients.
    #[test]
    fn expiry_and_rotation() {
        let Setup {
            now,
            mut tokens,
            client,
        } = setup();
        let key = limits::TOKEN_KEY_LIFETIME;
        let late = now + key.saturating_sub(MS);
        let token = tokens.issue(client, &cid(1), &cid(2), late).unwrap();
        // The key is another one now, and the old one is still known.
        assert_eq!(tokens.check(&token, client, &cid(2), late + 2 * MS), GOOD());
        assert_eq!(tokens.id, 1);
        let end = late + limits::RETRY_TOKEN_LIFETIME;
        assert_eq!(tokens.check(&token, client, &cid(2), end), GOOD());
        assert_eq!(
            tokens.check(&token, client, &cid(2), end + MS),
            Proof::Invalid
        );
        // A clock that was turned back does not make it young.
        assert_eq!(tokens.check(&token, client, &cid(2), now), Proof::Invalid);
        // Both keys are gone after a long pause.
        let long = end + key * 3;
        assert_eq!(tokens.check(&token, client, &cid(2), long), Proof::None);
        assert!(tokens.previous.is_none());
    }

    //= rfc9000#section-8.1.3 type=test
    //# If the token is invalid, then the server SHOULD proceed as if the
    //# client did not have a validated address, including potentially sending a Retry
    //# packet.
    // hardening A19
    #[test]
    fn every_alteration_proves_nothing() {
        let Setup {
            now,
            mut tokens,
            client,
        } = setup();
        let token = tokens.issue(client, &cid(1), &cid(2), now).unwrap();
        for i in 0..token.len() {
            let mut bad = token.clone();
            bad[i] ^= 1;
            assert_eq!(tokens.check(&bad, client, &cid(2), now), Proof::None);
            assert_eq!(tokens.check(&token[..i], client, &cid(2), now), Proof::None);
        }
        let other = Tokens::new(now)
            .issue(client, &cid(1), &cid(2), now)
            .unwrap();
        assert_eq!(tokens.check(&other, client, &cid(2), now), Proof::None);
    }

    proptest! {
        #[test]
        fn claims_survive(
            ip in any::<std::net::IpAddr>(),
            port: u16,
            issued: u64,
            a in vec(any::<u8>(), 0..=20),
            b in vec(any::<u8>(), 0..=20),
        ) {
            let claim = Claim {
                client: canonical((ip, port).into()),
                issued,
                original_dcid: ConnectionId::new(&a).unwrap(),
                dcid: ConnectionId::new(&b).unwrap(),
            };
            assert_eq!(Claim::decode(&claim.encode()), Some(claim));
        }

        #[test]
        fn garbage(token in vec(any::<u8>(), 0..200)) {
            let Setup { now, mut tokens, client } = setup();
            assert_eq!(tokens.check(&token, client, &cid(2), now), Proof::None);
            let _ = Claim::decode(&token);
        }
    }

    #[test]
    fn retry_packets_answer_the_packet() {
        let mut random = Random::from_seed([5; 32]);
        let raw = packet(
            Version::Version1,
            [&cid(1), &cid(3), &cid(2)],
            b"token",
            &mut random,
        );
        let raw = raw.unwrap();
        let decoded = Packet::decode(&raw, &EmptyConnectionIdGenerator, QuicBit::Required);
        let Ok(Packet::Retry(retry)) = decoded else {
            panic!("not a Retry");
        };
        assert!(retry.is_valid(&cid(1)));
        assert_eq!(
            (retry.dcid, retry.scid, retry.token),
            (cid(3), cid(2), &b"token"[..])
        );
    }

    //= rfc9000#section-17.2.5.1 type=test
    //# This value MUST NOT be equal to the Destination Connection ID field of
    //# the packet sent by the client.
    #[test]
    fn never_the_clients_choice() {
        let mut random = Random::from_seed([5; 32]);
        assert!(
            packet(
                Version::Version1,
                [&cid(1), &cid(3), &cid(1)],
                b"t",
                &mut random
            )
            .is_err()
        );
    }
}
