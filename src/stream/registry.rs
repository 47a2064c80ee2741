//! Registry of streams: maps names to keys, and keys to streams.
//!
//! A key is an index with a generation, so that a timer of a removed stream never reaches the next stream at
//! the same index. The order of streams is that of their names.

use crate::base::name::StreamName;
use crate::base::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Key of one stream; never used again after the stream was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamKey {
    index: usize,
    generation: u64,
}

/// All streams, by name and by key. `T` is what the server keeps for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registry<T> {
    streams: Table<(u64, StreamName, T)>,
    names: BTreeMap<StreamName, StreamKey>,
    generation: u64,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Registry { streams: Table::default(), names: BTreeMap::new(), generation: 0 }
    }
}

impl<T> Registry<T> {
    /// A copy of the streams for whose names `keep` is true.
    pub fn subset(&self, keep: impl Fn(&StreamName) -> bool) -> Self
    where
        T: Clone,
    {
        let names = self.names.iter().filter(|(name, _)| keep(name));
        Registry {
            streams: self.streams.subset(|(_, name, _)| keep(name)),
            names: names.map(|(name, key)| (name.clone(), *key)).collect(),
            generation: self.generation,
        }
    }

    /// The key of the stream with this name.
    pub fn find(&self, name: &StreamName) -> Option<StreamKey> {
        self.names.get(name).copied()
    }

    /// Adds a stream.
    ///
    /// # Panics
    /// If there is a stream with this name.
    pub fn add(&mut self, name: StreamName, stream: T) -> StreamKey {
        self.generation += 1;
        let index = self.streams.insert((self.generation, name.clone(), stream));
        let key = StreamKey { index, generation: self.generation };
        let before = self.names.insert(name, key);
        assert!(before.is_none(), "one stream for a name");
        key
    }

    /// Removes a stream. Does nothing if it is gone.
    pub fn remove(&mut self, key: StreamKey) {
        // The index may belong to another stream by now.
        if self.get(key).is_some()
            && let Some((_, name, _)) = self.streams.remove(key.index)
        {
            self.names.remove(&name);
        }
    }

    /// The stream; `None` if it is gone.
    pub fn get(&self, key: StreamKey) -> Option<&T> {
        let (generation, _, stream) = self.streams.get(key.index)?;
        (*generation == key.generation).then_some(stream)
    }

    /// The stream; `None` if it is gone.
    pub fn get_mut(&mut self, key: StreamKey) -> Option<&mut T> {
        let (generation, _, stream) = self.streams.get_mut(key.index)?;
        (*generation == key.generation).then_some(stream)
    }

    /// The name of a stream; `None` if it is gone.
    pub fn name(&self, key: StreamKey) -> Option<&StreamName> {
        let (generation, name, _) = self.streams.get(key.index)?;
        (*generation == key.generation).then_some(name)
    }

    /// All streams, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamName, StreamKey, &T)> {
        self.names.iter().filter_map(|(name, key)| Some((name, *key, self.get(*key)?)))
    }

    /// True if names and keys fit each other. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let named = |(index, (generation, name, _)): (usize, &(u64, StreamName, T))| {
            *generation <= self.generation
                && self.names.get(name) == Some(&StreamKey { index, generation: *generation })
        };
        self.names.len() == self.streams.len() && self.streams.iter().all(named)
    }

    /// Number of streams.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there are no streams.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
