//! What the host configures, and every bound on what a peer can grow.

pub mod limits;
pub mod params;
