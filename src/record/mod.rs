//! A run as a list: everything that happened to a server and when, as bytes, and the machine that plays it
//! again.
//!
//! A shell hands everything that it tells the [`Server`](crate::server::Server) to a [`Tape`] as well; the
//! tape makes blocks of bytes of it, and who has a file, a socket or a `Vec` puts them there behind a
//! [`Header`]. [`read`] takes such bytes apart again, also when the tail is torn. [`Replay`] gives the
//! entries to a fresh server and says where what comes out is not what came out then.
//!
//! The same format serves the flight recorder, failing seeds of the simulator, captures of real programs and
//! what fuzzing found. Connections are numbered in the order in which they came, so that an entry or a whole
//! connection can be taken out of the list and the rest still means what it meant.
//!
//! ```text
//! file    = line "dacapo recording 1 …\n", block*
//! block   = kind u8, length u32, CRC-32 u32 (of kind and body), body       (numbers are little-endian)
//! body    = header (RON text) | saved server | entries | end
//! entries = first time u64, entry*           (of chosen streams: each with its place in the run in front)
//! entry   = kind u8, µs since the entry before (varint), what belongs to the kind
//! ```
//!
//! Pure: no files, no clock. Never: decides what to keep (the shell's settings do), or changes an outcome.

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
