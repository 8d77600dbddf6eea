//! wire/tparams/mod
