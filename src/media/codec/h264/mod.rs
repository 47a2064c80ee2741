//! H.264: the decoder configuration and the content of samples.
//!
//! In: an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3), or samples. Out: [`AvcConfig`], a view of
//! the record that muxers take parameter sets from; [`params`], the parameters in it. Never: changes bytes.
//! For encoders that send their parameter sets with start codes, [`config_from_annexb`] makes a record.

mod sps;

pub use sps::Sps;

use super::bits::Fault;
use super::nal::{byte_stream_units, nals};
use super::parameter_sets::{ParameterSets, take_sets};
use super::{CodecError, VideoParams, believable_length};
use crate::media::frame::Codec;

/// NAL unit type of a slice of a picture that is not IDR (H.264, table 7-1).
pub const NAL_SLICE: u8 = 1;
/// NAL unit type of a slice of an IDR picture.
pub const NAL_IDR: u8 = 5;
/// NAL unit type of supplemental enhancement information.
pub const NAL_SEI: u8 = 6;
/// NAL unit type of a sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// NAL unit type of a picture parameter set.
pub const NAL_PPS: u8 = 8;
/// NAL unit type of an access unit delimiter.
pub const NAL_AUD: u8 = 9;

/// Type of a NAL unit; 0, which no unit has, for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| byte & 0x1f)
}

/// True if the sample is an IDR picture. A truncated sample is judged by what is there.
pub fn is_idr(payload: &[u8], length_size: u8) -> bool {
    let mut types = nals(payload, length_size).map_while(Result::ok).map(nal_type);
    types.find(|kind| (NAL_SLICE..=NAL_IDR).contains(kind)) == Some(NAL_IDR)
}

/// A view of an AVCDecoderConfigurationRecord; all lengths in it are checked.
#[derive(Clone, Debug)]
pub struct AvcConfig<'a> {
    length_size: u8,
    sps: ParameterSets<'a>,
    pps: ParameterSets<'a>,
}

impl<'a> AvcConfig<'a> {
    /// Parses a record. Extensions after the picture parameter sets are ignored.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &'a [u8]) -> Result<AvcConfig<'a>, CodecError> {
        read_record(config).map_err(|fault| fault.of(Codec::H264))
    }

    /// Length of the length before each NAL unit of a sample, in bytes: 1 to 4.
    pub fn nal_length_size(&self) -> u8 {
        self.length_size
    }

    /// The sequence parameter sets, each a NAL unit with its header byte.
    pub fn sps(&self) -> ParameterSets<'a> {
        self.sps.clone()
    }

    /// The picture parameter sets, each a NAL unit with its header byte.
    pub fn pps(&self) -> ParameterSets<'a> {
        self.pps.clone()
    }
}

fn read_record(config: &[u8]) -> Result<AvcConfig<'_>, Fault> {
    believable_length(config)?;
    let [version, _, _, _, length_size, sps_count, rest @ ..] = config else {
        return Err(Fault::Truncated);
    };
    if *version != 1 {
        return Err(Fault::Invalid("the version of the record is not 1"));
    }
    let (sps, rest) = take_sets(rest, u16::from(sps_count & 0x1f))?;
    let (pps_count, rest) = rest.split_first().ok_or(Fault::Truncated)?;
    let (pps, _) = take_sets(rest, u16::from(*pps_count))?;
    Ok(AvcConfig { length_size: (length_size & 3) + 1, sps, pps })
}

/// Parameters from a record, by its first sequence parameter set.
///
/// # Errors
///
/// If the record or its parameter set is malformed.
pub fn params(config: &[u8]) -> Result<VideoParams, CodecError> {
    let config = AvcConfig::parse(config)?;
    let sps = config.sps().find(|nal| nal_type(nal) == NAL_SPS);
    let missing = Fault::Invalid("there is no sequence parameter set").of(Codec::H264);
    let sps = Sps::parse(sps.ok_or(missing)?)?;
    Ok(VideoParams {
        width: sps.width,
        height: sps.height,
        fps_milli: sps.fps_milli,
        profile: sps.profile_name().to_owned(),
        level: sps.level_name(),
        rfc6381: sps.rfc6381(),
    })
}

/// A record from the parameter sets in an Annex B byte stream, with NAL lengths of four bytes.
///
/// Some encoders send such a stream where a record belongs; see [`super::annexb`].
///
/// # Errors
///
/// As [`config_from_sets`].
pub fn config_from_annexb(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let sps: Vec<_> = byte_stream_units(bytes).filter(|nal| nal_type(nal) == NAL_SPS).collect();
    let pps: Vec<_> = byte_stream_units(bytes).filter(|nal| nal_type(nal) == NAL_PPS).collect();
    config_from_sets(&sps, &pps)
}

