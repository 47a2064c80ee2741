//! H.265: the decoder configuration and the content of samples.
//!
//! In: an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3), or samples. Out: [`HevcConfig`], a view
//! of the record that muxers take parameter sets from; [`params`], the parameters in it. Never: changes
//! bytes. For encoders that send their parameter sets with start codes, [`config_from_annexb`] makes a
//! record.

mod profile;
mod sps;
mod vps;

pub use profile::ProfileTierLevel;
pub use sps::Sps;

use super::bits::Fault;
use super::nal::{byte_stream_units, nals};
use super::parameter_sets::{ParameterSets, take_sets};
use super::{CodecError, VideoParams, believable_length};
use crate::media::frame::Codec;

/// First NAL unit type of an intra random access point: BLA_W_LP (H.265, table 7-1).
pub const NAL_IRAP_FIRST: u8 = 16;
/// Last NAL unit type of an intra random access point; the last two are reserved.
pub const NAL_IRAP_LAST: u8 = 23;
/// Last NAL unit type that holds a slice.
pub const NAL_SLICE_LAST: u8 = 31;
/// NAL unit type of a video parameter set.
pub const NAL_VPS: u8 = 32;
/// NAL unit type of a sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// NAL unit type of a picture parameter set.
pub const NAL_PPS: u8 = 34;
/// NAL unit type of an access unit delimiter.
pub const NAL_AUD: u8 = 35;

/// Type of a NAL unit; 63, which no unit has, for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |byte| byte >> 1 & 0x3f)
}

/// True if the sample is an intra random access point: IDR, CRA or BLA. A truncated sample is judged by what
/// is there.
pub fn is_irap(payload: &[u8], length_size: u8) -> bool {
    let mut types = nals(payload, length_size).map_while(Result::ok).map(nal_type);
    let first = types.find(|&kind| kind <= NAL_SLICE_LAST);
    first.is_some_and(|kind| (NAL_IRAP_FIRST..=NAL_IRAP_LAST).contains(&kind))
}

/// A view of an HEVCDecoderConfigurationRecord; all lengths in it are checked.
#[derive(Clone, Debug)]
pub struct HevcConfig<'a> {
    length_size: u8,
    arrays: &'a [u8],
}

impl<'a> HevcConfig<'a> {
    /// Parses a record.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &'a [u8]) -> Result<HevcConfig<'a>, CodecError> {
        read_record(config).map_err(|fault| fault.of(Codec::H265))
    }

    /// Length of the length before each NAL unit of a sample, in bytes: 1 to 4.
    pub fn nal_length_size(&self) -> u8 {
        self.length_size
    }

    /// The video parameter sets, each a NAL unit with its header.
    pub fn vps(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.sets_of(NAL_VPS)
    }

    /// The sequence parameter sets, each a NAL unit with its header.
    pub fn sps(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.sets_of(NAL_SPS)
    }

    /// The picture parameter sets, each a NAL unit with its header.
    pub fn pps(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.sets_of(NAL_PPS)
    }

    /// All NAL units of the record in its order: parameter sets, and messages if there are any.
    pub fn units(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Arrays { rest: self.arrays }.flat_map(|(_, sets)| sets)
    }

    fn sets_of(&self, wanted: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Arrays { rest: self.arrays }.filter(move |(kind, _)| *kind == wanted).flat_map(|(_, sets)| sets)
    }
}

/// Length of a record before its arrays, in bytes.
const RECORD_HEAD_BYTES: usize = 22;

fn read_record(config: &[u8]) -> Result<HevcConfig<'_>, Fault> {
    believable_length(config)?;
    let (head, rest) = config.split_at_checked(RECORD_HEAD_BYTES).ok_or(Fault::Truncated)?;
    // Encoders that follow a draft of the record's specification write 0 for its version.
    if head[0] > 1 {
        return Err(Fault::Invalid("the version of the record is not 1"));
    }
    let (count, arrays) = rest.split_first().ok_or(Fault::Truncated)?;
    let mut rest = arrays;
    for _ in 0..*count {
        (_, rest) = take_array(rest)?;
    }
    let arrays = &arrays[..arrays.len() - rest.len()];
    Ok(HevcConfig { length_size: (head[21] & 3) + 1, arrays })
}

