//! Captures what the server logs while a recording is played.
//!
//! In: the records of the process's log, of the wanted levels. Out: the same, taken apart, in their order.
//! Each is taken before the next input is played, so that a record belongs to a moment of the replay.

use crate::timeline::LogRecord;
use dacapo::config::Levels;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Metadata, Record};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is installed in `log`, once.
static CAPTURE: LogCapture = LogCapture { levels: OnceLock::new(), records: Mutex::new(Vec::new()) };

struct LogCapture {
    /// The level for modules that are not named, and prefixes of modules with theirs.
    levels: OnceLock<(LevelFilter, Vec<(String, LevelFilter)>)>,
    records: Mutex<Vec<LogRecord>>,
}

/// Captures from now on records of these levels.
pub fn start(levels: &Levels) {
    let prefixes: Vec<_> = levels.prefixes().collect();
    let most = prefixes.iter().map(|(_, level)| *level).fold(levels.default, Ord::max);
    CAPTURE.levels.get_or_init(|| (levels.default, prefixes));
    // Refused only where a logger is installed already, as in a test.
    let _: Result<(), log::SetLoggerError> = log::set_logger(&CAPTURE);
    log::set_max_level(most);
}

/// The records since the last call.
pub fn take() -> Vec<LogRecord> {
    std::mem::take(&mut *CAPTURE.records.lock().unwrap_or_else(PoisonError::into_inner))
}

impl log::Log for LogCapture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let Some((default, prefixes)) = self.levels.get() else { return false };
        let target = metadata.target();
        let named = prefixes.iter().filter(|(prefix, _)| target.starts_with(prefix));
        let level = named.max_by_key(|(prefix, _)| prefix.len()).map_or(*default, |(_, level)| *level);
        metadata.level() <= level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut pairs = Pairs { cid: None, pairs: Vec::new() };
        // The visitor refuses nothing.
        let _: Result<(), Error> = record.key_values().visit(&mut pairs);
        let (level, words) = (record.level(), record.args().to_string());
        let taken = LogRecord { level, cid: pairs.cid, words, pairs: pairs.pairs };
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
    }

    fn flush(&self) {}
}

/// Gathers a record's values; the connection's id has a place of its own.
struct Pairs {
    cid: Option<String>,
    pairs: Vec<(String, String)>,
}

impl<'a> VisitSource<'a> for Pairs {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), Error> {
        match key.as_str() {
            "cid" => self.cid = Some(value.to_string()),
            key => self.pairs.push((key.to_owned(), value.to_string())),
        }
        Ok(())
    }
}
