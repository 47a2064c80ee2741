//! Sample entries: how the frames of a track are coded.
//!
//! In: what is known about the track. Out: its sample entry, a whole box, or `None` if the codec has no
//! place in MP4 or its configuration is missing. The configuration itself is passed on as it came: the
//! publisher's record is what the specifications want here.

use super::boxes::{boxed, descriptor, full};
use crate::media::codec::{AudioParams, Params, VideoParams};
use crate::media::frame::{Codec, Frame};
use crate::media::headers::TrackInfo;
use bytes::BufMut;

/// The sample entry of a track; `first` is one of its frames, if there is any yet.
pub fn sample_entry(info: &TrackInfo, first: Option<&Frame>) -> Option<Vec<u8>> {
    let config = info.config.as_ref().map(|config| &config.payload[..]);
    match &info.params {
        Some(Params::Video(video)) => video_entry(info.codec, video, config?),
        Some(Params::Audio(audio)) => audio_entry(info.codec, audio, config, first),
        None => None,
    }
}

fn video_entry(codec: Codec, video: &VideoParams, config: &[u8]) -> Option<Vec<u8>> {
    let (kind, config_kind) = match codec {
        Codec::H264 => (b"avc1", b"avcC"),
        Codec::H265 => (b"hvc1", b"hvcC"),
        Codec::Av1 => (b"av01", b"av1C"),
        Codec::Vp8 => (b"vp08", b"vpcC"),
        Codec::Vp9 => (b"vp09", b"vpcC"),
        _ => return None,
    };
    let mut out = Vec::new();
    boxed(&mut out, kind, |out| {
        visual_head(out, video);
        if config_kind == b"vpcC" {
            full(out, config_kind, 1, 0, |out| out.put_slice(config));
        } else {
            boxed(out, config_kind, |out| out.put_slice(config));
        }
    });
    Some(out)
}

/// What every visual sample entry begins with (ISO/IEC 14496-12, 12.1.3.2).
fn visual_head(out: &mut Vec<u8>, video: &VideoParams) {
    let pixels = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    // Reserved, data reference 1, reserved.
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 16);
    out.put_u16(pixels(video.width));
    out.put_u16(pixels(video.height));
    // 72 dpi in both directions, reserved, one frame a sample.
    out.put_u32(0x48_0000);
    out.put_u32(0x48_0000);
    out.put_u32(0);
    out.put_u16(1);
    // No compressor name; 24 bits of colour; no colour table.
    out.put_bytes(0, 32);
    out.put_u16(0x18);
    out.put_u16(0xffff);
}

fn audio_entry(
    codec: Codec,
    audio: &AudioParams,
    config: Option<&[u8]>,
    first: Option<&Frame>,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let kind = match codec {
        Codec::Aac => {
            esds(&mut body, AUDIO_ISO_14496_3, config?);
            b"mp4a"
        }
        // MP3 in ISO files is `mp4a` with the object type of MPEG-1 or MPEG-2 audio (mp4ra.org).
        Codec::Mp3 => {
            esds(
                &mut body,
                if audio.sample_rate < 32_000 { AUDIO_ISO_13818_3 } else { AUDIO_ISO_11172_3 },
                &[],
            );
            b"mp4a"
        }
        Codec::Opus => {
            dops(&mut body, config?)?;
            b"Opus"
        }
        Codec::Flac => {
            dfla(&mut body, config?)?;
            b"fLaC"
        }
        Codec::Ac3 => {
            let parameters = super::ac3::dac3(&first?.payload)?;
            boxed(&mut body, b"dac3", |out| out.put_slice(&parameters));
            b"ac-3"
        }
        Codec::Eac3 => {
            let parameters = super::ac3::dec3(&first?.payload)?;
            boxed(&mut body, b"dec3", |out| out.put_slice(&parameters));
            b"ec-3"
        }
        _ => return None,
    };
    let mut out = Vec::new();
    boxed(&mut out, kind, |out| {
        sound_head(out, codec, audio);
        out.put_slice(&body);
    });
    Some(out)
}

/// What every audio sample entry begins with (ISO/IEC 14496-12, 12.2.3.2).
fn sound_head(out: &mut Vec<u8>, codec: Codec, audio: &AudioParams) {
    // Reserved, data reference 1, reserved.
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 8);
    out.put_u16(u16::from(audio.channels));
    // 16 bits a sample, whatever the decoder makes; reserved.
    out.put_u16(16);
    out.put_u32(0);
    // 16.16 fixed point has no room for rates above 65 535: their largest half that fits is told instead.
    let mut rate = if codec == Codec::Opus { 48_000 } else { audio.sample_rate };
    while rate > 0xffff {
        rate /= 2;
    }
    out.put_u32(rate << 16);
}

/// Object types of `esds` (ISO/IEC 14496-1, table 5).
const AUDIO_ISO_14496_3: u8 = 0x40;
const AUDIO_ISO_13818_3: u8 = 0x69;
const AUDIO_ISO_11172_3: u8 = 0x6b;

/// The elementary stream descriptor (ISO/IEC 14496-14, 6.7.2) with the decoder's own configuration.
fn esds(out: &mut Vec<u8>, object_type: u8, config: &[u8]) {
    full(out, b"esds", 0, 0, |out| {
        descriptor(out, 0x03, |out| {
            // Stream 0 by rule, no dependence, no URL.
            out.put_u16(0);
            out.put_u8(0);
            descriptor(out, 0x04, |out| {
                // Audio stream; buffer size and bit rates are not known.
                out.put_slice(&[object_type, 0x15]);
                out.put_bytes(0, 11);
                if !config.is_empty() {
                    descriptor(out, 0x05, |out| out.put_slice(config));
                }
            });
            // Predefined for MP4.
            descriptor(out, 0x06, |out| out.put_u8(2));
        });
    });
}

/// OpusHead with its numbers the other way round (Encapsulation of Opus in ISO-BMFF, 4.3.2).
fn dops(out: &mut Vec<u8>, config: &[u8]) -> Option<()> {
    let head = config.strip_prefix(b"OpusHead")?;
    let [_, channels, skip_low, skip_high, r0, r1, r2, r3, gain_low, gain_high, family, mapping @ ..] = head
    else {
        return None;
    };
    boxed(out, b"dOps", |out| {
        out.put_slice(&[
            0, *channels, *skip_high, *skip_low, *r3, *r2, *r1, *r0, *gain_high, *gain_low, *family,
        ]);
        if *family != 0 {
            out.put_slice(mapping);
        }
    });
    Some(())
}

/// STREAMINFO as the only metadata block (Encapsulation of FLAC in ISO-BMFF, 3.3.2).
fn dfla(out: &mut Vec<u8>, config: &[u8]) -> Option<()> {
    const STREAMINFO_BYTES: usize = 34;
    let info = config.strip_prefix(b"fLaC")?.get(4..4 + STREAMINFO_BYTES)?;
    full(out, b"dfLa", 0, 0, |out| {
        // The last block, of type 0, and its length.
        out.put_slice(&[0x80, 0, 0, STREAMINFO_BYTES as u8]);
        out.put_slice(info);
    });
    Some(())
}
