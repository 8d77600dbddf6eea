//! wire/pn
