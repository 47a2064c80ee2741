//! What peers say, ready to be put together: a fuzzer that had to find a handshake or a decoder's
//! configuration by itself would find nothing behind it.

use conformance::reader::flv::{AUDIO, DATA, VIDEO};
use conformance::reader::rtmp::{self, Message};
use conformance::reader::{amf::Amf, ws};
use sim::peer::codec::{AudioCodec, VideoCodec};

/// Names of streams.
pub const NAMES: [&str; 3] = ["a", "b", "a?token=x"];

/// From the first byte of a connection to a chunk size that nothing outgrows.
pub fn rtmp_begin() -> Vec<u8> {
    let mut bytes = rtmp::handshake();
    bytes.extend(Message::set_chunk_size(CHUNK_SIZE).chunks(128));
    bytes.extend(rtmp::connect("live").chunks(CHUNK_SIZE as usize));
    bytes.extend(rtmp::create_stream().chunks(CHUNK_SIZE as usize));
    bytes
}

/// The chunk size that [`rtmp_begin`] sets.
pub const CHUNK_SIZE: u32 = 60_000;

/// One of the commands that clients send, about stream `name`.
pub fn command(which: u8, name: &str) -> Message {
    let with = |stream: u32, command: &str, rest: &[Amf]| {
        let head = [Amf::text(command), Amf::Number(4.0), Amf::Null];
        Message::command(stream, &[&head[..], rest].concat())
    };
    match which % 16 {
        0..=2 => rtmp::publish(name),
        3..=5 => rtmp::play(name),
        6 => with(0, "deleteStream", &[Amf::Number(1.0)]),
        7 => with(1, "closeStream", &[]),
        8 => with(0, "FCUnpublish", &[Amf::text(name)]),
        9 => with(0, "releaseStream", &[Amf::text(name)]),
        10 => with(1, "pause", &[Amf::Boolean(which & 16 == 0), Amf::Number(0.0)]),
        11 => with(1, "receiveVideo", &[Amf::Boolean(which & 16 == 0)]),
        12 => with(1, "seek", &[Amf::Number(0.0)]),
        13 => rtmp::connect("other"),
        14 => rtmp::create_stream(),
        _ => with(1, "play2", &[Amf::Object(vec![("streamName".to_owned(), Amf::text(name))])]),
    }
}

/// A media message: a configuration, a key picture, another picture or sound, of one of the codecs, with
/// `content` inside.
pub fn media(which: u8, timestamp: u32, content: &[u8]) -> Message {
    let video =
        [VideoCodec::Avc, VideoCodec::Hevc, VideoCodec::Av1, VideoCodec::Avc][usize::from(which >> 4 & 3)];
    let audio = [AudioCodec::Aac, AudioCodec::Opus][usize::from(which >> 4 & 1)];
    let edition = u32::from(which >> 6);
    let (kind, body) = match which & 15 {
        0 | 1 => (VIDEO, video.config(edition)),
        2 | 3 => (AUDIO, audio.config(edition)),
        4..=6 => (VIDEO, video.picture(true, edition * 40, content)),
        7..=10 => (VIDEO, video.picture(false, edition * 40, content)),
        11..=13 => (AUDIO, audio.sound(content)),
        14 => (DATA, metadata()),
        _ => (VIDEO, content.to_vec()),
    };
    Message { kind, stream: 1, timestamp, body }
}

fn metadata() -> Vec<u8> {
    let mut body = Vec::new();
    let members = vec![("width".to_owned(), Amf::Number(320.0)), ("encoder".to_owned(), Amf::text("x"))];
    for value in [Amf::text("@setDataFrame"), Amf::text("onMetaData"), Amf::Object(members)] {
        value.write(&mut body);
    }
    body
}

/// A whole request for something of stream `name`.
pub fn request(which: u8, name: &str) -> Vec<u8> {
    let path = match which & 15 {
        0 => format!("/live/{name}.flv"),
        1 => format!("/live/{name}.ts"),
        2 => format!("/live/{name}.aac"),
        3 => format!("/live/{name}.mp3"),
        4 => format!("/live/{name}.m3u8"),
        5 => format!("/live/{name}/index.m3u8"),
        6 => format!("/live/{name}/seg-{}.ts", 1 + u32::from(which >> 4)),
        7 => format!("/live/{name}/init-1.mp4"),
        8 => "/api/v1/streams/".to_owned(),
        9 => "/api/v1/clients/".to_owned(),
        10 => "/metrics".to_owned(),
        11 => "/".to_owned(),
        12 => "/api/v1/versions".to_owned(),
        _ => format!("/live/{name}.flv"),
    };
    let method = ["GET", "HEAD", "OPTIONS", "POST"][usize::from(which >> 6)];
    let more = match which >> 4 & 3 {
        1 => "Connection: close\r\n",
        2 => {
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        3 => "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n",
        _ => "",
    };
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n").into_bytes()
}

/// A frame of a WebSocket client.
pub fn ws_frame(kind: u8, body: &[u8]) -> Vec<u8> {
    ws::frame(kind & 15, body, Some([1, 2, 3, 4]))
}
