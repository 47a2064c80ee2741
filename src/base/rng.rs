//! Random generators (ChaCha). All randomness of the server follows from one seed.
//!
//! The generator of each connection is forked from the seed by listener and peer, not by order of arrival, so
//! that one connection never changes the numbers of another.

use crate::base::secret::Secret;
use hmac::{Hmac, Mac};
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// 32 bytes that everything random follows from. Secret in production: never printed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(Secret<[u8; 32]>);

impl Seed {
    /// A seed of these bytes; in production, 32 bytes of entropy.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Seed(Secret::new(bytes))
    }

    /// A short seed, for tests and simulations.
    pub fn from_u64(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Seed::new(bytes)
    }

    /// The bytes, for a recording, which is as secret as they are.
    pub const fn reveal(&self) -> &[u8; 32] {
        self.0.reveal()
    }

    /// The generator for the use that `label` names: its key is HMAC-SHA-256(seed, label).
    pub fn fork(&self, label: &[u8]) -> Rng {
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(self.reveal()).expect("HMAC takes keys of any length");
        mac.update(label);
        Rng(Secret::new(ChaCha12Rng::from_seed(mac.finalize().into_bytes().into())))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

/// A random generator.
#[derive(Clone, Serialize, Deserialize)]
pub struct Rng(Secret<ChaCha12Rng>);

impl Rng {
    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.reveal_mut().next_u64()
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.reveal_mut().next_u32()
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.reveal_mut().fill_bytes(bytes);
    }

    /// A random word of `N` characters from `a-z0-9`, for ids that people read.
    pub fn random_word<const N: usize>(&mut self) -> [u8; N] {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz0123456";
        let mut word = [0; N];
        self.fill(&mut word);
        word.map(|byte| LETTERS[usize::from(byte & 31)])
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}
