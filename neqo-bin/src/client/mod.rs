//! `neqo-client`.

pub mod args;
pub mod error;
pub mod exit;
pub mod filename;
pub mod progress;
pub mod request;
pub mod resolve;
pub mod sink;
pub mod summary;
pub mod target;
pub mod transfer;
pub mod trust;
pub mod writer;
