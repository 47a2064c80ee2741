//! Decides whether a run fails: it panics, or the judge finds a violation. The predicate for shrinking.

use super::REST;
use super::judged::Judged;
use dacapo::base::time::Instant;
use dacapo::record::{ConnNo, Entry, Event, Header, Observer, Replay};
use dacapo::server::Output;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a run dies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The same for the same fault in a smaller run: the number of the law, or `panic`.
    pub kind: String,
    /// What was seen.
    pub words: String,
}

/// The failure of the run of these entries; `None` if there is none. Time goes on until all timeouts have
/// passed.
///
/// # Errors
/// If the header is not one for this build.
pub fn fault(header: &Header, entries: &[Entry]) -> Result<Option<Fault>, String> {
    planted(header, entries, |_, _| None)
}

/// The same of a server with a fault planted in its mouth: `tampers` says what leaves for a connection
/// instead of the bytes that should, if anything.
///
/// # Errors
/// If the header is not one for this build.
pub fn planted(
    header: &Header,
    entries: &[Entry],
    tampers: impl FnMut(ConnNo, &[u8]) -> Option<Vec<u8>>,
) -> Result<Option<Fault>, String> {
    let config = header.config().map_err(|fault| fault.to_string())?;
    let replay = Replay::new(header).map_err(|fault| fault.to_string())?;
    let mouth = Mouth { tampers, judged: Judged::new(&config) };
    Ok(match catch_unwind(AssertUnwindSafe(|| judge(replay, mouth, entries))) {
        Ok(violations) => violations.into_iter().next().map(|words| {
            let kind = words.split(' ').next().unwrap_or_default().to_owned();
            Fault { kind, words }
        }),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(Fault { kind: "panic".to_owned(), words: words.unwrap_or_default() })
        }
    })
}

fn judge<T>(mut replay: Replay, mut mouth: Mouth<T>, entries: &[Entry]) -> Vec<String>
where
    T: FnMut(ConnNo, &[u8]) -> Option<Vec<u8>>,
{
    replay.run(entries.iter().cloned(), &mut mouth);
    let end = replay.summary().end + REST;
    replay.pass(end, &mut mouth);
    mouth.judged.finish(end).0
}

/// Between the server and the judge.
struct Mouth<T> {
    tampers: T,
    judged: Judged,
}

impl<T: FnMut(ConnNo, &[u8]) -> Option<Vec<u8>>> Observer for Mouth<T> {
    fn happened(&mut self, at: Instant, event: &Event) {
        self.judged.happened(at, event);
    }

    fn sent(&mut self, at: Instant, conn_no: ConnNo, bytes: &[u8]) {
        match (self.tampers)(conn_no, bytes) {
            Some(other) => self.judged.sent(at, conn_no, &other),
            None => self.judged.sent(at, conn_no, bytes),
        }
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        self.judged.requested(at, conn_no, output);
    }
}
