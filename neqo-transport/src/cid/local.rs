//! The connection IDs that this side issued: which packets are ours.

use std::collections::VecDeque;

use neqo_common::Random;
use neqo_crypto::ResetKey;
use smallvec::SmallVec;

use super::{
    ResetToken,
    id::{ConnectionId, ConnectionIdDecoder, ConnectionIdGenerator},
};
use crate::{
    Error, Res, Violation, config::limits, recovery::token::Token, tx::Tx, wire::frame::encode,
};

#[derive(Clone, Copy, Debug)]
struct Issued {
    seq: u64,
    cid: ConnectionId,
    token: ResetToken,
}

/// A change of the set, for whoever routes packets by connection ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidChange {
    /// Packets to this one are ours from now on.
    Added(ConnectionId),
    /// They no longer are.
    Removed(ConnectionId),
}

/// The connection IDs that this side issued and that the peer has not retired.
#[derive(Debug)]
pub struct LocalCids {
    generator: Box<dyn ConnectionIdGenerator>,
    reset_key: Option<ResetKey>,
    active: SmallVec<[Issued; limits::LOCAL_ACTIVE_CIDS]>,
    next_seq: u64,
    /// Sequence numbers whose NEW_CONNECTION_ID is to be sent (again).
    to_send: VecDeque<u64>,
    /// How many the peer takes (its active_connection_id_limit, capped).
    limit: usize,
    changes: VecDeque<CidChange>,
}

impl LocalCids {
    /// The first one has sequence number 0 and goes into our long headers.
    pub fn new(
        mut generator: Box<dyn ConnectionIdGenerator>,
        reset_key: Option<ResetKey>,
        random: &mut Random,
    ) -> Res<Self> {
        let first = generator
            .generate_cid(random)
            .ok_or(Error::Internal("no connection ID"))?;
        let mut cids = Self {
            generator,
            reset_key,
            active: SmallVec::new(),
            next_seq: 0,
            to_send: VecDeque::new(),
            limit: 1,
            changes: VecDeque::new(),
        };
        cids.adopt(first, random);
        Ok(cids)
    }

    fn adopt(&mut self, cid: ConnectionId, random: &mut Random) -> u64 {
        let token = self
            .reset_key
            .as_ref()
            .map_or_else(|| random.bytes(), |k| k.token(&cid));
        let seq = self.next_seq;
        self.next_seq += 1;
        self.active.push(Issued { seq, cid, token });
        self.changes.push_back(CidChange::Added(cid));
        seq
    }

    /// The first one, for long headers and transport parameters.
    pub fn first(&self) -> ConnectionId {
        self.active
            .first()
            .map_or_else(ConnectionId::default, |i| i.cid)
    }

    /// The stateless reset token of the first one, for a server's transport parameters.
    pub fn first_token(&self) -> Option<ResetToken> {
        self.active.first().map(|i| i.token)
    }

    /// Whether a packet to `cid` is ours.
    pub fn contains(&self, cid: &[u8]) -> bool {
        self.active.iter().any(|i| *i.cid == *cid)
    }

    /// Who finds the end of our connection IDs in short headers.
    pub fn decoder(&self) -> &dyn ConnectionIdDecoder {
        &*self.generator
    }

    /// Issues as many as the peer wants and [`limits::LOCAL_ACTIVE_CIDS`] allows.
    pub fn set_peer_limit(&mut self, peer: u64, random: &mut Random) {
        self.limit = usize::try_from(peer)
            .unwrap_or(usize::MAX)
            .min(limits::LOCAL_ACTIVE_CIDS);
        self.replenish(random);
    }

    fn replenish(&mut self, random: &mut Random) {
        if self.generator.generates_empty_cids() {
            return;
        }
        while self.active.len() < self.limit {
            let Some(cid) = self.generator.generate_cid(random) else {
                return;
            };
            let seq = self.adopt(cid, random);
            self.to_send.push_back(seq);
        }
    }

    /// RETIRE_CONNECTION_ID arrived in a packet to `used`.
    pub fn on_retire(&mut self, seq: u64, used: &[u8], random: &mut Random) -> Res<()> {
        //= rfc9000#section-19.16
        //# Receipt of a RETIRE_CONNECTION_ID frame containing a sequence number
        //# greater than any previously sent to the peer MUST be treated as a
        //# connection error of type PROTOCOL_VIOLATION.
        if seq >= self.next_seq {
            return Err(Violation::ProtocolViolation("retired an unissued connection ID").into());
        }
        let Some(at) = self.active.iter().position(|i| i.seq == seq) else {
            return Ok(());
        };
        //= rfc9000#section-19.16
        //# The sequence number specified in a RETIRE_CONNECTION_ID frame MUST NOT
        //# refer to the Destination Connection ID field of the packet in which
        //# the frame is contained.
        if *self.active[at].cid == *used {
            return Err(Violation::ProtocolViolation("retired the connection ID in use").into());
        }
        let gone = self.active.remove(at);
        self.to_send.retain(|s| *s != seq);
        // What nobody heard of need not be withdrawn: so there are never more changes than
        // connection IDs, though nobody ask (hardening A1).
        let unheard = CidChange::Added(gone.cid);
        match self.changes.iter().position(|c| *c == unheard) {
            Some(at) => drop(self.changes.remove(at)),
            None => self.changes.push_back(CidChange::Removed(gone.cid)),
        }
        self.replenish(random);
        Ok(())
    }

    /// The next change that a router has not seen.
    pub fn next_change(&mut self) -> Option<CidChange> {
        self.changes.pop_front()
    }

    /// Whether a NEW_CONNECTION_ID frame waits.
    pub fn wants_to_send(&self) -> bool {
        !self.to_send.is_empty()
    }

    /// Writes the NEW_CONNECTION_ID frames that wait and fit.
    pub fn write(&mut self, tx: &mut Tx<'_, '_, '_>) {
        while let Some(seq) = self.to_send.front().copied() {
            if let Some(i) = self.active.iter().find(|i| i.seq == seq) {
                if tx.remaining() < encode::new_connection_id_len(seq, 0, &i.cid) {
                    return;
                }
                encode::new_connection_id(tx.pkt, seq, 0, &i.cid, &i.token);
                tx.push(Token::NewConnectionId { seq });
                tx.stats.new_connection_id += 1;
            }
            self.to_send.pop_front();
        }
    }

    /// The frame for `seq` was lost.
    pub fn lost(&mut self, seq: u64) {
        if self.active.iter().any(|i| i.seq == seq) {
            self.to_send.push_back(seq);
        }
    }
}

#[cfg(test)]
impl LocalCids {
    /// What was issued with this sequence number, if it is active.
    pub fn issued(&self, seq: u64) -> Option<(ConnectionId, ResetToken)> {
        let i = self.active.iter().find(|i| i.seq == seq)?;
        Some((i.cid, i.token))
    }

    /// How many are active.
    pub fn active_len(&self) -> usize {
        self.active.len()
    }

    /// How many NEW_CONNECTION_ID frames wait.
    pub fn unsent_len(&self) -> usize {
        self.to_send.len()
    }
}
