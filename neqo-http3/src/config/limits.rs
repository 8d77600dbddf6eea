//! Every bound on what a peer can make this crate keep, each with its reason.

/// The largest field section that is accepted by default, as RFC 9114, Section 4.2.2 counts it. Browsers accept about
/// as much; it is announced in SETTINGS, so a peer knows.
pub(crate) const MAX_FIELD_SECTION_SIZE: u64 = 256 * 1024;

/// How much longer than the field section limit an encoded field section may be before its frame is refused unread.
/// Encoded sections are shorter than what they stand for, except for their prefix and the lengths of empty strings,
/// which the overhead of 32 bytes per line covers.
pub(crate) const HEADERS_SLACK: u64 = 64;

/// The longest frame that is buffered on a control stream (hardening R3799). GOAWAY, MAX_PUSH_ID and CANCEL_PUSH have
/// at most 8 bytes, PRIORITY_UPDATE a few dozen; 4 KiB of SETTINGS are more than 256 settings of the longest kind.
pub(crate) const MAX_CONTROL_FRAME: u64 = 4096;

/// How many settings a SETTINGS frame may have. Every one that anybody has registered fits several times, and
/// duplicates are searched for by comparing all pairs.
pub(crate) const MAX_SETTINGS: usize = 128;

/// Requests whose PRIORITY_UPDATE came before them (RFC 9218, Section 7: bounded by local policy).
pub(crate) const MAX_EARLY_PRIORITIES: usize = 64;

/// Requests of a client that were opened and that the application of a server has not finished with. The transport
/// replenishes its stream limit when streams finish, also when they are reset at once (hardening A13): more open
/// requests than that are rejected.
pub(crate) const MAX_OPEN_REQUESTS: usize = 1024;

/// Events that the application has not taken. More requests are rejected while it does not get to them.
pub(crate) const MAX_WAITING_EVENTS: usize = 4096;

/// Bytes of fields in those events, counted as a field section limit counts them. More requests are rejected meanwhile:
/// one that is reset leaves its fields for the application to take, and the next may come at once.
pub(crate) const MAX_WAITING_FIELDS: usize = 8 * 1024 * 1024;

/// Connections of a server that are closed and that the host was not told of. All idle ones may end in one call; each
/// takes some dozen bytes, and a reason for closing that fits in a packet.
pub(crate) const MAX_ENDED_CONNECTIONS: usize = 1 << 14;

/// Tokens to resume a session with that the host has not taken. A server sends two or so; the newest are kept.
pub(crate) const MAX_WAITING_TOKENS: usize = 4;

/// Bytes that wait for room on a control or QPACK stream (hardening A14). A peer that does not read is not answered
/// without end.
pub(crate) const MAX_PENDING_CONTROL: usize = 16 * 1024;
