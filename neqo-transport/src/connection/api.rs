//! What the host calls about streams, events and information.

use std::{net::SocketAddr, num::NonZeroUsize, time::Instant};

use bytes::Bytes;
use neqo_common::event::Provider;
use neqo_crypto::{Info, PeerChain};

use super::{Connection, close::MAX_APP_ERROR};
use crate::{
    AppError, CloseReason, Misuse, Res, Stats,
    cid::{id::ConnectionId, local::CidChange},
    events::ConnectionEvent,
    stream_id::{StreamId, StreamType},
    streams::{
        RecvStreamStats, RetransmissionPriority, SendGroupId, SendOrder, SendStreamStats,
        TransmissionPriority,
    },
};

impl Connection {
    /// Closes the connection with an application error code, at most 2^62-1, and a reason, of
    /// which the first 128 bytes are sent.
    pub fn close<A: AsRef<str>>(&mut self, now: Instant, app_error: AppError, msg: A) {
        let error = CloseReason::Application(app_error.min(MAX_APP_ERROR));
        self.begin_close(error, msg.as_ref(), now);
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// [`Misuse::StreamLimit`] when the peer allows no more of this type;
    /// [`ConnectionEvent::SendStreamCreatable`] tells when it does.
    pub fn stream_create(&mut self, st: StreamType) -> Res<StreamId> {
        self.check_open()?;
        self.streams.create(st)
    }

    /// Queues a copy of as much of `data` as fits. Returns how many bytes that were.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`]; [`Misuse::StreamState`] after the stream was ended or reset.
    pub fn stream_send(&mut self, stream_id: StreamId, data: &[u8]) -> Res<usize> {
        self.check_open()?;
        self.streams.send(stream_id, data)
    }

    /// Queues as much of `data` as fits, without copying it. Returns how many bytes that were.
    ///
    /// # Errors
    /// As [`Connection::stream_send`].
    pub fn stream_send_bytes(&mut self, stream_id: StreamId, data: Bytes) -> Res<usize> {
        self.check_open()?;
        self.streams.send_bytes(stream_id, data)
    }

    /// Queues all of `data` or nothing. Whether it was queued.
    ///
    /// # Errors
    /// As [`Connection::stream_send`].
    pub fn stream_send_atomic(&mut self, stream_id: StreamId, data: &[u8]) -> Res<bool> {
        self.check_open()?;
        self.streams.send_atomic(stream_id, data)
    }

    /// How many bytes [`Connection::stream_send`] would take now.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_avail_send_space(&self, stream_id: StreamId) -> Res<usize> {
        self.streams.avail_send_space(stream_id)
    }

