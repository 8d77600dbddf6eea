//! How urgent a stream is, as the application says.

/// How urgent a stream's data is when it is sent first. Streams of a level only get what the
/// levels above leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransmissionPriority {
    /// Before everything else.
    Critical = 0,
    /// Before what is not critical.
    Important = 1,
    /// Before the normal streams.
    High = 2,
    /// As urgent as most.
    #[default]
    Normal = 3,
    /// When nothing else wants to be sent.
    Low = 4,
}

impl TransmissionPriority {
    /// How many levels there are.
    pub(super) const COUNT: usize = 5;

    const fn raised(self, by: usize) -> Self {
        match (self as usize).saturating_sub(by) {
            0 => Self::Critical,
            1 => Self::Important,
            2 => Self::High,
            3 => Self::Normal,
            _ => Self::Low,
        }
    }
}

/// How urgent a stream's data is when it was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetransmissionPriority {
    /// This level, whatever the stream's.
    Fixed(TransmissionPriority),
    /// The level of the stream.
    Same,
    /// One level above the stream's.
    #[default]
    Higher,
    /// Two levels above the stream's.
    MuchHigher,
}

impl RetransmissionPriority {
    /// The level for lost data of a stream of level `t`.
    #[must_use]
    pub const fn level(self, t: TransmissionPriority) -> TransmissionPriority {
        match self {
            Self::Fixed(level) => level,
            Self::Same => t,
            Self::Higher => t.raised(1),
            Self::MuchHigher => t.raised(2),
        }
    }
}

/// The order of streams within a group: larger goes first, equals take turns.
pub type SendOrder = i64;

/// A group of streams. Groups take turns, whatever the [`SendOrder`] within each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendGroupId(u64);

impl SendGroupId {
    /// The group with this number.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The group's number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// All that the scheduler knows of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priority {
    pub(crate) transmission: TransmissionPriority,
    pub(crate) retransmission: RetransmissionPriority,
    /// Whether it takes turns with others; else it goes on until it has nothing to send.
    pub(crate) fair: bool,
    pub(crate) order: Option<SendOrder>,
    pub(crate) group: Option<SendGroupId>,
}
