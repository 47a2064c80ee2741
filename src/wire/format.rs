//! The formats that a live stream is rendered in, once for all players of a format.

/// How frames are laid out for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RTMP chunks of at most `chunk_size` payload bytes, stream 1, full headers, absolute timestamps.
    Rtmp {
        /// The chunk size that was announced to the player.
        chunk_size: u32,
    },
    /// An FLV file without end.
    Flv,
    /// FLV tags, each in a binary WebSocket message (RFC 6455).
    WsFlv,
    /// An MPEG transport stream.
    Ts,
    /// AAC in ADTS frames, sound only.
    Aac,
    /// MP3 frames, sound only.
    Mp3,
}

impl Format {
    /// True if a frame of `kind` has a place in this format.
    pub fn carries(self, kind: crate::media::frame::Kind) -> bool {
        use crate::media::frame::Kind;
        match self {
            Format::Rtmp { .. } | Format::Flv | Format::WsFlv => true,
            Format::Ts => kind != Kind::Data,
            Format::Aac | Format::Mp3 => kind == Kind::Audio,
        }
    }
}
