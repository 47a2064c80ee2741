//! The formats that a live stream is rendered in, once for all players of a format.

use crate::media::frame::{Codec, Kind, Track};
use crate::media::headers::Headers;

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
    pub fn carries(self, kind: Kind) -> bool {
        match self {
            Format::Rtmp { .. } | Format::Flv | Format::WsFlv => true,
            Format::Ts => kind != Kind::Data,
            Format::Aac | Format::Mp3 => kind == Kind::Audio,
        }
    }

    /// True if a player of this format gets what it may expect of a stream with these headers: the default
    /// tracks, and at least one. Further tracks are left out where they have no place.
    pub fn suits(self, headers: &Headers) -> bool {
        let defaults = [Track::VIDEO, Track::AUDIO];
        let mut codecs =
            defaults.iter().filter_map(|track| headers.track(*track)).map(|info| info.codec).peekable();
        let sound = headers.track(Track::AUDIO).map(|info| info.codec);
        match self {
            Format::Rtmp { .. } | Format::Flv | Format::WsFlv => true,
            Format::Ts => codecs.peek().is_some() && codecs.all(has_stream_type),
            Format::Aac => sound == Some(Codec::Aac),
            Format::Mp3 => sound == Some(Codec::Mp3),
        }
    }
}

/// True for codecs that players find in an MPEG transport stream.
fn has_stream_type(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265 | Codec::Aac | Codec::Mp3 | Codec::Ac3 | Codec::Eac3)
}
