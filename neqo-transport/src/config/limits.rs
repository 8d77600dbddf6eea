//! Every bound on what a peer can make this side keep or do, each with its reason.
//!
//! "Bounded by flow control" is no bound on memory: a byte of stream data may cost a whole packet
//! or an entry in a table. Each constant here is reached by a test.

use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

// Flow control

/// What a peer may send on a fresh stream before it hears more, in bytes. One window per round
/// trip: 1 MiB is 1 Gbit/s at 8 ms, and is what a peer can fill at once without any request read.
pub const INITIAL_STREAM_WINDOW: u64 = MIB;

/// What a peer may send on a fresh connection in all, in bytes: a few streams at full speed, and
/// no more memory than an idle connection may be worth.
pub const INITIAL_CONNECTION_WINDOW: u64 = 2 * MIB;

/// The largest window of a stream that tuning reaches, in bytes. 16 MiB fill 1 Gbit/s at 134 ms.
pub const MAX_STREAM_WINDOW: u64 = 16 * MIB;

/// The largest window of a connection that tuning reaches, in bytes: one stream at its largest
/// and half as much for the others. It bounds what one connection can make us buffer.
pub const MAX_CONNECTION_WINDOW: u64 = 24 * MIB;

/// How many bidirectional streams a peer may have open. RFC 9114 §6.1 asks for 100.
pub const MAX_STREAMS_BIDI: u64 = 100;

/// How many unidirectional streams a peer may have open. HTTP/3 needs 3; WebTransport and pushed
/// streams need more, and there is no reason to be meaner than with the other type.
pub const MAX_STREAMS_UNI: u64 = 100;

// Sending

/// How many bytes of a stream may wait for their first transmission.
///
/// The application is told when there is room again. Several batches are enough to keep the path busy, and a client that asks
/// for a hundred files and reads none holds 25 MiB.
pub const MAX_SEND_UNSENT: usize = 256 << 10;

/// How many bytes of a stream may be sent and not acknowledged. A peer that grants credit and
/// never acknowledges must not pin more than its own largest window.
pub const MAX_SEND_UNACKED: usize = 16 << 20;

/// How many bytes all streams of a connection hold together, never sent or sent and not
/// acknowledged.
///
/// The limits above are for each stream, and a peer that acknowledges all but the first packet of
/// each pins them many times over. 64 MiB fill 10 Gbit/s at 50 ms and 1 Gbit/s at half a second,
/// four streams at their largest, and more than any known peer's window of a connection: who
/// needs more in flight is lying.
pub const MAX_SEND_HELD: u64 = 64 * MIB;

/// What each stream may hold even when the others have taken all of [`MAX_SEND_HELD`], in bytes.
///
/// So a control stream goes on, and a stream whose data arrives is not held up by others whose
/// reader is slow. It costs less memory than the stream itself allows with its first window.
pub const SEND_FLOOR: usize = 16 << 10;

/// Streams that met a full connection are told once this much can be held again, in bytes: a
/// buffer of [`MAX_SEND_UNSENT`] for each of four. Less would wake them for every packet.
pub const SEND_ROOM_AGAIN: u64 = MIB;

/// How many datagrams one call for output may build: what one GSO send takes.
pub const BATCH_DATAGRAMS: usize = 64;

// Receiving

/// How many bytes of CRYPTO data ahead of a gap are kept in each space. Handshake flights have a
/// few KiB, with long certificate chains some tens (RFC 9000 §7.5 asks for 4,096 at least).
/// hardening A4
pub const CRYPTO_BUFFER: u64 = 64 * KIB;

/// How many gaps reassembly of a stream may have whatever its size. Real reordering leaves a gap
/// for each lost packet, and 4,096 of them lost at once are 5 MB. hardening A5, R3896
pub const REASSEMBLY_GAPS: usize = 4096;

/// One more gap is allowed for each this many bytes between the first and the last byte kept.
///
/// With frames that fill packets there is at most one for each 1,200 bytes, and losing every
/// other packet is not loss; who makes frames smaller makes our table larger than the data in it.
/// hardening A5, R3896
pub const REASSEMBLY_BYTES_PER_GAP: u64 = 4 * KIB;

/// How many slices of receive buffers the streams of a connection hold for their readers.
///
/// What comes on top is copied. A slice may pin all of the buffer that it came in, 128 KiB with generic
/// receive offload: 32 MiB in the worst case, which costs the peer as many batches. hardening A6
pub const HELD_SLICES: usize = 256;

/// How many ranges of received packet numbers are kept for acknowledgement. More holes than that
/// are not reordering; what falls off the far end counts as received before. hardening A8
pub const ACK_RANGES: usize = 32;

