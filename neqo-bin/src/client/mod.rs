//! `neqo-client`.

pub mod args;
pub mod driver;
pub mod engine;
pub mod error;
pub mod exchanges;
pub mod exit;
pub mod fetch;
pub mod filename;
pub mod hq;
pub mod progress;
pub mod request;
pub mod resolve;
pub mod sink;
pub mod summary;
pub mod target;
pub mod transfer;
pub mod trust;
pub mod writer;
