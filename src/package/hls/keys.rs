//! Encryption of whole segments: AES-128-CBC with PKCS#7 padding (RFC 8216, 4.3.2.4 and 5.2).
//!
//! In: plain segments. Out: encrypted ones, and the keys to serve. A key is used for a number of segments;
//! each segment has an initialisation vector of its own.

use super::segment::{KeyFile, Part};
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::wire::m3u8;
use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The key in use, and when the next one is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keys {
    rng: Rng,
    segments_per_key: u32,
    current: Option<Arc<KeyFile>>,
    /// Segments that the current key is still to be used for.
    left: u32,
}

impl Keys {
    /// Keys from `rng`, each for `segments_per_key` segments.
    pub fn new(rng: Rng, segments_per_key: u32) -> Keys {
        Keys { rng, segments_per_key: segments_per_key.max(1), current: None, left: 0 }
    }

    /// Encrypts the segment with this number; its content becomes one part.
    pub fn encrypt(&mut self, sequence: u64, parts: &mut Vec<Part>) -> (Arc<KeyFile>, m3u8::Key) {
        let key = self.next(sequence);
        let mut iv = [0; 16];
        self.rng.fill(&mut iv);
        let plain: usize = parts.iter().flat_map(|part| &part.body).map(Bytes::len).sum();
        let mut bytes = Vec::with_capacity(plain + BLOCK_BYTES);
        parts.iter().flat_map(|part| &part.body).for_each(|piece| bytes.extend_from_slice(piece));
        // Padding adds 1 to 16 bytes.
        bytes.resize(plain + BLOCK_BYTES, 0);
        let cipher = cbc::Encryptor::<aes::Aes128>::new(key.bytes.reveal().into(), &iv.into());
        let len = cipher
            .encrypt_padded_mut::<Pkcs7>(&mut bytes, plain)
            .expect("there is room for one block of padding")
            .len();
        bytes.truncate(len);
        *parts = vec![Part { body: vec![Bytes::from(bytes)] }];
        let file = key.file();
        (key, m3u8::Key { file, iv })
    }

    fn next(&mut self, sequence: u64) -> Arc<KeyFile> {
        if self.left == 0 {
            self.left = self.segments_per_key;
            self.current = None;
        }
        self.left -= 1;
        let rng = &mut self.rng;
        let fresh = || {
            let mut bytes = [0; 16];
            rng.fill(&mut bytes);
            Arc::new(KeyFile { number: sequence, bytes: Secret::new(bytes) })
        };
        self.current.get_or_insert_with(fresh).clone()
    }
}

const BLOCK_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Seed;
    use crate::wire::m3u8::HlsFile;
    use aes::cipher::BlockDecryptMut;

    fn parts(pieces: &[&'static [u8]]) -> Vec<Part> {
        vec![Part { body: pieces.iter().map(|piece| Bytes::from_static(piece)).collect() }]
    }

    #[test]
    fn what_is_encrypted_can_be_decrypted() {
        let mut keys = Keys::new(Seed::from_u64(1).fork(b"hls"), 2);
        let mut parts = parts(&[b"sixteen bytes in", b" one", b" segment"]);
        let (key, tag) = keys.encrypt(7, &mut parts);
        assert_eq!((key.file(), tag.file), (HlsFile::Key(7), HlsFile::Key(7)));
        let [cipher] = &parts[0].body[..] else { panic!("one piece") };
        assert_eq!(cipher.len(), 32);
        let plain = cbc::Decryptor::<aes::Aes128>::new(key.bytes.reveal().into(), &tag.iv.into())
            .decrypt_padded_vec_mut::<Pkcs7>(cipher)
            .expect("PKCS#7 padding");
        assert_eq!(plain, b"sixteen bytes in one segment");
    }

    #[test]
    fn a_whole_number_of_blocks_gets_a_block_of_padding() {
        let mut parts = parts(&[b"sixteen bytes in"]);
        Keys::new(Seed::from_u64(1).fork(b"hls"), 1).encrypt(1, &mut parts);
        assert_eq!(parts[0].body[0].len(), 32);
    }

    #[test]
    fn keys_rotate_and_vectors_never_repeat() {
        let mut keys = Keys::new(Seed::from_u64(1).fork(b"hls"), 2);
        let made: Vec<_> = (1..=5).map(|sequence| keys.encrypt(sequence, &mut parts(&[b"x"]))).collect();
        let numbers: Vec<u64> = made.iter().map(|(key, _)| key.number).collect();
        assert_eq!(numbers, [1, 1, 3, 3, 5]);
        assert_ne!(made[0].0.bytes, made[2].0.bytes);
        assert_ne!(made[0].1.iv, made[1].1.iv);
    }
}
