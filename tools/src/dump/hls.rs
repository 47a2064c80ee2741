//! Puts HLS segments together as a player does: in the order in which it was sent them, each once, decrypted.
//!
//! In: the files that clients fetched, whole. Out: the bytes that join a player's file. Playlists and keys
//! are kept for all connections, since a player may fetch them on another connection than the segments.

use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
use dacapo::wire::m3u8::HlsFile;
use std::collections::{BTreeMap, BTreeSet};

/// The folder that a target's file stands in, and the file; `None` if it is no file of HLS.
pub fn file(target: &str) -> Option<(String, HlsFile)> {
    let path = target.split('?').next().unwrap_or_default();
    let (folder, name) = path.rsplit_once('/')?;
    // `/live/seg-1.ts` is a stream that is called like a segment: files stand in their stream's folder.
    let in_folder = HlsFile::parse(name).filter(|_| folder.trim_start_matches('/').contains('/'));
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    // The playlists of `live/cam` are `live/cam.m3u8` and `live/cam/index.m3u8`.
    let beside = (extension == Some(HlsFile::PLAYLIST_EXTENSION)).then_some(HlsFile::Master);
    Some((folder.to_owned(), in_folder.or(beside)?))
}

/// What is known of the packaged streams.
#[derive(Debug, Default)]
pub struct Packages {
    /// By folder and file.
    keys: BTreeMap<(String, HlsFile), [u8; 16]>,
    /// By folder and segment: the key's file and the initialisation vector.
    locks: BTreeMap<(String, HlsFile), (HlsFile, [u8; 16])>,
}

impl Packages {
    /// A client has got a playlist.
    pub fn playlist(&mut self, folder: &str, text: &str) {
        let mut lock: Option<(HlsFile, [u8; 16])> = None;
        for line in text.lines() {
            if let Some(attributes) = line.strip_prefix("#EXT-X-KEY:") {
                lock = read_lock(attributes);
            } else if !line.starts_with('#')
                && let Some(lock) = lock
                && let Some(file) = HlsFile::parse(line.split('?').next().unwrap_or_default())
            {
                self.locks.insert((folder.to_owned(), file), lock);
            }
        }
    }

    /// A client has got a key.
    pub fn key(&mut self, folder: &str, file: HlsFile, bytes: &[u8]) {
        if let Ok(key) = bytes.try_into() {
            self.keys.insert((folder.to_owned(), file), key);
        }
    }

    /// A segment in the clear; `None` if its key was never fetched.
    pub fn segment(&self, folder: &str, file: HlsFile, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some((key, iv)) = self.locks.get(&(folder.to_owned(), file)) else {
            return Some(bytes);
        };
        let key = self.keys.get(&(folder.to_owned(), *key))?;
        let cipher = cbc::Decryptor::<aes::Aes128>::new(key.into(), iv.into());
        cipher.decrypt_padded_vec_mut::<Pkcs7>(&bytes).ok()
    }
}

/// Which segments a connection has got, so that one that was fetched twice counts once.
#[derive(Debug, Default)]
pub struct Seen(BTreeSet<(String, HlsFile)>);

impl Seen {
    /// True the first time.
    pub fn is_news(&mut self, folder: &str, file: HlsFile) -> bool {
        self.0.insert((folder.to_owned(), file))
    }
}

fn read_lock(attributes: &str) -> Option<(HlsFile, [u8; 16])> {
    let value = |name: &str| {
        let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value.trim_matches('"'))
    };
    let iv = u128::from_str_radix(value("IV")?.strip_prefix("0x")?, 16).ok()?;
    Some((HlsFile::parse(value("URI")?)?, iv.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Packages, file};
    use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
    use dacapo::base::rng::Seed;
    use dacapo::wire::m3u8::{HlsFile, Layout};

    #[test]
    fn files_of_hls_are_known_by_their_names() {
        let known = |target: &str| file(target).map(|(folder, file)| format!("{folder} {file}"));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(known("/live/cam/seg-7.ts?a=b"), some("/live/cam seg-7.ts"));
        assert_eq!(known("/live/cam/init-1.mp4"), some("/live/cam init-1.mp4"));
        assert_eq!(known("/live/cam/index.m3u8"), some("/live/cam index.m3u8"));
        assert_eq!(known("/live/cam.m3u8"), some("/live master.m3u8"));
        assert_eq!(known("/live/cam.ts"), None);
        assert_eq!(known("/live/seg-7.ts"), None);
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
        let segment = |number| HlsFile::Segment { number, layout: Layout::Ts };
        let mut packages = Packages::default();
        packages.playlist("/live/cam", &text);
        assert_eq!(packages.segment("/live/cam", segment(1), closed.clone()), None);
        packages.key("/live/cam", HlsFile::Key(1), &key);
        assert_eq!(packages.segment("/live/cam", segment(1), closed), Some(b"forty-two".to_vec()));
        assert_eq!(packages.segment("/live/cam", segment(2), b"open".to_vec()), Some(b"open".to_vec()));
    }
}
