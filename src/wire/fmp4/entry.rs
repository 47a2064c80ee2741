//! Sample entries: the codec and configuration of a track.
//!
//! In: what is known about the track. Out: its sample entry, a whole box, or `None` if the codec has no place
//! in MP4 or its configuration is missing. The publisher's configuration record is passed on unchanged: it is
//! what the specifications want here.

use super::boxes::{boxed, descriptor, full};
use crate::media::codec::ac3::Header;
use crate::media::codec::flac::streaminfo;
use crate::media::codec::opus::OpusHead;
use crate::media::codec::{AudioParams, Params, VideoParams};
use crate::media::frame::{Codec, Frame};
use crate::media::stream_info::TrackInfo;
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

/// Beginning of every visual sample entry (ISO/IEC 14496-12, 12.1.3.2).
fn visual_head(out: &mut Vec<u8>, video: &VideoParams) {
    let pixels = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    // Reserved, data reference 1, reserved.
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 16);
    out.put_u16(pixels(video.width));
    out.put_u16(pixels(video.height));
    // 72 dpi in both directions, reserved, one frame per sample.
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
            dac3(&mut body, &Header::parse(codec, &first?.payload).ok()?);
            b"ac-3"
        }
        Codec::Eac3 => {
            dec3(&mut body, &Header::parse(codec, &first?.payload).ok()?);
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

/// Beginning of every audio sample entry (ISO/IEC 14496-12, 12.2.3.2).
fn sound_head(out: &mut Vec<u8>, codec: Codec, audio: &AudioParams) {
    // Reserved, data reference 1, reserved.
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 8);
    out.put_u16(u16::from(audio.channels));
    // 16 bits per sample, whatever the decoder makes; reserved.
    out.put_u16(16);
    out.put_u32(0);
    // 16.16 fixed point has no room for rates above 65 535: the largest half that fits is written instead.
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

/// OpusHead with its numbers in big-endian order (Encapsulation of Opus in ISO-BMFF, 4.3.2).
fn dops(out: &mut Vec<u8>, config: &[u8]) -> Option<()> {
    let head = OpusHead::parse(config).ok()?;
    boxed(out, b"dOps", |out| {
        out.put_slice(&[0, head.channels]);
        out.put_u16(head.pre_skip);
        out.put_u32(head.input_sample_rate);
        out.put_i16(head.output_gain);
        out.put_u8(head.mapping_family);
        out.put_slice(head.mapping);
    });
    Some(())
}

/// STREAMINFO as the only metadata block (Encapsulation of FLAC in ISO-BMFF, 3.3.2).
fn dfla(out: &mut Vec<u8>, config: &[u8]) -> Option<()> {
    let info = streaminfo(config).ok()?;
    full(out, b"dfLa", 0, 0, |out| {
        // The last block, of type 0, and its length.
        out.put_slice(&[0x80, 0, 0, info.len() as u8]);
        out.put_slice(info);
    });
    Some(())
}

/// `dac3` from the head of a sync frame (ETSI TS 102 366, F.4): rate, version, mode, channels, low-frequency
/// channel, bit rate, five reserved bits.
fn dac3(out: &mut Vec<u8>, head: &Header) {
    let bits = bits(&[
        (2, head.fscod.into()),
        (5, head.bsid.into()),
        (3, head.bsmod.into()),
        (3, head.acmod.into()),
        (1, head.lfe.into()),
        (5, head.bit_rate_code.into()),
        (5, 0),
    ]);
    boxed(out, b"dac3", |out| out.put_uint(bits, 3));
}

/// `dec3` from the head of a sync frame (ETSI TS 102 366, F.6): the data rate in kbit/s and the number of
/// independent substreams less one; of the only one: rate, version, a reserved bit, whether it is an
/// associated service, mode, channels, low-frequency channel, three reserved bits, number of dependent
/// substreams, a reserved bit.
fn dec3(out: &mut Vec<u8>, head: &Header) {
    let kbps =
        head.frame_bytes as u64 * 8 * u64::from(head.sample_rate) / (u64::from(head.frame_samples) * 1000);
    let bits = bits(&[
        (13, kbps.min(0x1fff)),
        (3, 0),
        (2, head.fscod.into()),
        (5, head.bsid.into()),
        (2, 0),
        (3, head.bsmod.into()),
        (3, head.acmod.into()),
        (1, head.lfe.into()),
        (3, 0),
        (4, 0),
        (1, 0),
    ]);
    boxed(out, b"dec3", |out| out.put_uint(bits, 5));
}

/// Packs numbers of so many bits each.
fn bits(fields: &[(u32, u64)]) -> u64 {
    fields.iter().fold(0, |bits, (count, number)| bits << count | (number & ((1 << count) - 1)))
}
