//! What a server does with requests.

use std::time::Instant;

use bytes::Bytes;
use neqo_common::Header;
use neqo_transport::Connection;

use super::{Http3Server, Http3StreamHandle};
use crate::{AppError, Misuse, Res, core::Core, driver::Driver};

impl Http3Server {
    fn lend(&mut self, stream: Http3StreamHandle) -> Res<(&mut Driver, &mut Connection)> {
        let quic = self
            .quic
            .connection_mut(stream.conn)
            .ok_or(Misuse::InvalidStreamId)?;
        let driver = self
            .connections
            .get_mut(stream.conn)
            .ok_or(Misuse::InvalidStreamId)?;
        Ok((driver, quic))
    }

    /// Reads, which may bring events about and cost the connection.
    fn read<T>(
        &mut self,
        stream: Http3StreamHandle,
        now: Instant,
        f: impl FnOnce(&mut Core, &mut Connection) -> Res<T>,
    ) -> Res<T> {
        let (driver, quic) = self.lend(stream)?;
        let result = driver.act(quic, now, f);
        self.connections.check_events(stream.conn);
        result
    }

    /// Sends a header section: informational ones (`:status` 100 and 102 to 199), then that of the response. After that,
    /// sends the trailer section, which has no `:status` and ends the content.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`], [`Misuse::InvalidHeader`] when the response would be
    /// malformed or larger than the client accepts, [`Misuse::InvalidState`] after trailers, and when less content was
    /// sent than `content-length` said.
    pub fn send_headers(&mut self, stream: Http3StreamHandle, headers: &[Header]) -> Res<()> {
        let (driver, quic) = self.lend(stream)?;
        driver.core.send_headers(stream.stream_id, headers, quic)
    }

    /// Sends the beginning of `data` as content, and returns how much of it. Zero: there is no room, and
    /// [`Http3ServerEvent::DataWritable`] tells when there is.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`], [`Misuse::InvalidState`] before the response's header
    /// section and after trailers, [`Misuse::InvalidInput`] when that would be more than `content-length` said, or the
    /// response may have no content.
    ///
    /// [`Http3ServerEvent::DataWritable`]: crate::Http3ServerEvent::DataWritable
    pub fn send_data(
        &mut self,
        stream: Http3StreamHandle,
        data: &[u8],
        now: Instant,
    ) -> Res<usize> {
        let (driver, quic) = self.lend(stream)?;
        driver.act(quic, now, |core, quic| {
            core.send_data(stream.stream_id, data, quic)
        })
    }

    /// [`Http3Server::send_data`] without a copy before the packet.
    ///
    /// # Errors
    /// As [`Http3Server::send_data`].
    pub fn send_data_bytes(
        &mut self,
        stream: Http3StreamHandle,
        data: Bytes,
        now: Instant,
    ) -> Res<usize> {
        let (driver, quic) = self.lend(stream)?;
        driver.act(quic, now, |core, quic| {
            core.send_data_bytes(stream.stream_id, data, quic)
        })
    }

    /// Ends the response. What of the request was not read can still be; a server that does not want it says so with
    /// [`Http3Server::stop_sending`] and `H3_NO_ERROR`.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`]; [`Misuse::InvalidState`] when there was no response, or
    /// less content than `content-length` said.
    pub fn close_send(&mut self, stream: Http3StreamHandle, now: Instant) -> Res<()> {
        let (driver, quic) = self.lend(stream)?;
        driver.act(quic, now, |core, quic| {
            core.close_send(stream.stream_id, quic)
        })
    }

    /// Reads content into `buf`. Returns how many bytes, and whether the request is complete.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], also after the request was complete; [`Error::Stream`](crate::Error::Stream) when
    /// the request turns out to be malformed, and [`Error::Peer`](crate::Error::Peer) when that costs the connection.
    pub fn read_data(
        &mut self,
        now: Instant,
        stream: Http3StreamHandle,
        buf: &mut [u8],
    ) -> Res<(usize, bool)> {
        self.read(stream, now, |core, quic| {
            core.read_data(stream.stream_id, buf, quic)
        })
    }

    /// Takes the next piece of content without a copy. Returns it, if there is one, and whether the request is complete
    /// with it.
    ///
    /// # Errors
    /// As [`Http3Server::read_data`].
    pub fn read_data_bytes(
        &mut self,
        now: Instant,
        stream: Http3StreamHandle,
    ) -> Res<(Option<Bytes>, bool)> {
        self.read(stream, now, |core, quic| {
            core.read_data_bytes(stream.stream_id, quic)
        })
    }

    /// Gives a request and its response up: `H3_REQUEST_REJECTED` if nothing was done about it, `H3_REQUEST_CANCELLED`
    /// otherwise.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn cancel(&mut self, stream: Http3StreamHandle, error: AppError) -> Res<()> {
        let (driver, quic) = self.lend(stream)?;
        driver.core.cancel(stream.stream_id, error, quic)
    }

    /// Gives up sending a response.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`], [`Misuse::AlreadyClosed`].
    pub fn reset_send(&mut self, stream: Http3StreamHandle, error: AppError) -> Res<()> {
        let (driver, quic) = self.lend(stream)?;
        driver.core.reset_send(stream.stream_id, error, quic)
    }

    /// Gives up reading a request; the response can still be sent.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stop_sending(&mut self, stream: Http3StreamHandle, error: AppError) -> Res<()> {
        let (driver, quic) = self.lend(stream)?;
        driver.core.stop_sending(stream.stream_id, error, quic)
    }
}
