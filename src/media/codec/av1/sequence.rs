//! The sequence header of AV1 (5.5): size, rate, profile, level and depth of the pictures.

use crate::media::codec::bits::{Bits, Fault};
use crate::media::codec::{CodecError, VideoParams, fps_milli, side};
use crate::media::frame::Codec;

/// A parsed sequence header; of its first operating point where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx`: four for each whole level from 2 on.
    pub level_idx: u8,
    /// True for the High tier.
    pub high_tier: bool,
    /// Largest width of a frame, in pixels.
    pub width: u32,
    /// Largest height of a frame, in pixels.
    pub height: u32,
    /// Frames per 1000 seconds, if they come at equal intervals and the timing tells.
    pub fps_milli: Option<u32>,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// True for pictures without chroma.
    pub monochrome: bool,
}

impl SequenceHeader {
    /// Parses the payload of a sequence header OBU.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(payload: &[u8]) -> Result<SequenceHeader, CodecError> {
        read_header(payload).map_err(|fault| fault.of(Codec::Av1))
    }

    /// The same as parameters of a track.
    pub fn params(&self) -> VideoParams {
        VideoParams {
            width: self.width,
            height: self.height,
            fps_milli: self.fps_milli,
            profile: super::profile_name(self.profile).to_owned(),
            level: super::level_name(self.level_idx),
            rfc6381: super::rfc6381(self.profile, self.level_idx, self.high_tier, self.bit_depth),
        }
    }
}

/// Bits per sample by the two flags that tell them.
pub(super) fn bit_depth(high_bitdepth: bool, twelve_bit: bool) -> u8 {
    match (high_bitdepth, twelve_bit) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    }
}

fn read_header(payload: &[u8]) -> Result<SequenceHeader, Fault> {
    let bits = &mut Bits::new(payload);
    let profile = bits.u8(3)?;
    if profile > 2 {
        return Err(Fault::Invalid("a reserved profile"));
    }
    bits.skip(1)?; // still_picture
    let reduced = bits.flag()?; // reduced_still_picture_header
    let (fps_milli, (level_idx, high_tier)) = if reduced {
        (None, (bits.u8(5)?, false))
    } else {
        let timing = read_timing(bits)?;
        (timing.fps_milli, read_operating_points(bits, timing.buffer_delay_bits)?)
    };
    let (width_bits, height_bits) = (bits.u(4)? + 1, bits.u(4)? + 1);
    let width = side(u64::from(bits.u(width_bits)?) + 1, 0)?;
    let height = side(u64::from(bits.u(height_bits)?) + 1, 0)?;
    skip_tools(bits, reduced)?;
    let high_bitdepth = bits.flag()?;
    let twelve_bit = profile == 2 && high_bitdepth && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let bit_depth = bit_depth(high_bitdepth, twelve_bit);
    Ok(SequenceHeader { profile, level_idx, high_tier, width, height, fps_milli, bit_depth, monochrome })
}

struct Timing {
    fps_milli: Option<u32>,
    /// Length of the delays of each operating point, in bits; `None` without a decoder model.
    buffer_delay_bits: Option<usize>,
}

/// `timing_info` and `decoder_model_info` (5.5.3, 5.5.4).
fn read_timing(bits: &mut Bits<'_>) -> Result<Timing, Fault> {
    let mut timing = Timing { fps_milli: None, buffer_delay_bits: None };
    if !bits.flag()? {
        return Ok(timing);
    }
    let tick = bits.u(32)?;
    let scale = bits.u(32)?;
    if bits.flag()? {
        let ticks_per_picture = u64::from(bits.ue()?) + 1;
        // Both factors are at most 2^32 - 1.
        timing.fps_milli = fps_milli(scale, u64::from(tick) * ticks_per_picture);
    }
    if bits.flag()? {
        timing.buffer_delay_bits = Some(bits.u(5)? as usize + 1);
        bits.skip(32 + 5 + 5)?; // num_units_in_decoding_tick, lengths of two other times
    }
    Ok(timing)
}

/// Level and tier of the first operating point; the others are skipped.
fn read_operating_points(bits: &mut Bits<'_>, buffer_delay_bits: Option<usize>) -> Result<(u8, bool), Fault> {
    let display_delays = bits.flag()?;
    let count = bits.u(5)? + 1;
    let mut first = None;
    for _ in 0..count {
        bits.skip(12)?; // operating_point_idc
        let level_idx = bits.u8(5)?;
        const LEVEL_3_3: u8 = 7;
        let high_tier = level_idx > LEVEL_3_3 && bits.flag()?;
        first = first.or(Some((level_idx, high_tier)));
        if let Some(delay_bits) = buffer_delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?; // buffer delays, low_delay_mode_flag
        }
        if display_delays && bits.flag()? {
            bits.skip(4)?; // initial_display_delay_minus_1
        }
    }
    Ok(first.expect("there is at least one operating point"))
}

/// The fields between the size and the colours.
fn skip_tools(bits: &mut Bits<'_>, reduced: bool) -> Result<(), Fault> {
    if !reduced && bits.flag()? {
        bits.skip(4 + 3)?; // lengths of frame ids
    }
    bits.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !reduced {
        bits.skip(4)?; // enable_interintra_compound to enable_dual_filter
        let order_hint = bits.flag()?;
        if order_hint {
            bits.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        let choose_content_tools = bits.flag()?;
        if choose_content_tools || bits.flag()? {
            let choose_integer_mv = bits.flag()?;
            if !choose_integer_mv {
                bits.skip(1)?; // seq_force_integer_mv
            }
        }
        if order_hint {
            bits.skip(3)?; // order_hint_bits_minus_1
        }
    }
    bits.skip(3) // enable_superres, enable_cdef, enable_restoration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, pack};

    /// A header with a decoder model and two operating points, 64 x 48 pixels, 12 bits.
    fn rich() -> Vec<u8> {
        let timing = format!("1 {:032b} {:032b} 1 010", 1, 60);
        let model = format!("1 00100 {:032b} 00000 00000", 1);
        let points = "1 00001  000000000000 01101 1  1 10101 01010 0  1 0111  000000000000 00001  0  0";
        let tools = "1 0000 000  000  0000 1 11  0 1 0 1  000  000";
        pack(&format!("010 0 0 {timing} {model} {points}  0101 0101 111111 101111  {tools}  1 1 0"))
    }

    #[test]
    fn every_optional_part_is_read_over() {
        let expected = SequenceHeader {
            profile: 2,
            level_idx: 13,
            high_tier: true,
            width: 64,
            height: 48,
            fps_milli: Some(30_000),
            bit_depth: 12,
            monochrome: false,
        };
        assert_eq!(SequenceHeader::parse(&rich()), Ok(expected));
        assert_eq!(expected.params().rfc6381, "av01.2.13H.12");
    }

    #[test]
    fn absurd_values_are_refused_with_a_reason() {
        let refusal = |bits: &str| SequenceHeader::parse(&pack(bits)).unwrap_err().to_string();
        assert_eq!(refusal("011 00"), "AV1 configuration: a reserved profile");
        assert_eq!(
            refusal("000 1 1 00000 1110 1110 100000000000000 000000000000000"),
            "AV1 configuration: the picture is larger than 16384 pixels"
        );
        assert_eq!(refusal("000 0 0"), "AV1 configuration is truncated");
    }

    #[test]
    fn hostile_headers_never_panic() {
        never_panics(&[&rich()], |bytes| {
            let _ = SequenceHeader::parse(bytes).map(|header| header.params());
        });
    }
}
