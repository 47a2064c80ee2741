//! Fingerprints of pieces that many connections are sent, so that each is looked at once.
//!
//! A piece is known by where it lies in memory. That it stays there, and stays what it is, is sure as long as
//! it is remembered: a clone keeps it alive. So memory is limited too.

use crate::record::rolling_hash::{Appendix, RollingHash};
use bytes::Bytes;

/// Pieces that are remembered; a newer one takes the place of an older one.
const PIECES: usize = 1024;

/// Most bytes that are kept alive by being remembered; past it everything is forgotten.
const BYTES_MAX: usize = 16 << 20;

/// Shorter pieces are not worth remembering.
const WORTH_BYTES_MIN: usize = 64;

/// The fingerprints.
#[derive(Debug, Default)]
pub struct DigestCache {
    /// By a hash of where a piece lies; empty before the first.
    pieces: Vec<Option<(Bytes, Appendix)>>,
    bytes: usize,
}

impl DigestCache {
    /// The fingerprint of `piece`, looked at only if it is not remembered.
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

    /// Lets go of all pieces.
    pub fn forget(&mut self) {
        self.pieces.fill(None);
        self.bytes = 0;
    }
}
