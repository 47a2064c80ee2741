//! RTMP on the wire: handshake, chunks, messages.

pub mod chunk;
pub mod handshake;
pub mod message;
