//! What is wrong with a run: it panics, or the judge finds a law broken. The question that shrinking asks.

use super::REST;
use super::judged::Judged;
use dacapo::record::{Entry, Header, Replay};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a run dies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The same for the same fault in a smaller run: the number of the law, or `panic`.
    pub kind: String,
    /// What was seen.
    pub words: String,
}

/// What is wrong with the run of these entries; time goes on until nobody can be left. `None`: nothing.
///
/// # Errors
/// If the header is not one for this build.
pub fn fault(header: &Header, entries: &[Entry]) -> Result<Option<Fault>, String> {
    let config = header.config().map_err(|fault| fault.to_string())?;
    let replay = Replay::new(header).map_err(|fault| fault.to_string())?;
    let run = AssertUnwindSafe(|| judge(replay, Judged::new(&config), entries));
    Ok(match catch_unwind(run) {
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

fn judge(mut replay: Replay, mut judged: Judged, entries: &[Entry]) -> Vec<String> {
    replay.run(entries.iter().cloned(), &mut judged);
    let end = replay.summary().end + REST;
    replay.pass(end, &mut judged);
    judged.finish(end).0
}
