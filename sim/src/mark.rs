//! Marks in the core: which of its rare branches a run has been to.
//!
//! The core says `reached!("…")`, which is a log line with a target of its own. Here such lines are counted, for
//! each thread apart; and any line of level ERROR is kept, since an error in the log is a bug of the server.

use dacapo::base::reached::TARGET;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Every mark that stands in the core. A campaign that misses one is red.
pub const MARKS: [&str; 0] = [];

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { marks: BTreeMap::new(), errors: Vec::new(), level: None }) };
}

/// What was seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    marks: BTreeMap<&'static str, u64>,
    errors: Vec<String>,
    /// Lines down to this level are printed.
    level: Option<Level>,
}

struct Counter;

impl Log for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        SEEN.with_borrow_mut(|seen| {
            if record.target() == TARGET {
                if let Some(mark) = record.args().as_str() {
                    *seen.marks.entry(mark).or_default() += 1;
                }
                return;
            }
            if record.level() == Level::Error {
                seen.errors.push(record.args().to_string());
            }
            if seen.level.is_some_and(|level| record.level() <= level) {
                eprintln!("{:5} {} {}", record.level(), record.target(), record.args());
            }
        });
    }

    fn flush(&self) {}
}

/// Begins to count in this process; and in this thread, to print lines down to `level`.
pub fn listen(level: Option<Level>) {
    // Only the first one is taken; all are the same.
    let _first = log::set_logger(&Counter);
    log::set_max_level(LevelFilter::Trace);
    SEEN.with_borrow_mut(|seen| seen.level = level);
}

/// Takes the marks that this thread has reached since the last time, and how often.
pub fn take() -> BTreeMap<&'static str, u64> {
    SEEN.with_borrow_mut(|seen| std::mem::take(&mut seen.marks))
}

/// Takes what was logged as an error in this thread since the last time.
pub fn take_errors() -> Vec<String> {
    SEEN.with_borrow_mut(|seen| std::mem::take(&mut seen.errors))
}
