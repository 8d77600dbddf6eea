//! Requests.

use std::time::Instant;

use bytes::Bytes;
use neqo_common::Header;
use neqo_transport::StreamId;

use super::Http3Client;
use crate::{AppError, Http3State, Misuse, Priority, RequestTarget, Res, core::Core};

impl Http3Client {
    /// Sends a request's header section. Content may be sent until [`Http3Client::stream_close_send`].
    ///
    /// # Errors
    /// - [`Misuse::Unavailable`] before the handshake is complete,
    /// - [`Misuse::InvalidState`] when the connection is closing, [`Misuse::GoingAway`] when the server is going away,
    /// - [`Misuse::StreamLimit`] when the server allows no more; [`Http3ClientEvent::RequestsCreatable`] tells when it
    ///   does,
    /// - [`Misuse::InvalidHeader`] when the request would be malformed or larger than the server accepts.
    ///
    /// [`Http3ClientEvent::RequestsCreatable`]: crate::Http3ClientEvent::RequestsCreatable
    pub fn fetch<T: RequestTarget>(
        &mut self,
        now: Instant,
        method: &str,
        target: T,
        headers: &[Header],
        priority: Priority,
    ) -> Res<StreamId> {
        let mut all = Vec::with_capacity(headers.len() + 5);
        //= rfc9114#section-4.3
        //# All pseudo-header fields MUST appear in the header section before regular header
        //# fields.
        all.push(Header::new(":method", method));
        all.push(Header::new(":scheme", target.scheme()));
        all.push(Header::new(":authority", target.authority()));
        all.push(Header::new(":path", target.path()));
        self.send_request(now, all, headers, priority)
    }

    /// Asks a proxy for a tunnel to `authority`, which is a host and a port (RFC 9114, Section 4.4). When it is there,
    /// data is sent and read as content.
    ///
    /// # Errors
    /// As [`Http3Client::fetch`].
    pub fn connect<A: AsRef<str>>(
        &mut self,
        now: Instant,
        authority: A,
        headers: &[Header],
        priority: Priority,
    ) -> Res<StreamId> {
        let all = vec![
            Header::new(":method", "CONNECT"),
            Header::new(":authority", authority.as_ref()),
        ];
        self.send_request(now, all, headers, priority)
    }

    fn send_request(
        &mut self,
        now: Instant,
        mut all: Vec<Header>,
        headers: &[Header],
        priority: Priority,
    ) -> Res<StreamId> {
        match self.state() {
            Http3State::Connected => {}
            Http3State::Initializing => return Err(Misuse::Unavailable.into()),
            Http3State::GoingAway(_) => return Err(Misuse::GoingAway.into()),
            Http3State::Closing(_) | Http3State::Closed(_) => {
                return Err(Misuse::InvalidState.into());
            }
        }
        all.extend_from_slice(headers);
        all.extend(priority.header());
        self.act(now, |core, quic| core.fetch(&all, priority, quic))
    }

    fn act<T>(
        &mut self,
        now: Instant,
        f: impl FnOnce(&mut Core, &mut neqo_transport::Connection) -> Res<T>,
    ) -> Res<T> {
        self.driver.act(&mut self.quic, now, f)
    }

    /// Sends the beginning of `buf` as content, and returns how much of it. Zero: there is no room, and
    /// [`Http3ClientEvent::DataWritable`] tells when there is.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`], [`Misuse::InvalidState`] after trailers,
    /// [`Misuse::InvalidInput`] when that would be more than `content-length` said.
    ///
    /// [`Http3ClientEvent::DataWritable`]: crate::Http3ClientEvent::DataWritable
    pub fn send_data(&mut self, stream_id: StreamId, buf: &[u8], now: Instant) -> Res<usize> {
        self.act(now, |core, quic| core.send_data(stream_id, buf, quic))
    }

    /// [`Http3Client::send_data`] without a copy before the packet.
    ///
    /// # Errors
    /// As [`Http3Client::send_data`].
    pub fn send_data_bytes(
        &mut self,
        stream_id: StreamId,
        data: Bytes,
        now: Instant,
    ) -> Res<usize> {
        self.act(now, |core, quic| {
            core.send_data_bytes(stream_id, data, quic)
        })
    }

    /// Sends a trailer section, which ends the content.
    ///
    /// # Errors
    /// [`Misuse::InvalidHeader`]; otherwise as [`Http3Client::send_data`].
    pub fn send_trailers(
        &mut self,
        stream_id: StreamId,
        headers: &[Header],
        now: Instant,
    ) -> Res<()> {
        self.act(now, |core, quic| {
            core.send_headers(stream_id, headers, quic)
        })
    }

    /// Ends the request.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`]; [`Misuse::InvalidState`] when less content was sent than
    /// `content-length` said.
    pub fn stream_close_send(&mut self, stream_id: StreamId, now: Instant) -> Res<()> {
        self.act(now, |core, quic| core.close_send(stream_id, quic))
    }

    /// Reads content into `buf`. Returns how many bytes, and whether the response is complete.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], also after the response was complete; [`Error::Stream`](crate::Error::Stream) when the response turns out
    /// to be malformed, and [`Error::Peer`](crate::Error::Peer) when that costs the connection.
    pub fn read_data(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        buf: &mut [u8],
    ) -> Res<(usize, bool)> {
        self.act(now, |core, quic| core.read_data(stream_id, buf, quic))
    }

    /// Takes the next piece of content without a copy. Returns it, if there is one, and whether the response is
    /// complete with it.
    ///
    /// # Errors
    /// As [`Http3Client::read_data`].
    pub fn read_data_bytes(
        &mut self,
        now: Instant,
        stream_id: StreamId,
    ) -> Res<(Option<Bytes>, bool)> {
        self.act(now, |core, quic| core.read_data_bytes(stream_id, quic))
    }

    /// Gives a request and its response up. `H3_REQUEST_CANCELLED` is the code for that.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn cancel_fetch(&mut self, stream_id: StreamId, error: AppError) -> Res<()> {
        self.driver.core.cancel(stream_id, error, &mut self.quic)
    }

    /// Gives up sending a request; the response may still come.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`].
    pub fn stream_reset_send(&mut self, stream_id: StreamId, error: AppError) -> Res<()> {
        self.driver
            .core
            .reset_send(stream_id, error, &mut self.quic)
    }

    /// Gives up receiving a response; the request can still be sent.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_stop_sending(&mut self, stream_id: StreamId, error: AppError) -> Res<()> {
        self.driver
            .core
            .stop_sending(stream_id, error, &mut self.quic)
    }

    /// Tells the server that a response has another priority. Returns whether it is another one.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`]; [`Misuse::Unavailable`] when the server does not read what it is told.
    pub fn priority_update(&mut self, stream_id: StreamId, priority: Priority) -> Res<bool> {
        self.driver
            .core
            .send_priority_update(stream_id, priority, &mut self.quic)
    }

    /// Tells the server that no more pushes are accepted, before the connection is closed.
    ///
    /// # Errors
    /// [`Misuse::InvalidState`] when that was said already; [`Misuse::Unavailable`] before the
    /// handshake is complete.
    pub fn send_goaway(&mut self) -> Res<()> {
        if self.driver.state() == Http3State::Initializing {
            return Err(Misuse::Unavailable.into());
        }
        self.driver.core.send_goaway(&mut self.quic)
    }
}
