//! Renders frames in a format, in order, once for all players of that format.
//!
//! In: stream info and frames, as a ring holds them. Out: bytes, one piece per frame, made with one
//! allocation, or the payload as it is with what stands around it, made with none. Timestamps are those of
//! the frames: milliseconds of the stream's timeline in FLV and RTMP, where they wrap after 32 bits. Never:
//! knows a player. What a player needs to start is the same for all that start at the same frame.

use crate::base::short::Short;
use crate::media::codec::aac::{ADTS_HEADER_BYTES, AacConfig, adts_header};
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::media::timestamp::Timestamp;
use crate::wire::format::{Container, Format, Framing};
use crate::wire::rtmp::chunk::{self, cid};
use crate::wire::{flv, http1, ts, websocket};
use bytes::{Bytes, BytesMut};
pub use parts::Parts;
use serde::{Deserialize, Serialize};

mod parts;

/// Renders one stream in one format.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renderer {
    format: Format,
    /// Configuration of the audio track, and the number of the stream info that it is from.
    aac: Option<(u64, Option<AacConfig>)>,
    /// Counters and tables of a transport stream.
    ts: ts::Muxer,
}

impl Renderer {
    /// A renderer before the first frame.
    pub fn new(format: Format) -> Self {
        Renderer { format, aac: None, ts: ts::Muxer::new() }
    }

    /// The bytes that begin the stream of a player. `stream_info` is the one in force where the player
    /// starts.
    pub fn file_head(&self, stream_info: &StreamInfo) -> Bytes {
        let head = flv::FileHead {
            audio: stream_info.has(TrackKind::Audio),
            video: stream_info.has(TrackKind::Video),
        }
        .emit();
        let mut out = BytesMut::new();
        match self.format {
            Format { container: Container::Flv, framing: Framing::Rtmp { .. } } => return Bytes::new(),
            Format { container: Container::Flv, framing: Framing::WebSocket } => {
                websocket::put_binary_head(&mut out, head.len());
            }
            Format { container: Container::Flv, .. } => {}
            Format { container: Container::Ts | Container::Aac | Container::Mp3, .. } => {
                return Bytes::new();
            }
        }
        out.extend_from_slice(&head);
        self.framed(out.freeze())
    }

    /// What a player needs before the frame at `at`: metadata, then for each track its configuration and what
    /// else is known about it, with the timestamp `at`. Empty in formats whose frames can be decoded alone.
    pub fn preamble(&mut self, stream_info: &StreamInfo, at: Timestamp) -> Bytes {
        if self.format.container != Container::Flv {
            return Bytes::new();
        }
        let mut out = BytesMut::new();
        // Configurations have no decoding time: whole milliseconds avoid a nanosecond modifier.
        let dts = Timestamp::from_millis(at.as_millis());
        for frame in preamble_frames(stream_info) {
            let framing = match self.format.framing {
                // All of them are one chunk.
                Framing::HttpChunks => Framing::Bare,
                framing => framing,
            };
            put_flv(&mut out, framing, &Frame { dts, ..frame.clone() });
        }
        self.framed(out.freeze())
    }

    /// Renders a frame; empty if it has no place in this format. `stream_info` is the one in force at the
    /// frame.
    pub fn frame(&mut self, frame: &Frame, stream_info: &StreamInfo) -> Bytes {
        if let Some(parts) = self.parts(frame, stream_info) {
            return parts.to_bytes();
        }
        let mut out = BytesMut::new();
        match self.format.container {
            // It is longer than a chunk, or has no place there.
            Container::Flv => put_flv(&mut out, self.format.framing, frame),
            Container::Ts => {
                out.reserve(ts::len_hint(frame));
                self.ts.frame(frame, stream_info, &mut out);
                return self.framed(out.freeze());
            }
            Container::Aac | Container::Mp3 => {}
        }
        out.freeze()
    }

    /// The frame's own payload and what stands around it in this format. `None` if the payload does not stand
    /// there in one piece, or the frame has no place there: [`Renderer::frame`] tells.
    pub fn parts(&mut self, frame: &Frame, stream_info: &StreamInfo) -> Option<Parts> {
        let Format { container, framing } = self.format;
        match container {
            Container::Flv => flv_parts(framing, frame),
            Container::Aac => {
                let head = self.adts(frame, stream_info)?;
                Some(Parts::framed(framing, &head, frame.payload.clone(), &[]))
            }
            // MP3 frames have headers of their own.
            Container::Mp3 => {
                let sound = is_sound_of(frame, Codec::Mp3) && !frame.payload.is_empty();
                sound.then(|| Parts::framed(framing, &[], frame.payload.clone(), &[]))
            }
            Container::Ts => None,
        }
    }

    /// True if a player can start at the frame that was rendered last.
    pub fn is_entry(&self) -> bool {
        self.format.container != Container::Ts || self.ts.is_entry()
    }

