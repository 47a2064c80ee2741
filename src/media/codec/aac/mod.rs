//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), and names and headers that follow from it.
//!
//! In: a configuration. Out: [`AacConfig`], with the output of the core decoder and, with spectral band
//! replication (SBR) and parametric stereo (PS), of the whole decoder. ADTS headers, for frames outside of
//! containers, are in [`adts_header`] and [`Adts`].

mod adts;
mod layout;

pub use adts::{ADTS_HEADER_BYTES, Adts, adts_header};

use super::bits::{Bits, Fault};
use super::{AudioParams, CodecError};
use crate::media::frame::Codec;
use serde::{Deserialize, Serialize};

/// Audio object types (table 1.17) that need code of their own.
mod object {
    pub(super) const MAIN: u8 = 1;
    pub(super) const LC: u8 = 2;
    pub(super) const SBR: u8 = 5;
    pub(super) const SCALABLE: u8 = 6;
    pub(super) const ER_SCALABLE: u8 = 20;
    pub(super) const ER_BSAC: u8 = 22;
    pub(super) const ER_LD: u8 = 23;
    pub(super) const PS: u8 = 29;
    pub(super) const ESCAPE: u8 = 31;
    pub(super) const ELD: u8 = 39;
}

/// Sampling rates by sampling frequency index, in Hz (table 1.18).
const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Highest rate that a configuration may write out, in Hz; no AAC tool supports a higher one.
const SAMPLE_RATE_MAX: u32 = 192_000;

/// A parsed AudioSpecificConfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AacConfig {
    /// Audio object type of the core: 2 for LC, also where SBR or PS are added.
    pub object_type: u8,
    /// Sampling rate of the core, in Hz.
    pub core_sample_rate: u32,
    /// Sampling rate of the decoder's output, in Hz: usually twice the core's with SBR.
    pub sample_rate: u32,
    /// `channelConfiguration`; 0 where a program config element tells the channels.
    pub channel_config: u8,
    /// Channels of the core.
    pub core_channels: u8,
    /// Samples per frame and channel of the core, if the object type fixes it: 1024 or 960, and 512 or 480
    /// for low delay.
    pub core_frame_samples: Option<u32>,
    /// True if spectral band replication is signalled (HE-AAC).
    pub sbr: bool,
    /// True if parametric stereo is signalled (HE-AAC v2).
    pub ps: bool,
}

impl AacConfig {
    /// Parses a configuration.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &[u8]) -> Result<AacConfig, CodecError> {
        read_config(config).map_err(|fault| fault.of(Codec::Aac))
    }

    /// Channels of the decoder's output: parametric stereo makes two of one.
    pub fn channels(&self) -> u8 {
        if self.ps && self.core_channels == 1 { 2 } else { self.core_channels }
    }

    /// Samples per frame and channel of the decoder's output, at `sample_rate`.
    pub fn frame_samples(&self) -> Option<u32> {
        let samples = u64::from(self.core_frame_samples?);
        let scaled = samples * u64::from(self.sample_rate) / u64::from(self.core_sample_rate);
        u32::try_from(scaled).ok()
    }

    /// Audio object type of the whole: 5 with SBR, 29 with PS, else that of the core.
    pub fn signalled_object_type(&self) -> u8 {
        match (self.ps, self.sbr) {
            (true, _) => object::PS,
            (_, true) if self.object_type != object::ELD => object::SBR,
            _ => self.object_type,
        }
    }

    /// Common name of the profile.
    pub fn profile_name(&self) -> &'static str {
        match self.signalled_object_type() {
            object::MAIN => "Main",
            object::LC => "LC",
            3 => "SSR",
            4 => "LTP",
            object::SBR => "HE",
            object::SCALABLE => "Scalable",
            17 => "ER LC",
            19 => "ER LTP",
            object::ER_SCALABLE => "ER Scalable",
            object::ER_BSAC => "ER BSAC",
            object::ER_LD => "LD",
            object::PS => "HEv2",
            object::ELD => "ELD",
            42 => "xHE",
            _ => "unknown",
        }
    }
}

/// Parameters from a configuration.
///
/// # Errors
///
/// If the configuration is malformed.
pub fn params(config: &[u8]) -> Result<AudioParams, CodecError> {
    let config = AacConfig::parse(config)?;
    Ok(AudioParams {
        sample_rate: config.sample_rate,
        channels: config.channels(),
        profile: config.profile_name().to_owned(),
        frame_samples: config.frame_samples(),
        rfc6381: format!("mp4a.40.{}", config.signalled_object_type()),
    })
}

