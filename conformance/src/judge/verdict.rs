//! The list of what is broken.

use super::Violation;

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
