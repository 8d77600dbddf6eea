//! recovery/detect
