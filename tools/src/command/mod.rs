//! What the program does besides serving: recordings are played again, and made fit to be given away.
//!
//! Everything that has to be known of a recording is in `dacapo::record`; here are files, the terminal and
//! the clock. Never: opens a socket.

pub mod files;
pub mod log_capture;
pub mod parts;
pub mod redact;
pub mod replay;
pub mod stdout;

use std::fmt::Display;

/// Why the process ends with another code than 0.
#[derive(Debug)]
pub enum Failure {
    /// The system refused something.
    System(String),
    /// The command line, the configuration or a recording is not right.
    Settings(String),
    /// What was played again is not what it was; all that is to be said of it was said.
    Differs,
}

/// Something that the user said or brought is not right.
pub fn settings(error: impl Display) -> Failure {
    Failure::Settings(error.to_string())
}

/// The system refused something.
pub fn system(error: impl Display) -> Failure {
    Failure::System(format!("dacapo: {error}"))
}
