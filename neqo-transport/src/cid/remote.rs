//! The connection IDs that the peer issued: what we put into packets.

use std::collections::VecDeque;

use neqo_crypto::constant_time_eq;
use smallvec::SmallVec;

use super::{ResetToken, id::ConnectionId};
use crate::{Res, Violation, config::limits, recovery::token::Token, tx::Tx, wire::frame::encode};

#[derive(Clone, Copy, Debug)]
struct Remote {
    seq: u64,
    cid: ConnectionId,
    token: Option<ResetToken>,
}

/// The peer's connection IDs that are not retired. The first entry is the one in use.
#[derive(Debug)]
pub struct RemoteCids {
    active: SmallVec<[Remote; limits::REMOTE_ACTIVE_CIDS]>,
    /// How many of them this side has said that it keeps.
    limit: usize,
    retire_prior: u64,
    /// Sequence numbers whose RETIRE_CONNECTION_ID is to be sent (again).
    to_retire: VecDeque<u64>,
    /// How many RETIRE_CONNECTION_ID frames are sent and not acknowledged.
    unacked_retires: usize,
}

impl RemoteCids {
    /// Until the peer's first packet arrives, `first` is what the client made up. `limit` is our
    /// `active_connection_id_limit`.
    pub fn new(first: ConnectionId, limit: u64) -> Self {
        let mut active = SmallVec::new();
        active.push(Remote {
            seq: 0,
            cid: first,
            token: None,
        });
        Self {
            active,
            limit: usize::try_from(limit)
                .unwrap_or(usize::MAX)
                .min(limits::REMOTE_ACTIVE_CIDS),
            retire_prior: 0,
            to_retire: VecDeque::new(),
            unacked_retires: 0,
        }
    }

    /// The one in use.
    pub fn current(&self) -> ConnectionId {
        self.active
            .first()
            .map_or_else(ConnectionId::default, |r| r.cid)
    }

    /// The peer chose another one during the handshake (RFC 9000 §7.2).
    pub fn replace_first(&mut self, cid: ConnectionId) {
        if let Some(first) = self.active.first_mut().filter(|r| r.seq == 0) {
            first.cid = cid;
        }
    }

    /// The stateless reset token of the first one, from the transport parameters.
    pub fn set_first_token(&mut self, token: ResetToken) {
        if let Some(first) = self.active.iter_mut().find(|r| r.seq == 0) {
            first.token = Some(token);
        }
    }

    /// NEW_CONNECTION_ID arrived.
    pub fn on_new(
        &mut self,
        seq: u64,
        retire_prior: u64,
        cid: ConnectionId,
        token: ResetToken,
    ) -> Res<()> {
        //= rfc9000#section-19.15
        //# An endpoint that is sending packets with a zero-length Destination
        //# Connection ID MUST treat receipt of a NEW_CONNECTION_ID frame as a
        //# connection error of type PROTOCOL_VIOLATION.
        if self.current().is_empty() {
            return Err(
                Violation::ProtocolViolation("NEW_CONNECTION_ID after an empty one").into(),
            );
        }
        for r in &self.active {
            let (same_seq, same_cid) = (r.seq == seq, r.cid == cid);
            if same_seq != same_cid || (same_seq && r.token.is_some_and(|t| t != token)) {
                return Err(Violation::ProtocolViolation("connection ID changed").into());
            }
        }
        let known = self.active.iter().any(|r| r.seq == seq);
        self.retire_prior = self.retire_prior.max(retire_prior);
        if seq < self.retire_prior {
            //= rfc9000#section-19.15
            //# An endpoint that receives a NEW_CONNECTION_ID frame with a sequence number
            //# smaller than the Retire Prior To field of a previously received
            //# NEW_CONNECTION_ID frame MUST send a corresponding RETIRE_CONNECTION_ID frame
            if !known {
                self.retire(seq)?;
            }
        } else if !known {
            self.active.push(Remote {
                seq,
                cid,
                token: Some(token),
            });
        }
        self.retire_prior_to()?;
        //= rfc9000#section-5.1.1
        //# After processing a NEW_CONNECTION_ID frame and adding and retiring active connection
        //# IDs, if the number of active connection IDs exceeds the value advertised in its
        //# active_connection_id_limit transport parameter, an endpoint MUST close the connection
        if self.active.len() > self.limit {
            return Err(Violation::ConnectionIdLimit.into());
        }
        Ok(())
    }

    fn retire_prior_to(&mut self) -> Res<()> {
        while let Some(at) = self.active.iter().position(|r| r.seq < self.retire_prior) {
            // The last one stays until a successor is there: something must go into packets.
            if self.active.len() == 1 {
                return Ok(());
            }
            let gone = self.active.remove(at);
            self.retire(gone.seq)?;
        }
        Ok(())
    }

    fn retire(&mut self, seq: u64) -> Res<()> {
        if self.to_retire.contains(&seq) {
            return Ok(());
        }
        // hardening A1, R3797
        if self.to_retire.len() + self.unacked_retires >= limits::RETIRE_QUEUE {
            return Err(Violation::ConnectionIdLimit.into());
        }
        self.to_retire.push_back(seq);
        Ok(())
    }

    /// Whether the last 16 bytes of a datagram are the token of the one in use (RFC 9000 §10.3.1).
    pub fn is_stateless_reset(&self, datagram: &[u8]) -> bool {
        let Some(tail) = datagram.last_chunk::<16>() else {
            return false;
        };
        //= rfc9000#section-10.3.1
        //# An endpoint MUST NOT check for any stateless reset tokens associated with
        //# connection IDs it has not used or for connection IDs that have been retired.
        let token = self.active.first().and_then(|r| r.token.as_ref());
        // In constant time (hardening A27).
        token.is_some_and(|token| constant_time_eq(token, tail))
    }

    /// Whether a RETIRE_CONNECTION_ID frame waits.
    pub fn wants_to_send(&self) -> bool {
        !self.to_retire.is_empty()
    }

    /// Writes the RETIRE_CONNECTION_ID frames that wait and fit.
    pub fn write(&mut self, tx: &mut Tx<'_, '_, '_>) {
        /// A frame type of one byte and the longest varint.
        const LONGEST: usize = 9;
        while let Some(seq) = self.to_retire.front().copied() {
            if tx.remaining() < LONGEST {
                return;
            }
            encode::retire_connection_id(tx.pkt, seq);
            tx.push(Token::RetireConnectionId { seq });
            tx.stats.retire_connection_id += 1;
            self.unacked_retires += 1;
            self.to_retire.pop_front();
        }
    }

    /// The frame for some sequence number was acknowledged.
    pub const fn acked(&mut self) {
        self.unacked_retires = self.unacked_retires.saturating_sub(1);
    }

    /// The frame for `seq` was lost.
    pub fn lost(&mut self, seq: u64) {
        self.unacked_retires = self.unacked_retires.saturating_sub(1);
        if !self.to_retire.contains(&seq) {
            self.to_retire.push_back(seq);
        }
    }
}

#[cfg(test)]
impl RemoteCids {
    /// How many are active.
    pub fn active_len(&self) -> usize {
        self.active.len()
    }
}
