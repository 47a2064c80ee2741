//! The judge: sees both directions of every connection and the clock, and says what is broken.
//!
//! ```text
//! from_client ──▶ what publishers sent      (model)  ─┐
//! to_client   ──▶ what the server granted             ├──▶ violations, and a report in numbers
//!                 what players got          (play)   ─┘
//! ```
//!
//! In: bytes, in the order in which the server was given them and the kernel took them. Out: violations.
//! Never: knows what the server is made of, waits, or changes anything.

use super::Violation;
use super::report::JudgeReport;
use super::rules::Rules;
use super::verdict::Verdict;
use std::collections::BTreeMap;

/// What a connection was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// RTMP.
    Rtmp,
    /// Streams and pages over HTTP.
    Http,
    /// The HTTP API.
    Api,
}

/// The judge of one run of one server.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    verdict: Verdict,
    seats: BTreeMap<u32, Seat>,
}

/// A connection.
#[derive(Debug)]
struct Seat {
    closed: bool,
    stalled: bool,
}

impl Judge {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        Judge { rules, verdict: Verdict::default(), seats: BTreeMap::new() }
    }

    /// Somebody was let in. Seats are never used again.
    pub fn opened(&mut self, at_us: u64, seat: u32, _service: Service) {
        self.verdict.at_us = at_us;
        self.seats.insert(seat, Seat { closed: false, stalled: false });
    }

    /// The server is given these bytes, or was given them.
    pub fn from_client(&mut self, at_us: u64, _seat: u32, _bytes: &[u8]) {
        self.verdict.at_us = at_us;
    }

    /// The kernel took these bytes of the server.
    pub fn to_client(&mut self, at_us: u64, seat: u32, bytes: &[u8]) {
        self.verdict.at_us = at_us;
        if self.seats.get(&seat).is_none_or(|seat| seat.closed) && !bytes.is_empty() {
            self.verdict.add("I23", seat, format!("{} bytes after the end", bytes.len()));
        }
    }

    /// The connection is over. `by_server`: the server closed it, and not the peer or the network.
    pub fn closed(&mut self, at_us: u64, seat: u32, _by_server: bool) {
        self.verdict.at_us = at_us;
        match self.seats.get_mut(&seat) {
            Some(open) if !open.closed => open.closed = true,
            Some(_) => self.verdict.add("I23", seat, "it was closed twice".to_owned()),
            None => self.verdict.add("I23", seat, "it was closed and never opened".to_owned()),
        }
    }

    /// A write was not taken whole: from here on frames may be missing.
    pub fn stalled(&mut self, at_us: u64, seat: u32) {
        self.verdict.at_us = at_us;
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.stalled = true;
        }
    }

    /// The run is over. Connections may still be open.
    pub fn finish(&mut self, at_us: u64) {
        self.verdict.at_us = at_us;
    }

    /// What was wrong so far, the first first.
    pub fn violations(&self) -> &[Violation] {
        &self.verdict.violations
    }

    /// What was seen.
    pub fn report(&self) -> JudgeReport {
        let _ = self.rules;
        JudgeReport::default()
    }
}
