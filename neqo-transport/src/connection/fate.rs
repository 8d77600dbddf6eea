//! What an acknowledgement or a loss means to the component that wrote a frame.

use crate::{
    Stats,
    cid::{local::LocalCids, remote::RemoteCids},
    handshake::{keys::Keys, stream::CryptoStream},
    path::set::PathSet,
    recovery::{detect::Sink, sent::SentPacket, token::Token},
    space::ack::AckTracker,
    streams::Streams,
};

/// The components of a connection, lent to loss detection of one packet number space.
pub struct Fate<'a> {
    pub keys: &'a mut Keys,
    pub acks: &'a mut AckTracker,
    pub crypto: &'a mut CryptoStream,
    pub streams: &'a mut Streams,
    pub local_cids: &'a mut LocalCids,
    pub remote_cids: &'a mut RemoteCids,
    pub paths: &'a mut PathSet,
    pub handshake_done_due: &'a mut bool,
    pub stats: &'a mut Stats,
    /// How many of the packets acknowledged were sent with an ECN mark.
    pub marked_acked: u64,
}

impl Sink<Token> for Fate<'_> {
    fn packet_acked(&mut self, p: &SentPacket) {
        self.keys.on_acked(p.pn);
        self.paths.get_mut(p.path).on_packet_acked(p, self.stats);
        self.marked_acked += u64::from(p.ecn.is_ect());
    }

    fn acked(&mut self, token: &Token) {
        match *token {
            Token::Ack { largest } => self.acks.acked(largest),
            Token::Crypto { offset, len } => self.crypto.acked(offset, len),
            Token::Stream(t) => self.streams.acked(t),
            Token::RetireConnectionId { .. } => self.remote_cids.acked(),
            Token::NewConnectionId { .. }
            | Token::HandshakeDone
            | Token::PathChallenge
            | Token::Ping => {}
        }
    }

    fn packet_lost(&mut self, p: &SentPacket) {
        self.stats.lost += 1;
        self.paths.get_mut(p.path).on_packet_lost(p, self.stats);
    }

    fn lost(&mut self, token: &Token) {
        match *token {
            Token::Crypto { offset, len } => self.crypto.lost(offset, len),
            Token::Stream(t) => self.streams.lost(t),
            Token::NewConnectionId { seq } => self.local_cids.lost(seq),
            Token::RetireConnectionId { seq } => self.remote_cids.lost(seq),
            Token::HandshakeDone => *self.handshake_done_due = true,
            // ACKs are superseded by newer ones, challenges have a timer, the rest is not repeated.
            Token::Ack { .. } | Token::PathChallenge | Token::Ping => {}
        }
    }
}
