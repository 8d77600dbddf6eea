//! What can be measured, and how it is started.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use crate::setup::Setup;

/// The core of the servers, where there are two.
const SERVER_CORE: usize = 0;
/// The core of the clients.
const CLIENT_CORE: usize = 1;

/// An implementation of HTTP/3 in both roles.
pub(crate) trait Peer: Send + Sync {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// Prepares a server; what is returned serves in the thread that calls it and does not return.
    ///
    /// A GET of `/N` is answered by N bytes, a POST by the number of bytes in its body.
    fn server(&self, setup: &Setup, socket: UdpSocket) -> Box<dyn FnOnce() + Send>;

    /// Prepares a client of the server at the address; it lives in the calling thread.
    fn client(&self, setup: &Setup, socket: UdpSocket, server: SocketAddr) -> Box<dyn Client>;
}

/// A client with at most one connection. Its methods return when the work is done, and panic when
/// what arrives is not what was asked for.
pub(crate) trait Client {
    /// Makes a new connection, in place of one that exists, and waits for the handshake.
    fn connect(&mut self);
    /// Gets a resource of this size.
    fn download(&mut self, bytes: u64);
    /// Posts a body of this size.
    fn upload(&mut self, bytes: u64);
    /// Gets a resource of one byte this often, with all requests made at once.
    fn requests(&mut self, count: u64);
}

/// Starts a server in a thread of its own and prepares a client of it in this one.
pub(crate) fn start(peer: &dyn Peer, setup: &Setup) -> Box<dyn Client> {
    pin(CLIENT_CORE);
    let socket = setup.socket();
    let address = socket.local_addr().unwrap();
    let serve = peer.server(setup, socket);
    // The name tells a profiler whose time it sees.
    let server = thread::Builder::new().name(format!("{}-server", peer.name()));
    server
        .spawn(move || {
            pin(SERVER_CORE);
            serve();
        })
        .unwrap();
    peer.client(setup, setup.socket(), address)
}

/// Keeps the calling thread on one core, if the system has it and knows how.
#[cfg(target_os = "linux")]
fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    // On a machine with one core there is nothing to keep apart, and no harm in a refusal.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
fn pin(_core: usize) {}
