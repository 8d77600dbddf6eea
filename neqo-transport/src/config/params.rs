//! config/params
