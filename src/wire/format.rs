//! The formats that a live stream is rendered in, once for all players of a format: a container in a framing.
//!
//! A new container is one row of `ROWS` and one branch in [`crate::wire::render`]; it is then available in
//! the framings that the row offers.

use crate::media::frame::{Codec, Track, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::status::ClientKind;
use crate::wire::ts;
use serde::{Deserialize, Serialize};

/// How frames are rendered for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// What the player parses.
    pub container: Container,
    /// How the bytes of the container are transported.
    pub framing: Framing,
}

/// What a player parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Container {
    /// FLV: an endless file, or its tags one by one.
    Flv,
    /// An MPEG transport stream.
    Ts,
    /// AAC in ADTS frames, sound only.
    Aac,
    /// MP3 frames, sound only.
    Mp3,
}

/// How the bytes of a container are transported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// As they are: the end of the connection is the end of the stream.
    Bare,
    /// HTTP chunks (RFC 9112, 7.1), by which a client can tell the end of the stream from a broken
    /// connection.
    HttpChunks,
    /// Binary WebSocket messages (RFC 6455); one per tag for FLV.
    WebSocket,
    /// RTMP chunks of at most `chunk_size` payload bytes, message stream 1, full headers, absolute
    /// timestamps. For FLV only: the bodies of its tags are the bodies of RTMP's messages.
    Rtmp {
        /// The chunk size that was announced to the player.
        chunk_size: u32,
    },
}

/// Properties of a container.
struct Row {
    container: Container,
    /// Extension in a URL, without the dot.
    extension: &'static str,
    /// `Content-Type`.
    content_type: &'static str,
    /// Kinds of tracks that it can hold.
    carries: &'static [TrackKind],
    /// Kind of a client that plays it as an HTTP response.
    http: ClientKind,
    /// Kind of a client that plays it on a WebSocket; `None`: not offered.
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
    /// All containers.
    pub fn all() -> impl Iterator<Item = Container> {
        ROWS.iter().map(|row| row.container)
    }

    /// The container with this extension, without the dot.
    pub fn of_extension(extension: &str) -> Option<Container> {
        ROWS.iter().find(|row| row.extension == extension).map(|row| row.container)
    }

    /// The container with this `Content-Type`, without parameters.
    pub fn of_content_type(content_type: &str) -> Option<Container> {
        ROWS.iter().find(|row| row.content_type == content_type).map(|row| row.container)
    }

    /// Its extension, without the dot.
    pub fn extension(self) -> &'static str {
        self.row().extension
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        self.row().content_type
    }

    /// The format without framing.
    pub const fn bare(self) -> Format {
        self.framed(Framing::Bare)
    }

    /// The format in a framing.
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
    /// The format for RTMP players, in chunks of at most `chunk_size` payload bytes.
    pub const fn rtmp(chunk_size: u32) -> Format {
        Container::Flv.framed(Framing::Rtmp { chunk_size })
    }

    /// Kind of a client that plays it.
    pub fn client_kind(self) -> ClientKind {
        let row = self.container.row();
        match self.framing {
            Framing::Rtmp { .. } => ClientKind::RtmpPlay,
            Framing::WebSocket => row.web_socket.unwrap_or(row.http),
            Framing::Bare | Framing::HttpChunks => row.http,
        }
    }

    /// True if frames of `kind` have a place in this format.
    pub fn carries(self, kind: TrackKind) -> bool {
        self.container.row().carries.contains(&kind)
    }

    /// True if the stream can be played in this format: its default tracks have a place in it, and there is
    /// at least one. Further tracks are left out where they have no place.
    pub fn suits(self, stream_info: &StreamInfo) -> bool {
        let (picture, sound) = (stream_info.track(Track::VIDEO), stream_info.track(Track::AUDIO));
        let sound_is = |codec| sound.is_some_and(|info| info.codec == codec && ts::has_place(info));
        match self.container {
            Container::Flv => true,
            Container::Ts => {
                let mut defaults = picture.iter().chain(&sound).peekable();
                defaults.peek().is_some() && defaults.all(|info| ts::has_place(info))
            }
            // ADTS holds the AAC that a transport stream holds.
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
