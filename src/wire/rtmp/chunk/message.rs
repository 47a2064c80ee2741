//! Messages of the chunk layer, and the numbers of the format.

use bytes::Bytes;

/// Initial chunk size of both directions, in payload bytes (section 5.4.1).
pub const CHUNK_SIZE_DEFAULT: u32 = 128;

/// Longest payload that a chunk header can announce: its length field has 24 bits.
pub const MESSAGE_BYTES_MAX: usize = 0xff_ffff;

/// Smallest timestamp that does not fit the 24 bits of a header and follows it in 32 (section 5.3.1.3).
pub(super) const TIMESTAMP_EXTENDED: u32 = 0xff_ffff;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Timestamp in milliseconds on the sender's clock; wraps after 49.7 days.
    pub timestamp: u32,
    /// Type, as in [`type_id`].
    pub type_id: u8,
    /// Message stream; 0 is the connection itself.
    pub stream_id: u32,
    /// Payload.
    pub payload: Bytes,
}

/// The chunk streams that we send on, one per kind of message.
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
    /// Smallest number of a chunk stream.
    pub const MIN: u32 = 2;
    /// Largest number of a chunk stream: the three-byte form ends here.
    pub const MAX: u32 = 65_599;
}

/// Message types (sections 5.4 and 7.1).
pub mod type_id {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message.
    pub const ABORT: u8 = 2;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control: events of a message stream, and pings.
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Set Peer Bandwidth.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Audio: the body of an FLV audio tag.
    pub const AUDIO: u8 = 8;
    /// Video: the body of an FLV video tag.
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
