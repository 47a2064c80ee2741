//! What is inside a media segment: its frames in order, freed from the container.
//!
//! In: the bytes of a segment, and its initialisation section if it has one. Out: frames, or what is wrong
//! with the segment as such.

use super::frame_id::FrameId;
use crate::reader::es;
use crate::reader::flv::Codec;
use crate::reader::fmp4::Movie;
use crate::reader::ts::{Pes, TsReader, Unit, WRAP};
use crate::reader::{Wrong, es::random_access};

/// A frame of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// A picture, not sound.
    pub video: bool,
    /// The container says that decoding may begin here.
    pub key: bool,
    /// When it is decoded, in microseconds on the segment's own timeline.
    pub dts_us: i64,
    /// What it is.
    pub frame_id: FrameId,
}

/// The frames of a segment of a transport stream, pictures and sound each in order.
///
/// # Errors
/// If it is no transport stream, or does not begin with its tables.
pub fn of_transport(bytes: &[u8]) -> Result<Vec<Found>, Wrong> {
    // A table of services may stand before everything else.
    let pids = bytes.chunks(188).map(|packet| packet.get(1..3).map(|pid| (pid[0] & 0x1f, pid[1])));
    if pids.flatten().find(|pid| *pid != SERVICES) != Some(ASSOCIATION) {
        return Err(Wrong::new("it begins with a program association table"));
    }
    let mut reader = TsReader::new();
    let mut units = reader.push(bytes)?;
    units.extend(reader.finish()?);
    let start = units.iter().find_map(|unit| if let Unit::Pes(pes) = unit { Some(pes.dts) } else { None });
    let start = start.ok_or_else(|| Wrong::new("it holds frames"))?;
    let mut found = Vec::new();
    for unit in units {
        let Unit::Pes(pes) = unit else { continue };
        let stream = reader.program().streams.get(&pes.pid).and_then(|stream| stream.codec());
        let codec = stream.ok_or_else(|| Wrong(format!("stream type {:#04x} is not known", pes.kind)))?;
        access_unit(codec, &pes, start, &mut found)?;
    }
    Ok(found)
}

// PIDs in two parts, as they stand in a packet.
const ASSOCIATION: (u8, u8) = (0, 0);
const SERVICES: (u8, u8) = (0, 0x11);

fn access_unit(codec: Codec, pes: &Pes, start: u64, found: &mut Vec<Found>) -> Result<(), Wrong> {
    // Times around the first one, which may be the larger in spite of a wrap between them.
    let since = (pes.dts + WRAP + WRAP / 2 - start) % WRAP;
    let dts_us = (since as i64 - (WRAP / 2) as i64) * 100 / 9;
    let video = codec == Codec::AVC || codec == Codec::HEVC;
    let mut frame =
        |frame_id| found.push(Found { video, key: pes.random_access || !video, dts_us, frame_id });
    match codec {
        Codec::AVC | Codec::HEVC => frame(FrameId::of_byte_stream(codec, &pes.payload)?),
        Codec::AAC => {
            let blocks = es::adts(&pes.payload)?;
            blocks
                .iter()
                .for_each(|block| frame(FrameId::of_bytes(codec, &pes.payload[block.payload.clone()])));
        }
        Codec::OPUS => {
            let packets = es::opus(&pes.payload)?;
            packets.iter().for_each(|packet| frame(FrameId::of_bytes(codec, &pes.payload[packet.clone()])));
        }
        _ => frame(FrameId::of_bytes(codec, &pes.payload)),
    }
    let units = if video { es::byte_stream(&pes.payload)? } else { Vec::new() };
    let intra = units.iter().any(|unit| random_access(codec, &pes.payload[unit.clone()]));
    if intra && !pes.random_access {
        return Err(Wrong::new("a picture to begin at is marked as such"));
    }
    Ok(())
}

/// The frames of a segment of fragmented MP4, pictures and sound each in order.
///
/// # Errors
/// If it is no such segment, or names tracks that the initialisation section does not have.
pub fn of_fragments(movie: &Movie, bytes: &[u8]) -> Result<Vec<Found>, Wrong> {
    let samples = movie.samples(bytes)?;
    let mut found = Vec::new();
    for sample in samples {
        let track = &movie.tracks[&sample.track];
        let at = if track.codec == Codec::HEVC { 21 } else { 4 };
        let lengths = track.config.get(at).map_or(4, |byte| usize::from(byte & 3) + 1);
        let us = i128::from(sample.dts) * 1_000_000 / i128::from(track.timescale);
        let payload = &bytes[sample.payload.clone()];
        found.push(Found {
            video: track.video,
            key: sample.key,
            dts_us: i64::try_from(us).map_err(|_| Wrong::new("a time out of all bounds"))?,
            frame_id: FrameId::of_sample(track.codec, payload, lengths),
        });
    }
    Ok(found)
}
