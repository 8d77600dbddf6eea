//! `neqo-server`.

pub mod access_log;
pub mod args;
pub mod error;
pub mod identity;
pub mod listen;
pub mod service;
