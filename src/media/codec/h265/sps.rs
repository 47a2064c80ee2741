//! The sequence parameter set of H.265 (7.3.2.2): size, rate, profile and level of the pictures.
//!
//! Parsed up to the timing in the VUI. What follows the size costs the frame rate only if it cannot be
//! parsed: the size is known by then, and hardware encoders often write the rest wrongly.

use super::profile::ProfileTierLevel;
use crate::media::codec::bits::{Bits, Fault, unescape};
use crate::media::codec::{CodecError, fps_milli, side};
use crate::media::frame::Codec;

/// A parsed sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// Profile, tier and level.
    pub profile: ProfileTierLevel,
    /// Number of temporal sub-layers: 1 to 7.
    pub sub_layers: u8,
    /// True if a decoder may switch up between sub-layers anywhere.
    pub temporal_id_nesting: bool,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample: 8 to 16.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample: 8 to 16.
    pub bit_depth_chroma: u8,
    /// Width in pixels within the conformance window.
    pub width: u32,
    /// Height in pixels within the conformance window.
    pub height: u32,
    /// Pictures per 1000 seconds, if the timing tells.
    pub fps_milli: Option<u32>,
}

impl Sps {
    /// Parses a NAL unit with its header.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(nal: &[u8]) -> Result<Sps, CodecError> {
        read_sps(nal).map_err(|fault| fault.of(Codec::H265))
    }
}

fn read_sps(nal: &[u8]) -> Result<Sps, Fault> {
    let raw = unescape(nal.get(2..).ok_or(Fault::Truncated)?);
    let bits = &mut Bits::new(&raw);
    bits.skip(4)?; // sps_video_parameter_set_id
    let max_sub_layers_minus1 = bits.u(3)?;
    if max_sub_layers_minus1 == 7 {
        return Err(Fault::Invalid("more than 7 sub-layers"));
    }
    let temporal_id_nesting = bits.flag()?;
    let profile = ProfileTierLevel::read(bits, max_sub_layers_minus1)?;
    bits.ue_max(15, "a parameter set id is above 15")?;
    let chroma_format_idc = bits.ue_max(3, "chroma_format_idc is above 3")? as u8;
    if chroma_format_idc == 3 {
        bits.skip(1)?; // separate_colour_plane_flag
    }
    let (width, height) = read_size(bits, chroma_format_idc)?;
    let bit_depth_luma = 8 + bits.ue_max(8, "more than 16 bits of luma")? as u8;
    let bit_depth_chroma = 8 + bits.ue_max(8, "more than 16 bits of chroma")? as u8;
    let fps_milli = read_fps(bits, max_sub_layers_minus1).unwrap_or(None);
    Ok(Sps {
        profile,
        sub_layers: max_sub_layers_minus1 as u8 + 1,
        temporal_id_nesting,
        chroma_format_idc,
        bit_depth_luma,
        bit_depth_chroma,
        width,
        height,
        fps_milli,
    })
}

/// Width and height within the conformance window (7.4.3.2.1).
fn read_size(bits: &mut Bits<'_>, chroma_format_idc: u8) -> Result<(u32, u32), Fault> {
    let (width, height) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
    let (unit_x, unit_y) = match chroma_format_idc {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let (mut crop_x, mut crop_y) = (0, 0);
    if bits.flag()? {
        crop_x = unit_x * (u64::from(bits.ue()?) + u64::from(bits.ue()?));
        crop_y = unit_y * (u64::from(bits.ue()?) + u64::from(bits.ue()?));
    }
    Ok((side(width, crop_x)?, side(height, crop_y)?))
}

/// The frame rate from the VUI, for which everything before it must be parsed.
fn read_fps(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Result<Option<u32>, Fault> {
    let poc_lsb_bits = 4 + bits.ue_max(12, "log2_max_pic_order_cnt_lsb is above 16")?;
    let all_sub_layers = bits.flag()?;
    for _ in 0..if all_sub_layers { max_sub_layers_minus1 + 1 } else { 1 } {
        skip_ue(bits, 3)?; // sps_max_dec_pic_buffering_minus1, num_reorder_pics, latency_increase
    }
    skip_ue(bits, 6)?; // sizes of coding and transform blocks, depths of transform hierarchies
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        bits.skip(8)?; // pcm_sample_bit_depth_luma_minus1, pcm_sample_bit_depth_chroma_minus1
        skip_ue(bits, 2)?; // sizes of PCM blocks
        bits.skip(1)?; // pcm_loop_filter_disabled_flag
    }
    skip_short_term_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue_max(32, "more than 32 long-term reference pictures")? {
            bits.skip(poc_lsb_bits as usize + 1)?;
        }
    }
    bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if bits.flag()? { read_vui_fps(bits) } else { Ok(None) }
}

fn skip_ue(bits: &mut Bits<'_>, count: usize) -> Result<(), Fault> {
    for _ in 0..count {
        bits.ue()?;
    }
    Ok(())
}

