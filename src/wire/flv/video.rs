//! Video bodies to frames: AVC and the old codecs by id, all others by FourCC (E-RTMP).

use super::codes::{frame, frame_type, legacy, packet, take, take_array, u24};
use super::enhanced::{self, Packet};
use super::error::FlvError;
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::Bytes;

/// Parses a video body. Same contract as [`super::parse`].
///
/// # Errors
///
/// As [`super::parse`].
pub fn parse_video(mut body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    if body.is_empty() {
        return Ok(());
    }
    let [first] = take_array(&mut body)?;
    let before = frames.len();
    let parsed = match first & EX_HEADER {
        0 => parse_legacy(first, body, dts).map(|frame| frames.extend(frame)),
        _ => parse_ex(first, body, dts, frames),
    };
    parsed.inspect_err(|_| frames.truncate(before))
}

fn parse_legacy(first: u8, mut body: Bytes, dts: Timestamp) -> Result<Option<Frame>, FlvError> {
    let (frame_type, codec_id) = (first >> 4, first & 0x0f);
    if frame_type == frame_type::COMMAND {
        // "Start/end of client-side seeking": from a server to a player.
        return Ok(None);
    }
    let kind = coded_role(frame_type);
    let codec = match codec_id {
        legacy::AVC => Codec::H264,
        legacy::HEVC => Codec::H265,
        other => {
            let frame = frame(Track::VIDEO, Codec::FlvVideo(other), kind, dts, body);
            return Ok(Some(frame).filter(|frame| !frame.payload.is_empty()));
        }
    };
    let [packet_type] = take_array(&mut body)?;
    if packet_type == packet::SEQUENCE_END {
        return Ok(Some(frame(Track::VIDEO, codec, FrameKind::End, dts, Bytes::new())));
    }
    let cts = composition_time(&mut body)?;
    let kind = match packet_type {
        packet::SEQUENCE_START => FrameKind::Config,
        packet::CODED_FRAMES => kind,
        unknown => return Err(FlvError::PacketType(unknown)),
    };
    let frame = frame(Track::VIDEO, codec, kind, dts, body);
    let cts = if kind == FrameKind::Config { 0 } else { cts };
    Ok(Some(Frame { cts, ..frame }).filter(|frame| !frame.payload.is_empty()))
}

fn parse_ex(first: u8, mut body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    let frame_type = first >> 4 & 0b111;
    let (packet_type, dts) = enhanced::take_modifiers(&mut body, first & 0x0f, dts)?;
    // "frameType is ignored if videoPacketType is VideoPacketType.MetaData"
    if frame_type == frame_type::COMMAND && packet_type != packet::VIDEO_METADATA {
        return Ok(());
    }
    enhanced::for_each_track(TrackKind::Video, body, packet_type, |packet| {
        frames.extend(parse_packet(packet, coded_role(frame_type), dts)?);
        Ok(())
    })
}

fn parse_packet(packet: Packet, coded: FrameKind, dts: Timestamp) -> Result<Option<Frame>, FlvError> {
    let Packet { track, codec, packet_type, mut body } = packet;
    let mut cts = 0;
    let kind = match packet_type {
        packet::SEQUENCE_START => {
            if matches!(codec, Codec::Vp8 | Codec::Vp9) && body.starts_with(&VPCC_VERSION_FLAGS) {
                take(&mut body, VPCC_VERSION_FLAGS.len())?;
            }
            FrameKind::Config
        }
        packet::SEQUENCE_END => return Ok(Some(frame(track, codec, FrameKind::End, dts, Bytes::new()))),
        packet::CODED_FRAMES | packet::CODED_FRAMES_X => {
            if packet_type == packet::CODED_FRAMES && has_composition_time(codec) {
                cts = composition_time(&mut body)?;
            }
            coded
        }
        packet::VIDEO_METADATA => FrameKind::VideoInfo,
        packet::VIDEO_MPEG2TS_SEQUENCE_START if codec == Codec::Av1 => {
            body = Bytes::copy_from_slice(&av1_config(&body)?);
            FrameKind::Config
        }
        unknown => return Err(FlvError::PacketType(unknown)),
    };
    let frame = frame(track, codec, kind, dts, body);
    Ok(Some(Frame { cts, ..frame }).filter(|frame| !frame.payload.is_empty()))
}

/// True for codecs whose `CodedFrames` carry a composition time (E-RTMP, ExVideoTagBody).
pub(super) fn has_composition_time(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265)
}

fn coded_role(frame_type: u8) -> FrameKind {
    match frame_type {
        frame_type::KEY | frame_type::GENERATED_KEY => FrameKind::Key,
        _ => FrameKind::Inter,
    }
}

/// A signed number of 24 bits, in milliseconds; returned in microseconds.
fn composition_time(body: &mut Bytes) -> Result<i32, FlvError> {
    let ms = (u24(take_array(body)?) << 8).cast_signed() >> 8;
    Ok(ms.saturating_mul(1000))
}

/// The first four bytes of an AV1CodecConfigurationRecord from an AV1 video descriptor (AV1 in MPEG-2 TS,
/// 2.2). Both are alike but for the two HDR bits of the descriptor, which are reserved in the record.
fn av1_config(descriptor: &[u8]) -> Result<[u8; 4], FlvError> {
    match *descriptor {
        [0x80, 4, marker_version @ 0x81, b1, b2, b3, ..] => Ok([marker_version, b1, b2, b3 & 0x1f]),
        _ => Err(FlvError::Config("AV1 video descriptor")),
    }
}

/// Set in the first byte of a body with a FourCC.
pub(super) const EX_HEADER: u8 = 0x80;

/// Version and flags of the box in which ISOBMFF files keep a VPCodecConfigurationRecord. FFmpeg and the
/// reference player of E-RTMP count them to the record. (A record never begins so: it would mean 0 bits.)
pub(super) const VPCC_VERSION_FLAGS: [u8; 4] = [1, 0, 0, 0];