/// One array of a record: a type of NAL unit, and the units.
type Array<'a> = (u8, ParameterSets<'a>);

fn take_array(bytes: &[u8]) -> Result<(Array<'_>, &[u8]), Fault> {
    let ([kind, count @ ..], rest) = bytes.split_first_chunk::<3>().ok_or(Fault::Truncated)?;
    let (sets, rest) = take_sets(rest, u16::from_be_bytes(*count))?;
    Ok(((kind & 0x3f, sets), rest))
}

/// The arrays of a record whose lengths were checked.
struct Arrays<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Arrays<'a> {
    type Item = Array<'a>;

    fn next(&mut self) -> Option<Array<'a>> {
        let (array, rest) = take_array(self.rest).ok()?;
        self.rest = rest;
        Some(array)
    }
}

/// Parameters from a record, by its first sequence parameter set, and by its first video parameter set if
/// that does not tell the frame rate.
///
/// # Errors
///
/// If the record or its parameter set is malformed.
pub fn params(config: &[u8]) -> Result<VideoParams, CodecError> {
    let config = HevcConfig::parse(config)?;
    let missing = Fault::Invalid("there is no sequence parameter set").of(Codec::H265);
    let sps = Sps::parse(config.sps().next().ok_or(missing)?)?;
    let fps_by_vps = || config.vps().next().and_then(vps::fps_milli_of);
    Ok(VideoParams {
        width: sps.width,
        height: sps.height,
        fps_milli: sps.fps_milli.or_else(fps_by_vps),
        profile: sps.profile.name(),
        level: sps.profile.level_name(),
        rfc6381: sps.profile.rfc6381(),
    })
}

/// A record from the parameter sets in an Annex B byte stream, with NAL lengths of four bytes; see
/// [`super::annexb`].
///
/// # Errors
///
/// As [`config_from_sets`].
pub fn config_from_annexb(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let of = |kind| byte_stream_units(bytes).filter(|nal| nal_type(nal) == kind).collect::<Vec<_>>();
    config_from_sets(&of(NAL_VPS), &of(NAL_SPS), &of(NAL_PPS))
}

/// A record from parameter sets (NAL units with their headers), with NAL lengths of four bytes.
///
/// # Errors
///
/// If there is no sequence parameter set, or sets are too many, too long or malformed.
pub fn config_from_sets(vps: &[&[u8]], sps: &[&[u8]], pps: &[&[u8]]) -> Result<Vec<u8>, CodecError> {
    let invalid = |what| Fault::Invalid(what).of(Codec::H265);
    let first = sps.first().ok_or(invalid("there is no sequence parameter set"))?;
    let mut record = record_head(&Sps::parse(first)?);
    record.push(3);
    for (kind, sets) in [(NAL_VPS, vps), (NAL_SPS, sps), (NAL_PPS, pps)] {
        const COMPLETE: u8 = 0x80; // no set of this type is in the samples only
        let count = u16::try_from(sets.len()).map_err(|_| invalid("too many parameter sets"))?;
        record.push(COMPLETE | kind);
        record.extend_from_slice(&count.to_be_bytes());
        for set in sets {
            let length = u16::try_from(set.len()).map_err(|_| invalid("a parameter set is too long"))?;
            record.extend_from_slice(&length.to_be_bytes());
            record.extend_from_slice(set);
        }
    }
    Ok(record)
}

