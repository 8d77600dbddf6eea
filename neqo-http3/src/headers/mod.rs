//! What fields mean: which make a message malformed, what they ask for, where a request goes.

pub(crate) mod check;
mod priority;
mod target;

pub use priority::Priority;
pub use target::{Authority, RequestTarget};