    /// Adds the framing. An empty HTTP chunk would end the response.
    fn framed(&self, bytes: Bytes) -> Bytes {
        match self.format.framing {
            Framing::HttpChunks if !bytes.is_empty() => http1::chunk(&bytes),
            // Each FLV tag is in a message already.
            Framing::WebSocket if !bytes.is_empty() && self.format.container != Container::Flv => {
                let mut out = BytesMut::with_capacity(websocket::head_bytes(bytes.len()) + bytes.len());
                websocket::put_binary_head(&mut out, bytes.len());
                out.extend_from_slice(&bytes);
                out.freeze()
            }
            Framing::Bare | Framing::HttpChunks | Framing::WebSocket | Framing::Rtmp { .. } => bytes,
        }
    }

    /// The ADTS header of an AAC frame. `None` if it is another frame, or ADTS cannot express its
    /// configuration.
    fn adts(&mut self, frame: &Frame, stream_info: &StreamInfo) -> Option<[u8; ADTS_HEADER_BYTES]> {
        if !is_sound_of(frame, Codec::Aac) {
            return None;
        }
        if self.aac.as_ref().is_none_or(|(number, _)| *number != stream_info.number) {
            let config = stream_info.track(Track::AUDIO).and_then(|info| info.config.as_ref());
            let config = config.and_then(|frame| AacConfig::parse(&frame.payload).ok());
            self.aac = Some((stream_info.number, config));
        }
        let (_, config) = self.aac.as_ref()?;
        adts_header(config.as_ref()?, frame.payload.len())
    }
}

/// The frames that a player needs first: metadata, where players read what to expect; then each track's
/// configuration before what else is known about it, as OBS and FFmpeg send them.
fn preamble_frames(stream_info: &StreamInfo) -> impl Iterator<Item = &Frame> {
    let tracks = stream_info
        .tracks
        .iter()
        .flat_map(|(track, info)| info.config.iter().chain(stream_info.video_info.get(track)));
    stream_info.metadata.iter().chain(tracks)
}

/// Appends a frame as an FLV tag, or its body as an RTMP message. Appends nothing if the frame has no place
/// in FLV, or is longer than the 24 bits of a length allow.
fn put_flv(out: &mut BytesMut, framing: Framing, frame: &Frame) {
    if let Some(parts) = flv_parts(framing, frame) {
        return parts.put(out);
    }
    let Framing::Rtmp { chunk_size } = framing else { return };
    let Some(Body { head, len, timestamp_ms, tag }) = Body::of(frame) else { return };
    let cid = chunk_stream(frame.track.kind);
    out.reserve(chunk::message_len(chunk_size, cid, timestamp_ms, len));
    let body = [&*head, &*frame.payload];
    chunk::write_parts(out, chunk_size, cid, timestamp_ms, tag, MESSAGE_STREAM, &body);
}

/// A frame as an FLV tag, or its body as an RTMP message. `None` if it has no place in FLV, is longer than
/// the 24 bits of a length allow, or longer than one chunk.
fn flv_parts(framing: Framing, frame: &Frame) -> Option<Parts> {
    let Body { head, len, timestamp_ms, tag } = Body::of(frame)?;
    let payload = frame.payload.clone();
    if let Framing::Rtmp { chunk_size } = framing {
        let cid = chunk_stream(frame.track.kind);
        let header =
            |out: &mut &mut [u8]| chunk::write_header(out, cid, timestamp_ms, tag, MESSAGE_STREAM, len);
        return (len <= chunk_size as usize).then(|| Parts::message(header, &head, payload));
    }
    let mut begin: Short<{ flv::TAG_HEAD_BYTES + flv::HEAD_BYTES_MAX }> = Short::default();
    begin.put(&flv::TagHead { tag, len, timestamp_ms }.emit());
    begin.put(&head);
    let size = ((flv::TAG_HEAD_BYTES + len) as u32).to_be_bytes();
    Some(Parts::framed(framing, &begin, payload, &size))
}

/// The body of a tag or message: what precedes the payload, and what its header tells.
struct Body {
    head: flv::Head,
    /// Length of the body in bytes.
    len: usize,
    timestamp_ms: u32,
    /// Type of the tag and the message.
    tag: u8,
}

impl Body {
    /// The body of a frame. `None` if it has no place in FLV or is too long for it.
    fn of(frame: &Frame) -> Option<Body> {
        let head = flv::body_head(frame)?;
        let len = head.len() + frame.payload.len();
        // Both protocols have 32 bits for the time, and players expect it to wrap. Metadata is about the
        // whole stream: with a timestamp, FFmpeg takes it for the first line of a subtitle track.
        let timestamp_ms = if frame.kind == FrameKind::Metadata { 0 } else { frame.dts.as_millis() as u32 };
        let tag = flv::tag_type(frame.track.kind);
        (len <= flv::BODY_BYTES_MAX).then_some(Body { head, len, timestamp_ms, tag })
    }
}

/// The chunk stream of a track.
fn chunk_stream(kind: TrackKind) -> u32 {
    match kind {
        TrackKind::Video => cid::VIDEO,
        TrackKind::Audio => cid::AUDIO,
        TrackKind::Data => cid::DATA,
    }
}

/// True for a frame of the default audio track in this codec.
fn is_sound_of(frame: &Frame, codec: Codec) -> bool {
    frame.track == Track::AUDIO && frame.codec == codec && frame.is_media()
}

/// The message stream of all players.
const MESSAGE_STREAM: u32 = 1;

#[cfg(test)]
mod tests;
