//! Timers.
//!
//! An ordered set with one timer per key: due timers fire in the order of their times, and equal times in the
//! order of their keys, so that every run is the same.

use crate::base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// At most one timer per key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize + Ord + Copy", deserialize = "K: Deserialize<'de> + Ord + Copy"))]
#[serde(from = "BTreeMap<K, Instant>", into = "BTreeMap<K, Instant>")]
pub struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Timers { due: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> From<BTreeMap<K, Instant>> for Timers<K> {
    fn from(at: BTreeMap<K, Instant>) -> Self {
        Timers { due: at.iter().map(|(key, at)| (*at, *key)).collect(), at }
    }
}

impl<K> From<Timers<K>> for BTreeMap<K, Instant> {
    fn from(timers: Timers<K>) -> Self {
        timers.at
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// A copy with the timers of the keys that `keep` accepts.
    pub fn subset(&self, keep: impl Fn(K) -> bool) -> Self {
        let at = self.at.iter().filter(|(key, _)| keep(**key)).map(|(key, at)| (*key, *at));
        Timers::from(at.collect::<BTreeMap<_, _>>())
    }

    /// Sets, moves or (with `None`) removes the timer of `key`.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, key));
        }
        if let Some(at) = at {
            self.due.insert((at, key));
        }
    }

    /// When the timer of `key` fires.
    pub fn get(&self, key: K) -> Option<Instant> {
        self.at.get(&key).copied()
    }

    /// Number of timers.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// True if there is no timer.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The earliest timer.
    pub fn next(&self) -> Option<(Instant, K)> {
        self.due.first().copied()
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = self.due.first().copied()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        self.at.remove(&key);
        Some(key)
    }
}
