//! The one place where entropy enters: 32 bytes, once.

use crate::base::rng::Seed;
use std::io;

/// A seed from the operating system.
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
