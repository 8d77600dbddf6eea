//! config/limits