/// `scaling_list_data` (7.3.4).
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Result<(), Fault> {
    for size in 0..4u32 {
        let matrices = if size == 3 { 2 } else { 6 };
        for _ in 0..matrices {
            if !bits.flag()? {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..64.min(1u32 << (4 + 2 * size)) {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// `st_ref_pic_set` (7.3.7) as often as the parameter set says. A set may be coded as the difference to the
/// one before it, so the pictures of each must be counted.
fn skip_short_term_sets(bits: &mut Bits<'_>) -> Result<(), Fault> {
    const PICTURES_MAX: u32 = 16;
    let mut pictures = 0;
    for set in 0..bits.ue_max(64, "more than 64 short-term reference picture sets")? {
        if set > 0 && bits.flag()? {
            bits.skip(1)?; // delta_rps_sign
            bits.ue()?; // abs_delta_rps_minus1
            let before = pictures;
            pictures = 0;
            for _ in 0..=before {
                let used_by_current = bits.flag()?;
                if used_by_current || bits.flag()? {
                    pictures += 1;
                }
            }
        } else {
            const TOO_MANY: &str = "more than 16 pictures in a reference picture set";
            let negative = bits.ue_max(PICTURES_MAX, TOO_MANY)?;
            let positive = bits.ue_max(PICTURES_MAX - negative, TOO_MANY)?;
            pictures = negative + positive;
            for _ in 0..pictures {
                bits.ue()?; // delta_poc_minus1
                bits.skip(1)?; // used_by_curr_pic_flag
            }
        }
        if pictures > PICTURES_MAX {
            return Err(Fault::Invalid("more than 16 pictures in a reference picture set"));
        }
    }
    Ok(())
}

/// The frame rate from the VUI (E.2.1).
fn read_vui_fps(bits: &mut Bits<'_>) -> Result<Option<u32>, Fault> {
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.u(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(4)?; // video_format, video_full_range_flag
        if bits.flag()? {
            bits.skip(24)?; // colour description
        }
    }
    if bits.flag()? {
        skip_ue(bits, 2)?; // chroma_sample_loc_type of both fields
    }
    bits.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if bits.flag()? {
        skip_ue(bits, 4)?; // default display window
    }
    if !bits.flag()? {
        return Ok(None);
    }
    let tick = bits.u(32)?;
    let scale = bits.u(32)?;
    // Unlike in H.264, a tick is the duration of a whole picture.
    Ok(fps_milli(scale, u64::from(tick)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// NAL unit, size, frames per thousand seconds, profile, level, codec string.
    type Case = (&'static str, (u32, u32), u32, &'static str, &'static str, &'static str);

    /// Sequence parameter sets by x265, and what ffprobe says about their streams.
    #[rustfmt::skip]
    const BY_X265: [Case; 7] = [
        ("420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000c84",
            (1920, 1080), 25_000, "Main", "4.0", "hvc1.1.6.L120.90"),
        ("42010102200000030090000003000003005aa005220171c448d965654a4c2f01680800001f480007530040",
            (642, 362), 59_940, "Main 10", "3.0", "hvc1.2.4.L90.90"),
        ("4201010408000003009d0800000300003fb005220171cd16d965654a4c2f016808000003000800000300c040",
            (646, 358), 24_000, "Main 4:2:2 10", "2.1", "hvc1.4.10.L63.9D.8"),
        ("4201010408000003009e0800000300003f9000a4402e3842232caca94985e02d010000030001000003001808",
            (641, 361), 24_000, "Main 4:4:4", "2.1", "hvc1.4.10.L63.9E.8"),
        ("4201010408000003009fc800000300003fc0148805c708446595952930bc05b02000000300200000030321",
            (641, 361), 25_000, "Monochrome", "2.1", "hvc1.4.10.L63.9F.C8"),
        // Interlaced: pictures are fields.
        ("42010101600000030040000003000003003fa00502016965959a4932bc05a1a0000003002000000303c1",
            (640, 360), 30_000, "Main", "2.1", "hvc1.1.6.L63.40"),
        // High tier, with scaling lists, HRD, aspect ratio, overscan and colours.
        ("420101016000000300900000030000030099a005020171f2e5959529385e094a020202080000030008\
          00000300f300a4b370007a12\
          000f4264",
            (640, 360), 30_000, "Main", "5.1", "hvc1.1.6.L153.90"),
    ];

    #[test]
    fn parameter_sets_of_a_real_encoder_are_understood() {
        for (hex, size, fps, profile, level, rfc6381) in BY_X265 {
            let sps = Sps::parse(&unhex(hex)).unwrap();
            assert_eq!((sps.width, sps.height), size, "{hex}");
            assert_eq!(sps.fps_milli, Some(fps), "{hex}");
            assert_eq!(sps.profile.name(), profile);
            assert_eq!(sps.profile.level_name(), level);
            assert_eq!(sps.profile.rfc6381(), rfc6381);
        }
    }

    #[test]
    fn chroma_and_depth_are_told() {
        let chroma = BY_X265.map(|case| {
            let sps = Sps::parse(&unhex(case.0)).unwrap();
            (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma)
        });
        assert_eq!(chroma, [(1, 8, 8), (1, 10, 10), (2, 10, 10), (3, 8, 8), (0, 8, 8), (1, 8, 8), (1, 8, 8)]);
    }

    #[test]
    fn what_comes_after_the_size_costs_the_frame_rate_only() {
        let nal = unhex(BY_X265[0].0);
        let cut = Sps::parse(&nal[..nal.len() - 8]).unwrap();
        assert_eq!((cut.width, cut.height, cut.fps_milli), (1920, 1080, None));
        assert_eq!(Sps::parse(&nal[..20]).unwrap_err(), CodecError::Truncated { codec: Codec::H265 });
    }

    #[test]
    fn hostile_sets_never_panic() {
        let seeds = BY_X265.map(|case| unhex(case.0));
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        never_panics(&seeds, |bytes| {
            let _ = Sps::parse(bytes);
        });
    }
}
