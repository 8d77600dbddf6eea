//! Packets that arrived before their keys, kept within bounds.

use std::net::SocketAddr;

use neqo_common::Tos;

use crate::{config::limits, space::PacketNumberSpace};

/// Where a datagram came from and how it was marked.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The sender's address.
    pub src: SocketAddr,
    /// Our address.
    pub dst: SocketAddr,
    /// Its type-of-service byte.
    pub tos: Tos,
}

/// A packet that could not be opened yet.
#[derive(Debug)]
pub struct SavedPacket {
    /// Of which space.
    pub space: PacketNumberSpace,
    /// Where it came from.
    pub meta: Meta,
    /// The packet, still protected.
    pub data: Vec<u8>,
}

/// The store of such packets.
#[derive(Debug, Default)]
pub struct Saved {
    packets: Vec<SavedPacket>,
    bytes: usize,
}

impl Saved {
    /// Keeps a copy, unless the store is full. Whether it did.
    pub fn save(&mut self, space: PacketNumberSpace, meta: Meta, data: &[u8]) -> bool {
        let fits = self.packets.len() < limits::SAVED_PACKETS
            && self.bytes + data.len() <= limits::SAVED_BYTES;
        if fits {
            self.bytes += data.len();
            self.packets.push(SavedPacket {
                space,
                meta,
                data: data.to_vec(),
            });
        }
        fits
    }

    /// Takes out those of `space`, in the order of their arrival.
    pub fn take(&mut self, space: PacketNumberSpace) -> Vec<SavedPacket> {
        let (taken, kept) = std::mem::take(&mut self.packets)
            .into_iter()
            .partition::<Vec<_>, _>(|p| p.space == space);
        self.packets = kept;
        self.bytes = self.packets.iter().map(|p| p.data.len()).sum();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::{Meta, Saved};
    use crate::{config::limits, space::PacketNumberSpace};

    #[test]
    fn bounded_by_count_and_bytes() {
        let meta = Meta {
            src: ([127, 0, 0, 1], 1).into(),
            dst: ([127, 0, 0, 1], 2).into(),
            tos: neqo_common::Tos::default(),
        };
        let mut saved = Saved::default();
        let kept = (0..1000)
            .filter(|_| saved.save(PacketNumberSpace::ApplicationData, meta, &[0; 10]))
            .count();
        assert_eq!(kept, limits::SAVED_PACKETS);
        assert!(saved.take(PacketNumberSpace::Handshake).is_empty());
        assert_eq!(saved.take(PacketNumberSpace::ApplicationData).len(), kept);
        assert!(!saved.save(
            PacketNumberSpace::ApplicationData,
            meta,
            &vec![0; limits::SAVED_BYTES + 1]
        ));
        assert!(saved.save(
            PacketNumberSpace::ApplicationData,
            meta,
            &vec![0; limits::SAVED_BYTES]
        ));
        assert!(!saved.save(PacketNumberSpace::ApplicationData, meta, &[0]));
    }
}
