//! What the server logs during a replay.

use log::Level;

/// A record of the server's log, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// How important it is.
    pub level: Level,
    /// About which connection: its word.
    pub cid: Option<String>,
    /// The message.
    pub words: String,
    /// What belongs to it, in order.
    pub pairs: Vec<(String, String)>,
}