/// A record from parameter sets (NAL units with their header byte), with NAL lengths of four bytes.
///
/// The record's extension for High profiles is left out, as most encoders do: it repeats the sequence
/// parameter set.
///
/// # Errors
///
/// If there is no sequence parameter set, or sets are too many or too long.
pub fn config_from_sets(sps: &[&[u8]], pps: &[&[u8]]) -> Result<Vec<u8>, CodecError> {
    let invalid = |what| Fault::Invalid(what).of(Codec::H264);
    let [_, profile, compatibility, level, ..] = sps.first().copied().unwrap_or_default() else {
        return Err(invalid("there is no sequence parameter set"));
    };
    if sps.len() > 31 || pps.len() > 255 {
        return Err(invalid("too many parameter sets"));
    }
    let mut record = vec![1, *profile, *compatibility, *level, 0xff, 0xe0 | sps.len() as u8];
    let mut put = |count: Option<u8>, sets: &[&[u8]]| {
        record.extend(count);
        for set in sets {
            let length = u16::try_from(set.len()).map_err(|_| invalid("a parameter set is too long"))?;
            record.extend_from_slice(&length.to_be_bytes());
            record.extend_from_slice(set);
        }
        Ok(())
    };
    put(None, sps)?;
    put(Some(pps.len() as u8), pps)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// 1920x1080, 25 fps, High 4.0 by x264.
    const FULL_HD: &str = "01640028ffe1001b67640028acd940780227e5c044000003000400000300c83c60c65801000468ef8f\
                           cbfdf8f800";

    #[test]
    fn a_record_gives_its_parameter_sets() {
        let record = unhex(FULL_HD);
        let config = AvcConfig::parse(&record).unwrap();
        assert_eq!(config.nal_length_size(), 4);
        let sps: Vec<_> = config.sps().collect();
        assert_eq!(sps, [unhex("67640028acd940780227e5c044000003000400000300c83c60c658")]);
        let pps: Vec<_> = config.pps().collect();
        assert_eq!(pps, [unhex("68ef8fcb")]);
    }

    #[test]
    fn a_record_that_ends_early_is_refused_at_every_byte() {
        let record = unhex(FULL_HD);
        // The four bytes of the High extension are not looked at.
        for length in 0..record.len() - 4 {
            let refused = params(&record[..length]).unwrap_err();
            assert_eq!(refused, CodecError::Truncated { codec: Codec::H264 }, "{length}");
        }
        assert!(params(&record[..record.len() - 4]).is_ok());
    }

    #[test]
    fn a_record_without_sps_or_of_another_version_is_refused() {
        let refused = params(&[1, 0x64, 0, 0x28, 0xff, 0xe0, 0]).unwrap_err();
        assert_eq!(refused.to_string(), "H264 configuration: there is no sequence parameter set");
        let refused = params(&[2, 0x64, 0, 0x28, 0xff, 0xe0, 0]).unwrap_err();
        assert_eq!(refused.to_string(), "H264 configuration: the version of the record is not 1");
    }

    /// A sample with NAL lengths of four bytes.
    fn sample(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|nal| [&[0, 0, 0, nal.len() as u8], *nal].concat()).collect()
    }

    #[test]
    fn the_first_slice_tells_whether_a_sample_is_idr() {
        assert!(is_idr(&sample(&[&[9, 0xf0], &[0x67, 1], &[0x68, 1], &[6, 5], &[0x65, 0x88]]), 4));
        assert!(!is_idr(&sample(&[&[9, 0xf0], &[0x41, 0x9a]]), 4));
        assert!(!is_idr(&sample(&[&[0x67, 1], &[0x68, 1]]), 4));
        assert!(!is_idr(&[], 4));
        let torn = [0, 0, 0, 2, 9, 0xf0, 0, 0, 9, 9, 0x65];
        assert!(!is_idr(&torn, 4));
    }

    #[test]
    fn parameter_sets_with_start_codes_become_a_record() {
        let record = unhex(FULL_HD);
        let annexb = [
            &[0, 0, 0, 1][..],
            &unhex("67640028acd940780227e5c044000003000400000300c83c60c658"),
            &[0, 0, 0, 1],
            &unhex("68ef8fcb"),
        ]
        .concat();
        let made = config_from_annexb(&annexb).unwrap();
        assert_eq!(made, record[..record.len() - 4]);
        assert_eq!(
            config_from_annexb(&[0, 0, 1, 0x68, 1]).unwrap_err().to_string(),
            "H264 configuration: there is no sequence parameter set"
        );
        let long = [0x67; 70_000];
        assert_eq!(
            config_from_sets(&[&long], &[]).unwrap_err().to_string(),
            "H264 configuration: a parameter set is too long"
        );
    }

    #[test]
    fn hostile_records_never_panic() {
        never_panics(&[&unhex(FULL_HD)], |bytes| {
            let _ = params(bytes);
            let _ = config_from_annexb(bytes);
            is_idr(bytes, 4);
        });
    }
}
