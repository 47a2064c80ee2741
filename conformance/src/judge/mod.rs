//! Judges what a server does by what it was given and what it gave, and by nothing else: by invariants that
//! have numbers, with readers that share nothing with the server.

mod api;
mod byte_counts;
mod clock;
mod expected_role;
pub mod frame_id;
mod gap;
mod hash;
pub mod hls;
mod http;
mod intake;
mod model;
mod name;
mod play;
pub mod published;
mod report;
mod rtmp;
mod rules;
pub mod segment;
mod session;
mod ts;
mod verdict;

pub use intake::{Judge, Service};
pub use report::{JudgeReport, PlayReport, PublisherReport, StreamReport, TrackReport};
pub use rules::{Rules, SecondPublisher, StartAt};

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
