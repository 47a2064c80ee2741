//! AV1: the decoder configuration and the content of temporal units.
//!
//! In: an AV1CodecConfigurationRecord (AV1-ISOBMFF, 2.3.3), or temporal units. Out: [`Av1Config`], a view of
//! the record; [`params`], the parameters in it; [`obus`], the open bitstream units of a payload. Never:
//! changes bytes.

mod obu;
mod sequence;

pub use obu::{Obu, Obus, TornObu, obus};
pub use sequence::SequenceHeader;

use super::bits::{Bits, Fault};
use super::{CodecError, VideoParams, believable_length};
use crate::media::frame::Codec;

/// OBU type of a sequence header (AV1, 6.2.2).
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// OBU type of a temporal delimiter.
pub const OBU_TEMPORAL_DELIMITER: u8 = 2;
/// OBU type of a frame header without tiles.
pub const OBU_FRAME_HEADER: u8 = 3;
/// OBU type of a frame header with its tiles.
pub const OBU_FRAME: u8 = 6;

/// True if the first frame of the temporal unit is a keyframe. A truncated unit is judged by what is there.
pub fn is_key(payload: &[u8]) -> bool {
    for obu in obus(payload).map_while(Result::ok) {
        let first = obu.payload.first().copied().unwrap_or(0xff);
        match obu.kind {
            // A still picture with the reduced header is a keyframe and is marked nowhere else.
            OBU_SEQUENCE_HEADER if first & 0x08 != 0 => return true,
            // show_existing_frame (1), frame_type (2): a frame of its own, of type KEY_FRAME.
            OBU_FRAME | OBU_FRAME_HEADER => return first & 0b1110_0000 == 0,
            _ => {}
        }
    }
    false
}

/// A view of an AV1CodecConfigurationRecord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Av1Config<'a> {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx_0`: four for each whole level from 2 on.
    pub level_idx: u8,
    /// True for the High tier.
    pub high_tier: bool,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// True for pictures without chroma.
    pub monochrome: bool,
    /// OBUs to decode before the first frame: a sequence header, or nothing.
    pub obus: &'a [u8],
}

impl<'a> Av1Config<'a> {
    /// Parses a record.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &'a [u8]) -> Result<Av1Config<'a>, CodecError> {
        read_record(config).map_err(|fault| fault.of(Codec::Av1))
    }

    /// The sequence header in the record, if there is one.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn sequence_header(&self) -> Result<Option<SequenceHeader>, CodecError> {
        find_sequence_header(self.obus)
    }
}

fn read_record(config: &[u8]) -> Result<Av1Config<'_>, Fault> {
    believable_length(config)?;
    let (head, obus) = config.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
    let bits = &mut Bits::new(head);
    const MARKER_AND_VERSION: u8 = 0x81;
    if bits.u8(8)? != MARKER_AND_VERSION {
        return Err(Fault::Invalid("the version of the record is not 1"));
    }
    let (profile, level_idx) = (bits.u8(3)?, bits.u8(5)?);
    let high_tier = bits.flag()?;
    let (high_bitdepth, twelve_bit) = (bits.flag()?, bits.flag()?);
    let monochrome = bits.flag()?;
    let bit_depth = sequence::bit_depth(high_bitdepth, twelve_bit);
    Ok(Av1Config { profile, level_idx, high_tier, bit_depth, monochrome, obus })
}

fn find_sequence_header(bytes: &[u8]) -> Result<Option<SequenceHeader>, CodecError> {
    for obu in obus(bytes) {
        let obu = obu.map_err(|_| Fault::Truncated.of(Codec::Av1))?;
        if obu.kind == OBU_SEQUENCE_HEADER {
            return SequenceHeader::parse(obu.payload).map(Some);
        }
    }
    Ok(None)
}

/// Parameters from a record; without a sequence header in it the size is 0 x 0.
///
/// # Errors
///
/// If the record or the sequence header in it is malformed.
pub fn params(config: &[u8]) -> Result<VideoParams, CodecError> {
    let record = Av1Config::parse(config)?;
    if let Some(sequence) = record.sequence_header()? {
        return Ok(sequence.params());
    }
    let Av1Config { profile, level_idx, high_tier, bit_depth, .. } = record;
    Ok(VideoParams {
        profile: profile_name(profile).to_owned(),
        level: level_name(level_idx),
        rfc6381: rfc6381(profile, level_idx, high_tier, bit_depth),
        ..VideoParams::default()
    })
}

/// Parameters from the sequence header of a temporal unit, if it has a valid one.
pub fn frame_params(payload: &[u8]) -> Option<VideoParams> {
    find_sequence_header(payload).ok()?.map(|sequence| sequence.params())
}

fn profile_name(profile: u8) -> &'static str {
    match profile {
        0 => "Main",
        1 => "High",
        2 => "Professional",
        _ => "unknown",
    }
}

/// The level as text; index 31 means no level (A.3).
fn level_name(level_idx: u8) -> String {
    const MAXIMUM_PARAMETERS: u8 = 31;
    match level_idx {
        MAXIMUM_PARAMETERS => "max".to_owned(),
        idx => format!("{}.{}", 2 + idx / 4, idx % 4),
    }
}

