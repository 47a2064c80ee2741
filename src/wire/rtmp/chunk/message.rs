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
    /// What it is, as in [`type_id`].
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

/// Message types (sections 5.4 and 7.1).
pub mod type_id {
    /// The sender's chunk size from here on.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// The rest of a message will not come.
    pub const ABORT: u8 = 2;
    /// So many bytes were received.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// Events of a message stream and pings.
    pub const USER_CONTROL: u8 = 4;
    /// How often the sender wants an acknowledgement.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// How much the receiver may have unacknowledged.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Sound: the body of an FLV audio tag.
    pub const AUDIO: u8 = 8;
    /// Pictures: the body of an FLV video tag.
    pub const VIDEO: u8 = 9;
    /// Data in AMF3.
    pub const DATA_AMF3: u8 = 15;
    /// A command in AMF3.
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF0: the body of an FLV script tag.
    pub const DATA: u8 = 18;
    /// A command in AMF0.
    pub const COMMAND: u8 = 20;
    /// FLV tags, one after the other.
    pub const AGGREGATE: u8 = 22;
}
