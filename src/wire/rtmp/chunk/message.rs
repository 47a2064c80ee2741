//! A message of the chunk layer, and the numbers of the format.

use bytes::Bytes;

/// The chunk size of both directions until somebody sets another, in payload bytes (section 5.4.1).
pub const CHUNK_SIZE_DEFAULT: u32 = 128;

/// The longest payload that a chunk header can announce: its length field has 24 bits.
pub const MESSAGE_BYTES_MAX: usize = 0xff_ffff;

/// Timestamps from here on do not fit the 24 bits of a header and follow it in 32 (section 5.3.1.3).
pub(super) const TIMESTAMP_EXTENDED: u32 = 0xff_ffff;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Milliseconds on the sender's clock; wraps after 49.7 days.
    pub timestamp: u32,
    /// What it is, as in [`crate::wire::rtmp::message::type_id`].
    pub type_id: u8,
    /// The message stream that it belongs to; 0 is the connection itself.
    pub stream_id: u32,
    /// What it says.
    pub payload: Bytes,
}

/// The chunk streams that we send on, one for each sort of message.
pub mod cid {
    /// Protocol control; fixed by section 5.4.
    pub const CONTROL: u32 = 2;
    /// Commands about the connection.
    pub const COMMAND: u32 = 3;
    /// Data messages of a stream.
    pub const DATA: u32 = 4;
    /// Commands and status about a stream.
    pub const STATUS: u32 = 5;
    /// Video messages.
    pub const VIDEO: u32 = 6;
    /// Audio messages.
    pub const AUDIO: u32 = 7;
    /// The smallest number that a chunk stream may have.
    pub const MIN: u32 = 2;
    /// The largest number that a chunk stream may have: the three-byte form ends here.
    pub const MAX: u32 = 65_599;
}