/// The codec string of AV1-ISOBMFF, section 5, without the colours at its end: players do not need them, and
/// all of them understand the short form.
fn rfc6381(profile: u8, level_idx: u8, high_tier: bool, bit_depth: u8) -> String {
    let tier = if high_tier { 'H' } else { 'M' };
    format!("av01.{profile}.{level_idx:02}{tier}.{bit_depth:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// Record, size, frames per thousand seconds, profile, level, codec string.
    type Case = (&'static str, (u32, u32), Option<u32>, &'static str, &'static str, &'static str);

    /// Records by ffmpeg with SVT-AV1, libaom and rav1e, and what ffprobe says about their streams.
    #[rustfmt::skip]
    const BY_FFMPEG: [Case; 9] = [
        ("81010c000a0b0000000cc4ff6700be0010", (640, 360), None, "Main", "2.1", "av01.0.01M.08"),
        ("81090c000a0b0000004aabbfc3700be001", (1920, 1080), None, "Main", "4.1", "av01.0.09M.08"),
        ("81014c000a0b0000000cc5036936be5010", (642, 362), None, "Main", "2.1", "av01.0.01M.10"),
        ("812000000a0a200000043cfeccdaf902", (320, 180), None, "High", "2.0", "av01.1.00M.08"),
        ("81001c000a0a000000043cfeccdaf92a", (320, 180), None, "Main", "2.0", "av01.0.00M.08"),
        // The encoder names no level.
        ("811f0c000a0e000000fa1e7f66210a88101010a0", (320, 180), None, "Main", "max", "av01.0.31M.08"),
        // A still picture with the reduced header.
        ("81000c000a071821e836ad8040", (322, 182), None, "Main", "2.0", "av01.0.00M.08"),
        // With timing.
        ("81000c000a14040000000400000067400000bc3cfeccdaf90040",
            (320, 180), Some(25_000), "Main", "2.0", "av01.0.00M.08"),
        ("81010c000a13040000000400000067000001989fece017c002",
            (640, 360), Some(25_000), "Main", "2.1", "av01.0.01M.08"),
    ];

    #[test]
    fn records_of_real_encoders_are_understood() {
        for (hex, (width, height), fps_milli, profile, level, rfc6381) in BY_FFMPEG {
            let expected = VideoParams {
                width,
                height,
                fps_milli,
                profile: profile.to_owned(),
                level: level.to_owned(),
                rfc6381: rfc6381.to_owned(),
            };
            assert_eq!(params(&unhex(hex)), Ok(expected), "{hex}");
        }
    }

    #[test]
    fn the_record_repeats_its_sequence_header() {
        for (hex, ..) in BY_FFMPEG {
            let bytes = unhex(hex);
            let record = Av1Config::parse(&bytes).unwrap();
            let sequence = record.sequence_header().unwrap().unwrap();
            let repeated = (sequence.profile, sequence.level_idx, sequence.high_tier, sequence.bit_depth);
            let said = (record.profile, record.level_idx, record.high_tier, record.bit_depth);
            assert_eq!(repeated, said, "{hex}");
            assert_eq!(sequence.monochrome, record.monochrome, "{hex}");
        }
    }

    #[test]
    fn a_record_without_sequence_header_tells_no_size() {
        let read = params(&unhex("812d6c00")).unwrap();
        assert_eq!((read.width, read.height), (0, 0));
        assert_eq!(read.profile, "High");
        assert_eq!(read.level, "5.1");
        assert_eq!(read.rfc6381, "av01.1.13M.12");
        assert_eq!(
            params(&unhex("80010c00")).unwrap_err().to_string(),
            "AV1 configuration: the version of the record is not 1"
        );
        assert_eq!(params(&unhex("81010c")), Err(CodecError::Truncated { codec: Codec::Av1 }));
        let torn = params(&unhex("81010c000a0b0000000cc4ff"));
        assert_eq!(torn, Err(CodecError::Truncated { codec: Codec::Av1 }));
    }

    #[test]
    fn a_key_frame_is_known_by_its_frame_header() {
        // By SVT-AV1: sequence header, then a frame (type, size 9, first bytes).
        let key = unhex("0a0b0000000cc4ff673efe401032091400218820000000be");
        assert!(is_key(&key));
        assert_eq!(frame_params(&key).map(|read| (read.width, read.height)), Some((640, 360)));
        // The frame alone is a key frame too; one of type INTER_FRAME is none, nor one that shows another.
        assert!(is_key(&key[13..]));
        assert!(!is_key(&unhex("320330aabb")));
        assert!(!is_key(&unhex("1a0180")));
        assert!(!is_key(&unhex("320a10")));
        assert!(!is_key(&[]));
        assert_eq!(frame_params(&unhex("320330aabb")), None);
    }

    #[test]
    fn hostile_records_never_panic() {
        let seeds = BY_FFMPEG.map(|case| unhex(case.0));
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        never_panics(&seeds, |bytes| {
            let _ = params(bytes);
            frame_params(bytes.get(4..).unwrap_or_default());
            is_key(bytes);
        });
    }
}
