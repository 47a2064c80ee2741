//! Streams: who publishes under which name, the ring of frames, and the players as cursors on it.
//!
//! In: frames of one publisher. Out: for each player, the slices that leave next. A player that is caught up
//! is two numbers; what grows with the number of players is the number of `writev` calls and nothing else.
//! Never: knows a session, a socket or a protocol's manners.

pub mod cursor;
pub mod flush;
pub mod ingest;
pub mod playback;
pub mod registry;
pub mod rendition;
pub mod ring;
#[cfg(test)]
mod tests;
