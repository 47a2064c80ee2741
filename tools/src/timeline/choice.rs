//! What of a replay is told.

use dacapo::config::Pattern;
use log::LevelFilter;

/// What is told.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What came from outside and what was wished of the world is told up to this level.
    pub level: LevelFilter,
    /// Connections by number (`3`, `#3`) or word; empty: all.
    pub conns: Vec<String>,
    /// Streams by pattern; empty: all.
    pub streams: Vec<Pattern>,
}

impl Choice {
    /// True if nothing is left out but by its level.
    pub fn is_everything(&self) -> bool {
        self.conns.is_empty() && self.streams.is_empty()
    }
}
