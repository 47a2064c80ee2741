//! Streams: their names, their publishers, the ring of frames, and players as cursors on it.
//!
//! In: frames of one publisher. Out: for each player, the slices that are sent next. The memory of a player
//! is a few numbers; with more players only the number of `writev` calls grows. Never: knows a session, a
//! socket or a protocol.

pub mod cursor;
pub mod flush;
pub mod ingest;
pub mod playback;
pub mod registry;
pub mod rendition;
pub mod ring;
#[cfg(test)]
mod tests;
