//! Puts HLS segments together as a player does: in the order in which it was sent them, each once, decrypted.
//!
//! In: the files that clients fetched, whole. Out: the bytes that join a player's file. Playlists and keys
//! are remembered for everybody, since a player may fetch them on another connection than the segments.

use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
use std::collections::{BTreeMap, BTreeSet};

/// What a file of a packaged stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A playlist.
    Playlist,
    /// A key.
    Key,
    /// The initialisation section of fragmented MP4.
    Init,
    /// A segment of a transport stream.
    Ts,
    /// A segment of fragmented MP4.
    Fmp4,
}

/// Where a target's file stands, which one it is, and of which kind; `None` if it is no file of HLS.
pub fn file(target: &str) -> Option<(String, String, Kind)> {
    let path = target.split('?').next().unwrap_or_default();
    let (folder, file) = path.rsplit_once('/')?;
    let (stem, extension) = file.rsplit_once('.')?;
    let kind = match extension {
        "m3u8" => Kind::Playlist,
        "key" if stem.starts_with("key-") => Kind::Key,
        "mp4" if stem.starts_with("init-") => Kind::Init,
        "m4s" if stem.starts_with("seg-") => Kind::Fmp4,
        "ts" if stem.starts_with("seg-") => Kind::Ts,
        _ => return None,
    };
    // The playlist of `live/cam` is `live/cam.m3u8` or `live/cam/index.m3u8`.
    Some((folder.to_owned(), file.to_owned(), kind))
}

/// What is known of the packaged streams.
#[derive(Debug, Default)]
pub struct Packages {
    /// By folder and file.
    keys: BTreeMap<(String, String), [u8; 16]>,
    /// By folder and segment: the key's file and the initialisation vector.
    locks: BTreeMap<(String, String), (String, [u8; 16])>,
}

impl Packages {
    /// A client has got a playlist.
    pub fn playlist(&mut self, folder: &str, text: &str) {
        let mut lock: Option<(String, [u8; 16])> = None;
        for line in text.lines() {
            if let Some(attributes) = line.strip_prefix("#EXT-X-KEY:") {
                lock = read_lock(attributes);
            } else if !line.starts_with('#')
                && let Some(lock) = &lock
            {
                let file = line.split('?').next().unwrap_or_default();
                self.locks.insert((folder.to_owned(), file.to_owned()), lock.clone());
            }
        }
    }

    /// A client has got a key.
    pub fn key(&mut self, folder: &str, file: &str, bytes: &[u8]) {
        if let Ok(key) = bytes.try_into() {
            self.keys.insert((folder.to_owned(), file.to_owned()), key);
        }
    }

    /// A segment in the clear; `None` if its key was never fetched.
    pub fn segment(&self, folder: &str, file: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some((key, iv)) = self.locks.get(&(folder.to_owned(), file.to_owned())) else {
            return Some(bytes);
        };
        let key = self.keys.get(&(folder.to_owned(), key.clone()))?;
        let cipher = cbc::Decryptor::<aes::Aes128>::new(key.into(), iv.into());
        cipher.decrypt_padded_vec_mut::<Pkcs7>(&bytes).ok()
    }
}

/// Which segments a connection has got, so that one that was fetched twice counts once.
#[derive(Debug, Default)]
pub struct Seen(BTreeSet<(String, String)>);

impl Seen {
    /// True the first time.
    pub fn is_news(&mut self, folder: &str, file: &str) -> bool {
        self.0.insert((folder.to_owned(), file.to_owned()))
    }
}

fn read_lock(attributes: &str) -> Option<(String, [u8; 16])> {
    let value = |name: &str| {
        let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value.trim_matches('"'))
    };
    let iv = u128::from_str_radix(value("IV")?.strip_prefix("0x")?, 16).ok()?;
    Some((value("URI")?.to_owned(), iv.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Kind, Packages, file};
    use crate::base::rng::Seed;
    use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};

    #[test]
    fn files_of_hls_are_known_by_their_names() {
        let known =
            |target: &str| file(target).map(|(folder, file, kind)| (format!("{folder} {file}"), kind));
        assert_eq!(known("/live/cam/seg-7.ts?a=b"), Some(("/live/cam seg-7.ts".to_owned(), Kind::Ts)));
        assert_eq!(known("/live/cam/init-1.mp4"), Some(("/live/cam init-1.mp4".to_owned(), Kind::Init)));
        assert_eq!(known("/live/cam.m3u8"), Some(("/live cam.m3u8".to_owned(), Kind::Playlist)));
        assert_eq!(known("/live/cam.ts"), None);
        assert_eq!(known("/live/cam.flv"), None);
    }

    #[test]
    fn what_was_encrypted_is_decrypted_with_the_key_that_was_fetched() {
        let mut rng = Seed::from_u64(1).fork(b"test");
        let (mut key, mut iv) = ([0; 16], [0; 16]);
        rng.fill(&mut key);
        rng.fill(&mut iv);
        let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
        let closed = cipher.encrypt_padded_vec_mut::<Pkcs7>(b"forty-two");
        let digits = format!("{:032x}", u128::from_be_bytes(iv));
        let text = format!(
            "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.key\",IV=0x{digits}\n#EXTINF:2,\nseg-1.ts\n"
        );
        let mut packages = Packages::default();
        packages.playlist("/live/cam", &text);
        assert_eq!(packages.segment("/live/cam", "seg-1.ts", closed.clone()), None);
        packages.key("/live/cam", "key-1.key", &key);
        assert_eq!(packages.segment("/live/cam", "seg-1.ts", closed), Some(b"forty-two".to_vec()));
        assert_eq!(packages.segment("/live/cam", "seg-2.ts", b"open".to_vec()), Some(b"open".to_vec()));
    }
}
