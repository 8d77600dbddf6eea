//! What an error of a system call means for a UDP socket.

use std::io::{self, ErrorKind};

#[cfg(unix)]
const NO_BUFFERS: i32 = libc::ENOBUFS;
#[cfg(windows)]
const NO_BUFFERS: i32 = 10055; // WSAENOBUFS

#[cfg(unix)]
const TOO_BIG: i32 = libc::EMSGSIZE;
#[cfg(windows)]
const TOO_BIG: i32 = 10040; // WSAEMSGSIZE

#[cfg(unix)]
const IO: i32 = libc::EIO;
#[cfg(windows)]
const IO: i32 = i32::MIN; // Windows has no such error for sockets.

/// What else ICMP messages are reported as (on Linux `icmp_err_convert` and `icmpv6_err_convert` have the tables):
/// a protocol or host that is not there, a source route that fails, a parameter problem.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ICMP: &[i32] = &[
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    libc::ENONET,
    libc::EPROTO,
    libc::EOPNOTSUPP,
];
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const ICMP: &[i32] = &[
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    libc::EPROTO,
    libc::EOPNOTSUPP,
];
#[cfg(windows)]
const ICMP: &[i32] = &[10042, 10064, 10045]; // WSAENOPROTOOPT, WSAEHOSTDOWN, WSAEOPNOTSUPP

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The call has to wait until the socket is ready.
    Blocked,
    /// An ICMP message about an earlier datagram is reported, and this call did nothing.
    Stale,
    /// The kernel or a device does not do what the call asks; typical of GSO without support.
    Invalid,
    /// There is no memory for the datagram.
    NoBuffers,
    /// The datagram is too large for the interface.
    TooBig,
    /// There is no way to the destination, or not from this source.
    Unreachable,
    /// A filter refuses the datagram.
    Denied,
    /// The socket is of no use.
    Fatal,
}

/// What `error` means.
pub(crate) fn meaning(error: &io::Error) -> Meaning {
    match error.raw_os_error() {
        // hardening R3482: ENOBUFS is no reason to wait, because no writability event follows it.
        Some(NO_BUFFERS) => return Meaning::NoBuffers,
        Some(TOO_BIG) => return Meaning::TooBig,
        Some(IO) => return Meaning::Invalid,
        // hardening R3895: such a message can be forged; it must not end an endpoint.
        Some(code) if ICMP.contains(&code) => return Meaning::Unreachable,
        _ => {}
    }
    match error.kind() {
        ErrorKind::WouldBlock => Meaning::Blocked,
        // hardening R3895: an ICMP message must not stop an endpoint.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Meaning::Stale,
        ErrorKind::InvalidInput => Meaning::Invalid,
        ErrorKind::OutOfMemory => Meaning::NoBuffers,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Meaning::Unreachable,
        ErrorKind::PermissionDenied => Meaning::Denied,
        _ => Meaning::Fatal,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io;

    use super::{Meaning, meaning};

    #[test]
    fn every_error_has_its_meaning() {
        for (errno, expected) in [
            (libc::EAGAIN, Meaning::Blocked),
            (libc::ECONNREFUSED, Meaning::Stale),
            (libc::ECONNRESET, Meaning::Stale),
            (libc::EIO, Meaning::Invalid),
            (libc::EINVAL, Meaning::Invalid),
            (libc::ENOBUFS, Meaning::NoBuffers),
            (libc::ENOMEM, Meaning::NoBuffers),
            (libc::EMSGSIZE, Meaning::TooBig),
            (libc::EHOSTUNREACH, Meaning::Unreachable),
            (libc::ENETUNREACH, Meaning::Unreachable),
            (libc::ENETDOWN, Meaning::Unreachable),
            (libc::EADDRNOTAVAIL, Meaning::Unreachable),
            (libc::ENOPROTOOPT, Meaning::Unreachable),
            (libc::EHOSTDOWN, Meaning::Unreachable),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (libc::ENONET, Meaning::Unreachable),
            (libc::EPROTO, Meaning::Unreachable),
            (libc::EOPNOTSUPP, Meaning::Unreachable),
            (libc::EPERM, Meaning::Denied),
            (libc::EACCES, Meaning::Denied),
            (libc::EBADF, Meaning::Fatal),
            (libc::EPIPE, Meaning::Fatal),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(meaning(&error), expected, "{error}");
        }
    }
}
