//! Messages: header sections, content, a trailer section.

mod recv;
mod send;
mod state;

pub(crate) use recv::{Expect, RecvMessage, section_size};
pub(crate) use send::SendMessage;
pub(crate) use state::Part;

use crate::core::{events::Events, qpack::Qpack};

/// What a message handler is lent.
pub(crate) struct Cx<'a, Q> {
    pub(crate) quic: &'a mut Q,
    pub(crate) qpack: &'a mut Qpack,
    pub(crate) events: &'a mut Events,
}
