//! VP9: the beginning of the uncompressed header of a frame (VP9 bitstream specification, 6.2).
//!
//! In: a frame or superframe. Out: whether it is a keyframe, and size and depth of a keyframe's picture.

use super::bits::{Bits, Fault};
use super::{VideoParams, side, vpcc};
use crate::media::frame::Codec;

/// True if the frame, or the first of a superframe, is a keyframe.
pub fn is_key(payload: &[u8]) -> bool {
    read_start(&mut Bits::new(payload)).is_ok_and(|(_, key)| key)
}

/// Parameters from a keyframe; `None` for other frames. The level is the lowest that allows such pictures.
pub fn frame_params(payload: &[u8]) -> Option<VideoParams> {
    read_key_frame(payload).ok()?
}

/// Profile, and whether a keyframe follows.
fn read_start(bits: &mut Bits<'_>) -> Result<(u8, bool), Fault> {
    const FRAME_MARKER: u32 = 2;
    if bits.u(2)? != FRAME_MARKER {
        return Err(Fault::Invalid("there is no frame marker"));
    }
    let profile = bits.u8(1)? | bits.u8(1)? << 1;
    if profile == 3 {
        bits.skip(1)?; // reserved_zero
    }
    let show_existing_frame = bits.flag()?;
    Ok((profile, !show_existing_frame && !bits.flag()?))
}

fn read_key_frame(payload: &[u8]) -> Result<Option<VideoParams>, Fault> {
    let bits = &mut Bits::new(payload);
    let (profile, key) = read_start(bits)?;
    if !key {
        return Ok(None);
    }
    bits.skip(2)?; // show_frame, error_resilient_mode
    const SYNC_CODE: u32 = 0x49_83_42;
    if bits.u(24)? != SYNC_CODE {
        return Err(Fault::Invalid("there is no sync code"));
    }
    let bit_depth = read_colours(bits, profile)?;
    let width = side(u64::from(bits.u(16)?) + 1, 0)?;
    let height = side(u64::from(bits.u(16)?) + 1, 0)?;
    let level = vpcc::level_by_size(width, height);
    Ok(Some(VideoParams { width, height, ..vpcc::describe(Codec::Vp9, profile, level, bit_depth) }))
}

/// `color_config` (6.2.2): bits per sample.
fn read_colours(bits: &mut Bits<'_>, profile: u8) -> Result<u8, Fault> {
    const RGB: u32 = 7;
    let bit_depth = match profile {
        0 | 1 => 8,
        _ if bits.flag()? => 12,
        _ => 10,
    };
    let subsampling_told = matches!(profile, 1 | 3);
    if bits.u(3)? != RGB {
        bits.skip(1)?; // color_range
        bits.skip(if subsampling_told { 3 } else { 0 })?; // subsampling, reserved
    } else {
        bits.skip(if subsampling_told { 1 } else { 0 })?; // reserved
    }
    Ok(bit_depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, pack, unhex};

    /// The first bytes of streams by libvpx, 642 x 362: profiles 0, 2 and 1.
    const BY_LIBVPX: [(&str, &str); 3] = [
        ("8249834200281016960638241c184a10", "vp09.00.21.08"),
        ("924983420014080b4b031c120e0c2c08", "vp09.02.21.10"),
        ("a249834200050202d2c0c70483830942", "vp09.01.21.08"),
    ];

    #[test]
    fn key_frames_tell_their_size() {
        for (hex, rfc6381) in BY_LIBVPX {
            let frame = unhex(hex);
            assert!(is_key(&frame));
            let read = frame_params(&frame).unwrap();
            assert_eq!((read.width, read.height), (642, 362), "{hex}");
            assert_eq!(read.rfc6381, rfc6381);
        }
    }

    #[test]
    fn profile_3_with_rgb_is_read() {
        let sync = "01001001 10000011 01000010";
        let frame = pack(&format!("10 1 1 0 0 0 1 0 {sync} 1 111 0 {:016b} {:016b}", 639, 479));
        let read = frame_params(&frame).unwrap();
        assert_eq!((read.width, read.height, read.rfc6381.as_str()), (640, 480, "vp09.03.30.12"));
    }

    #[test]
    fn other_frames_tell_nothing() {
        // Inter frame; a frame that shows another; no marker; nothing.
        for hex in ["86004092", "88", "4249834200281016", ""] {
            assert!(!is_key(&unhex(hex)), "{hex}");
            assert_eq!(frame_params(&unhex(hex)), None);
        }
        // A key frame that ends within its size.
        assert_eq!(frame_params(&unhex("8249834200281016")), None);
    }

    #[test]
    fn hostile_frames_never_panic() {
        let seeds = BY_LIBVPX.map(|case| unhex(case.0));
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        never_panics(&seeds, |bytes| {
            frame_params(bytes);
            is_key(bytes);
        });
    }
}