    /// Lets [`ConnectionEvent::SendStreamWritable`] come only when this many bytes can be sent.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_set_writable_event_low_watermark(
        &mut self,
        stream_id: StreamId,
        watermark: NonZeroUsize,
    ) -> Res<()> {
        self.streams
            .set_writable_event_low_watermark(stream_id, watermark)
    }

    /// Ends our side of a stream after what was queued.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_close_send(&mut self, stream_id: StreamId) -> Res<()> {
        self.streams.close_send(stream_id)
    }

    /// Abandons our side of a stream (RESET_STREAM).
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_reset_send(&mut self, stream_id: StreamId, err: AppError) -> Res<()> {
        self.streams.reset_send(stream_id, err)
    }

    /// Reads into `data`. Returns how many bytes were read and whether the stream ends there.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`]; [`Misuse::NoMoreData`] after the end.
    pub fn stream_recv(&mut self, stream_id: StreamId, data: &mut [u8]) -> Res<(usize, bool)> {
        self.streams.recv(stream_id, data)
    }

    /// Reads the next chunk without copying it. Returns it, and whether the stream ends there.
    ///
    /// # Errors
    /// As [`Connection::stream_recv`].
    pub fn stream_recv_bytes(&mut self, stream_id: StreamId) -> Res<(Option<Bytes>, bool)> {
        self.streams.recv_bytes(stream_id)
    }

    /// Asks the peer to abandon its side of a stream (STOP_SENDING).
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_stop_sending(&mut self, stream_id: StreamId, err: AppError) -> Res<()> {
        self.streams.stop_sending(stream_id, err)
    }

    /// Keeps the connection alive by PINGs as long as this stream is open.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_keep_alive(&mut self, stream_id: StreamId, keep: bool) -> Res<()> {
        self.streams.keep_alive(stream_id, keep)
    }

    /// Lets the peer learn of a stream although nothing was written to it.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_commit(&mut self, stream_id: StreamId) -> Res<()> {
        self.streams.commit(stream_id)
    }

    /// Lets the peer send `max_data` bytes ahead of what was read, at most
    /// [`limits::MAX_STREAM_WINDOW`](crate::config::limits::MAX_STREAM_WINDOW), and no more by
    /// auto-tuning. Credit that was given stays given.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn set_stream_max_data(&mut self, stream_id: StreamId, max_data: u64) -> Res<()> {
        self.streams.set_max_data(stream_id, max_data)
    }

    /// How urgent a stream's data is, when first sent and when sent again.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_priority(
        &mut self,
        stream_id: StreamId,
        transmission: TransmissionPriority,
        retransmission: RetransmissionPriority,
    ) -> Res<()> {
        self.streams
            .priority(stream_id, transmission, retransmission)
    }

    /// Whether a stream takes turns with others of its priority, or is sent to its end first.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_fairness(&mut self, stream_id: StreamId, fairness: bool) -> Res<()> {
        self.streams.fairness(stream_id, fairness)
    }

    /// The order of a stream within its group; higher goes first.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_sendorder(
        &mut self,
        stream_id: StreamId,
        sendorder: Option<SendOrder>,
    ) -> Res<()> {
        self.streams.sendorder(stream_id, sendorder)
    }

    /// The group of a stream: groups take turns.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn stream_sendgroup(
        &mut self,
        stream_id: StreamId,
        group_id: Option<SendGroupId>,
    ) -> Res<()> {
        self.streams.sendgroup(stream_id, group_id)
    }

    /// Counters of our side of a stream.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn send_stream_stats(&self, stream_id: StreamId) -> Res<SendStreamStats> {
        self.streams.send_stats(stream_id)
    }

    /// Counters of the peer's side of a stream.
    ///
    /// # Errors
    /// [`Misuse::InvalidStreamId`].
    pub fn recv_stream_stats(&self, stream_id: StreamId) -> Res<RecvStreamStats> {
        self.streams.recv_stats(stream_id)
    }

    /// Whether this is a stream of ours that the peer's limit allows.
    #[must_use]
    pub const fn is_stream_id_allowed(&self, stream_id: StreamId) -> bool {
        self.streams.is_allowed(stream_id)
    }

    /// What TLS negotiated, once that is known.
    #[must_use]
    pub fn tls_info(&self) -> Option<&Info> {
        self.handshake.session.info()
    }

    /// The peer's certificate chain: the server's at a client, at a server the client's if it was asked and showed one.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&PeerChain> {
        self.handshake.session.peer_certificate()
    }

    /// Fills `out` with exported keying material (RFC 8446 §7.5).
    ///
    /// # Errors
    /// [`Misuse::NotConnected`] before the handshake is complete.
    pub fn export_keying_material(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        if !self.state.connected() {
            return Err(Misuse::NotConnected.into());
        }
        Ok(self.handshake.session.export(label, context, out)?)
    }

    /// Our address on the path in use; its IP is unspecified if the host never told.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.paths.primary().local
    }

    /// The peer's address on the path in use. It may change: peers migrate (RFC 9000 §9).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.paths.primary().remote
    }

    /// The connection ID that the client chose first, known to both sides.
    #[must_use]
    pub const fn odcid(&self) -> &ConnectionId {
        &self.handshake.ids.original_dcid
    }

    /// Whether packets to `cid` are this connection's.
    #[must_use]
    pub fn is_valid_local_cid(&self, cid: &[u8]) -> bool {
        self.local_cids.contains(cid)
    }

    /// Counters and measurements.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let path = self.paths.primary();
        Stats {
            rtt: path.rtt.smoothed(),
            rttvar: path.rtt.var(),
            min_rtt: path.rtt.min(),
            cwnd: path.sender.cwnd() as u64,
            pmtud_pmtu: path.mtu(),
            pmtud_iface_mtu: self.params.get_interface_mtu().unwrap_or_default(),
            pmtud_peer_max_udp_payload: self.peer_max_udp_payload(),
            ..self.stats.clone()
        }
    }

    /// What the peer says that it takes, once it has.
    fn peer_max_udp_payload(&self) -> Option<usize> {
        let known = self.peer.initial_source_connection_id.is_some();
        known.then(|| usize::try_from(self.peer.max_udp_payload_size).unwrap_or(usize::MAX))
    }

    /// The next change of the connection IDs that are ours, for whoever routes packets.
    pub(crate) fn next_cid_change(&mut self) -> Option<CidChange> {
        self.local_cids.next_change()
    }

    fn check_open(&self) -> Res<()> {
        if self.state.closing() || self.state.closed() {
            return Err(Misuse::ConnectionState.into());
        }
        Ok(())
    }
}

impl Provider for Connection {
    type Event = ConnectionEvent;

    fn has_events(&self) -> bool {
        !self.events.is_empty() || self.streams.has_events()
    }

    fn next_event(&mut self) -> Option<Self::Event> {
        self.events
            .pop()
            .or_else(|| self.streams.next_event().map(Into::into))
    }
}
