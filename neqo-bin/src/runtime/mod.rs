//! Where sans-IO endpoints meet sockets, timers and signals.

pub mod port;
pub mod signals;
pub mod turn;
