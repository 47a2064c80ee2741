//! Coverage: the marks in rare branches of the server that a run has reached.
//!
//! In: log lines. Out: how often each mark was reached, per thread. `reached!("…")` is a log line with a
//! target of its own. Lines of level ERROR are kept too, since each of them is a bug of the server.

use dacapo::base::reached::TARGET;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Every mark of the server, sorted. A campaign that does not reach one of them fails.
pub const MARKS: [&str; 53] = [
    "HLS segments left early for want of room",
    "HLS turned to other codecs in mid-stream",
    "a chunk header was split across reads",
    "a connection ended with unsent bytes",
    "a connection was refused by the limit of connections",
    "a connection was refused during a drain",
    "a file became available for a waiting peer",
    "a flush was due by time",
    "a frame that a player had received in part left the ring",
    "a frame was larger than its ring",
    "a kept-alive connection was idle for too long",
    "a lingering close ended by its timeout",
    "a message was aborted",
    "a peer that plays nothing closed its side",
    "a peer took its bytes too slowly",
    "a peer went on sending after the final response",
    "a picture came before the first keyframe",
    "a player left in the middle of a frame",
    "a player lost the frame that it was in the middle of",
    "a player waited for a stream that its format does not suit",
    "a player was refused by the limit of players",
    "a publisher came back in time",
    "a publisher did not come back",
    "a publisher was refused by the limit of streams",
    "a publisher was replaced",
    "a publisher's clock jumped",
    "a request head took too long",
    "a ring was full",
    "a second publisher was refused",
    "a short write of one byte",
    "a stream began for a waiting player",
    "a timestamp went back",
    "a timestamp wrapped",
    "a track that was announced did not come in time",
    "a wait ended by its timeout",
    "an HLS segment was cut before its last frame",
    "an HLS segment was cut without a keyframe",
    "an RTMP peer was silent for too long",
    "an extended timestamp was repeated",
    "an inbox was full",
    "an outbox was full",
    "frames that stood alone were laid out together",
    "reading was turned off or on",
    "the HLS files of a stream were let go of",
    "the accept budget of a listener was spent",
    "the file descriptors ran out",
    "the final response was not sent in time",
    "the last bytes and the end of a connection came together",
    "the pinned frames of a rendition were too many",
    "the players of a stream waited for the next pass",
    "the read budget of a connection was spent",
    "the ring overtook a cursor",
    "time in an HLS segment leaped",
];

/// Marks that a campaign may miss: two need many players that stall in the middle of different frames while
/// the ring forgets all of those, one needs a ring that shrinks below a frame on its way, since a
/// configuration with such a ring is refused. `src/stream/tests.rs` goes to all of them.
pub const RARE: [&str; 3] = [
    "a frame was larger than its ring",
    "a player lost the frame that it was in the middle of",
    "the pinned frames of a rendition were too many",
];

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::NOTHING) };
}

/// What was seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    marks: BTreeMap<&'static str, u64>,
    errors: Vec<String>,
    /// Lines down to this level are printed.
    level: Option<Level>,
}

impl Seen {
    const NOTHING: Seen = Seen { marks: BTreeMap::new(), errors: Vec::new(), level: None };
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

#[cfg(test)]
mod tests {
    use super::MARKS;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn collect(directory: &Path, marks: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).expect("the core's sources are there") {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                collect(&path, marks);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                for line in code.filter_map(|line| line.split_once("reached!(\"")) {
                    marks.insert(line.1.split('"').next().unwrap_or_default().to_owned());
                }
            }
        }
    }

    #[test]
    fn every_mark_in_the_core_is_asked_for() {
        let mut marks = BTreeSet::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut marks);
        assert!(marks.len() >= 25, "{} marks", marks.len());
        assert_eq!(marks.iter().collect::<Vec<_>>(), MARKS.iter().collect::<Vec<_>>());
    }
}