/// How many packets are kept until the keys for them come. A flight that was reordered has about
/// ten packets; the rest is retransmitted. hardening A14
pub const SAVED_PACKETS: usize = 16;

/// How many bytes those packets may have together.
pub const SAVED_BYTES: usize = 16 * 1500;

/// How many tokens to resume a session with wait for the host to take them. Servers send two or
/// so; of a server that sends them without end, the newest are kept.
pub const RESUMPTION_TOKENS: usize = 4;

/// How many transport parameters a peer may send, known or not. Twenty are defined; stacks send
/// one or two greased ones. It bounds the search for duplicates. hardening A18, R3732
pub const TRANSPORT_PARAMETERS: usize = 256;

// Connection IDs and paths

/// How many connection IDs of the peer's are kept, which is what we advertise as
/// `active_connection_id_limit`: one in use, one for each path that may be probed, spare ones for
/// migration. hardening A1
pub const REMOTE_ACTIVE_CIDS: usize = 8;

/// How many connection IDs of ours the peer may hold, whatever limit it advertises: each is an
/// entry in a server's routing table. hardening A1
pub const LOCAL_ACTIVE_CIDS: usize = 8;

/// How many retirements of the peer's connection IDs may wait for acknowledgement. A peer that
/// makes us retire faster than it acknowledges is flooding. hardening A1, R3797
pub const RETIRE_QUEUE: usize = 2 * REMOTE_ACTIVE_CIDS;

/// How many paths a connection has at once: the one in use, the one before it, and two being
/// probed. Packets from more addresses displace the least useful. hardening A3
pub const PATHS: usize = 4;

// Time

/// How long acknowledgements may be held back. What is advertised is the RFC's default of 25 ms
/// (RFC 9000 §18.2): 5 ms are for timers that fire late.
pub const ACK_DELAY: Duration = Duration::from_millis(20);

/// Our ACK Delay fields count units of 2^3 microseconds, the RFC's default.
pub const ACK_DELAY_EXPONENT: u8 = 3;

/// How many probe timeouts in a row, without an answer, end a connection. Their waits double up to
/// a minute, so the last comes after about ten minutes: the idle timeout is for shorter silences.
pub const MAX_PTO_COUNT: usize = 16;

/// How often a connection sends CRYPTO data again before its probe timeout, because the peer
/// obviously lacks it (RFC 9002 §6.2.3): each time costs a packet, at the peer's wish.
pub const SPEED_UPS: u8 = 4;

/// Datagrams with Initial packets, and those that probe a path, have at least this many bytes of
/// UDP payload (RFC 9000 §14.1, §8.2.1).
pub const MIN_INITIAL_DATAGRAM: usize = 1200;

// Servers

/// How many connections a server has at once, unless the host says otherwise. An idle one takes
/// some tens of KiB, so all of them a GiB or two. hardening A18
pub const SERVER_CONNECTIONS: usize = 1 << 16;

/// How many connections whose handshake is not complete a server has at once: at 100 ms a round
/// trip enough for 20,000 handshakes a second, and some tens of MiB. hardening A18
pub const SERVER_HALF_OPEN: usize = 4096;

/// From how many such connections on every new client must prove its address by Retry.
///
/// What lies between this and [`SERVER_HALF_OPEN`] can therefore not be filled from forged
/// addresses. hardening A18, A23
pub const SERVER_RETRY_ABOVE: usize = 512;

/// How long a handshake may take before the server ends it. Clients give up sooner; without it
/// a client could hold a half-open connection by trickling packets. hardening A18
pub const SERVER_HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How many answers without a connection wait to be sent: Version Negotiation, Retry, stateless
/// reset, refusal.
///
/// More than one call for input brings at once are a flood; each has less than 600 bytes.
/// hardening A14
pub const SERVER_RESPONSES: usize = 256;

/// How many connections that ended wait for the host to take their last events. A host that
/// never asks must not keep them all.
pub const SERVER_ENDED: usize = 1024;

/// How many stateless resets are sent per second: losing state is rare, and each costs an HMAC.
/// hardening A27
pub const STATELESS_RESETS_PER_SECOND: u32 = 128;

/// How long a token from a Retry packet is good. Clients return it after one round trip.
pub const RETRY_TOKEN_LIFETIME: Duration = Duration::from_secs(10);

/// How long a key seals such tokens. It opens them for as long again, so this is longer than
/// [`RETRY_TOKEN_LIFETIME`].
pub const TOKEN_KEY_LIFETIME: Duration = Duration::from_mins(1);
