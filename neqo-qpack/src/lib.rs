//! QPACK (RFC 9204) as plain values: field lines in, bytes out, and back.
//!
//! Nothing here knows a transport. [`Encoder::encode`] appends an encoded field section to a buffer,
//! [`Decoder::decode`] appends the field lines of one, and the bytes that arrive on the peer's encoder and decoder
//! streams go to [`Decoder::on_encoder_stream`] and [`Encoder::on_decoder_stream`] as they come.
//!
//! ```
//! use neqo_common::Header;
//! use neqo_qpack::{Decoded, Decoder, Encoder};
//!
//! let lines = [Header::new(":method", "GET"), Header::new("x-answer", "42")];
//! let mut section = Vec::new();
//! Encoder::default().encode_headers(&lines, 0, &mut section);
//!
//! let mut decoded = Vec::new();
//! let limit = 4096; // on the size of the decoded lines, as SETTINGS_MAX_FIELD_SECTION_SIZE counts it
//! assert_eq!(Decoder::default().decode(&section, 0, limit, &mut decoded), Ok(Decoded::Done));
//! assert_eq!(decoded, lines);
//! ```
//!
//! # No dynamic table
//!
//! Both halves work with a dynamic table capacity of zero: field lines are references to the static table or
//! literals. So no section ever blocks, no instruction is ever sent and nothing that a peer sends makes state grow.
//! The instruction parsers read the whole instruction set with bounded memory, and [`Decoded`] already says whether a
//! section is blocked, so that a table can be added beside them.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `encoder`, `decoder` | the two halves, each with the instruction stream that comes to it |
//! | `field_line`, `literal`, `prefix` | the representations of field lines, of strings and of integers |
//! | `instructions` | both instruction sets, read as they arrive |
//! | `static_table`, [`huffman`] | the table of Appendix A and the code of RFC 7541, computed when this is compiled |
//! | `settings`, `stats`, `error` | configuration, counters, codes |
//!
//! # Errors
//!
//! [`Error::is_connection_error`] tells what costs the connection from what costs one message. Decoding stops where the
//! limit is passed, so that a small block never becomes a large section.

#![forbid(unsafe_code)]

mod decoder;
mod encoder;
mod error;
mod field_line;
pub mod huffman;
mod instructions;
mod literal;
mod prefix;
mod settings;
mod static_table;
mod stats;

pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
pub use error::{Error, Res};
pub use settings::Settings;
pub use stats::Stats;

/// The type of the unidirectional stream that carries encoder instructions (RFC 9204, Section 4.2).
pub const QPACK_UNI_STREAM_TYPE_ENCODER: u64 = 0x02;
/// The type of the unidirectional stream that carries decoder instructions (RFC 9204, Section 4.2).
pub const QPACK_UNI_STREAM_TYPE_DECODER: u64 = 0x03;