fn read_config(config: &[u8]) -> Result<AacConfig, Fault> {
    let bits = &mut Bits::new(config);
    let mut object_type = read_object_type(bits)?;
    let core_sample_rate = read_sample_rate(bits)?;
    let channel_config = bits.u8(4)?;
    let mut sample_rate = core_sample_rate;
    let ps = object_type == object::PS;
    let sbr = ps || object_type == object::SBR;
    if sbr {
        sample_rate = read_sample_rate(bits)?;
        object_type = read_object_type(bits)?;
        if object_type == object::ER_BSAC {
            bits.skip(4)?; // extensionChannelConfiguration
        }
    }
    let mut core_channels = layout::channels(channel_config)?;
    let mut core_frame_samples = None;
    if is_general_audio(object_type) {
        let (samples, channels) = read_general_audio(bits, object_type, channel_config)?;
        core_frame_samples = Some(samples);
        core_channels = core_channels.or(channels);
    } else if object_type == object::ELD {
        core_frame_samples = Some(if bits.flag()? { 480 } else { 512 });
    }
    let no_channels = Fault::Invalid("nothing tells the number of channels");
    let mut read = AacConfig {
        object_type,
        core_sample_rate,
        sample_rate,
        channel_config,
        core_channels: core_channels.ok_or(no_channels)?,
        core_frame_samples,
        sbr,
        ps,
    };
    if !sbr && is_general_audio(object_type) {
        // What cannot be parsed here was never an extension: old encoders leave arbitrary bits at the end.
        let _ = read_extension(bits, &mut read);
    }
    Ok(read)
}

fn read_object_type(bits: &mut Bits<'_>) -> Result<u8, Fault> {
    let object_type = match bits.u8(5)? {
        object::ESCAPE => 32 + bits.u8(6)?,
        short => short,
    };
    if object_type == 0 { Err(Fault::Invalid("the audio object type is 0")) } else { Ok(object_type) }
}

fn read_sample_rate(bits: &mut Bits<'_>) -> Result<u32, Fault> {
    const WRITTEN_OUT: usize = 15;
    match bits.u(4)? as usize {
        WRITTEN_OUT => match bits.u(24)? {
            0 => Err(Fault::Invalid("the sample rate is 0")),
            rate if rate > SAMPLE_RATE_MAX => Err(Fault::Invalid("the sample rate is above 192 kHz")),
            rate => Ok(rate),
        },
        index => SAMPLE_RATES.get(index).copied().ok_or(Fault::Invalid("a reserved sample rate")),
    }
}

/// True for object types whose configuration continues with a GASpecificConfig.
fn is_general_audio(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23)
}

/// `GASpecificConfig` (4.4.1): samples per frame, and channels if an element tells them.
fn read_general_audio(
    bits: &mut Bits<'_>,
    object_type: u8,
    channel_config: u8,
) -> Result<(u32, Option<u8>), Fault> {
    let short = bits.flag()?;
    if bits.flag()? {
        bits.skip(14)?; // coreCoderDelay
    }
    let extended = bits.flag()?;
    let channels = if channel_config == 0 { Some(layout::read_program_config(bits)?) } else { None };
    if matches!(object_type, object::SCALABLE | object::ER_SCALABLE) {
        bits.skip(3)?; // layerNr
    }
    if extended {
        match object_type {
            object::ER_BSAC => bits.skip(5 + 11)?, // numOfSubFrame, layer_length
            17 | 19 | object::ER_SCALABLE | object::ER_LD => bits.skip(3)?, // resilience flags
            _ => {}
        }
        bits.skip(1)?; // extensionFlag3
    }
    if object_type >= 17 {
        bits.skip(2)?; // epConfig
    }
    let samples = match (object_type, short) {
        (object::ER_LD, true) => 480,
        (object::ER_LD, false) => 512,
        (_, true) => 960,
        (_, false) => 1024,
    };
    Ok((samples, channels))
}

