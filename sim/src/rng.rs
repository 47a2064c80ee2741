//! Random generators for the parts of a simulation, all from one seed.
//!
//! Each part has a generator of its own, named by a label: draws of one part never change the numbers of
//! another.

use conformance::rng::Rng;

/// The generator of the part `label` of the run `seed`.
pub fn fork(seed: u64, label: &str) -> Rng {
    // FNV-1a over the label, then the finaliser of splitmix64, so that neighbours share nothing.
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in label.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Rng::new(hash ^ (hash >> 31))
}

/// Draws that simulations need.
pub trait Draws {
    /// True in `permille` of a thousand draws.
    fn chance(&mut self, permille: u64) -> bool;
    /// A number from `min` to `max`, small ones as often as large ones: the logarithm is what is drawn.
    fn scale(&mut self, min: u64, max: u64) -> u64;
}

impl Draws for Rng {
    fn chance(&mut self, permille: u64) -> bool {
        self.between(0, 999) < permille
    }

    fn scale(&mut self, min: u64, max: u64) -> u64 {
        let bits = |number: u64| u64::from(u64::BITS - number.leading_zeros());
        let width = self.between(bits(min), bits(max));
        let low = if width == 0 { 0 } else { 1 << (width - 1) };
        let high = if width == 64 { u64::MAX } else { (1_u64 << width) - 1 };
        self.between(low.clamp(min, max), high.clamp(min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::{Draws, fork};

    #[test]
    fn parts_do_not_move_each_other_and_draws_stay_in_range() {
        assert_eq!(fork(7, "net").number(), fork(7, "net").number());
        assert_ne!(fork(7, "net").number(), fork(7, "peers").number());
        assert_ne!(fork(7, "net").number(), fork(8, "net").number());
        let mut rng = fork(1, "ranges");
        let mut seen = [0; 2];
        for _ in 0..10_000 {
            assert!((3..=9).contains(&rng.between(3, 9)));
            let drawn = rng.scale(1, 65_536);
            assert!((1..=65_536).contains(&drawn));
            seen[usize::from(drawn > 256)] += 1;
        }
        assert!(seen[0] > 3_000 && seen[1] > 3_000, "small and large: {seen:?}");
    }
}
