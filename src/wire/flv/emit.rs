//! Frames to bodies: a head of a few bytes, then the payload unchanged.
//!
//! Default tracks of H.264, AAC, MP3 and the old formats are written in the form that every player since
//! Flash understands; all others by FourCC (E-RTMP), with the least that players need: no composition time
//! for HEVC where it is zero (`CodedFramesX`, known to FFmpeg 6 and mpegts.js), multitrack only for tracks
//! other than the default, a nanosecond offset only where milliseconds do not suffice.

use super::codes::{fourcc, frame_type, legacy, packet};
use super::video::{EX_HEADER, VPCC_VERSION_FLAGS, has_composition_time};
use crate::base::short::Short;
use crate::media::frame::{Codec, Frame, FrameKind, TrackKind};
use bytes::{BufMut, BytesMut};

/// The bytes of a body before the payload.
pub type Head = Short<HEAD_BYTES_MAX>;

/// Appends the body of a frame. Appends nothing if it has no place in FLV, see [`body_head`].
pub fn emit(frame: &Frame, out: &mut BytesMut) {
    if let Some(head) = body_head(frame) {
        out.put_slice(&head);
        out.put_slice(&frame.payload);
    }
}

/// The bytes before the payload of this frame. `None` for what FLV cannot express: the end of a track in an
/// old format other than AVC, or a second track in an old format.
pub fn body_head(frame: &Frame) -> Option<Head> {
    let mut head = Head::default();
    match frame.track.kind {
        TrackKind::Data => {}
        TrackKind::Video => put_video(frame, &mut head)?,
        TrackKind::Audio => put_audio(frame, &mut head)?,
    }
    Some(head)
}

fn put_video(frame: &Frame, head: &mut Head) -> Option<()> {
    let frame_type = match frame.kind {
        FrameKind::Key | FrameKind::Config | FrameKind::End => frame_type::KEY,
        FrameKind::Inter => frame_type::INTER,
        // The frame type does not matter there, and players that do not know enhanced RTMP skip commands. But
        // a multitrack body with that type is a command, whatever it holds.
        FrameKind::VideoInfo if frame.track.id == 0 => frame_type::COMMAND,
        FrameKind::VideoInfo => frame_type::KEY,
        FrameKind::Metadata | FrameKind::Message => return None,
    };
    let plain = frame.track.id == 0 && frame.kind != FrameKind::VideoInfo;
    match frame.codec {
        Codec::H264 if plain => {
            let packet_type = match frame.kind {
                FrameKind::Config => packet::SEQUENCE_START,
                FrameKind::End => packet::SEQUENCE_END,
                _ => packet::CODED_FRAMES,
            };
            head.put(&[frame_type << 4 | legacy::AVC, packet_type]);
            head.put(&composition_time(frame));
            Some(())
        }
        Codec::FlvVideo(id) => {
            let coded = plain && frame.is_media();
            coded.then(|| head.put(&[frame_type << 4 | id & 0x0f]))
        }
        codec => {
            let packet_type = match frame.kind {
                FrameKind::Config => packet::SEQUENCE_START,
                FrameKind::End => packet::SEQUENCE_END,
                FrameKind::VideoInfo => packet::VIDEO_METADATA,
                _ if has_composition_time(codec) && composition_time(frame) == [0; 3] => {
                    packet::CODED_FRAMES_X
                }
                _ => packet::CODED_FRAMES,
            };
            put_ex(frame, EX_HEADER | frame_type << 4, packet_type, packet::VIDEO_MULTITRACK, head)?;
            if packet_type == packet::CODED_FRAMES && has_composition_time(codec) {
                head.put(&composition_time(frame));
            }
            if packet_type == packet::SEQUENCE_START && matches!(codec, Codec::Vp8 | Codec::Vp9) {
                head.put(&VPCC_VERSION_FLAGS);
            }
            Some(())
        }
    }
}

fn put_audio(frame: &Frame, head: &mut Head) -> Option<()> {
    let plain =
        frame.track.id == 0 && matches!(frame.kind, FrameKind::Config | FrameKind::Key | FrameKind::Inter);
    match frame.codec {
        Codec::Aac if plain => {
            let config = frame.kind == FrameKind::Config;
            // "AAC: the sound rate is always 3, the size and type always 1" (E.4.2.1).
            let packet_type = if config { packet::SEQUENCE_START } else { packet::CODED_FRAMES };
            head.put(&[legacy::AAC << 4 | 0x0f, packet_type]);
            Some(())
        }
        Codec::Mp3 if plain => {
            let format = if is_mp3_8k(&frame.payload) { legacy::MP3_8K } else { legacy::MP3 };
            head.put(&[format << 4 | frame.sound & 0x0f]);
            Some(())
        }
        Codec::FlvAudio(format) => plain.then(|| head.put(&[format << 4 | frame.sound & 0x0f])),
        _ => {
            let packet_type = match frame.kind {
                FrameKind::Config => packet::SEQUENCE_START,
                FrameKind::Key | FrameKind::Inter => packet::CODED_FRAMES,
                FrameKind::End => packet::SEQUENCE_END,
                FrameKind::VideoInfo => packet::AUDIO_MULTICHANNEL_CONFIG,
                FrameKind::Metadata | FrameKind::Message => return None,
            };
            put_ex(frame, legacy::EX_HEADER << 4, packet_type, packet::AUDIO_MULTITRACK, head)
        }
    }
}

/// Modifiers, packet type, FourCC and track. The high nibble of the first byte is `first`.
fn put_ex(frame: &Frame, first: u8, packet_type: u8, multitrack: u8, head: &mut Head) -> Option<()> {
    let fourcc = fourcc(frame.codec)?;
    let outer = if frame.track.id == 0 { packet_type } else { multitrack };
    match frame.dts.0.rem_euclid(1000) as u32 {
        0 => head.put(&[first | outer]),
        us => {
            let [_, n0, n1, n2] = (us * 1000).to_be_bytes();
            // Three bytes of offset (size - 1), type 0: TimestampOffsetNano.
            head.put(&[first | packet::MOD_EX, 2, n0, n1, n2, outer]);
        }
    }
    if frame.track.id != 0 {
        head.put(&[packet_type]);
    }
    head.put(&fourcc);
    if frame.track.id != 0 {
        head.put(&[frame.track.id]);
    }
    Some(())
}

/// Composition time in milliseconds, such that decoding and presentation time are both exact to the
/// millisecond.
fn composition_time(frame: &Frame) -> [u8; 3] {
    let ms = frame.pts().as_millis() - frame.dts.as_millis();
    let [_, a, b, c] = (ms.clamp(-0x80_0000, 0x7f_ffff) as i32).to_be_bytes();
    [a, b, c]
}

/// True for an MPEG 2.5 frame header with the rate index of 8 kHz.
fn is_mp3_8k(payload: &[u8]) -> bool {
    matches!(payload, [0xff, b1, b2, ..] if b1 & 0xf8 == 0xe0 && b2 & 0x0c == 0x08)
}

/// First byte, modifier, multitrack, FourCC, track id, composition time or version and flags.
pub const HEAD_BYTES_MAX: usize = 1 + 5 + 1 + 4 + 1 + 4;
