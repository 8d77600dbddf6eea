//! Admission: what becomes of a client's first Initial packet.

use super::stats::Dropped;
use crate::{Violation, cid::id::ConnectionId, config::limits};

/// When a client must prove that it receives packets at its address before the server keeps any
/// state for it (RFC 9000 §8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidateAddress {
    /// Only under load: see [`Limits::retry_above`].
    #[default]
    Never,
    /// When the client brings no valid token of any kind.
    NoToken,
    /// On every connection: only tokens from Retry packets will do.
    Always,
}

/// How many connections a server takes. The defaults are in [`limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections there may be; with so many, Initial packets are dropped.
    pub connections: usize,
    /// How many of them may have an incomplete handshake; with so many, Initial packets are dropped.
    pub half_open: usize,
    /// From how many of those on every client must prove its address.
    pub retry_above: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: limits::SERVER_CONNECTIONS,
            half_open: limits::SERVER_HALF_OPEN,
            retry_above: limits::SERVER_RETRY_ABOVE,
        }
    }
}

/// What the token of an Initial packet proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: there is none, or it is not one of ours.
    None,
    /// The client answers a Retry, and sent its first packet to this connection ID.
    Retry {
        /// Where the client's packet before the Retry was addressed to.
        original_dcid: ConnectionId,
    },
    /// The token is from a Retry of ours, but for another address or packet, or too old.
    Invalid,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Retry,
    Refuse(Violation),
    Drop(Dropped),
}

/// How many connections there are now.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub half_open: usize,
}

/// The rules of admission.
#[derive(Debug)]
pub struct Admission {
    pub validate: ValidateAddress,
    pub limits: Limits,
    /// Cleared when the server shuts down.
    pub open: bool,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            validate: ValidateAddress::default(),
            limits: Limits::default(),
            open: true,
        }
    }
}

impl Admission {
    /// What becomes of an Initial packet to `dcid`, which no connection knows.
    pub fn judge(&self, dcid: &ConnectionId, proof: &Proof, load: Load) -> Verdict {
        let returned = matches!(proof, Proof::Retry { .. });
        // hardening A19
        //= rfc9000#section-7.2
        //# This Destination Connection ID
        //# MUST be at least 8 bytes in length.
        if !returned && dcid.len() < ConnectionId::MIN_INITIAL_LEN {
            return Verdict::Drop(Dropped::ShortConnectionId);
        }
        //= rfc9000#section-5.2.2
        //# If a server refuses to accept a new connection, it SHOULD send an Initial packet
        //# containing a CONNECTION_CLOSE frame with error code CONNECTION_REFUSED.
        if !self.open {
            return Verdict::Refuse(Violation::ConnectionRefused);
        }
        //= rfc9000#section-8.1.2
        //# Instead, the server SHOULD immediately close ({{immediate-close}})
        //# the connection with an INVALID_TOKEN error.
        if *proof == Proof::Invalid {
            return Verdict::Refuse(Violation::InvalidToken);
        }
        // hardening A18
        if load.connections >= self.limits.connections || load.half_open >= self.limits.half_open {
            return Verdict::Drop(Dropped::Overload);
        }
        // hardening A23
        let doubt =
            self.validate != ValidateAddress::Never || load.half_open >= self.limits.retry_above;
        if doubt && !returned {
            return Verdict::Retry;
        }
        Verdict::Accept
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Admission, ConnectionId, Dropped, Load, Proof, ValidateAddress, Verdict, Violation,
    };

    const IDLE: Load = Load {
        connections: 0,
        half_open: 0,
    };

    fn cid(len: usize) -> ConnectionId {
        ConnectionId::new(&vec![7; len]).unwrap()
    }

    // hardening A18, A23
    #[test]
    fn retry_then_drop() {
        let mut a = Admission::default();
        a.limits.retry_above = 2;
        a.limits.half_open = 4;
        a.limits.connections = 10;
        let proof = Proof::Retry {
            original_dcid: cid(8),
        };
        let judge = |proof, half_open, connections| {
            a.judge(
                &cid(8),
                proof,
                Load {
                    connections,
                    half_open,
                },
            )
        };
        assert_eq!(judge(&Proof::None, 1, 9), Verdict::Accept);
        assert_eq!(judge(&Proof::None, 2, 2), Verdict::Retry);
        assert_eq!(judge(&proof, 3, 3), Verdict::Accept);
        let drop = Verdict::Drop(Dropped::Overload);
        assert_eq!(judge(&proof, 4, 4), drop);
        assert_eq!(judge(&Proof::None, 4, 4), drop);
        assert_eq!(judge(&proof, 0, 10), drop);
    }

    #[test]
    fn validation_on_demand() {
        for validate in [ValidateAddress::NoToken, ValidateAddress::Always] {
            let a = Admission {
                validate,
                ..Admission::default()
            };
            assert_eq!(a.judge(&cid(8), &Proof::None, IDLE), Verdict::Retry);
            let proof = Proof::Retry {
                original_dcid: cid(8),
            };
            assert_eq!(a.judge(&cid(4), &proof, IDLE), Verdict::Accept);
        }
    }

    // hardening A19
    //= rfc9000#section-7.2 type=test
    //# This Destination Connection ID
    //# MUST be at least 8 bytes in length.
    #[test]
    fn short_connection_ids() {
        let a = Admission {
            validate: ValidateAddress::Always,
            ..Admission::default()
        };
        for len in 0..=20 {
            let expected = if len < 8 {
                Verdict::Drop(Dropped::ShortConnectionId)
            } else {
                Verdict::Retry
            };
            assert_eq!(a.judge(&cid(len), &Proof::None, IDLE), expected);
        }
    }

    //= rfc9000#section-5.2.2 type=test
    //# If a server refuses to accept a new connection, it SHOULD send an Initial packet
    //# containing a CONNECTION_CLOSE frame with error code CONNECTION_REFUSED.
    #[test]
    fn closed_door() {
        let a = Admission {
            open: false,
            ..Admission::default()
        };
        assert_eq!(
            a.judge(&cid(8), &Proof::None, IDLE),
            Verdict::Refuse(Violation::ConnectionRefused)
        );
    }

    //= rfc9000#section-8.1.2 type=test
    //# Instead, the server SHOULD immediately close ({{immediate-close}})
    //# the connection with an INVALID_TOKEN error.
    #[test]
    fn invalid_tokens() {
        assert_eq!(
            Admission::default().judge(&cid(8), &Proof::Invalid, IDLE),
            Verdict::Refuse(Violation::InvalidToken)
        );
    }
}
