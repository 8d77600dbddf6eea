//! What the client's event loop needs of a connection, whatever application protocol it carries.

use std::{fmt::Debug, num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_transport::{AppError, CloseReason, Stats, StreamId, Transmit};
use neqo_udp::RecvSegment;

use super::{request::Template, summary::Tls, target::Target};

/// The fields of a header section.
pub type Fields = Vec<(String, Vec<u8>)>;

/// Something happened on the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening {
    /// Requests can be made.
    Ready,
    /// The header section of a final response, and whether that is all of it.
    Headers(StreamId, Fields, bool),
    /// Some of a body, or its end, can be read.
    Readable(StreamId),
    /// More of an upload can be sent.
    Writable(StreamId),
    /// The response will not be complete.
    Reset(StreamId, AppError),
    /// The server does not want the rest of the upload.
    StopSending(StreamId),
    /// More requests can be made than before.
    Creatable,
    /// The server takes no more requests on this connection.
    GoingAway,
    /// The connection is over, or will be without anything else happening.
    Ended(CloseReason),
}

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not before [`Happening::Creatable`].
    Later,
    /// Not on this connection.
    Never(String),
}

/// A client's connection. Times never go backwards.
pub trait Engine: Debug {
    /// Takes datagrams.
    fn input(&mut self, segment: RecvSegment, now: Instant);
    /// The next datagrams to send.
    fn write<'b>(&mut self, now: Instant, buf: &'b mut [u8], max: NonZeroUsize) -> Transmit<'b>;
    /// What happened next.
    fn next(&mut self, now: Instant) -> Option<Happening>;

    /// Asks for something. `length` is that of the upload, where it is known.
    fn request(
        &mut self,
        target: &Target,
        template: &Template,
        length: Option<u64>,
        now: Instant,
    ) -> Result<StreamId, Refusal>;
    /// Takes the next piece of a body, if there is one, and says whether that is the end.
    fn read(&mut self, id: StreamId, now: Instant) -> Result<(Option<Bytes>, bool), String>;
    /// Sends as much of `data` as possible: how much that was.
    fn send(&mut self, id: StreamId, data: Bytes, now: Instant) -> Result<usize, String>;
    /// Ends an upload.
    fn finish(&mut self, id: StreamId, now: Instant);
    /// Gives up the rest of an upload.
    fn abandon_upload(&mut self, id: StreamId);
    /// Gives up a request.
    fn cancel(&mut self, id: StreamId);
    /// Ends the connection.
    fn close(&mut self, now: Instant);

    /// What TLS settled, once it has.
    fn tls(&self) -> Option<Tls>;
    /// The transport's counters.
    fn stats(&self) -> Stats;
    /// Whether an error code of a reset stream says that the request was not looked at, so that it can be made again.
    fn is_unprocessed(&self, error: AppError) -> bool;
}

/// What TLS settled, in words.
#[must_use]
pub fn tls(info: &neqo_crypto::Info) -> Tls {
    Tls {
        cipher: info.cipher().to_string(),
        group: info.group().map(|g| g.to_string()),
        resumed: info.resumed(),
        ech: info.ech_accepted(),
    }
}
