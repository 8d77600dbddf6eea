//! Messages: a header section, content, a trailer section.

pub(crate) mod state;
