//! The common part of audio and video bodies of enhanced RTMP: modifiers, FourCC, multitrack.
//!
//! ```text
//! ModEx*    size-1  data  type:4 packet:4        any number of them
//! plain     fourcc  body
//! one       0:4 packet:4  fourcc  track  body
//! many      1:4 packet:4  fourcc  (track size:24 body)*
//! codecs    2:4 packet:4  (fourcc track size:24 body)*
//! ```

use super::codes::{codec_of, packet, take, take_array, u24};
use super::error::FlvError;
use crate::media::frame::{Codec, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::Bytes;

/// The part of a body that is about one track.
pub struct Packet {
    pub track: Track,
    pub codec: Codec,
    pub packet_type: u8,
    pub body: Bytes,
}

/// Most tracks in one body: ids have 8 bits.
const TRACKS_MAX: usize = 256;

/// Takes all modifiers from the front of `body`, which begins after its first byte. Returns the packet type
/// that they modify and the time that they add to `dts`. Unknown modifiers are skipped.
///
/// # Errors
///
/// If the body is truncated.
pub fn take_modifiers(
    body: &mut Bytes,
    mut packet_type: u8,
    mut dts: Timestamp,
) -> Result<(u8, Timestamp), FlvError> {
    let whole_ms = dts;
    while packet_type == packet::MOD_EX {
        let [size] = take_array(body)?;
        let size = match size {
            0xff => usize::from(u16::from_be_bytes(take_array(body)?)) + 1,
            size => usize::from(size) + 1,
        };
        let data = take(body, size)?;
        let [kind] = take_array(body)?;
        packet_type = kind & 0x0f;
        if kind >> 4 == TIMESTAMP_OFFSET_NANO {
            let nanos = u24(*data.first_chunk().ok_or(FlvError::Truncated)?);
            dts = whole_ms + i64::from(nanos.min(NANOS_MAX) / 1000);
        }
    }
    Ok((packet_type, dts))
}

/// Calls `each` for every track in `body`, which begins after the modifiers.
///
/// # Errors
///
/// If the body is malformed, or what `each` returns.
pub fn for_each_track(
    kind: TrackKind,
    mut body: Bytes,
    packet_type: u8,
    mut each: impl FnMut(Packet) -> Result<(), FlvError>,
) -> Result<(), FlvError> {
    let multitrack =
        if kind == TrackKind::Video { packet::VIDEO_MULTITRACK } else { packet::AUDIO_MULTITRACK };
    if packet_type != multitrack {
        let codec = codec_of(take_array(&mut body)?, kind)?;
        return each(Packet { track: Track { kind, id: 0 }, codec, packet_type, body });
    }
    let [mode] = take_array(&mut body)?;
    let (mode, packet_type) = (mode >> 4, mode & 0x0f);
    if packet_type == multitrack || packet_type == packet::MOD_EX {
        return Err(FlvError::PacketType(packet_type));
    }
    let shared_codec = match mode {
        ONE_TRACK | MANY_TRACKS => Some(codec_of(take_array(&mut body)?, kind)?),
        MANY_TRACKS_MANY_CODECS => None,
        unknown => return Err(FlvError::Multitrack(unknown)),
    };
    for _ in 0..TRACKS_MAX {
        let codec = match shared_codec {
            Some(codec) => Ok(codec),
            None => codec_of(take_array(&mut body)?, kind),
        };
        let [id] = take_array(&mut body)?;
        let track = Track { kind, id };
        if mode == ONE_TRACK {
            return each(Packet { track, codec: codec?, packet_type, body });
        }
        let size = u24(take_array(&mut body)?);
        let track_body = take(&mut body, size as usize)?;
        // A track of an unknown codec must not hide the others.
        if let Ok(codec) = codec {
            each(Packet { track, codec, packet_type, body: track_body })?;
        }
        if body.is_empty() {
            return Ok(());
        }
    }
    Err(FlvError::TooManyTracks)
}

const ONE_TRACK: u8 = 0;
const MANY_TRACKS: u8 = 1;
const MANY_TRACKS_MANY_CODECS: u8 = 2;
const TIMESTAMP_OFFSET_NANO: u8 = 0;
const NANOS_MAX: u32 = 999_999;
