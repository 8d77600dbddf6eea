//! The harnesses, by what they drive.

pub mod codec;
pub mod datagrams;
pub mod endpoint;
pub mod frames;
pub mod http3;
pub mod pair;
