//! What the messages of RTMP say.

/// Message types (RTMP 1.0, sections 5.4 and 7.1).
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
