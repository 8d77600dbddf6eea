//! Logging over the `log` crate: [`qerror!`](crate::qerror), [`qwarn!`](crate::qwarn),
//! [`qinfo!`](crate::qinfo), [`qdebug!`](crate::qdebug) and [`qtrace!`](crate::qtrace).
//!
//! The macros cost one load and one comparison when their level is off. A host that links these
//! crates installs its own logger; binaries and tests call [`init`].

#[doc(hidden)]
pub use ::log as facade;
pub use ::log::{Level, LevelFilter, log_enabled};

/// Installs a logger that writes to standard error.
///
/// `RUST_LOG` says what is logged; where it does not, `level_filter` does. Without either, only
/// errors are shown. A logger that is already installed stays.
pub fn init(level_filter: Option<LevelFilter>) {
    let mut builder = env_logger::Builder::new();
    if let Some(level) = level_filter {
        builder.filter_level(level);
    }
    builder.parse_default_env();
    builder.format_timestamp_micros();
    // A second call finds the logger of the first, which is what tests want.
    drop(builder.try_init());
}

/// Logs an error: something is broken on this side.
#[macro_export]
macro_rules! qerror {
    ($($arg:tt)*) => { $crate::log::facade::error!($($arg)*) };
}

/// Logs a warning: something went wrong that somebody may have to act on.
#[macro_export]
macro_rules! qwarn {
    ($($arg:tt)*) => { $crate::log::facade::warn!($($arg)*) };
}

/// Logs what happens once in the life of a connection.
#[macro_export]
macro_rules! qinfo {
    ($($arg:tt)*) => { $crate::log::facade::info!($($arg)*) };
}

/// Logs what happens now and then.
#[macro_export]
macro_rules! qdebug {
    ($($arg:tt)*) => { $crate::log::facade::debug!($($arg)*) };
}

/// Logs what happens for every packet or frame.
#[macro_export]
macro_rules! qtrace {
    ($($arg:tt)*) => { $crate::log::facade::trace!($($arg)*) };
}

#[cfg(test)]
mod tests {
    use super::LevelFilter;

    #[test]
    fn init_twice() {
        super::init(Some(LevelFilter::Debug));
        super::init(None);
        assert!(::log::max_level() >= LevelFilter::Error);
        let n = 3;
        crate::qerror!("error {n}");
        crate::qwarn!("warn {}", n);
        crate::qinfo!("info");
        crate::qdebug!("debug {n:?}");
        crate::qtrace!("trace");
    }
}
