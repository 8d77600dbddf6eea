//! recovery/rtt
