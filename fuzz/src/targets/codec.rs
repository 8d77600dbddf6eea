//! Harnesses for what turns bytes into values.

use neqo_common::{
    Decoder, Encoder, Header, IncrementalDecoderBuffer, IncrementalDecoderIgnore,
    IncrementalDecoderUint,
};
use neqo_crypto::{ClientHello, MAX_CLIENT_HELLO};
use neqo_qpack::{Decoded, Error, Settings};

use crate::input::Input;

/// What RFC 9114, Section 4.2.2 adds to the size of each field line.
const LINE_OVERHEAD: usize = 32;

/// Decoders of primitives, whole and in pieces, against the encoder.
pub fn common_codec(data: &[u8]) {
    primitives(data);
    in_pieces(data);
}

fn primitives(data: &[u8]) {
    let mut input = Input::new(data);
    let ops = input.chunk();
    let data = input.rest();
    let mut d = Decoder::new(data);
    for &op in ops {
        let before = d;
        let n = usize::from(op >> 4);
        let read = match op & 0xf {
            0 => d.decode_varint().map(drop),
            1 => d.decode_vvec().map(drop),
            2 => d.decode_vec(n).map(drop),
            3 => d.decode_n(n).map(drop),
            4 => d.decode_uint::<u8>().map(drop),
            5 => d.decode_uint::<u16>().map(drop),
            6 => d.decode_uint::<u32>().map(drop),
            7 => d.decode_uint::<u64>().map(drop),
            8 => d.decode(n * n).map(drop),
            9 => d.skip_vec(n),
            10 => d.skip_vvec(),
            11 => d.decode_array::<20>().map(drop),
            12 => {
                let run = d.skip_while(op);
                (run > 0).then_some(())
            }
            _ => d.decode_byte().map(drop),
        };
        assert!(
            read.is_some() || d == before,
            "what cannot be read stays unread"
        );
        assert_eq!(d.offset() + d.remaining(), data.len());
    }
    let mut d = Decoder::new(data);
    while let Some(v) = d.decode_varint() {
        let mut e = Encoder::new();
        e.encode_varint(v);
        assert_eq!(e.as_decoder().decode_varint(), Some(v));
        assert!(e.len() <= 8);
    }
    let mut d = Decoder::new(data);
    while let Some(v) = d.decode_vvec() {
        let mut e = Encoder::new();
        e.encode_vvec(v);
        assert_eq!(e.as_decoder().decode_vvec(), Some(v));
        assert_eq!(e.len(), Encoder::<Vec<u8>>::vvec_len(v.len()));
    }
}

/// Integers, each followed by as many bytes as it says, kept or passed over by turns.
fn in_pieces(data: &[u8]) {
    let mut input = Input::new(data);
    let step = usize::from(input.byte()).max(1);
    let data = input.rest();
    let mut whole = Decoder::new(data);
    let mut expected = Vec::new();
    while let Some(v) = whole.decode_vvec() {
        expected.push(v);
    }
    let mut at = 0;
    let mut uint = IncrementalDecoderUint::default();
    let mut kept: Option<IncrementalDecoderBuffer> = None;
    let mut ignored: Option<IncrementalDecoderIgnore> = None;
    for piece in data.chunks(step) {
        let mut d = Decoder::new(piece);
        loop {
            if let Some(buffer) = &mut kept {
                let Some(v) = buffer.consume(&mut d) else {
                    break;
                };
                assert_eq!(Some(&&*v), expected.get(at));
                kept = None;
                at += 1;
            } else if let Some(passed) = &mut ignored {
                if !passed.consume(&mut d) {
                    break;
                }
                assert!(at < expected.len());
                ignored = None;
                at += 1;
            } else {
                let Some(n) = uint.consume(&mut d) else { break };
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                if at % 2 == 0 {
                    kept = Some(IncrementalDecoderBuffer::new(n));
                } else {
                    ignored = Some(IncrementalDecoderIgnore::new(n));
                }
            }
        }
    }
    assert_eq!(at, expected.len(), "in pieces all strings are found");
}