/// SBR and PS that are signalled after the core's configuration, where decoders that do not know them do not
/// look (1.6.5.2, "backward compatible explicit signalling").
fn read_extension(bits: &mut Bits<'_>, config: &mut AacConfig) -> Result<(), Fault> {
    const SBR_SYNC: u32 = 0x2b7;
    const PS_SYNC: u32 = 0x548;
    if bits.left() < 16 || bits.u(11)? != SBR_SYNC || read_object_type(bits)? != object::SBR {
        return Ok(());
    }
    if !bits.flag()? {
        return Ok(());
    }
    config.sample_rate = read_sample_rate(bits)?;
    config.sbr = true;
    if bits.left() >= 12 && bits.u(11)? == PS_SYNC {
        config.ps = bits.flag()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, pack, unhex};

    /// Configurations by ffmpeg's encoder, and what ffprobe says: rate, channels.
    const BY_FFMPEG: [(&str, u32, u8); 6] = [
        ("120856e500", 44_100, 1),
        ("119056e500", 48_000, 2),
        ("11b056e500", 48_000, 6),
        ("158856e500", 8_000, 1),
        ("11b856e500", 48_000, 8),
        // 6.1 with a program config element.
        ("118004c848002000c4400d4c61766335392e33372e31303056e500", 48_000, 7),
    ];

    fn audio(sample_rate: u32, channels: u8, profile: &str, frame_samples: u32, object: u8) -> AudioParams {
        AudioParams {
            sample_rate,
            channels,
            profile: profile.to_owned(),
            frame_samples: Some(frame_samples),
            rfc6381: format!("mp4a.40.{object}"),
        }
    }

    #[test]
    fn configurations_of_a_real_encoder_are_understood() {
        for (hex, rate, channels) in BY_FFMPEG {
            assert_eq!(params(&unhex(hex)), Ok(audio(rate, channels, "LC", 1024, 2)), "{hex}");
        }
        assert_eq!(params(&unhex("1210")), Ok(audio(44_100, 2, "LC", 1024, 2)));
    }

    #[test]
    fn frames_of_960_samples_are_told_by_a_flag() {
        assert_eq!(params(&unhex("1214")), Ok(audio(44_100, 2, "LC", 960, 2)));
    }

    #[test]
    fn sbr_and_ps_are_known_by_their_own_object_types() {
        // 5, 24 kHz, 2 channels, 48 kHz, LC.
        let he = pack("00101 0110 0010 0011 00010 000");
        assert_eq!(params(&he), Ok(audio(48_000, 2, "HE", 2048, 5)));
        // 29, 22.05 kHz, 1 channel, 44.1 kHz, LC.
        let he_v2 = pack("11101 0111 0001 0100 00010 000");
        assert_eq!(params(&he_v2), Ok(audio(44_100, 2, "HEv2", 2048, 29)));
        let config = AacConfig::parse(&he_v2).unwrap();
        assert_eq!((config.object_type, config.core_sample_rate, config.core_channels), (2, 22_050, 1));
        assert_eq!(config.core_frame_samples, Some(1024));
    }

    #[test]
    fn sbr_and_ps_are_known_behind_the_configuration_of_the_core() {
        let he = pack("00010 0110 0010 000  01010110111 00101 1 0011");
        assert_eq!(params(&he), Ok(audio(48_000, 2, "HE", 2048, 5)));
        let he_v2 = pack("00010 0110 0001 000  01010110111 00101 1 0011  10101001000 1");
        assert_eq!(params(&he_v2), Ok(audio(48_000, 2, "HEv2", 2048, 29)));
        let absent = pack("00010 0110 0010 000  01010110111 00101 0");
        assert_eq!(params(&absent), Ok(audio(24_000, 2, "LC", 1024, 2)));
    }

    #[test]
    fn downsampled_sbr_keeps_rate_and_frame_size_of_the_core() {
        let he = pack("00101 0011 0010 0011 00010 000");
        assert_eq!(params(&he), Ok(audio(48_000, 2, "HE", 1024, 5)));
    }

    #[test]
    fn rates_that_are_written_out_and_escaped_object_types_are_read() {
        let rate = pack(&format!("00010 1111 {:024b} 0010 000", 44_000));
        assert_eq!(params(&rate), Ok(audio(44_000, 2, "LC", 1024, 2)));
        let eld = pack("11111 000111 0011 0010 0");
        assert_eq!(params(&eld), Ok(audio(48_000, 2, "ELD", 512, 39)));
        let low_delay = pack("10111 0011 0010 1 0 0 00");
        assert_eq!(params(&low_delay), Ok(audio(48_000, 2, "LD", 480, 23)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |bits: &str| params(&pack(bits)).unwrap_err().to_string();
        assert_eq!(refusal("00000 0011 0010 000"), "AAC configuration: the audio object type is 0");
        assert_eq!(refusal("00010 1101 0010 000"), "AAC configuration: a reserved sample rate");
        let zero = format!("00010 1111 {:024b} 0010 000", 0);
        assert_eq!(refusal(&zero), "AAC configuration: the sample rate is 0");
        let absurd = format!("00010 1111 {:024b} 0010 000", 16_000_000);
        assert_eq!(refusal(&absurd), "AAC configuration: the sample rate is above 192 kHz");
        assert_eq!(refusal("00010 0011 1000 000"), "AAC configuration: a reserved channel configuration");
        assert_eq!(
            refusal("11111 000111 0011 0000 0"),
            "AAC configuration: nothing tells the number of channels"
        );
        assert_eq!(params(&[0x12]), Err(CodecError::Truncated { codec: Codec::Aac }));
        assert_eq!(params(&[]), Err(CodecError::Truncated { codec: Codec::Aac }));
    }

    #[test]
    fn hostile_configurations_never_panic() {
        let seeds = BY_FFMPEG.map(|case| unhex(case.0));
        let mut seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        let he_v2 = pack("00010 0110 0001 000  01010110111 00101 1 0011  10101001000 1");
        seeds.push(&he_v2);
        never_panics(&seeds, |bytes| {
            let _ = params(bytes);
        });
    }
}
