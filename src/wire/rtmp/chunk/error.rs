//! Limits and errors of the chunk reader.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much a peer may make the reader hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest chunk size that the peer may set, in bytes.
    pub chunk_size_max: u32,
    /// Longest message, in bytes.
    pub message_bytes_max: usize,
    /// All unfinished messages together, in bytes.
    pub partial_bytes_max: usize,
}

/// How a peer breaks the chunk layer. Each ends its connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// Formats 2 and 3 refer to an earlier header of the chunk stream, and there was none.
    #[error("chunk stream {0} begins without length and type")]
    NoHeaderYet(u32),
    /// The header of another message, while one is unfinished on the chunk stream.
    #[error("a new message begins inside another one on chunk stream {0}")]
    MessageInsideMessage(u32),
    /// Zero, negative, or beyond the limit.
    #[error("chunk size {0} is out of range")]
    ChunkSize(u32),
    /// A control message that is shorter than its fields.
    #[error("control message of type {0} is too short")]
    ShortControl(u8),
    /// Beyond the limit for one message.
    #[error("message of {0} bytes is too long")]
    MessageTooLong(usize),
    /// Beyond the limit for all unfinished messages.
    #[error("unfinished messages hold too many bytes")]
    TooMuchUnfinished,
    /// More chunk streams than any client needs.
    #[error("too many chunk streams")]
    TooManyChunkStreams,
}
