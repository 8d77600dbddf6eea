//! What the server's event loop needs of its connections, whatever application protocol they carry.

use std::{fmt::Debug, net::SocketAddr, num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_transport::{StreamId, Transmit, server::ConnectionHandle};
use neqo_udp::RecvSegment;

use super::service::Request;

/// A request on a connection. When it is over it names nothing, and never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The connection.
    pub conn: ConnectionHandle,
    /// The stream on it.
    pub stream: StreamId,
}

/// Something happened on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening {
    /// A request arrived, and whether that is all of it: otherwise its body may follow.
    Request(RequestId, Request, bool),
    /// Some of a request's body, or its end, can be read.
    Readable(RequestId),
    /// More of a response can be sent.
    Writable(RequestId),
    /// The request will not be complete.
    Reset(RequestId),
    /// The client does not want the rest of the response.
    StopSending(RequestId),
    /// The connection is gone, and all its requests.
    Gone(ConnectionHandle),
}

/// The request or the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A server's connections. Times never go backwards.
pub trait Engine: Debug {
    /// Takes datagrams.
    fn input(&mut self, segment: RecvSegment, now: Instant);
    /// The next datagrams to send.
    fn write<'b>(&mut self, now: Instant, buf: &'b mut [u8], max: NonZeroUsize) -> Transmit<'b>;
    /// What happened next.
    fn next(&mut self, now: Instant) -> Option<Happening>;

    /// Begins a response.
    fn respond(
        &mut self,
        id: RequestId,
        status: u16,
        fields: &[(&'static str, String)],
    ) -> Result<(), Gone>;
    /// Takes the next piece of a request's body, if there is one, and says whether that is the end.
    fn read(&mut self, id: RequestId, now: Instant) -> Result<(Option<Bytes>, bool), Gone>;
    /// Sends as much of `data` as possible: how much that was.
    fn send(&mut self, id: RequestId, data: Bytes, now: Instant) -> Result<usize, Gone>;
    /// Ends a response.
    fn finish(&mut self, id: RequestId, now: Instant);
    /// Gives up the rest of a response, so that the client knows that it is not whole.
    fn abort(&mut self, id: RequestId);
    /// Asks for no more of the request's body.
    fn ignore_body(&mut self, id: RequestId);

    /// Who asks, while the connection lives.
    fn peer(&self, conn: ConnectionHandle) -> Option<SocketAddr>;
    /// Takes no new connections, and tells the clients to make no new requests.
    fn go_away(&mut self, now: Instant);
    /// Whether there is no connection.
    fn is_idle(&self) -> bool;
    /// Closes all connections.
    fn close(&mut self, now: Instant);
}
