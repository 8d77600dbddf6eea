//! The line that reports a finished transfer.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use indicatif::BinaryBytes;

use crate::proto::Protocol;

/// What the handshake settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The cipher suite's IANA name.
    pub cipher: String,
    /// The key exchange group's IANA name, unknown to some backends on resumption.
    pub group: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Whether the server accepted an encrypted `ClientHello`.
    pub ech: bool,
}

/// A finished transfer.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was fetched.
    pub url: String,
    /// The HTTP status; HTTP/0.9 has none.
    pub status: Option<u16>,
    /// The size of the body.
    pub bytes: u64,
    /// The size of the upload as far as it was sent; zero when there is none.
    pub sent: u64,
    /// From the request to the last byte.
    pub elapsed: Duration,
    /// The application protocol.
    pub protocol: Protocol,
    /// What the handshake settled.
    pub tls: Tls,
}

/// Bytes per second; zero when no time passed.
#[must_use]
pub fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let nanos = elapsed.as_nanos();
    if nanos == 0 {
        return 0;
    }
    let rate = u128::from(bytes).saturating_mul(1_000_000_000) / nanos;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.url)?;
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("done")?,
        }
        write!(f, ", {} bytes", self.bytes)?;
        if self.sent > 0 {
            write!(f, " received, {} bytes sent", self.sent)?;
        }
        write!(
            f,
            " in {:.3} s ({}/s), {}, {}",
            self.elapsed.as_secs_f64(),
            BinaryBytes(rate(self.bytes.max(self.sent), self.elapsed)),
            self.protocol,
            self.tls.cipher,
        )?;
        if let Some(group) = &self.tls.group {
            write!(f, ", {group}")?;
        }
        if self.tls.resumed {
            f.write_str(", resumed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_everything() {
        let mut s = Summary {
            url: "https://h/x".into(),
            status: Some(200),
            bytes: 3 << 20,
            sent: 0,
            elapsed: Duration::from_millis(1500),
            protocol: Protocol::H3,
            tls: Tls {
                cipher: "TLS_AES_128_GCM_SHA256".into(),
                group: Some("X25519MLKEM768".into()),
                resumed: false,
                ech: false,
            },
        };
        assert_eq!(
            s.to_string(),
            "https://h/x: 200, 3145728 bytes in 1.500 s (2.00 MiB/s), h3, TLS_AES_128_GCM_SHA256, X25519MLKEM768"
        );
        s.bytes = 8;
        s.sent = 6 << 20;
        assert!(
            s.to_string().contains(
                ": 200, 8 bytes received, 6291456 bytes sent in 1.500 s (4.00 MiB/s), h3"
            ),
            "{s}"
        );
        s.bytes = 9 << 20;
        assert!(s.to_string().contains("(6.00 MiB/s)"), "{s}");
        (s.bytes, s.sent) = (3 << 20, 0);
        s.status = None;
        s.protocol = Protocol::HqInterop;
        s.tls.group = None;
        assert!(s.to_string().contains("done, 3145728") && s.to_string().contains("hq-interop"));
    }

    #[test]
    fn rates_do_not_overflow() {
        assert_eq!(rate(10, Duration::ZERO), 0);
        assert_eq!(rate(u64::MAX, Duration::from_nanos(1)), u64::MAX);
        assert_eq!(rate(1000, Duration::from_secs(2)), 500);
    }
}
