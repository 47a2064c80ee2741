//! What codecs' configurations and frames say: none panics, whatever stands in them.

use crate::Source;
use crate::wire::CODECS;
use bytes::Bytes;
use dacapo::media::codec::aac::{AacConfig, adts_header};
use dacapo::media::codec::h264::{AvcConfig, config_from_annexb as avc_from_annexb};
use dacapo::media::codec::h265::{HevcConfig, config_from_annexb as hevc_from_annexb};
use dacapo::media::codec::nal::{byte_stream_units, nals};
use dacapo::media::codec::{annexb, is_key, opus, parse_config, parse_frame};
use dacapo::media::frame::{Frame, FrameKind, Track};
use dacapo::media::timestamp::Timestamp;

/// A configuration and a frame of one codec.
pub fn run(bytes: &[u8]) {
    let mut source = Source(bytes);
    let codec = CODECS[usize::from(source.byte()) % CODECS.len()];
    let config = source.bytes();
    let payload = source.0;
    let params = parse_config(codec, config);
    let by_frame = parse_frame(codec, payload);
    if let (Ok(params), Some(by_frame)) = (&params, &by_frame) {
        let _ = params.completed(by_frame);
    }
    let _ = is_key(codec, Some(config), payload);
    let _ = is_key(codec, None, payload);
    for kind in [FrameKind::Config, FrameKind::Key] {
        let dts = Timestamp::ZERO;
        let payload = Bytes::copy_from_slice(payload);
        let frame = Frame { track: Track::VIDEO, codec, kind, sound: 0, dts, cts: 0, payload };
        if let Some(repaired) = annexb::repair(&frame, Some(config))
            && kind == FrameKind::Key
        {
            let units: Vec<_> = nals(&repaired, 4).collect();
            assert!(units.iter().all(Result::is_ok) || !units.is_empty(), "a repaired frame has units");
        }
    }
    for size in 1..=4 {
        let _ = annexb::is_annexb(payload, size);
        if let Some(sample) = annexb::to_sample(payload, size) {
            let own: Vec<&[u8]> = nals(&sample, size).map(|unit| unit.expect("a whole unit")).collect();
            assert!(
                own.into_iter().eq(byte_stream_units(payload).filter(|unit| !unit.is_empty())),
                "all units"
            );
        }
    }
    if let Ok(config) = avc_from_annexb(payload) {
        AvcConfig::parse(&config).expect("a configuration that was made is read");
    }
    if let Ok(config) = hevc_from_annexb(payload) {
        HevcConfig::parse(&config).expect("a configuration that was made is read");
    }
    if let Ok(aac) = AacConfig::parse(config) {
        let head = adts_header(&aac, payload.len());
        assert!(head.is_none_or(|head| head[0] == 0xff), "an ADTS head begins with its sync word");
    }
    let _ = opus::packet_samples(payload);
}
