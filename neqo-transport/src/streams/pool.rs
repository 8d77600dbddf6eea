//! Memory that the buffers of a connection share: chunks to reuse, so that copying stream data
//! allocates nothing in steady state, and a budget for slices of receive buffers.

use crate::config::limits;

/// How large a reusable chunk is, in bytes: some thirty packets, so that the bookkeeping per chunk
/// vanishes, and small enough that a half-full one does not hurt.
pub(crate) const CHUNK: usize = 32 * 1024;
/// What the first bytes of a buffer get at least.
const FIRST: usize = 1024;
/// How many unused chunks are kept: 2 MiB.
const SPARE: usize = 64;

/// Unused chunks.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    spare: Vec<Vec<u8>>,
    /// How many slices of receive buffers are held.
    slices: usize,
    /// How many chunks were allocated.
    #[cfg(test)]
    made: usize,
}

impl Pool {
    /// An empty chunk for a buffer that held `so_far` bytes in its life and now gets `wanted` more:
    /// short streams get little, bulk gets [`CHUNK`].
    pub(crate) fn get(&mut self, so_far: u64, wanted: usize) -> Vec<u8> {
        let so_far = usize::try_from(so_far).unwrap_or(CHUNK);
        let size = wanted.max(so_far);
        if size <= CHUNK / 2 {
            Vec::with_capacity(size.next_power_of_two().max(FIRST))
        } else {
            self.spare.pop().unwrap_or_else(|| {
                #[cfg(test)]
                {
                    self.made += 1;
                }
                Vec::with_capacity(CHUNK)
            })
        }
    }

    /// Gives a chunk back.
    pub(crate) fn put(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() == CHUNK && self.spare.len() < SPARE {
            chunk.clear();
            self.spare.push(chunk);
        }
    }

    /// Whether one more slice of a receive buffer may be held; then it is counted.
    pub(crate) const fn take_slice(&mut self) -> bool {
        // hardening A6
        let ok = self.slices < limits::HELD_SLICES;
        self.slices += ok as usize;
        ok
    }

    /// A slice is not held any more.
    pub(crate) const fn put_slice(&mut self) {
        self.slices = self.slices.saturating_sub(1);
    }

    /// Whether no more is kept than allowed.
    pub(crate) const fn consistent(&self) -> bool {
        self.spare.len() <= SPARE && self.slices <= limits::HELD_SLICES
    }

    /// How many chunks were allocated.
    #[cfg(test)]
    pub(crate) const fn made(&self) -> usize {
        self.made
    }
}
