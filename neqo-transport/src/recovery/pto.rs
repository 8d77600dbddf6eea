//! recovery/pto
