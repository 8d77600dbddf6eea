//! What `neqo-client` tells the shell.

use std::fmt::Write as _;

/// The process exit codes. From 18 on they agree with curl's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every transfer is complete.
    Success = 0,
    /// A fault of this program.
    Internal = 1,
    /// The command line does not make sense.
    Usage = 2,
    /// The host name has no address.
    Resolve = 3,
    /// Nobody answers, or the handshake fails.
    Connect = 4,
    /// The server's certificate does not verify.
    Certificate = 5,
    /// The connection broke after it was established.
    Lost = 6,
    /// A response ended before all of it was there.
    Partial = 18,
    /// The HTTP status is 400 or more and `--fail` was given.
    HttpStatus = 22,
    /// The output cannot be written.
    Write = 23,
    /// A local file that should be read cannot be.
    Read = 26,
    /// Stopped by SIGINT or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in ascending order.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Internal,
        Self::Usage,
        Self::Resolve,
        Self::Connect,
        Self::Certificate,
        Self::Lost,
        Self::Partial,
        Self::HttpStatus,
        Self::Write,
        Self::Read,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "every transfer is complete",
            Self::Internal => "internal error",
            Self::Usage => "bad command line",
            Self::Resolve => "a host name does not resolve",
            Self::Connect => "no connection: refused, no answer in time, or no common protocol",
            Self::Certificate => "the server's certificate does not verify",
            Self::Lost => "the connection broke during a transfer",
            Self::Partial => "a response ended early; its file was not created",
            Self::HttpStatus => "HTTP status 400 or above, with --fail",
            Self::Write => "output cannot be written",
            Self::Read => "a local file cannot be read",
            Self::Interrupted => "interrupted",
        }
    }

    /// The table that `--help` shows.
    #[must_use]
    pub fn help() -> String {
        let mut text = String::from("Exit codes (of the first transfer that failed):\n");
        for exit in Self::ALL {
            // Writing to a String does not fail.
            let _ignored = writeln!(text, "  {:>3}  {}", exit.code(), exit.meaning());
        }
        text
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_distinct_and_documented() {
        let help = Exit::help();
        for pair in Exit::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code());
        }
        for exit in Exit::ALL {
            assert!(help.contains(&format!("{:>3}  {}", exit.code(), exit.meaning())));
        }
    }
}
