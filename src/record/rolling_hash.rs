//! A polynomial rolling hash of byte sequences, which does not depend on how a sequence was split.
//!
//! A polynomial over the field of 2^61 - 1 elements: the hash of `ab` follows from those of `a` and `b`, so
//! that a frame for a thousand players is hashed once and appended a thousand times. It finds differences by
//! accident or fault; it is not safe against forged collisions.

use std::fmt;

const PRIME: u64 = (1 << 61) - 1;

/// Any number between 256 and the prime that is not special.
const BASE: u64 = 0x0bad_5eed_dabc_a905;

/// `BASE` to the powers 7, 6, .. 0.
const POWERS: [u64; 8] = {
    let mut powers = [1; 8];
    let mut at = 7;
    while at > 0 {
        powers[at - 1] = times(powers[at], BASE);
        at -= 1;
    }
    powers
};

const fn times(a: u64, b: u64) -> u64 {
    reduce(a as u128 * b as u128)
}

/// `x` modulo the prime, for `x` below 2^122.
const fn reduce(x: u128) -> u64 {
    let folded = (x as u64 & PRIME) + (x >> 61) as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}

/// The hash of a sequence of bytes, and its length.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RollingHash {
    hash: u64,
    len: u64,
}

impl RollingHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = RollingHash::default();
        digest.extend(bytes);
        digest
    }

    /// The hash with these [`RollingHash::parts`]; `None` if no sequence has it.
    pub fn from_parts(hash: u64, len: u64) -> Option<Self> {
        (hash < PRIME).then_some(RollingHash { hash, len })
    }

    /// The hash as a number, and the length of the sequence in bytes.
    pub fn parts(self) -> (u64, u64) {
        (self.hash, self.len)
    }

    /// Length of the sequence in bytes.
    pub fn len(self) -> u64 {
        self.len
    }

    /// True for the empty sequence.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Two bytes of the hash: enough to find most differences at once, and cheap to write often.
    pub fn short(self) -> u16 {
        let folded = self.hash ^ (self.hash >> 32);
        (folded ^ (folded >> 16)) as u16
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        let mut hash = self.hash;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mut sum = hash as u128 * times(POWERS[0], BASE) as u128;
            for (byte, power) in word.iter().zip(POWERS) {
                sum += u128::from(*byte) * u128::from(power);
            }
            hash = reduce(reduce_once(sum));
        }
        for byte in rest {
            hash = reduce(hash as u128 * BASE as u128 + u128::from(*byte));
        }
        self.hash = hash;
        self.len += bytes.len() as u64;
    }

    /// Appends a sequence by its hash.
    pub fn append(&mut self, next: Appendix) {
        self.hash = reduce(self.hash as u128 * next.power as u128 + next.digest.hash as u128);
        self.len += next.digest.len;
    }
}

/// Brings a sum of nine products below 2^122.
const fn reduce_once(x: u128) -> u128 {
    (x & PRIME as u128) + (x >> 61)
}

/// A hash that is prepared to be appended to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appendix {
    digest: RollingHash,
    /// `BASE` to the power of the length.
    power: u64,
}

impl From<RollingHash> for Appendix {
    fn from(digest: RollingHash) -> Self {
        let (mut power, mut square, mut left) = (1, BASE, digest.len);
        while left > 0 {
            if left & 1 == 1 {
                power = times(power, square);
            }
            square = times(square, square);
            left >>= 1;
        }
        Appendix { digest, power }
    }
}

impl fmt::Display for RollingHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}

impl fmt::Debug for RollingHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} of {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::{BASE, PRIME, RollingHash};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// One byte at a time, with the remainder that the language knows.
    fn slowly(bytes: &[u8]) -> u64 {
        let step = |hash: u64, byte: &u8| {
            let next = u128::from(hash) * u128::from(BASE) + u128::from(*byte);
            u64::try_from(next % u128::from(PRIME)).expect("it is below the prime")
        };
        bytes.iter().fold(0, step)
    }

    proptest! {
        #[test]
        fn it_is_the_polynomial(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(RollingHash::of(&bytes).parts(), (slowly(&bytes), bytes.len() as u64));
        }

        #[test]
        fn cuts_do_not_matter(a in vec(any::<u8>(), 0..100), b in vec(any::<u8>(), 0..100)) {
            let whole = RollingHash::of(&[&a[..], &b[..]].concat());
            let mut pieces = RollingHash::of(&a);
            pieces.extend(&b);
            let mut appended = RollingHash::of(&a);
            appended.append(RollingHash::of(&b).into());
            prop_assert_eq!([pieces, appended], [whole, whole]);
        }

        #[test]
        fn every_bit_matters(bytes in vec(any::<u8>(), 1..100), at: prop::sample::Index, bit in 0..8u32) {
            let mut other = bytes.clone();
            other[at.index(bytes.len())] ^= 1 << bit;
            prop_assert_ne!(RollingHash::of(&bytes), RollingHash::of(&other));
        }
    }

    #[test]
    fn zeros_have_a_length() {
        assert_ne!(RollingHash::of(&[0]), RollingHash::of(&[0, 0]));
    }
}
