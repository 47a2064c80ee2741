//! The video parameter set of H.265 (7.3.2.1): the frame rate, for streams whose sequence parameter set does
//! not tell it.

use super::profile::ProfileTierLevel;
use crate::media::codec::bits::{Bits, Fault, unescape};
use crate::media::codec::fps_milli;

/// Frames per 1000 seconds from a NAL unit with its header; `None` if it does not tell.
pub(super) fn fps_milli_of(nal: &[u8]) -> Option<u32> {
    read_fps(nal).unwrap_or(None)
}

fn read_fps(nal: &[u8]) -> Result<Option<u32>, Fault> {
    let raw = unescape(nal.get(2..).ok_or(Fault::Truncated)?);
    let bits = &mut Bits::new(&raw);
    bits.skip(4 + 2 + 6)?; // vps_video_parameter_set_id, base layer flags, vps_max_layers_minus1
    let max_sub_layers_minus1 = bits.u(3)?;
    bits.skip(1 + 16)?; // vps_temporal_id_nesting_flag, reserved
    ProfileTierLevel::read(bits, max_sub_layers_minus1)?;
    let all_sub_layers = bits.flag()?;
    for _ in 0..if all_sub_layers { max_sub_layers_minus1 + 1 } else { 1 } {
        bits.ue()?; // vps_max_dec_pic_buffering_minus1
        bits.ue()?; // vps_max_num_reorder_pics
        bits.ue()?; // vps_max_latency_increase_plus1
    }
    let max_layer_id = bits.u(6)? as usize;
    let layer_sets = bits.ue_max(1023, "more than 1024 layer sets")? as usize;
    bits.skip(layer_sets * (max_layer_id + 1))?; // layer_id_included_flag
    if !bits.flag()? {
        return Ok(None);
    }
    let tick = bits.u(32)?;
    let scale = bits.u(32)?;
    Ok(fps_milli(scale, u64::from(tick)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{escape, never_panics, pack, unhex};

    /// As x265 writes it, but with timing.
    fn with_timing(tick: u32, scale: u32) -> Vec<u8> {
        let head = "40010c01ffff016000000090000000000078";
        let tail = format!("1 00101 011 00101 000000 1 1 {tick:032b} {scale:032b} 0 1 0 1");
        escape(&[unhex(head), pack(&tail)].concat())
    }

    #[test]
    fn timing_is_optional() {
        assert_eq!(fps_milli_of(&unhex("40010c01ffff016000000300900000030000030078959409")), None);
        assert_eq!(fps_milli_of(&with_timing(1001, 30_000)), Some(29_970));
        assert_eq!(fps_milli_of(&[0x40]), None);
    }

    #[test]
    fn hostile_sets_never_panic() {
        never_panics(&[&with_timing(1001, 30_000)], |bytes| {
            fps_milli_of(bytes);
        });
    }
}
