//! UDP sockets that send and receive many datagrams with one system call.
//!
//! [`Socket`] wraps any socket, std's or tokio's, and puts `quinn-udp` underneath: segmentation
//! offload when sending (GSO), coalescing when receiving (GRO, `recvmmsg`), the ECN field, and the
//! local address of each datagram. It never waits: all calls are for a non-blocking socket.
//!
//! ```
//! use neqo_udp::Socket;
//!
//! let socket = Socket::new(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
//! println!("{}: {} datagrams in one call", socket.local_addr(), socket.max_gso_segments());
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! UDP loses datagrams anyhow, so what only means that datagrams were lost is not an error here. It
//! is an [`Outcome`] and a number in [`Stats`]. Errors are left for a socket that is of no use any
//! more.
//!
//! The DSCP part of a [`Tos`](neqo_common::Tos) is neither sent nor reported: `quinn-udp` passes the
//! ECN field only.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `send` | a batch of one size for one destination, in one call or several |
//! | `recv`, `buffer` | what one call received, as slices of memory that is used again ([`RecvBuf`]) |
//! | `errors` | which errors of a system mean that a datagram was lost |
//! | `stats` | what was lost and what was refused |

#![forbid(unsafe_code)]

mod buffer;
mod errors;
mod recv;
mod send;
mod stats;

use std::{io, net::SocketAddr};

pub use buffer::{RecvBuf, SLAB_SIZE, SLOT_SIZE};
use neqo_common::{qdebug, qinfo};
use quinn_udp::{UdpSockRef, UdpSocketState};
pub use recv::{DatagramIter, RecvSegment, SegmentIter};
pub use send::{DropReason, Outcome, Sent};
pub use stats::{Event, Stats};

#[cfg(not(windows))]
use std::os::fd::AsFd as AsSocketHandle;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsSocketHandle;

/// The size in bytes that is asked for the buffers in the kernel, in each direction.
///
/// This is 64 ms at 1 Gbit/s, longer than a busy event loop is away.
pub const KERNEL_BUFFER_SIZE: usize = 8 << 20;

/// A UDP socket of kind `S`, set up for QUIC.
#[derive(Debug)]
pub struct Socket<S> {
    inner: S,
    state: UdpSocketState,
    local: SocketAddr,
    recv_buffer_size: usize,
    send_buffer_size: usize,
    stats: stats::Counters,
}

impl<S: AsSocketHandle> Socket<S> {
    /// Sets `inner` up: non-blocking, with ECN and packet information, without fragmentation, and
    /// with kernel buffers as large as the system grants.
    pub fn new(inner: S) -> io::Result<Self> {
        let state = UdpSocketState::new((&inner).into())?;
        let local = socket2::SockRef::from(&inner).local_addr()?;
        let local = local.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let recv_buffer_size = enlarge(
            || state.recv_buffer_size((&inner).into()),
            |n| state.set_recv_buffer_size((&inner).into(), n),
        )?;
        let send_buffer_size = enlarge(
            || state.send_buffer_size((&inner).into()),
            |n| state.set_send_buffer_size((&inner).into(), n),
        )?;
        qinfo!(
            "{local}: the system grants {recv_buffer_size} bytes to receive and \
             {send_buffer_size} to send, of {KERNEL_BUFFER_SIZE} asked"
        );
        qdebug!(
            "{local}: GSO {}, GRO {}, may fragment: {}",
            state.max_gso_segments(),
            state.gro_segments(),
            state.may_fragment()
        );
        Ok(Self {
            inner,
            state,
            local,
            recv_buffer_size,
            send_buffer_size,
            stats: stats::Counters::default(),
        })
    }

    fn sock_ref(&self) -> UdpSockRef<'_> {
        (&self.inner).into()
    }
}

impl<S> Socket<S> {
    /// The socket underneath, to wait for.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Gives the socket underneath back. Its options stay as they are.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The address that the socket was bound to when it was wrapped.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// How many datagrams one system call can send; one when there is no GSO.
    ///
    /// It falls to one when the kernel or a device refuses GSO while in use.
    #[must_use]
    pub fn max_gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// How many datagrams can arrive in one buffer; one when there is no GRO.
    #[must_use]
    pub fn gro_segments(&self) -> usize {
        self.state.gro_segments()
    }

    /// Whether the system may fragment what is sent, so that searching for the MTU is pointless.
    #[must_use]
    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// The size in bytes of the receive buffer in the kernel, as the system counts it. Linux counts
    /// twice what it was asked for.
    #[must_use]
    pub const fn recv_buffer_size(&self) -> usize {
        self.recv_buffer_size
    }

    /// The size in bytes of the send buffer in the kernel, as the system counts it.
    #[must_use]
    pub const fn send_buffer_size(&self) -> usize {
        self.send_buffer_size
    }

    /// What happened on this socket apart from datagrams that went out and came in.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.snapshot()
    }
}

/// Asks for [`KERNEL_BUFFER_SIZE`], then for half of it and so on, until the system agrees or the
/// buffer would shrink. Returns what the buffer is in the end.
fn enlarge(
    get: impl Fn() -> io::Result<usize>,
    set: impl Fn(usize) -> io::Result<()>,
) -> io::Result<usize> {
    let before = get()?;
    let mut ask = KERNEL_BUFFER_SIZE;
    while ask > before && set(ask).is_err() {
        ask /= 2;
    }
    get()
}

#[cfg(test)]
mod tests;
