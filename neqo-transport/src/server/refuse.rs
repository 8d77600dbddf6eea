//! A CONNECTION_CLOSE for a client with which no connection is made (RFC 9000 §10.2.3).

use neqo_common::Role;
use neqo_crypto::Version;

use crate::{
    Error, Res, Violation,
    cid::id::ConnectionId,
    tx::batch::Batch,
    wire::{
        frame::{CloseCode, encode},
        header::{LongType, encode::LongHeader},
    },
};

/// The longest header, the frame and the tag have less than 100 bytes.
const SIZE: usize = 128;

/// The Initial packet that answers one from `scid` to `dcid`; `ours` goes into its Source
/// Connection ID field, and nothing will ever be received there.
pub fn packet(
    version: Version,
    [dcid, scid, ours]: [&ConnectionId; 3],
    violation: Violation,
) -> Res<Vec<u8>> {
    const NO_ROOM: Error = Error::Internal("a refusal does not fit");
    let (mut seal, _) = neqo_crypto::initial_keys(version, dcid, Role::Server)?;
    let mut buf = [0; SIZE];
    let mut batch = Batch::new(&mut buf, SIZE, 1);
    let mut datagram = batch.datagram(SIZE).ok_or(NO_ROOM)?;
    let mut packet = datagram.packet();
    let header = LongHeader {
        version,
        kind: LongType::Initial,
        dcid: *scid,
        scid: *ours,
        token: &[],
    };
    let layout = header.write(&mut packet, (0, None)).ok_or(NO_ROOM)?;
    packet.header_done(layout);
    let code = CloseCode::Transport {
        code: violation.code(),
        frame_type: 0,
    };
    if !encode::connection_close(&mut packet, code, &[]) {
        return Err(NO_ROOM);
    }
    packet.seal(0, &mut seal)?;
    datagram.commit();
    batch
        .finish()
        .map(|(payload, _)| payload.to_vec())
        .ok_or(NO_ROOM)
}

#[cfg(test)]
mod tests {
    use neqo_common::{Decoder, Role};

    use super::{CloseCode, ConnectionId, SIZE, Version, Violation, packet};
    use crate::{
        cid::id::EmptyConnectionIdGenerator,
        wire::{
            frame::Frame,
            header::{Packet, QuicBit},
        },
    };

    #[test]
    fn the_client_can_read_it() {
        let cid = |byte, len| ConnectionId::new(&vec![byte; len]).unwrap();
        for version in Version::all() {
            let (dcid, scid, ours) = (cid(1, 20), cid(2, 20), cid(3, 20));
            let refused = Violation::ConnectionRefused;
            let mut raw = packet(version, [&dcid, &scid, &ours], refused).unwrap();
            assert!(raw.len() < SIZE);
            let decoded = Packet::decode(&raw, &EmptyConnectionIdGenerator, QuicBit::Required);
            let Ok(Packet::Protected(p)) = decoded else {
                panic!("not a protected packet");
            };
            assert_eq!((*p.dcid(), *p.scid(), p.has_token()), (scid, ours, false));
            let (_, mut open) = neqo_crypto::initial_keys(version, &dcid, Role::Client).unwrap();
            let p = p.unmask(&mut raw, |sample| open.mask(sample)).unwrap();
            let pn = p.packet_number(&raw, None);
            let payload = p.open(&mut raw, pn, &mut open).unwrap().payload().unwrap();
            let mut dec = Decoder::new(&raw[payload]);
            let Frame::ConnectionClose { code, .. } = Frame::decode(&mut dec).unwrap() else {
                panic!("not a CONNECTION_CLOSE");
            };
            let refused = CloseCode::Transport {
                code: refused.code(),
                frame_type: 0,
            };
            assert_eq!(code, refused);
        }
    }
}
