//! Dacapo: a live-media server that is one deterministic value.
//!
//! [`server::Server`] has no sockets, clock, files, threads or entropy. A shell hands in what happened
//! ([`server::Input`]), drains what the world should do next ([`server::Output`]) and waits until the
//! deadline. `net` (cargo feature `net`, on by default) is the shell for production.
//!
//! The layers, each importing downward only:
//!
//! ```text
//! 7  net       impure: sockets, files, signals, the real clock
//! 6  record    a run as a list of inputs, and what plays it again
//! 5  server    joins sessions, streams and packages
//! 4  session   stream   package      three siblings that never import one another
//! 3  wire      byte formats
//! 2  media     frames, tracks, codec parameters, timestamp repair
//! 1  base      time, random generators, ids, buffers, timers, limits
//! 0  config    status                plain data
//! ```

// A file of tests that another crate uses as well names this one as that does.
#[cfg(test)]
extern crate self as dacapo;

#[macro_use]
pub mod base;

pub mod config;
pub mod driver;
pub mod media;
#[cfg(feature = "net")]
pub mod net;
pub mod package;
pub mod record;
pub mod server;
pub mod session;
pub mod status;
pub mod stream;
pub mod wire;