/// The part of a record that repeats its sequence parameter set. Fields that no such set tells are written as
/// unknown: 0 for the segmentation, the parallelism and the average frame rate.
fn record_head(sps: &Sps) -> Vec<u8> {
    let ProfileTierLevel { space, high_tier, profile_idc, compatibility, constraints, level_idc } =
        sps.profile;
    let mut head = vec![1, space << 6 | u8::from(high_tier) << 5 | profile_idc];
    head.extend_from_slice(&compatibility.to_be_bytes());
    head.extend_from_slice(&constraints);
    head.push(level_idc);
    const FOUR_BYTES: u8 = 3;
    let nested = u8::from(sps.temporal_id_nesting);
    head.extend_from_slice(&[
        0xf0,
        0,
        0xfc,
        0xfc | sps.chroma_format_idc,
        0xf8 | (sps.bit_depth_luma - 8),
        0xf8 | (sps.bit_depth_chroma - 8),
        0,
        0,
        sps.sub_layers << 3 | nested << 2 | FOUR_BYTES,
    ]);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// 1920x1080, 25 fps, Main 4.0 by x265, without its message about the encoder.
    const FULL_HD: &str = "01016000000090000000000078f000fcfdf8f800000f03\
        a00001001840010c01ffff016000000300900000030000030078959409\
        a10001002b420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000c84\
        a2000100064401c073c189";

    #[test]
    fn a_record_gives_its_parameter_sets() {
        let record = unhex(FULL_HD);
        let config = HevcConfig::parse(&record).unwrap();
        assert_eq!(config.nal_length_size(), 4);
        assert_eq!(
            config.vps().collect::<Vec<_>>(),
            [unhex("40010c01ffff016000000300900000030000030078959409")]
        );
        assert_eq!(config.sps().map(<[u8]>::len).collect::<Vec<_>>(), [43]);
        assert_eq!(config.pps().collect::<Vec<_>>(), [unhex("4401c073c189")]);
        assert_eq!(config.units().map(nal_type).collect::<Vec<_>>(), [NAL_VPS, NAL_SPS, NAL_PPS]);
    }

    #[test]
    fn a_record_says_what_its_parameter_sets_say() {
        let expected = VideoParams {
            width: 1920,
            height: 1080,
            fps_milli: Some(25_000),
            profile: "Main".to_owned(),
            level: "4.0".to_owned(),
            rfc6381: "hvc1.1.6.L120.90".to_owned(),
        };
        assert_eq!(params(&unhex(FULL_HD)), Ok(expected));
    }

    #[test]
    fn a_record_that_ends_early_is_refused_at_every_byte() {
        let record = unhex(FULL_HD);
        for length in 0..record.len() {
            let refused = params(&record[..length]).unwrap_err();
            assert_eq!(refused, CodecError::Truncated { codec: Codec::H265 }, "{length}");
        }
    }

    #[test]
    fn a_record_without_sps_is_refused() {
        let mut record = unhex(FULL_HD);
        record.truncate(RECORD_HEAD_BYTES);
        record.push(0);
        let refused = params(&record).unwrap_err();
        assert_eq!(refused.to_string(), "H265 configuration: there is no sequence parameter set");
    }

    #[test]
    fn the_first_slice_tells_whether_a_sample_is_a_random_access_point() {
        let idr = [0, 0, 0, 3, 0x46, 1, 0x50, 0, 0, 0, 3, 0x26, 1, 0xaf];
        let cra = [0, 0, 0, 3, 0x2a, 1, 0xaf];
        let trail = [0, 0, 0, 3, 0x02, 1, 0xd0];
        let only_sei = [0, 0, 0, 3, 0x4e, 1, 5];
        assert_eq!(nal_type(&idr[11..]), 19);
        assert!(is_irap(&idr, 4));
        assert!(is_irap(&cra, 4));
        assert!(!is_irap(&trail, 4));
        assert!(!is_irap(&only_sei, 4));
        assert!(!is_irap(&[], 4));
    }

    #[test]
    fn parameter_sets_with_start_codes_become_the_record_that_ffmpeg_writes() {
        let record = unhex(FULL_HD);
        let config = HevcConfig::parse(&record).unwrap();
        let annexb: Vec<u8> = config.units().flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect();
        assert_eq!(config_from_annexb(&annexb), Ok(record));
        assert_eq!(
            config_from_annexb(&unhex("000000014401c073c189")).unwrap_err().to_string(),
            "H265 configuration: there is no sequence parameter set"
        );
    }

    #[test]
    fn a_record_larger_than_reason_is_refused() {
        let mut record = unhex(FULL_HD);
        record.resize(65_537, 0);
        let refused = HevcConfig::parse(&record).unwrap_err();
        assert_eq!(refused.to_string(), "H265 configuration: it is larger than 64 KiB");
    }

    #[test]
    fn hostile_records_never_panic() {
        never_panics(&[&unhex(FULL_HD)], |bytes| {
            let _ = params(bytes);
            let _ = config_from_annexb(bytes);
            is_irap(bytes, 2);
        });
    }
}
