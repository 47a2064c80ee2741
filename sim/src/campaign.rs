//! Campaigns: many runs, each from its seed, with a summary and a line for each failure.

use crate::canary::Canary;
use crate::checker::{Failure, invariant};
use crate::coverage;
use crate::fault::Fault;
use crate::options::{Mode, Options};
use crate::run::{Outcome, Run};
use crate::world::World;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Exit codes by what failed.
pub mod exit {
    /// An invariant does not hold.
    pub const INVARIANT: u8 = 2;
    /// A peer does not get what it waits for.
    pub const LIVENESS: u8 = 3;
    /// Two runs of a seed differ.
    pub const NON_DETERMINISM: u8 = 4;
    /// The server panicked.
    pub const PANIC: u8 = 101;
}

/// The world of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One process and one queue of events.
    Tiny,
    /// Hosts and links of turmoil.
    Turmoil,
}

/// Runs `options`. A panic of the server is a failure of the outcome.
pub fn run(options: &Options, place: Place, canary: Canary, loud: bool) -> Outcome {
    match place {
        Place::Tiny => watched(Run::tiny(options, canary, loud)),
        Place::Turmoil => watched(Run::turmoil(options, canary, loud)),
    }
}

/// Plays a prepared run. A panic of the server is a failure of the outcome.
pub fn watched<W: World>(mut run: Run<'_, W>) -> Outcome {
    coverage::take();
    coverage::take_errors();
    let result = catch_unwind(AssertUnwindSafe(|| run.play()));
    let panic = result.err().map(|panic| panicked(panic.as_ref()));
    let mut outcome = run.outcome();
    outcome.marks = coverage::take();
    let at_us = outcome.virtual_us;
    let errors = coverage::take_errors();
    let logged = errors.first().map(|words| Failure {
        invariant: "LOG".to_owned(),
        at_us,
        conn_no: None,
        words: format!("an error was logged: {words}"),
    });
    let panic = panic.map(|(invariant, words)| Failure { invariant, at_us, conn_no: None, words });
    outcome.failure = panic.or(outcome.failure).or(logged);
    outcome
}

/// The invariant and the message of a panic. Assertions of invariants begin with their number.
fn panicked(panic: &(dyn Any + Send)) -> (String, String) {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words =
        words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
    (invariant(words).unwrap_or_else(|| "PANIC".to_owned()), words.to_owned())
}

/// The exit code of a failure.
pub fn exit_code(failure: &Failure) -> u8 {
    match failure.invariant.as_str() {
        "PANIC" => exit::PANIC,
        "DETERMINISM" => exit::NON_DETERMINISM,
        name if name.starts_with('L') && name != "LOG" => exit::LIVENESS,
        _ => exit::INVARIANT,
    }
}

/// The line that a failing run ends with. Holds the command that repeats the run.
pub fn fail_line(failure: &Failure, options: &Options, place: Place, commit: &str) -> String {
    let conn_no = failure.conn_no.map_or_else(String::new, |conn_no| format!(" conn={conn_no}"));
    let mode = if options.mode == Mode::Swarm {
        String::new()
    } else {
        format!(" --mode {}", format!("{:?}", options.mode).to_lowercase())
    };
    let world = if place == Place::Turmoil { " --world turmoil" } else { "" };
    let (seed, seconds) = (options.seed, failure.at_us as f64 / 1e6);
    format!(
        "FAIL {} seed={seed} commit={commit} t={seconds:.3}s{conn_no} \"{}\"  ->  cargo run -p sim \
         --release -- {seed}{mode}{world}",
        failure.invariant,
        failure.words.replace(['"', '\n'], "'"),
    )
}

/// Summary of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Number of runs.
    pub seeds: u64,
    /// Number of events.
    pub events: u64,
    /// Simulated time, in microseconds.
    pub virtual_us: u64,
    /// Number of runs that failed.
    pub failed: u64,
    /// Faults by kind: runs that had them, and how often they were injected on purpose.
    pub faults: BTreeMap<Fault, (u64, u64)>,
    /// Marks that were reached, and how often.
    pub marks: BTreeMap<&'static str, u64>,
    /// Most payload bytes that a server held.
    pub bytes_max: u64,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, options: &Options, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.virtual_us += outcome.virtual_us;
        self.failed += u64::from(outcome.failure.is_some());
        self.bytes_max = self.bytes_max.max(outcome.bytes_max);
        for fault in &options.faults {
            let (runs, times) = self.faults.entry(*fault).or_default();
            *runs += 1;
            *times += outcome.injected.get(fault).copied().unwrap_or(0);
        }
        for (mark, times) in &outcome.marks {
            *self.marks.entry(mark).or_default() += times;
        }
    }

    /// Marks that no run has reached, without the rare ones.
    pub fn missed(&self) -> Vec<&'static str> {
        let missed = coverage::MARKS.into_iter().filter(|mark| !self.marks.contains_key(mark));
        missed.filter(|mark| !coverage::RARE.contains(mark)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.virtual_us as f64 / 3.6e9;
        writeln!(f, "{:>8} seeds, {} failed", self.seeds, self.failed)?;
        writeln!(f, "{hours:>8.2} virtual hours, {} events", self.events)?;
        writeln!(f, "{:>8} KiB of payload held at most", self.bytes_max / 1024)?;
        writeln!(f, "fault             in seeds  injected")?;
        for (fault, (runs, times)) in &self.faults {
            let times = if *times == 0 { "    all along".to_owned() } else { format!("{times:>10}") };
            writeln!(f, "{:<18}{runs:>8}{times}", format!("{fault:?}"))?;
        }
        writeln!(f, "mark{:>66}", "reached")?;
        for mark in coverage::MARKS {
            writeln!(f, "{mark:<60}{:>10}", self.marks.get(mark).copied().unwrap_or(0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{exit, exit_code, panicked};
    use crate::checker::Failure;

    #[test]
    fn a_failure_knows_its_exit_code() {
        let code = |invariant: &str| {
            let (invariant, words) = (invariant.to_owned(), String::new());
            exit_code(&Failure { invariant, at_us: 0, conn_no: None, words })
        };
        assert_eq!(code("I3"), exit::INVARIANT);
        assert_eq!(code("LOG"), exit::INVARIANT);
        assert_eq!(code("L1"), exit::LIVENESS);
        assert_eq!(code("DETERMINISM"), exit::NON_DETERMINISM);
        assert_eq!(code("PANIC"), exit::PANIC);
    }

    #[test]
    fn an_assertion_tells_its_invariant() {
        let name = |words: &'static str| panicked(&words).0;
        assert_eq!(name("I21: live/a refers to conn 1.0, which is gone"), "I21");
        assert_eq!(name("time went back inside the server (I13)"), "I13");
        assert_eq!(name("Index out of bounds"), "PANIC");
    }
}
