//! What the program does besides serving: recordings are played again, and made fit to be given away.
//!
//! Everything that has to be known of a recording is in `dacapo::record`; here are files, the terminal and
//! the clock. Never: opens a socket.

pub mod files;
pub mod pager;
pub mod parts;
pub mod redact;
pub mod replay;
pub mod said;
