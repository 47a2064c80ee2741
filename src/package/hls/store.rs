//! The same files on disk, for a web server to serve or for keeping.
//!
//! In: what was made and what has gone. Out: changes to files, in an order in which nothing is ever named
//! that is not there: a segment before the playlist that names it, a removal after.

use super::segment::Segment;
use super::window::Window;
use crate::base::name::StreamName;
use crate::base::store::StoreOp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Changes that wait to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// Path of the stream's files, without the slash before the file name; `None`: nothing is stored.
    base: Option<String>,
    ops: VecDeque<StoreOp>,
    /// True once what an earlier process left behind was cleared away.
    cleared: bool,
    /// What was written last and need not be written again.
    init: Option<String>,
    key: Option<String>,
    master: Option<Bytes>,
}

impl Store {
    /// Files of `name` below `directory`; none if that is empty.
    pub fn new(directory: &str, name: &StreamName) -> Store {
        let base =
            (!directory.is_empty()).then(|| format!("{}/{}", directory.trim_end_matches('/'), name.path()));
        Store { base, ops: VecDeque::new(), cleared: false, init: None, key: None, master: None }
    }

    /// The next change to make.
    pub fn poll(&mut self) -> Option<StoreOp> {
        self.ops.pop_front()
    }

    /// A segment was made.
    pub fn segment(&mut self, segment: &Segment) {
        self.clear();
        if let Some(init) = segment.init.as_ref().filter(|init| self.init.as_ref() != Some(&init.file)) {
            self.init = Some(init.file.clone());
            self.write(&init.file, vec![init.body.clone()]);
        }
        if let Some(key) = segment.key.as_ref().filter(|key| self.key.as_ref() != Some(&key.file)) {
            self.key = Some(key.file.clone());
            self.write(&key.file, vec![Bytes::copy_from_slice(&key.bytes)]);
        }
        self.write(&segment.entry.uri, segment.body());
    }

    /// The playlists changed; every segment that they name was told before.
    pub fn playlists(&mut self, media: &Bytes, master: &Bytes) {
        self.write(super::MEDIA, vec![media.clone()]);
        if self.master.as_ref() != Some(master) {
            self.master = Some(master.clone());
            if let Some(base) = &self.base {
                self.ops
                    .push_back(StoreOp::Write { path: format!("{base}.m3u8"), body: vec![master.clone()] });
            }
        }
    }

    /// Segments have gone for good; `window` holds those that stay.
    pub fn gone(&mut self, segments: &[Segment], window: &Window) {
        for segment in segments {
            self.remove(&segment.entry.uri);
        }
        let mut files: Vec<&str> = segments.iter().flat_map(needs).collect();
        files.dedup();
        for file in files {
            if !window.all().flat_map(needs).any(|needed| needed == file) {
                self.remove(file);
            }
        }
    }

    /// The stream has gone for good: nothing of it stays.
    pub fn dispose(&mut self, window: &Window) {
        let Some(base) = self.base.clone() else { return };
        if self.master.take().is_none() {
            return;
        }
        self.ops.push_back(StoreOp::Remove { path: format!("{base}.m3u8") });
        self.remove(super::MEDIA);
        for segment in window.all() {
            self.remove(&segment.entry.uri);
        }
        let mut files: Vec<&str> = window.all().flat_map(needs).collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().for_each(|file| self.remove(file));
    }

    /// An earlier process may have ended without cleaning up. Its files stay until there are new ones.
    fn clear(&mut self) {
        if let Some(path) = self.base.clone().filter(|_| !self.cleared) {
            self.ops.push_back(StoreOp::Clear { path, prefixes: PREFIXES.map(str::to_owned).to_vec() });
        }
        self.cleared = true;
    }

    fn write(&mut self, file: &str, body: Vec<Bytes>) {
        if let Some(base) = &self.base {
            self.ops.push_back(StoreOp::Write { path: format!("{base}/{file}"), body });
        }
    }

    fn remove(&mut self, file: &str) {
        if let Some(base) = &self.base {
            self.ops.push_back(StoreOp::Remove { path: format!("{base}/{file}") });
        }
    }
}

/// How the names of files begin, in the making too.
const PREFIXES: [&str; 6] = ["seg-", "init-", "key-", ".seg-", ".init-", ".key-"];

/// The files that a segment cannot be played without.
fn needs(segment: &Segment) -> impl Iterator<Item = &str> {
    let init = segment.init.as_ref().map(|init| init.file.as_str());
    let key = segment.key.as_ref().map(|key| key.file.as_str());
    init.into_iter().chain(key)
}
