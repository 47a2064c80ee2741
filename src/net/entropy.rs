//! Entropy: the only place that reads it. 32 bytes per run, the seed of all random numbers.

use crate::base::rng::Seed;
use std::io;

/// A seed from the operating system.
///
/// # Errors
/// If the operating system has no source of entropy.
pub fn seed() -> io::Result<Seed> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Seed::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::seed;

    #[test]
    fn no_two_seeds_are_alike() {
        assert_ne!(seed().expect("entropy"), seed().expect("entropy"));
    }
}
