//! RTMP on the wire: handshake, chunks, messages.

pub mod aggregate;
pub mod chunk;
pub mod handshake;
pub mod message;
