//! Cache of hashes: a buffer that many connections are sent is hashed once.
//!
//! The key is the address of the buffer. The cache holds a clone of it, so the address stays valid and the
//! bytes stay the same. The memory that is kept alive so is limited.

use crate::record::rolling_hash::{Appendix, RollingHash};
use bytes::Bytes;

/// Slots of the cache. A newer buffer replaces an older one in its slot.
const PIECES: usize = 1024;

/// Most bytes of buffers in the cache. When there are more, the cache is emptied.
const BYTES_MAX: usize = 16 << 20;

/// Shorter buffers are not cached.
const WORTH_BYTES_MIN: usize = 64;

/// The cache.
#[derive(Debug, Default)]
pub struct DigestCache {
    /// Slots by a hash of the address; empty before the first buffer.
    pieces: Vec<Option<(Bytes, Appendix)>>,
    bytes: usize,
}

impl DigestCache {
    /// The hash of `piece`, from the cache if it is there.
    pub fn digest(&mut self, piece: &Bytes) -> Appendix {
        if piece.len() < WORTH_BYTES_MIN {
            return RollingHash::of(piece).into();
        }
        if self.pieces.is_empty() {
            self.pieces.resize(PIECES, None);
        }
        let address = piece.as_ptr().addr();
        let place = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let slot = &mut self.pieces[place as usize];
        if let Some((known, digest)) = slot
            && known.as_ptr() == piece.as_ptr()
            && known.len() == piece.len()
        {
            return *digest;
        }
        let digest = RollingHash::of(piece).into();
        let old = slot.replace((piece.clone(), digest));
        self.bytes = self.bytes + piece.len() - old.map_or(0, |(old, _)| old.len());
        if self.bytes > BYTES_MAX {
            self.forget();
        }
        digest
    }

    /// Empties the cache.
    pub fn forget(&mut self) {
        self.pieces.fill(None);
        self.bytes = 0;
    }
}
