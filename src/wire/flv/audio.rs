//! Audio bodies to frames: AAC, MP3 and the old formats by number, everything else by FourCC (E-RTMP).

use super::codes::{frame, legacy, packet, take_array};
use super::enhanced::{self, Packet};
use super::error::FlvError;
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::Bytes;

/// Parses an audio body. Same contract as [`super::parse`].
///
/// # Errors
///
/// As [`super::parse`].
pub fn parse_audio(mut body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    if body.is_empty() {
        // "Audio silence" (E-RTMP, ExAudioTagHeader): no audio for a while. A live stream needs no such
        // message.
        return Ok(());
    }
    let [first] = take_array(&mut body)?;
    let before = frames.len();
    let parsed = match first >> 4 {
        legacy::EX_HEADER => parse_ex(first, body, dts, frames),
        _ => parse_legacy(first, body, dts).map(|frame| frames.extend(frame)),
    };
    parsed.inspect_err(|_| frames.truncate(before))
}

fn parse_legacy(first: u8, mut body: Bytes, dts: Timestamp) -> Result<Option<Frame>, FlvError> {
    let (format, sound) = (first >> 4, first & 0x0f);
    let (codec, kind) = match format {
        legacy::AAC => match take_array(&mut body)? {
            [packet::SEQUENCE_START] => (Codec::Aac, FrameKind::Config),
            [packet::CODED_FRAMES] => (Codec::Aac, FrameKind::Key),
            [unknown] => return Err(FlvError::PacketType(unknown)),
        },
        legacy::MP3 | legacy::MP3_8K => (Codec::Mp3, FrameKind::Key),
        other => (Codec::FlvAudio(other), FrameKind::Key),
    };
    let frame = frame(Track::AUDIO, codec, kind, dts, body);
    let sound = if codec == Codec::Aac { 0 } else { sound };
    Ok(Some(Frame { sound, ..frame }).filter(|frame| !frame.payload.is_empty()))
}

fn parse_ex(first: u8, mut body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    let (packet_type, dts) = enhanced::take_modifiers(&mut body, first & 0x0f, dts)?;
    enhanced::for_each_track(TrackKind::Audio, body, packet_type, |packet| {
        frames.extend(parse_packet(packet, dts)?);
        Ok(())
    })
}

fn parse_packet(packet: Packet, dts: Timestamp) -> Result<Option<Frame>, FlvError> {
    let Packet { track, codec, packet_type, mut body } = packet;
    let kind = match packet_type {
        packet::SEQUENCE_START => {
            match codec {
                Codec::Opus if body.is_empty() => body = Bytes::from_static(&OPUS_HEAD_DEFAULT),
                Codec::Flac if body.len() == FLAC_STREAMINFO_BYTES => {
                    // FFmpeg sends the bare block.
                    body = [&FLAC_HEAD[..], &body].concat().into();
                }
                Codec::Aac | Codec::Opus | Codec::Flac => {}
                // These have no configuration; some encoders send an empty one all the same.
                _ => return Ok(None),
            }
            FrameKind::Config
        }
        packet::CODED_FRAMES => FrameKind::Key,
        packet::SEQUENCE_END => return Ok(Some(frame(track, codec, FrameKind::End, dts, Bytes::new()))),
        packet::AUDIO_MULTICHANNEL_CONFIG => {
            check_channels(&body)?;
            FrameKind::VideoInfo
        }
        unknown => return Err(FlvError::PacketType(unknown)),
    };
    Ok(Some(frame(track, codec, kind, dts, body)).filter(|frame| !frame.payload.is_empty()))
}

/// Whether a multichannel configuration is complete (E-RTMP, ExAudioTagBody): order, count, then a
/// speaker for each channel (custom order) or 32 flags (native order).
fn check_channels(body: &[u8]) -> Result<(), FlvError> {
    let [order, count, map @ ..] = body else { return Err(FlvError::Truncated) };
    let len = match order {
        0 => 0,
        1 => 4,
        2 => usize::from(*count),
        _ => return Err(FlvError::Config("multichannel configuration")),
    };
    if map.len() < len { Err(FlvError::Truncated) } else { Ok(()) }
}

/// The configuration that an empty Opus sequence start means: mono or stereo, which one stereo decoder plays.
/// An OpusHead (RFC 7845, 5.1) of version 1, two channels, a pre-skip of 312 samples, 48 kHz, no gain, family
/// 0.
const OPUS_HEAD_DEFAULT: [u8; 19] = *b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

/// Length of a STREAMINFO block without its header (RFC 9639, 8.2).
const FLAC_STREAMINFO_BYTES: usize = 34;

/// The marker of a FLAC stream and the header of its STREAMINFO, the last (only) metadata block.
const FLAC_HEAD: [u8; 8] = *b"fLaC\x80\x00\x00\x22";
