//! A shared secret, kept as its SHA-256, so that nothing that prints, logs or records a configuration can
//! reveal it, and a configuration that was printed still accepts the same secret.
//!
//! In: the secret itself, or `sha256:` and 64 hexadecimal digits. Out: the latter, always.

use crate::base::secret::Secret;
use crate::config::patch::single;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Shortest secret, in bytes: shorter ones can be found by trying.
const WORD_BYTES_MIN: usize = 16;

/// Prefix of a secret that is given by its hash.
const HASHED: &str = "sha256:";

/// A shared secret; empty: none is accepted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BearerToken(Option<Secret<[u8; 32]>>);

impl BearerToken {
    /// Parses a secret: nothing, the secret itself, or `sha256:` and its hash.
    ///
    /// # Errors
    ///
    /// If it is too short or malformed; the message does not contain it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(BearerToken(None));
        }
        if let Some(digits) = text.strip_prefix(HASHED) {
            let hash = hash_of(digits).ok_or("behind `sha256:` it needs 64 hexadecimal digits")?;
            return Ok(BearerToken(Some(Secret::new(hash))));
        }
        if text.len() < WORD_BYTES_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("it needs at least {WORD_BYTES_MIN} letters, digits and signs, no spaces"));
        }
        Ok(BearerToken(Some(Secret::new(Sha256::digest(text.as_bytes()).into()))))
    }

    /// True if there is a secret.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// True if `word` is the secret. Takes the same time for all words that are not.
    pub fn is(&self, word: &str) -> bool {
        let Some(hash) = &self.0 else { return false };
        let said: [u8; 32] = Sha256::digest(word.as_bytes()).into();
        hash.reveal().iter().zip(&said).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

fn hash_of(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

impl fmt::Display for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(hash) = &self.0 else { return Ok(()) };
        f.write_str(HASHED)?;
        hash.reveal().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "BearerToken(set)" } else { "BearerToken(empty)" })
    }
}

impl Serialize for BearerToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BearerToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BearerToken::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

single!(BearerToken);

#[cfg(test)]
mod tests {
    use super::BearerToken;

    const WORD: &str = "correct-horse-battery";

    #[test]
    fn who_knows_the_word_is_let_in_and_nobody_else() {
        let token = BearerToken::new(WORD).expect("long enough");
        assert!(token.is(WORD));
        assert!(!token.is("correct-horse-batterz") && !token.is("") && !token.is(&token.to_string()));
        let empty = BearerToken::new("").expect("empty is off");
        assert!(!empty.is_set() && !empty.is(""));
    }

    #[test]
    fn what_is_printed_does_not_tell_the_word_and_means_the_same() {
        let token = BearerToken::new(WORD).expect("long enough");
        assert!(!format!("{token} {token:?}").contains(WORD));
        assert_eq!(BearerToken::new(&token.to_string()), Ok(token));
    }

    #[test]
    fn what_is_wrong_is_said_without_telling_the_word() {
        for text in ["swordfish", "with a space in the middle", "sha256:12", "sha256:zz"] {
            let told = BearerToken::new(text).expect_err("not right");
            assert!(told.contains("it needs") && !told.contains(text), "{told}");
        }
    }
}
