//! wire/frame/mod
