//! The QPACK interop corpora: what other encoders wrote is read, what we write is read back, what is broken is refused.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells what it skipped"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use neqo_common::Header;
use neqo_qpack::{Decoded, Decoder, Encoder, Error, Res, Settings};

/// The directory of the corpora: `QPACK_CORPORA`, or `shared/qpack` beside the repository.
fn corpora() -> Option<PathBuf> {
    let path = std::env::var_os("QPACK_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/qpack"),
        PathBuf::from,
    );
    if path.is_dir() {
        Some(path)
    } else {
        println!("skipped: no corpora in {}", path.display());
        None
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    all.sort();
    all
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap()
}

/// The field sections of a QIF file.
fn qif(path: &Path) -> Vec<Vec<Header>> {
    let text = fs::read_to_string(path).unwrap();
    text.split("\n\n")
        .map(|section| {
            section
                .lines()
                .filter(|l| !l.starts_with('#') && !l.is_empty())
                .map(|l| {
                    let (name, value) = l.split_once('\t').unwrap();
                    Header::new(name, value)
                })
                .collect::<Vec<_>>()
        })
        .filter(|s| !s.is_empty())
        .collect()
}

/// Decodes an encoded file: blocks with a stream id and a length before them, where stream 0 is the encoder stream.
fn decode(path: &Path) -> Res<Vec<Vec<Header>>> {
    let data = fs::read(path).unwrap();
    let mut decoder = Decoder::new(Settings::default());
    let mut rest = &data[..];
    let mut sections = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<12>() {
        let stream_id = u64::from_be_bytes(head[..8].try_into().unwrap());
        let len = u32::from_be_bytes(head[8..].try_into().unwrap());
        let (block, tail) = tail.split_at(usize::try_from(len).unwrap());
        rest = tail;
        if stream_id == 0 {
            decoder.on_encoder_stream(block)?;
        } else {
            let mut out = Vec::new();
            assert_eq!(
                decoder.decode(block, stream_id, 1 << 20, &mut out)?,
                Decoded::Done
            );
            sections.push(out);
        }
    }
    assert!(rest.is_empty());
    Ok(sections)
}

#[test]
fn round_trip() {
    let Some(dir) = corpora() else { return };
    let mut seen = 0;
    for path in files(&dir.join("qifs")) {
        for use_huffman in [true, false] {
            let mut encoder = Encoder::new(Settings::default().use_huffman(use_huffman));
            let mut decoder = Decoder::default();
            for (id, section) in (0..).step_by(4).zip(qif(&path)) {
                let mut block = Vec::new();
                encoder.encode_headers(&section, id, &mut block);
                let mut out = Vec::new();
                assert_eq!(
                    decoder.decode(&block, id, 1 << 20, &mut out),
                    Ok(Decoded::Done)
                );
                assert_eq!(out, section);
                seen += 1;
            }
            let stats = encoder.stats();
            println!(
                "{}: {} bytes of {}",
                name(&path),
                stats.encoded_bytes,
                stats.field_bytes
            );
        }
    }
    assert!(seen > 0);
}

#[test]
fn other_encoders() {
    let Some(dir) = corpora() else { return };
    let mut seen = 0;
    for encoder in files(&dir.join("encoded")) {
        for path in files(&encoder) {
            let Some((stem, rest)) = name(&path).split_once(".out.") else {
                continue;
            };
            if !rest.starts_with("0.0.") {
                continue;
            }
            let expected = qif(&dir.join("qifs").join(stem).with_extension("qif"));
            assert_eq!(decode(&path).unwrap(), expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// Two of the files are relics of a draft that used HPACK's static table, whose indices go from 1 to 61: today they
/// hold a valid line each.
#[test]
fn errors() {
    let Some(dir) = corpora() else { return };
    let mut refused = 0;
    for path in files(&dir.join("encoded/errors")) {
        match name(&path) {
            "err9" => assert_eq!(decode(&path).unwrap(), [[Header::new(":authority", "")]]),
            "err10" => assert_eq!(
                decode(&path).unwrap(),
                [[Header::new("x-xss-protection", "1; mode=block")]]
            ),
            "err11" | "err12" => {
                assert_eq!(
                    decode(&path),
                    Err(Error::EncoderStream),
                    "{}",
                    path.display()
                );
                refused += 1;
            }
            _ => {
                assert_eq!(
                    decode(&path),
                    Err(Error::Decompression),
                    "{}",
                    path.display()
                );
                refused += 1;
            }
        }
    }
    assert!(refused >= 10);
}
