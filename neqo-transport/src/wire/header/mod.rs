//! wire/header/mod
