//! Placeholder for the crate docs.
#![forbid(unsafe_code)]
