//! The formats that a live stream is rendered in, once for all players of a format.

use crate::media::frame::{Codec, Track, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::wire::ts;
use serde::{Deserialize, Serialize};

/// How frames are laid out for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// [`Format::Flv`] in HTTP chunks (RFC 9112, 7.1).
    FlvChunked,
    /// [`Format::Ts`] in HTTP chunks.
    TsChunked,
    /// [`Format::Aac`] in HTTP chunks.
    AacChunked,
    /// [`Format::Mp3`] in HTTP chunks.
    Mp3Chunked,
}

impl Format {
    /// The same in HTTP chunks, by which a client can tell the end of a stream from a broken connection.
    /// Formats that are no response body stay what they are.
    pub fn chunked(self) -> Format {
        match self {
            Format::Flv => Format::FlvChunked,
            Format::Ts => Format::TsChunked,
            Format::Aac => Format::AacChunked,
            Format::Mp3 => Format::Mp3Chunked,
            other => other,
        }
    }

    /// What is in the HTTP chunks; formats without any stay what they are.
    pub fn bare(self) -> Format {
        match self {
            Format::FlvChunked => Format::Flv,
            Format::TsChunked => Format::Ts,
            Format::AacChunked => Format::Aac,
            Format::Mp3Chunked => Format::Mp3,
            other => other,
        }
    }

    /// True if it comes in HTTP chunks.
    pub fn is_chunked(self) -> bool {
        self != self.bare()
    }

    /// True if a frame of `kind` has a place in this format.
    pub fn carries(self, kind: TrackKind) -> bool {
        match self.bare() {
            Format::Ts => kind != TrackKind::Data,
            Format::Aac | Format::Mp3 => kind == TrackKind::Audio,
            _ => true,
        }
    }

    /// True if a player of this format gets what it may expect of a stream with this info: the default
    /// tracks, and at least one. Further tracks are left out where they have no place.
    pub fn suits(self, stream_info: &StreamInfo) -> bool {
        let (picture, sound) = (stream_info.track(Track::VIDEO), stream_info.track(Track::AUDIO));
        let sound_is = |codec| sound.is_some_and(|info| info.codec == codec && ts::has_place(info));
        match self.bare() {
            Format::Ts => {
                let mut defaults = picture.iter().chain(&sound).peekable();
                defaults.peek().is_some() && defaults.all(|info| ts::has_place(info))
            }
            // ADTS is what a transport stream holds too.
            Format::Aac => sound_is(Codec::Aac),
            Format::Mp3 => sound_is(Codec::Mp3),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;
    use crate::config::FORMATS;

    /// Its number, to be counted on from the last.
    fn number(format: Format) -> u64 {
        match format {
            Format::Rtmp { .. } => 0,
            Format::Flv => 1,
            Format::WsFlv => 2,
            Format::Ts => 3,
            Format::Aac => 4,
            Format::Mp3 => 5,
            Format::FlvChunked => 6,
            Format::TsChunked => 7,
            Format::AacChunked => 8,
            Format::Mp3Chunked => 9,
        }
    }

    #[test]
    fn the_memory_bound_counts_every_format() {
        let bare = [Format::Rtmp { chunk_size: 4096 }, Format::WsFlv];
        let bodies = [Format::Flv, Format::Ts, Format::Aac, Format::Mp3];
        let mut numbers: Vec<u64> =
            bare.into_iter().chain(bodies).chain(bodies.map(Format::chunked)).map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..FORMATS).collect::<Vec<_>>());
    }
}
