//! The chunk layer: messages cut into chunks that share one connection (RTMP 1.0, section 5.3).
//!
//! A message has a timestamp, a type, a message stream and a payload. It is sent as chunks of a chunk stream;
//! chunks of different chunk streams may interleave, so that a long video message does not delay a short
//! control message. [`Reader`] reassembles messages; [`mod@write`] splits them and has no state, because
//! every message that we send begins with a full header.

mod ack;
mod error;
mod header;
mod message;
mod read;
#[cfg(test)]
mod tests;
pub mod write;

pub use error::{ChunkError, Limits};
pub use message::{CHUNK_SIZE_DEFAULT, MESSAGE_BYTES_MAX, Message, cid, type_id};
pub use read::{Item, Open, Reader};
pub use write::{HEADER_BYTES_MAX, message_len, write_header, write_message, write_parts};
