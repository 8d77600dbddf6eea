//! recovery/sent
