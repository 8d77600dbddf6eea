//! Field compression for a connection: the encoder, the decoder and the memory that they use again and again.

use neqo_common::Header;
use neqo_qpack::{Decoded, Decoder, Encoder};
use neqo_transport::StreamId;

use crate::error::{Error, Res};

/// Both halves of QPACK.
#[derive(Debug, Default)]
pub(crate) struct Qpack {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    block: Vec<u8>,
}

impl Qpack {
    pub(crate) fn new(settings: neqo_qpack::Settings) -> Self {
        Self {
            encoder: Encoder::new(settings),
            decoder: Decoder::new(settings),
            block: Vec::new(),
        }
    }

    /// The encoded field section with these fields.
    pub(crate) fn encode(&mut self, headers: &[Header], id: StreamId) -> &[u8] {
        self.block.clear();
        self.encoder
            .encode_headers(headers, id.as_u64(), &mut self.block);
        &self.block
    }

    /// The fields of an encoded field section.
    pub(crate) fn decode(&mut self, block: &[u8], id: StreamId, limit: u64) -> Res<Vec<Header>> {
        let mut headers = Vec::new();
        match self
            .decoder
            .decode(block, id.as_u64(), limit, &mut headers)?
        {
            Decoded::Done => Ok(headers),
            Decoded::Blocked => Err(Error::Internal(
                "a section is blocked without a dynamic table",
            )),
        }
    }
}
