//! Chunks of memory that buffers share and reuse, so that copying stream data allocates nothing
//! in steady state.

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

    /// Whether no more is kept than allowed.
    pub(crate) const fn consistent(&self) -> bool {
        self.spare.len() <= SPARE
    }

    /// How many chunks were allocated.
    #[cfg(test)]
    pub(crate) const fn made(&self) -> usize {
        self.made
    }
}