/// The Huffman code of HPACK and QPACK.
pub fn huffman(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = usize::from(input.u16());
    let data = input.rest();

    let mut code = Vec::new();
    neqo_qpack::huffman::encode(data, &mut code);
    assert_eq!(code.len(), neqo_qpack::huffman::encoded_len(data));
    let mut back = Vec::new();
    let whole = neqo_qpack::huffman::decode(&code, data.len(), &mut back);
    assert_eq!((whole, &*back), (Ok(()), data));

    let mut out = Vec::new();
    let result = neqo_qpack::huffman::decode(data, limit, &mut out);
    assert!(out.len() <= limit);
    if result.is_ok() {
        let mut again = Vec::new();
        neqo_qpack::huffman::encode(&out, &mut again);
        assert_eq!(again, data, "the code of a string is unique");
    }
}

/// Field sections.
pub fn qpack_decoder(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = usize::from(input.u16());
    let block = input.rest();
    let mut lines = vec![Header::new("kept", "as it was")];
    let mut decoder = neqo_qpack::Decoder::new(Settings::default());
    let result = decoder.decode(block, 0, limit as u64, &mut lines);
    let lines = lines.split_off(1);
    if result.is_err() {
        assert!(lines.is_empty());
        return;
    }
    let size = |h: &Header| h.name().len() + h.value().len() + LINE_OVERHEAD;
    assert!(lines.iter().map(size).sum::<usize>() <= limit);
    for use_huffman in [false, true] {
        let settings = Settings::default().use_huffman(use_huffman);
        let mut encoded = Vec::new();
        neqo_qpack::Encoder::new(settings).encode_headers(&lines, 0, &mut encoded);
        let mut again = Vec::new();
        let done = decoder.decode(&encoded, 0, limit as u64, &mut again);
        assert!(matches!(done, Ok(Decoded::Done)));
        assert_eq!(again, lines);
    }
}

/// The streams of instructions to the decoder and to the encoder.
pub fn qpack_encoder_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let step = usize::from(input.byte()).max(1);
    let data = input.rest();
    let whole = neqo_qpack::Decoder::default().on_encoder_stream(data);
    let mut decoder = neqo_qpack::Decoder::default();
    let pieces = data
        .chunks(step)
        .try_for_each(|piece| decoder.on_encoder_stream(piece));
    assert_eq!(whole, pieces);
    assert!(matches!(whole, Ok(()) | Err(Error::EncoderStream)));

    let whole = neqo_qpack::Encoder::default().on_decoder_stream(data);
    let mut encoder = neqo_qpack::Encoder::default();
    let pieces = data
        .chunks(step)
        .try_for_each(|piece| encoder.on_decoder_stream(piece));
    assert_eq!(whole, pieces);
    assert!(matches!(whole, Ok(()) | Err(Error::DecoderStream)));
}

/// What is read from a ClientHello before TLS sees it.
pub fn crypto_client_hello(data: &[u8]) {
    if let Ok(Some(len)) = ClientHello::message_len(data) {
        assert!(len <= MAX_CLIENT_HELLO);
        if let Some(message) = data.get(..len) {
            check_client_hello(message);
        }
    }
    // The same as the body of a message, which is where most of it is.
    let Ok(len) = u16::try_from(data.len()) else {
        return;
    };
    let mut message = vec![1, 0];
    message.extend_from_slice(&len.to_be_bytes());
    message.extend_from_slice(data);
    check_client_hello(&message);
}

fn check_client_hello(message: &[u8]) {
    let Ok(hello) = ClientHello::parse(message) else {
        return;
    };
    if let (Some(at), Some(name)) = (hello.server_name_range(), hello.server_name()) {
        assert_eq!(message.get(at.clone()), Some(name.as_bytes()));
    }
    let found = hello.alpn().iter().map(|a| a.len()).sum::<usize>()
        + hello.session_id().len()
        + hello.transport_parameters().map_or(0, <[u8]>::len);
    assert!(found <= message.len());
}
