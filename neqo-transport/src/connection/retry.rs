//! Retry (RFC 9000 §17.2.5) and version negotiation, incompatible (§6.2) and compatible
//! (RFC 9368 §2.3), at the client.

use std::time::Instant;

use neqo_common::{Role, qdebug};
use neqo_crypto::{Level, Version};

use super::{Connection, State};
use crate::{
    Error,
    handshake::keys::Keys,
    recovery::token::Token,
    space::PacketNumberSpace,
    stats::DropReason,
    wire::header::{Protected, Retry, VersionNegotiation},
};

impl Connection {
    /// Whether an answer to the first flight is still welcome: none that is authentic came yet.
    fn awaits_first_answer(&self) -> bool {
        self.role == Role::Client
            && matches!(self.state, State::Init | State::WaitInitial)
            && self.handshake.ids.peer_scid.is_none()
    }

    pub(super) fn on_retry(&mut self, retry: &Retry<'_>) -> Result<(), DropReason> {
        let ids = &self.handshake.ids;
        //= rfc9000#section-17.2.5.2
        //# A client MUST accept and process at most one Retry packet for each connection attempt.
        let expected = self.awaits_first_answer()
            && ids.retry_scid.is_none()
            && retry.version == self.version
            && self.local_cids.contains(&retry.dcid);
        // hardening R3785
        if !expected || !retry.is_valid(&ids.initial_dcid) {
            return Err(DropReason::Retry);
        }
        qdebug!("{self} Retry");
        self.handshake.ids.retry_scid = Some(retry.scid);
        self.handshake.ids.initial_dcid = retry.scid;
        self.handshake.token = retry.token.to_vec();
        self.remote_cids.replace_first(retry.scid);
        self.forget_initial_packets();
        self.install_initial_keys().map_err(|_| DropReason::Retry)
    }

    /// What was sent before a Retry will never be acknowledged: it is sent again at once.
    fn forget_initial_packets(&mut self) {
        let Self { spaces, paths, .. } = self;
        if let Some(space) = spaces.get_mut(PacketNumberSpace::Initial) {
            let crypto = &mut space.crypto;
            space.loss.requeue(
                |p| {
                    let sender = &mut paths.get_mut(p.path).sender;
                    sender.on_discarded(usize::from(p.size));
                },
                |token| {
                    if let Token::Crypto { offset, len } = token {
                        crypto.lost(*offset, *len);
                    }
                },
            );
        }
        self.pto.reset();
    }

    pub(super) fn on_version_negotiation(
        &mut self,
        vn: &VersionNegotiation<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let ids = &self.handshake.ids;
        let negotiated = self.client.as_ref().is_none_or(|c| c.negotiated);
        //= rfc9000#section-6.2
        //# A client MUST discard any Version Negotiation packet if it has
        //# received and successfully processed any other packet, including an
        //# earlier Version Negotiation packet.
        let expected = self.awaits_first_answer()
            && !negotiated
            && ids.retry_scid.is_none()
            && *self.local_cids.first() == *vn.dcid
            && *ids.initial_dcid == *vn.scid;
        //= rfc9000#section-6.2
        //# A client MUST discard a Version Negotiation packet that lists
        //# the QUIC version selected by the client.
        if !expected || vn.versions().any(|v| v == self.version.wire_version()) {
            return Err(DropReason::VersionNegotiation);
        }
        match self.acceptable(vn) {
            Some(version) => {
                qdebug!("{self} begins anew with {version:?}");
                if let Err(e) = self.restart(version, now) {
                    self.fail(e, now);
                }
            }
            //= rfc9000#section-6.2
            //# A client that supports only this version of QUIC MUST abandon the current
            //# connection attempt if it receives a Version Negotiation packet
            None => self.end_silently(Error::VersionNegotiation),
        }
        Ok(())
    }

    /// Whether a server's Initial packet may choose another version: one that was offered and is
    /// compatible with the one in use (RFC 9368 §2.3), before the ServerHello arrived. A server
    /// may have acknowledged parts of the ClientHello in the first version before.
    pub(super) fn may_upgrade(&self, p: &Protected) -> bool {
        let offered = |v| {
            let versions = self.client.as_ref().map(|c| &c.versions);
            versions.is_some_and(|all| all.contains(&v)) && v.is_compatible(self.version)
        };
        let handshake = self.spaces.get(PacketNumberSpace::Handshake);
        self.role == Role::Client
            && handshake.is_some_and(|s| !s.keys.can_seal())
            && p.level() == Level::Initial
            && p.version().is_some_and(offered)
    }

    /// Goes on with the version of a server's Initial packet, if that packet is authentic.
    pub(super) fn upgrade(
        &mut self,
        version: Version,
        p: Protected,
        packet: &[u8],
    ) -> Result<(), DropReason> {
        let dcid = self.handshake.ids.initial_dcid;
        let (seal, mut open) = neqo_crypto::initial_keys(version, &dcid, self.role)
            .map_err(|_| DropReason::Version)?;
        let mut copy = packet.to_vec();
        let unprotected = p.unmask(&mut copy, |sample| open.mask(sample))?;
        let initial = self.spaces.get(PacketNumberSpace::Initial);
        let largest = initial.and_then(|s| s.acks.largest());
        let pn = unprotected.packet_number(&copy, largest);
        unprotected
            .open(&mut copy, pn, &mut open)
            .map_err(|_| DropReason::Decrypt)?;
        qdebug!("{self} goes on with {version:?}");
        self.version = version;
        self.stats.version = version;
        if let Some(space) = self.spaces.get_mut(PacketNumberSpace::Initial) {
            space.keys = Keys::initial(seal, open);
        }
        Ok(())
    }

    /// The version that we prefer among those that the server says it speaks.
    fn acceptable(&self, vn: &VersionNegotiation<'_>) -> Option<Version> {
        let ours = &self.client.as_ref()?.versions;
        ours.iter()
            .copied()
            .find(|v| vn.versions().any(|theirs| theirs == v.wire_version()))
    }
}
