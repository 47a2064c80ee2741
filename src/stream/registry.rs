//! Which stream a name means.
//!
//! Streams sit in a table; a key is a place in it and the generation of who sits there, so that a timer of
//! a stream that is gone never reaches its successor. Order is the order of names.

use crate::base::name::StreamName;
use crate::base::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One stream, for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamKey {
    index: usize,
    generation: u64,
}

/// All streams, by name and by key. `T` is what the server keeps with each.
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
    /// A copy of the streams whose names `keep` wants.
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

    /// The stream of this name.
    pub fn find(&self, name: &StreamName) -> Option<StreamKey> {
        self.names.get(name).copied()
    }

    /// Adds a stream. The name must be free.
    pub fn add(&mut self, name: StreamName, stream: T) -> StreamKey {
        self.generation += 1;
        let index = self.streams.insert((self.generation, name.clone(), stream));
        let key = StreamKey { index, generation: self.generation };
        let before = self.names.insert(name, key);
        assert!(before.is_none(), "one stream for a name");
        key
    }

    /// Removes a stream.
    pub fn remove(&mut self, key: StreamKey) {
        if self.get(key).is_some()
            && let Some((_, name, _)) = self.streams.remove(key.index)
        {
            self.names.remove(&name);
        }
    }

    /// The stream, if it still exists.
    pub fn get(&self, key: StreamKey) -> Option<&T> {
        let (generation, _, stream) = self.streams.get(key.index)?;
        (*generation == key.generation).then_some(stream)
    }

    /// The stream, if it still exists.
    pub fn get_mut(&mut self, key: StreamKey) -> Option<&mut T> {
        let (generation, _, stream) = self.streams.get_mut(key.index)?;
        (*generation == key.generation).then_some(stream)
    }

    /// The name of a stream that exists.
    pub fn name(&self, key: StreamKey) -> Option<&StreamName> {
        let (generation, name, _) = self.streams.get(key.index)?;
        (*generation == key.generation).then_some(name)
    }

    /// All streams in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamName, StreamKey, &T)> {
        self.names.iter().filter_map(|(name, key)| Some((name, *key, self.get(*key)?)))
    }

    /// Number of streams.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
