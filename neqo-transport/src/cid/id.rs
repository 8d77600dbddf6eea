//! cid/id
