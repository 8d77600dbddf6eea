//! The receiving part's states (RFC 9000 §3.2), declared as one table.

/// Where the receiving part of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Data is being received.
    Recv,
    /// The final size is known.
    SizeKnown,
    /// All data was received.
    DataRecvd,
    /// The application read everything. Terminal.
    DataRead,
    /// The peer reset the stream.
    ResetRecvd,
    /// The application knows of the reset. Terminal.
    ResetRead,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A STREAM frame with FIN.
    Fin,
    /// The last missing byte.
    AllData,
    /// A `RESET_STREAM` frame.
    Reset,
    /// The application read the last byte.
    ReadAll,
    /// The application was told of the reset.
    ReadReset,
}

impl State {
    /// The state after `input`, or nothing if it changes nothing there.
    pub(crate) const fn on(self, input: Input) -> Option<Self> {
        use Input as I;
        Some(match (self, input) {
            (Self::Recv, I::Fin) => Self::SizeKnown,
            (Self::SizeKnown, I::AllData) => Self::DataRecvd,
            // In "Data Recvd" the reset is suppressed: the data is all there.
            (Self::Recv | Self::SizeKnown, I::Reset) => Self::ResetRecvd,
            (Self::DataRecvd, I::ReadAll) => Self::DataRead,
            (Self::ResetRecvd, I::ReadReset) => Self::ResetRead,
            _ => return None,
        })
    }

    /// Whether nothing happens any more.
    pub(crate) const fn is_terminal(self) -> bool {
        matches!(self, Self::DataRead | Self::ResetRead)
    }

    /// Whether `STOP_SENDING` makes sense (RFC 9000 §3.5).
    pub(crate) const fn is_receiving(self) -> bool {
        matches!(self, Self::Recv | Self::SizeKnown)
    }
}
