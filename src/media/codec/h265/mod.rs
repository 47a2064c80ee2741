//! H.265: the decoder configuration and what a sample holds.
//!
//! In: an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3), or samples. Out: [`HevcConfig`], a view
//! of the record that muxers take parameter sets from; [`params`], what the record says about the
//! pictures. Never changes bytes.

mod profile;
mod sps;
mod vps;

pub use profile::ProfileTierLevel;
pub use sps::Sps;

use super::bits::Fault;
use super::nal::nals;
use super::sets::{ParameterSets, take_sets};
use super::{CodecError, VideoParams};
use crate::media::frame::Codec;

/// First NAL unit type of an intra random access point: BLA_W_LP (H.265, table 7-1).
pub const NAL_IRAP_FIRST: u8 = 16;
/// Last NAL unit type of an intra random access point, two of them reserved.
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

/// The type of a NAL unit; 63, which is nobody's, of an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |byte| byte >> 1 & 0x3f)
}

/// True if the sample is an intra random access point: IDR, CRA or BLA. A torn sample is judged by what is
/// there.
pub fn is_irap(payload: &[u8], length_size: u8) -> bool {
    let mut types = nals(payload, length_size).map_while(Result::ok).map(nal_type);
    let first = types.find(|&kind| kind <= NAL_SLICE_LAST);
    first.is_some_and(|kind| (NAL_IRAP_FIRST..=NAL_IRAP_LAST).contains(&kind))
}

/// A view of an HEVCDecoderConfigurationRecord, every length in it checked.
#[derive(Clone, Debug)]
pub struct HevcConfig<'a> {
    length_size: u8,
    arrays: &'a [u8],
}

impl<'a> HevcConfig<'a> {
    /// Reads a record.
    pub fn parse(config: &'a [u8]) -> Result<HevcConfig<'a>, CodecError> {
        read_record(config).map_err(|fault| fault.of(Codec::H265))
    }

    /// How many bytes the length before each NAL unit of a sample has: 1 to 4.
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

    /// Every NAL unit of the record in the record's order: parameter sets, and messages if there are any.
    pub fn units(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Arrays { rest: self.arrays }.flat_map(|(_, sets)| sets)
    }

    fn sets_of(&self, wanted: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Arrays { rest: self.arrays }.filter(move |(kind, _)| *kind == wanted).flat_map(|(_, sets)| sets)
    }
}

/// Bytes of a record before its arrays.
const RECORD_HEAD_BYTES: usize = 22;

fn read_record(config: &[u8]) -> Result<HevcConfig<'_>, Fault> {
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

/// One array of a record: the type of its NAL units, and these.
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

/// What a record says about the pictures, by its first sequence parameter set, and by its first video
/// parameter set where that one does not tell the frame rate.
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
    fn hostile_records_never_panic() {
        never_panics(&[&unhex(FULL_HD)], |bytes| {
            let _ = params(bytes);
            is_irap(bytes, 2);
        });
    }
}
