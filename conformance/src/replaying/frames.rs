//! The frames that a player got, in any format: times, hashes, and what stood before them.
//!
//! In: tags, a transport stream, or fragments, read by independent parsers. Out: frames. The hash of a frame
//! covers the bytes of its codec without the framing of the container, so that it is the same in FLV, TS and
//! MP4.

use super::hash::hash;
use crate::reader::Wrong;
use crate::reader::es;
use crate::reader::flv::{self, Codec, Tag, What};
use crate::reader::fmp4::Movie;
use crate::reader::ts::{Program, TsReader, Unit};
use std::collections::BTreeMap;

/// A picture or a block of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// A picture; else sound.
    pub video: bool,
    /// Number of the track among those of its kind.
    pub track: u8,
    /// Decoding may begin here.
    pub key: bool,
    /// When it is decoded, in milliseconds, rounded.
    pub dts_ms: i64,
    /// How much later it is shown, in milliseconds, rounded.
    pub later_ms: i64,
    /// Bytes of the codec.
    pub size: usize,
    /// Fingerprint of these bytes.
    pub hash: u32,
}

/// What came, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A frame.
    Frame(Frame),
    /// A configuration, metadata, a program: a line that says what.
    Head(String),
}

/// Reads the tags of one stream, from the first.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// Bytes in front of each NAL unit, by track, once a configuration said so.
    lengths: BTreeMap<u8, usize>,
}

impl Tags {
    /// What a tag shows.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn tag(&mut self, tag: &Tag) -> Result<Vec<Shown>, Wrong> {
        if tag.kind == flv::DATA {
            return Ok(vec![Shown::Head(super::message_lines::data(&tag.body))]);
        }
        let mut shown = Vec::new();
        let video = tag.kind == flv::VIDEO;
        for packet in tag.packets()? {
            let payload = &tag.body[packet.payload.clone()];
            let kind = if video { "video" } else { "audio" };
            let codec = packet.codec;
            let numbered = if packet.track > 0 { format!(" track {}", packet.track) } else { String::new() };
            match packet.what {
                What::Coded => {
                    let length = self.lengths.get(&packet.track).copied().unwrap_or(4);
                    let (size, hash) = own(codec, video, payload, Units::Lengths(length))?;
                    shown.push(Shown::Frame(Frame {
                        video,
                        track: packet.track,
                        key: packet.key,
                        dts_ms: i64::from(tag.timestamp),
                        later_ms: i64::from(packet.composition_ms),
                        size,
                        hash,
                    }));
                }
                What::Config => {
                    if video {
                        self.lengths.extend(length_size(codec, payload).map(|size| (packet.track, size)));
                    }
                    let (len, hash, at) = (payload.len(), hash(payload), tag.timestamp);
                    shown.push(Shown::Head(format!(
                        "{kind}{numbered} {codec} configuration, {len} bytes {hash:08x}, at {at} ms"
                    )));
                }
                What::End => shown.push(Shown::Head(format!("{kind}{numbered} {codec} ends"))),
                What::Info => shown.push(Shown::Head(format!("{kind}{numbered} {codec} information"))),
            }
        }
        Ok(shown)
    }
}

/// How NAL units are told apart.
#[derive(Clone, Copy)]
enum Units {
    Lengths(usize),
    StartCodes,
}

/// Size and fingerprint of what is the codec's own.
fn own(codec: Codec, video: bool, payload: &[u8], units: Units) -> Result<(usize, u32), Wrong> {
    // A temporal delimiter says nothing, and MP4 leaves it out (AV1 in ISOBMFF, 2.4).
    let payload = match payload {
        [0x12, 0, rest @ ..] if codec == Codec::AV1 => rest,
        payload => payload,
    };
    if !video || ![Codec::AVC, Codec::HEVC].contains(&codec) {
        return Ok((payload.len(), hash(payload)));
    }
    let ranges = match units {
        Units::Lengths(size) => es::length_prefixed(payload, size)?,
        Units::StartCodes => es::byte_stream(payload)?,
    };
    let mut bytes = Vec::new();
    for range in ranges {
        let unit = &payload[range];
        if es::picture(codec, unit) {
            // A unit ends before its zeros in a byte stream; the marks keep units apart.
            let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
            bytes.extend_from_slice(&unit[..unit.len() - zeros]);
            bytes.extend([0, 0, 1]);
        }
    }
    Ok((bytes.len(), hash(&bytes)))
}

/// How many bytes stand in front of a NAL unit (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).
fn length_size(codec: Codec, config: &[u8]) -> Option<usize> {
    let byte = match codec {
        Codec::AVC => config.get(4)?,
        Codec::HEVC => config.get(21)?,
        _ => return None,
    };
    Some(usize::from(byte & 3) + 1)
}

