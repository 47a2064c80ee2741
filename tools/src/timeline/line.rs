//! One line of a timeline.

use dacapo::base::name::StreamName;
use dacapo::base::time::Instant;
use dacapo::record::ConnNo;
use log::Level;

/// How wide the column of streams is; longer names are cut.
const STREAM_COLUMNS: usize = 20;

/// What kind of thing a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It came from outside.
    Came,
    /// It was decided.
    Decided,
    /// A connection was refused or closed.
    Refused,
    /// It is wished of the world.
    Wished,
    /// It is not as it was recorded.
    Differs,
}

impl Mark {
    fn sign(self) -> char {
        match self {
            Mark::Came => '>',
            Mark::Decided => '-',
            Mark::Refused => '!',
            Mark::Wished => '<',
            Mark::Differs => '#',
        }
    }
}

/// One line, not laid out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// About which connection.
    pub conn_no: Option<ConnNo>,
    /// Of which kind.
    pub mark: Mark,
    /// How important it is.
    pub level: Level,
    /// What.
    pub words: String,
    /// What belongs to it.
    pub pairs: Vec<(String, String)>,
}

impl Line {
    /// The line in its columns. `cid` and `stream` are those of the connection that it is about.
    pub fn text(&self, cid: &str, stream: Option<&StreamName>) -> String {
        let conn_no = self.conn_no.map_or_else(|| "-".to_owned(), |conn_no| conn_no.to_string());
        let stream = stream.map(StreamName::path);
        let stream = cut(&plain(stream.as_deref().unwrap_or("-")));
        let (sign, words) = (self.mark.sign(), plain(&self.words));
        let differs = if self.mark == Mark::Differs { "DIFFERS " } else { "" };
        let mut text = format!(
            "{} {conn_no:>6}  {cid:8}  {stream:STREAM_COLUMNS$} {sign} {differs}{words}",
            time(self.at)
        );
        for (key, value) in &self.pairs {
            text.push_str(&format!(" {}={}", plain(key), plain(value)));
        }
        text
    }
}

/// The head of the columns.
pub fn head() -> String {
    format!("{:>12} {:>6}  {:8}  {:STREAM_COLUMNS$}   what", "time (s)", "conn", "cid", "stream")
}

/// A time as the first column shows it.
pub fn time(at: Instant) -> String {
    let us = at.as_micros();
    format!("{:>5}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Text without control characters: what comes from peers can neither break a line nor recolour a terminal.
pub fn plain(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// A name that fits its column.
pub fn cut(name: &str) -> String {
    if name.chars().count() <= STREAM_COLUMNS {
        return name.to_owned();
    }
    name.chars().take(STREAM_COLUMNS - 1).chain(['…']).collect()
}
