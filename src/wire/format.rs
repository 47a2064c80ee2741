//! The formats that a live stream is rendered in, once for all players of a format: what a player reads, and
//! how it travels.
//!
//! A container is one row of [`ROWS`] and a branch in [`crate::wire::render`]; it then comes in every framing
//! that the row offers.

use crate::media::frame::{Codec, Track, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::status::ClientKind;
use crate::wire::ts;
use serde::{Deserialize, Serialize};

/// How frames are laid out for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// What the player reads.
    pub container: Container,
    /// What the container's bytes travel in.
    pub framing: Framing,
}

/// What a player reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Container {
    /// FLV: a file without end, or its tags one by one.
    Flv,
    /// An MPEG transport stream.
    Ts,
    /// AAC in ADTS frames, sound only.
    Aac,
    /// MP3 frames, sound only.
    Mp3,
}

/// What the bytes of a container travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Nothing: the end of the connection is the end of the stream.
    Bare,
    /// HTTP chunks (RFC 9112, 7.1), by which a client can tell the end of a stream from a broken connection.
    HttpChunks,
    /// Binary WebSocket messages (RFC 6455); of FLV, one for each tag.
    WebSocket,
    /// RTMP chunks of at most `chunk_size` payload bytes, stream 1, full headers, absolute timestamps. FLV
    /// only, whose tags' bodies are the bodies of RTMP's messages.
    Rtmp {
        /// The chunk size that was announced to the player.
        chunk_size: u32,
    },
}

/// What there is to know of a container.
struct Row {
    container: Container,
    /// Behind the stream's name in a URL, without the dot.
    extension: &'static str,
    /// `Content-Type`.
    content_type: &'static str,
    /// The kinds of tracks that have a place in it.
    carries: &'static [TrackKind],
    /// A client that plays it as an HTTP response.
    http: ClientKind,
    /// A client that plays it on a WebSocket, if it is offered so.
    web_socket: Option<ClientKind>,
}

/// All containers, in the order of [`Container`].
const ROWS: [Row; 4] = [
    Row {
        container: Container::Flv,
        extension: "flv",
        content_type: "video/x-flv",
        carries: &[TrackKind::Video, TrackKind::Audio, TrackKind::Data],
        http: ClientKind::FlvPlay,
        web_socket: Some(ClientKind::WsFlvPlay),
    },
    Row {
        container: Container::Ts,
        extension: "ts",
        content_type: "video/mp2t",
        carries: &[TrackKind::Video, TrackKind::Audio],
        http: ClientKind::TsPlay,
        web_socket: None,
    },
    Row {
        container: Container::Aac,
        extension: "aac",
        content_type: "audio/aac",
        carries: &[TrackKind::Audio],
        http: ClientKind::AacPlay,
        web_socket: None,
    },
    Row {
        container: Container::Mp3,
        extension: "mp3",
        content_type: "audio/mpeg",
        carries: &[TrackKind::Audio],
        http: ClientKind::Mp3Play,
        web_socket: None,
    },
];

impl Container {
    /// The container that an extension in a URL means, without the dot.
    pub fn of_extension(extension: &str) -> Option<Container> {
        ROWS.iter().find(|row| row.extension == extension).map(|row| row.container)
    }

    /// The container that a `Content-Type` without parameters means.
    pub fn of_content_type(content_type: &str) -> Option<Container> {
        ROWS.iter().find(|row| row.content_type == content_type).map(|row| row.container)
    }

    /// Its extension in a URL, without the dot.
    pub fn extension(self) -> &'static str {
        self.row().extension
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        self.row().content_type
    }

    /// The format that it is without framing.
    pub const fn bare(self) -> Format {
        self.framed(Framing::Bare)
    }

    /// The format that it is in a framing.
    pub const fn framed(self, framing: Framing) -> Format {
        Format { container: self, framing }
    }

    /// True if it is offered on a WebSocket.
    pub fn has_web_socket(self) -> bool {
        self.row().web_socket.is_some()
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

impl Format {
    /// What is sent to RTMP players in chunks of at most `chunk_size` payload bytes.
    pub const fn rtmp(chunk_size: u32) -> Format {
        Container::Flv.framed(Framing::Rtmp { chunk_size })
    }

    /// What a client that plays it is.
    pub fn client_kind(self) -> ClientKind {
        let row = self.container.row();
        match self.framing {
            Framing::Rtmp { .. } => ClientKind::RtmpPlay,
            Framing::WebSocket => row.web_socket.unwrap_or(row.http),
            Framing::Bare | Framing::HttpChunks => row.http,
        }
    }

    /// True if a frame of `kind` has a place in this format.
    pub fn carries(self, kind: TrackKind) -> bool {
        self.container.row().carries.contains(&kind)
    }

    /// True if a player of this format gets what it may expect of a stream with this stream info: the
    /// default tracks, and at least one. Further tracks are left out where they have no place.
    pub fn suits(self, stream_info: &StreamInfo) -> bool {
        let (picture, sound) = (stream_info.track(Track::VIDEO), stream_info.track(Track::AUDIO));
        let sound_is = |codec| sound.is_some_and(|info| info.codec == codec && ts::has_place(info));
        match self.container {
            Container::Flv => true,
            Container::Ts => {
                let mut defaults = picture.iter().chain(&sound).peekable();
                defaults.peek().is_some() && defaults.all(|info| ts::has_place(info))
            }
            // ADTS is what a transport stream holds too.
            Container::Aac => sound_is(Codec::Aac),
            Container::Mp3 => sound_is(Codec::Mp3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Container, ROWS};
    use crate::config::FORMATS;

    #[test]
    fn rows_stand_in_the_order_of_containers_and_differ() {
        for row in &ROWS {
            assert_eq!(row.container.row().extension, row.extension);
            assert_eq!(Container::of_extension(row.extension), Some(row.container));
            assert_eq!(Container::of_content_type(row.content_type), Some(row.container));
        }
    }

    #[test]
    fn the_memory_bound_counts_every_format() {
        let web_sockets = ROWS.iter().filter(|row| row.web_socket.is_some()).count();
        // RTMP; each container as a response with and without chunks; some on a WebSocket.
        assert_eq!(FORMATS, (1 + 2 * ROWS.len() + web_sockets) as u64);
    }
}
