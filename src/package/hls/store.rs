//! Writes the files to a directory, for a web server or for keeping.
//!
//! In: files that were made and files that are gone. Out: changes to a directory, in an order in which a
//! playlist never names a missing file: segments are written before the playlist, and removed after it.

use super::segment::Segment;
use super::window::Window;
use crate::base::name::StreamName;
use crate::base::secret::LocalPath;
use crate::base::store::StoreOp;
use crate::wire::m3u8::HlsFile;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Pending changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// Path of the stream's folder, without a slash at the end; `None`: nothing is stored.
    base: Option<LocalPath>,
    ops: VecDeque<StoreOp>,
    /// True once the files of an earlier process were removed.
    cleared: bool,
    /// The files that were written last and need not be written again.
    init: Option<HlsFile>,
    key: Option<HlsFile>,
    master: Option<Bytes>,
}

impl Store {
    /// Files of `name` below `directory`; no files if that is empty.
    pub fn new(directory: &str, name: &StreamName) -> Store {
        let below = || format!("{}/{}", directory.trim_end_matches('/'), name.path()).into();
        let base = (!directory.is_empty()).then(below);
        Store { base, ops: VecDeque::new(), cleared: false, init: None, key: None, master: None }
    }

    /// The next change to make.
    pub fn poll(&mut self) -> Option<StoreOp> {
        self.ops.pop_front()
    }

    /// A segment was completed.
    pub fn segment(&mut self, segment: &Segment) {
        self.clear();
        if let Some(init) = segment.init.as_ref().filter(|init| self.init != Some(init.file())) {
            self.init = Some(init.file());
            self.write(init.file(), vec![init.body.clone()]);
        }
        if let Some(key) = segment.key.as_ref().filter(|key| self.key != Some(key.file())) {
            self.key = Some(key.file());
            self.write(key.file(), vec![Bytes::copy_from_slice(key.bytes.reveal())]);
        }
        self.write(segment.entry.file, segment.body());
    }

    /// The playlists changed. Every segment that they name must have been told before.
    pub fn playlists(&mut self, media: &Bytes, master: &Bytes) {
        self.write(HlsFile::Media, vec![media.clone()]);
        if self.master.as_ref() != Some(master) {
            self.master = Some(master.clone());
            self.write(HlsFile::Master, vec![master.clone()]);
        }
    }

    /// Segments are gone for good; `window` holds those that stay.
    pub fn gone(&mut self, segments: &[Segment], window: &Window) {
        for segment in segments {
            self.remove(segment.entry.file);
        }
        let mut files: Vec<HlsFile> = segments.iter().flat_map(needs).collect();
        files.dedup();
        for file in files {
            if !window.all().flat_map(needs).any(|needed| needed == file) {
                self.remove(file);
            }
        }
    }

    /// The stream is gone for good: removes all files.
    pub fn dispose(&mut self, window: &Window) {
        if self.master.take().is_none() {
            return;
        }
        self.remove(HlsFile::Master);
        self.remove(HlsFile::Media);
        for segment in window.all() {
            self.remove(segment.entry.file);
        }
        let mut files: Vec<HlsFile> = window.all().flat_map(needs).collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().for_each(|file| self.remove(file));
    }

    /// Removes the files that an earlier process left, when the first new file is written.
    fn clear(&mut self) {
        if let Some(path) = self.base.clone().filter(|_| !self.cleared) {
            // Files that are being written begin with a dot.
            let finished = HlsFile::NUMBERED_PREFIXES.map(str::to_owned);
            let unfinished = HlsFile::NUMBERED_PREFIXES.map(|prefix| format!(".{prefix}"));
            self.ops.push_back(StoreOp::Clear { path, prefixes: [finished, unfinished].concat() });
        }
        self.cleared = true;
    }

    fn write(&mut self, file: HlsFile, body: Vec<Bytes>) {
        if let Some(path) = self.path(file) {
            self.ops.push_back(StoreOp::Write { path, body });
        }
    }

    fn remove(&mut self, file: HlsFile) {
        if let Some(path) = self.path(file) {
            self.ops.push_back(StoreOp::Remove { path });
        }
    }

    /// Path of a file; `None` if nothing is stored.
    fn path(&self, file: HlsFile) -> Option<LocalPath> {
        let base = self.base.as_ref()?;
        let path = match file {
            HlsFile::Master => format!("{base}.{}", HlsFile::PLAYLIST_EXTENSION),
            _ => format!("{base}/{file}"),
        };
        Some(path.into())
    }
}

/// The files that a segment cannot be played without.
fn needs(segment: &Segment) -> impl Iterator<Item = HlsFile> {
    let init = segment.init.as_ref().map(|init| init.file());
    let key = segment.key.as_ref().map(|key| key.file());
    init.into_iter().chain(key)
}
