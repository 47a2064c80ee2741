//! The list of violations.

use std::fmt;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number: `I3`.
    pub invariant: &'static str,
    /// When, in microseconds from the beginning of the run.
    pub at_us: u64,
    /// On which connection, if on one.
    pub conn_no: Option<u32>,
    /// What was seen.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} µs", self.invariant, self.at_us)?;
        self.conn_no.map_or(Ok(()), |conn_no| write!(f, ", connection {conn_no}"))?;
        write!(f, ": {}", self.words)
    }
}

/// Most violations that are kept: the first one is what matters, and a broken server breaks everything.
const VIOLATIONS_MAX: usize = 1_000;

/// The violations so far, and where the judge stands in the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// The first ones, in order.
    pub violations: Vec<Violation>,
    /// Now, in microseconds.
    pub at_us: u64,
}

impl Verdict {
    /// `invariant` does not hold for `conn_no`.
    pub fn add(&mut self, invariant: &'static str, conn_no: u32, words: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { invariant, at_us: self.at_us, conn_no: Some(conn_no), words });
        }
    }
}
