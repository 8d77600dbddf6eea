//! CONNECTION_CLOSE: what is said, at which level, and how often (RFC 9000 §10.2).

use crate::{
    AppError, CloseReason, Error,
    space::PacketNumberSpace,
    wire::frame::{CloseCode, encode},
    wire::put::Put,
};

/// APPLICATION_ERROR (RFC 9000 §20.1): hides an application's code from an early handshake.
const APPLICATION_ERROR: u64 = 0x0c;
/// A reason phrase is cut to this many bytes, so that the frame fits anywhere.
const MAX_REASON: usize = 128;

/// The CONNECTION_CLOSE frame of a closing connection.
#[derive(Debug)]
pub struct Closer {
    code: CloseCode,
    reason: String,
    due: bool,
    received: u32,
}

impl Closer {
    /// Closes for a reason of the transport, or at the application's wish.
    pub fn new(reason: &CloseReason, text: &str) -> Self {
        let code = match reason {
            CloseReason::Application(code) => CloseCode::Application(*code),
            CloseReason::Transport(e) => CloseCode::Transport {
                code: e.code(),
                frame_type: 0,
            },
        };
        let mut end = text.len().min(MAX_REASON);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            code,
            reason: text[..end].to_owned(),
            due: true,
            received: 0,
        }
    }

    /// Whether it is to be sent now.
    pub const fn is_due(&self) -> bool {
        self.due
    }

    /// It was sent: it is due again when the peer keeps talking.
    pub fn after_sending(self) -> Self {
        Self { due: false, ..self }
    }

    /// A datagram arrived while closing.
    pub const fn on_datagram(&mut self) {
        //= rfc9000#section-10.2.1
        //# An endpoint SHOULD limit the rate at which it generates packets in the
        //# closing state.
        self.received = self.received.saturating_add(1);
        self.due |= self.received.is_power_of_two();
    }

    /// Writes the frame as the packet number space allows it. Whether it fitted.
    pub fn write(&self, space: PacketNumberSpace, put: &mut impl Put) -> bool {
        //= rfc9000#section-10.2.3
        //# A CONNECTION_CLOSE of type 0x1d MUST be replaced by a CONNECTION_CLOSE of type 0x1c
        //# when sending the frame in Initial or Handshake packets.
        match (self.code, space) {
            (
                CloseCode::Application(_),
                PacketNumberSpace::Initial | PacketNumberSpace::Handshake,
            ) => {
                let code = CloseCode::Transport {
                    code: APPLICATION_ERROR,
                    frame_type: 0,
                };
                encode::connection_close(put, code, b"")
            }
            (code, _) => encode::connection_close(put, code, self.reason.as_bytes()),
        }
    }
}

/// What a peer's CONNECTION_CLOSE means here.
pub fn peer_close(code: CloseCode, reason: &[u8]) -> CloseReason {
    let reason = crate::error::reason_text(reason);
    CloseReason::Transport(match code {
        CloseCode::Transport { code, .. } => Error::PeerClosed { code, reason },
        CloseCode::Application(code) => Error::PeerApplication { code, reason },
    })
}

/// The longest application error code that fits a varint.
pub const MAX_APP_ERROR: AppError = (1 << 62) - 1;
