//! The sending part's states (RFC 9000 §3.1), declared as one table.

/// Where the sending part of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was sent.
    Ready,
    /// Data is being sent.
    Send,
    /// The end was sent; data is only sent again.
    DataSent,
    /// Everything was acknowledged. Terminal.
    DataRecvd,
    /// `RESET_STREAM` is being sent.
    ResetSent,
    /// `RESET_STREAM` was acknowledged. Terminal.
    ResetRecvd,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A STREAM or `STREAM_DATA_BLOCKED` frame is sent.
    SendData,
    /// A STREAM frame with FIN is sent.
    SendFin,
    /// The application gives up, or the peer sent `STOP_SENDING`.
    Reset,
    /// The last outstanding data and the FIN were acknowledged.
    AllAcked,
    /// `RESET_STREAM` was acknowledged.
    ResetAcked,
}

impl State {
    /// The state after `input`, or nothing if the state does not allow it.
    pub(crate) const fn on(self, input: Input) -> Option<Self> {
        use Input as I;
        Some(match (self, input) {
            (Self::Ready | Self::Send, I::SendData) => Self::Send,
            // "Data Sent" goes on as long as anything is sent again.
            (Self::Ready | Self::Send, I::SendFin) | (Self::DataSent, I::SendData | I::SendFin) => {
                Self::DataSent
            }
            (Self::Ready | Self::Send | Self::DataSent, I::Reset) => Self::ResetSent,
            (Self::DataSent, I::AllAcked) => Self::DataRecvd,
            (Self::ResetSent, I::ResetAcked) => Self::ResetRecvd,
            //= rfc9000#section-3.3
            //# A sender MUST NOT send any of these frames from a terminal state
            //# ("Data Recvd" or "Reset Recvd").
            _ => return None,
        })
    }

    /// Whether nothing happens any more.
    pub(crate) const fn is_terminal(self) -> bool {
        matches!(self, Self::DataRecvd | Self::ResetRecvd)
    }

    /// Whether data may still be sent, again or for the first time.
    pub(crate) const fn is_sending(self) -> bool {
        matches!(self, Self::Ready | Self::Send | Self::DataSent)
    }
}