/// What a whole transport stream, or a segment of one, shows. `ended`: the stream is over, nothing is under
/// way.
///
/// # Errors
/// If it is malformed.
pub fn transport(bytes: &[u8], ended: bool) -> Result<Vec<Shown>, Wrong> {
    let mut reader = TsReader::new();
    let mut units = reader.push(bytes)?;
    if ended {
        units.extend(reader.finish()?);
    }
    let mut program = Program::default();
    let mut shown = Vec::new();
    for unit in units {
        match unit {
            Unit::Program(new) => {
                let streams: Vec<String> = new
                    .streams
                    .iter()
                    .map(|(pid, stream)| {
                        let codec = stream.codec().map_or(String::new(), |codec| format!(" {codec}"));
                        format!("PID {pid} type {:#04x}{codec}", stream.kind)
                    })
                    .collect();
                shown.push(Shown::Head(format!(
                    "program: clock on PID {}, {}",
                    new.clock,
                    streams.join(", ")
                )));
                program = new;
            }
            Unit::Clock(_) => {}
            Unit::Pes(pes) => {
                let codec = program.streams.get(&pes.pid).and_then(|stream| stream.codec());
                let Some(codec) = codec else {
                    return Err(Wrong(format!("PID {} has no codec", pes.pid)));
                };
                shown.extend(packet(codec, pes.dts, pes.pts, pes.random_access, &pes.payload)?);
            }
        }
    }
    Ok(shown)
}

/// The frames of one PES packet.
fn packet(codec: Codec, dts: u64, pts: u64, key: bool, payload: &[u8]) -> Result<Vec<Shown>, Wrong> {
    let ms = |ticks: u64| (ticks as f64 / 90.0).round() as i64;
    let later_ms = ((pts as i64 - dts as i64) as f64 / 90.0).round() as i64;
    let frame = |video, key, dts_ms, (size, hash)| {
        Shown::Frame(Frame { video, track: 0, key, dts_ms, later_ms, size, hash })
    };
    match codec {
        Codec::AAC => {
            let blocks = es::adts(payload)?;
            let one = |(place, block): (usize, &es::Adts)| {
                // Each block holds 1024 samples.
                let ticks = dts + place as u64 * 1024 * 90_000 / u64::from(block.rate);
                let bytes = &payload[block.payload.clone()];
                frame(false, true, ms(ticks), (bytes.len(), hash(bytes)))
            };
            Ok(blocks.iter().enumerate().map(one).collect())
        }
        Codec::OPUS => {
            let packets = es::opus(payload)?;
            let one = |range: std::ops::Range<usize>| {
                let bytes = &payload[range];
                frame(false, true, ms(dts), (bytes.len(), hash(bytes)))
            };
            Ok(packets.into_iter().map(one).collect())
        }
        Codec::MP3 | Codec::AC3 | Codec::EAC3 => {
            Ok(vec![frame(false, true, ms(dts), (payload.len(), hash(payload)))])
        }
        codec => Ok(vec![frame(true, key, ms(dts), own(codec, true, payload, Units::StartCodes)?)]),
    }
}

/// What an initialisation section says, as lines.
pub fn movie(movie: &Movie) -> Vec<String> {
    let line = |(number, track): (&u32, &crate::reader::fmp4::Track)| {
        let (codec, scale) = (track.codec, track.timescale);
        let shape = match (track.video, track.size, track.sound) {
            (true, (width, height), _) => format!("{width}x{height}"),
            (false, _, (channels, rate)) => format!("{channels} channels at {rate}"),
        };
        let (len, hash) = (track.config.len(), hash(&track.config));
        format!(
            "track {number}: {codec}, {shape}, {scale} ticks a second, configuration {len} bytes {hash:08x}"
        )
    };
    movie.tracks.iter().map(line).collect()
}

/// What the fragments of a segment show.
///
/// # Errors
/// If it is malformed.
pub fn fragments(movie: &Movie, bytes: &[u8]) -> Result<Vec<Shown>, Wrong> {
    let mut shown = Vec::new();
    for sample in movie.samples(bytes)? {
        let track = movie.tracks.get(&sample.track);
        let track = track.ok_or_else(|| Wrong(format!("a sample of track {}", sample.track)))?;
        let ms = |ticks: i64| (ticks as f64 * 1000.0 / f64::from(track.timescale)).round() as i64;
        let payload = &bytes[sample.payload.clone()];
        let length = length_size(track.codec, &track.config).unwrap_or(4);
        let (size, hash) = own(track.codec, track.video, payload, Units::Lengths(length))?;
        shown.push(Shown::Frame(Frame {
            video: track.video,
            track: 0,
            key: sample.key,
            dts_ms: ms(sample.dts as i64),
            later_ms: ms(sample.pts - sample.dts as i64),
            size,
            hash,
        }));
    }
    Ok(shown)
}
