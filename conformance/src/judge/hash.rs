//! A fast hash of payloads: four lanes of multiplications, eight bytes each, so that hashing the bytes of
//! twenty players costs less than copying them. Not safe against forged collisions.

/// The hash of `bytes`.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut lanes = [SEED, SEED.rotate_left(16), SEED.rotate_left(32), SEED.rotate_left(48)];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            *lane = mixed(*lane, u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
    }
    let mut sum = bytes.len() as u64;
    for lane in lanes {
        sum = mixed(sum, lane);
    }
    for word in blocks.remainder().chunks(8) {
        let mut last = [0; 8];
        last[..word.len()].copy_from_slice(word);
        sum = mixed(sum, u64::from_le_bytes(last));
    }
    mixed(sum, SEED)
}

/// One number of two, whose every bit depends on all of theirs.
pub(super) fn mixed(sum: u64, word: u64) -> u64 {
    let product = u128::from(sum ^ word.rotate_left(29) ^ SEED) * u128::from(word | 1 << 63 | 1);
    (product as u64) ^ ((product >> 64) as u64) ^ sum.rotate_left(23)
}

/// The golden ratio.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::hash;
    use std::collections::BTreeSet;

    #[test]
    fn every_bit_every_length_and_every_place_counts() {
        let mut seen = BTreeSet::new();
        let base = vec![7u8; 200];
        for len in 0..200 {
            assert!(seen.insert(hash(&base[..len])), "length {len}");
            assert!(seen.insert(hash(&vec![0; len + 201])), "zeros {len}");
        }
        for bit in 0..1600 {
            let mut other = base.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(hash(&other)), "bit {bit}");
        }
    }
}
