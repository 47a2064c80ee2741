//! Recordings: a run of a server as a list of timed inputs, and their replay.
//!
//! A [`Tape`] observes a [`Server`](crate::server::Server) and makes blocks of bytes, which the shell appends
//! to a [`Header`] in a file or in memory. [`read`] parses these bytes, also if the end is missing.
//! [`Replay`] gives the entries to another server and reports where its outputs differ from the recorded
//! ones.
//!
//! The flight recorder, failing seeds of the simulator, captures of real programs and findings of the fuzzer
//! have this format. Connections are numbered in the order in which they came, so that entries and whole
//! connections can be removed without changing the meaning of the others.
//!
//! ```text
//! file    = line "dacapo recording 1 …\n", block*
//! block   = kind u8, length u32, CRC-32 u32 (of kind and body), body       (numbers are little-endian)
//! body    = header (RON text) | saved server | entries | end
//! entries = first time u64, entry*           (of chosen streams: each with its place in the run in front)
//! entry   = kind u8, µs since the entry before (varint), what belongs to the kind
//! ```
//!
//! Pure: no files, no clock. Never: decides what is recorded (the settings do), or changes a run.

mod codec;
mod digest_cache;
mod event;
mod file;
mod replay;
pub mod rolling_hash;
mod tape;
#[cfg(test)]
mod tests;

pub use event::{ConnNo, Entry, Event};
pub use file::{
    BUILD, Contents, Fault, Header, Kernel, Scope, Start, Torn, block_end, block_saved, head, read, write,
};
pub use replay::{Difference, Observer, Replay, Summary};
pub use tape::Tape;
