//! What a player needs before its first frame: metadata and the configuration of each track.
//!
//! A stream info never changes; a stream whose codec changes gets a new one with the next number. A ring
//! keeps with every frame the info that is in force there, so that a player that starts at the frame, now or
//! after a jump, gets the right one (I2, I5).

use crate::media::codec::Params;
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known about a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Codec.
    pub codec: Codec,
    /// Configuration frame; `None` for codecs without one, and before it came.
    pub config: Option<Frame>,
    /// Parameters from the configuration, if it could be parsed.
    pub params: Option<Params>,
}

/// The stream info in force at a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Grows by one with each change. Equal numbers of one stream mean equal info.
    pub number: u64,
    /// `onMetaData`, if the publisher sent any.
    pub metadata: Option<Frame>,
    /// Further information about tracks (see [`FrameKind::VideoInfo`]), relayed unchanged.
    pub video_info: BTreeMap<Track, Frame>,
    /// Every audio and video track seen so far.
    pub tracks: BTreeMap<Track, TrackInfo>,
}

impl StreamInfo {
    /// The stream info after `frame`, whose configuration (or payload, for codecs without configuration) has
    /// the parameters `params`. `None` if nothing changes: encoders repeat configurations.
    pub fn with(self: &Arc<Self>, frame: &Frame, params: Option<Params>) -> Option<Arc<StreamInfo>> {
        if !self.is_changed_by(frame, params.as_ref()) {
            return None;
        }
        let known = self.tracks.get(&frame.track).filter(|info| info.codec == frame.codec);
        let mut next = StreamInfo::clone(self);
        next.number += 1;
        match frame.kind {
            FrameKind::Metadata => next.metadata = Some(frame.clone()),
            FrameKind::VideoInfo => {
                next.video_info.insert(frame.track, frame.clone());
            }
            kind => {
                let config = match kind {
                    FrameKind::Config => Some(frame.clone()),
                    _ => known.and_then(|info| info.config.clone()),
                };
                next.tracks.insert(frame.track, TrackInfo { codec: frame.codec, config, params });
                // What was known about the old codec does not hold for the new one. (Information for the new
                // one may have come before its configuration.)
                next.video_info.retain(|track, info| *track != frame.track || info.codec == frame.codec);
            }
        }
        Some(Arc::new(next))
    }

    fn is_changed_by(&self, frame: &Frame, params: Option<&Params>) -> bool {
        let differs = |old: &Frame| old.codec != frame.codec || old.payload != frame.payload;
        let known = self.tracks.get(&frame.track).filter(|info| info.codec == frame.codec);
        match frame.kind {
            FrameKind::Metadata => self.metadata.as_ref().is_none_or(differs),
            FrameKind::VideoInfo => self.video_info.get(&frame.track).is_none_or(differs),
            FrameKind::Config => known.and_then(|info| info.config.as_ref()).is_none_or(differs),
            FrameKind::Key | FrameKind::Inter => {
                known.is_none_or(|info| params.is_some() && info.params.as_ref() != params)
            }
            FrameKind::Message | FrameKind::End => false,
        }
    }

    /// What is known about `track`.
    pub fn track(&self, track: Track) -> Option<&TrackInfo> {
        self.tracks.get(&track)
    }

    /// True if there is a track of this kind.
    pub fn has(&self, kind: TrackKind) -> bool {
        self.tracks.keys().any(|track| track.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::{AudioParams, VideoParams};
    use crate::media::timestamp::Timestamp;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn frame(track: Track, codec: Codec, kind: FrameKind, payload: &'static [u8]) -> Frame {
        let payload = Bytes::from_static(payload);
        Frame { track, codec, kind, sound: 0, dts: Timestamp::ZERO, cts: 0, payload }
    }

    fn after(frames: &[Frame]) -> Arc<StreamInfo> {
        let start = Arc::new(StreamInfo::default());
        frames.iter().fold(start, |stream_info, frame| stream_info.with(frame, None).unwrap_or(stream_info))
    }

    fn avc(payload: &'static [u8]) -> Frame {
        frame(Track::VIDEO, Codec::H264, FrameKind::Config, payload)
    }

    fn aac(payload: &'static [u8]) -> Frame {
        frame(Track::AUDIO, Codec::Aac, FrameKind::Config, payload)
    }

    #[test]
    fn what_is_said_again_changes_nothing() {
        let metadata = frame(Track::DATA, Codec::Amf0, FrameKind::Metadata, b"meta");
        let colour = frame(Track::VIDEO, Codec::H264, FrameKind::VideoInfo, b"bt2020");
        let said = [metadata, colour, avc(b"avcC"), aac(b"\x12\x10")];
        let stream_info = after(&said);
        assert_eq!(stream_info.number, 4);
        for frame in said {
            let later = Frame { dts: Timestamp(1), ..frame };
            assert_eq!(stream_info.with(&later, None), None);
        }
    }

    #[test]
    fn pictures_sounds_and_messages_of_known_tracks_change_nothing() {
        let stream_info = after(&[avc(b"avcC"), aac(b"\x12\x10")]);
        for frame in [
            frame(Track::VIDEO, Codec::H264, FrameKind::Key, b"idr"),
            frame(Track::VIDEO, Codec::H264, FrameKind::Inter, b"p"),
            frame(Track::AUDIO, Codec::Aac, FrameKind::Key, b"sound"),
            frame(Track::DATA, Codec::Amf0, FrameKind::Message, b"cue"),
            frame(Track::VIDEO, Codec::H264, FrameKind::End, b""),
        ] {
            assert_eq!(stream_info.with(&frame, None), None, "{frame:?}");
        }
    }

    #[test]
    fn another_configuration_replaces_the_old_one() {
        let old = after(&[avc(b"720p"), aac(b"\x12\x10")]);
        let new = old.with(&avc(b"1080p"), None).unwrap();
        assert_eq!(new.number, old.number + 1);
        let config = |stream_info: &StreamInfo| {
            stream_info.track(Track::VIDEO).unwrap().config.clone().unwrap().payload
        };
        assert_eq!((config(&old), config(&new)), ("720p".into(), "1080p".into()));
        assert_eq!(new.track(Track::AUDIO), old.track(Track::AUDIO));
    }

    #[test]
    fn a_track_may_come_late() {
        let video = after(&[avc(b"avcC")]);
        assert!(video.has(TrackKind::Video) && !video.has(TrackKind::Audio));
        let both = video.with(&frame(Track::AUDIO, Codec::Mp3, FrameKind::Key, b"mp3"), None).unwrap();
        assert!(both.has(TrackKind::Video) && both.has(TrackKind::Audio));
        assert_eq!(both.track(Track::AUDIO).unwrap().config, None);
        let second = Track { kind: TrackKind::Audio, id: 1 };
        let three = both.with(&frame(second, Codec::Opus, FrameKind::Config, b"OpusHead"), None).unwrap();
        assert_eq!(three.tracks.len(), 3);
    }

    #[test]
    fn a_codec_without_configuration_is_known_by_its_first_frame() {
        let params = Params::Audio(AudioParams { sample_rate: 44_100, ..AudioParams::default() });
        let mp3 = frame(Track::AUDIO, Codec::Mp3, FrameKind::Key, b"mp3");
        let stream_info = Arc::new(StreamInfo::default()).with(&mp3, Some(params.clone())).unwrap();
        let info = TrackInfo { codec: Codec::Mp3, config: None, params: Some(params) };
        assert_eq!(stream_info.track(Track::AUDIO), Some(&info));
    }

    #[test]
    fn another_codec_forgets_the_configuration_and_what_else_was_known() {
        let colour = frame(Track::VIDEO, Codec::H264, FrameKind::VideoInfo, b"bt709");
        let old = after(&[avc(b"avcC"), colour]);
        let by_config = old.with(&frame(Track::VIDEO, Codec::Av1, FrameKind::Config, b"av1C"), None).unwrap();
        assert_eq!(by_config.track(Track::VIDEO).unwrap().codec, Codec::Av1);
        assert!(by_config.video_info.is_empty());
        let by_frame =
            old.with(&frame(Track::VIDEO, Codec::FlvVideo(2), FrameKind::Key, b"h263"), None).unwrap();
        assert_eq!(by_frame.track(Track::VIDEO).unwrap().config, None);
    }

    #[test]
    fn colour_may_come_before_the_configuration_that_it_is_for() {
        let colour = frame(Track::VIDEO, Codec::H265, FrameKind::VideoInfo, b"bt2020");
        let config = frame(Track::VIDEO, Codec::H265, FrameKind::Config, b"hvcC");
        let stream_info = after(&[avc(b"avcC"), colour.clone(), config]);
        assert_eq!(stream_info.video_info.get(&Track::VIDEO), Some(&colour));
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let track =
            prop::sample::select(vec![Track::VIDEO, Track::AUDIO, Track { kind: TrackKind::Video, id: 1 }]);
        let codec = prop::sample::select(vec![Codec::H264, Codec::H265, Codec::Aac]);
        let kind = prop::sample::select(vec![
            FrameKind::Config,
            FrameKind::Key,
            FrameKind::Inter,
            FrameKind::Metadata,
            FrameKind::Message,
            FrameKind::VideoInfo,
            FrameKind::End,
        ]);
        let payload = prop::sample::select(vec![&b"a"[..], b"b"]);
        (track, codec, kind, payload)
            .prop_map(|(track, codec, kind, payload)| frame(track, codec, kind, payload))
    }

    proptest! {
        /// Equal numbers of one stream mean equal info, and the same frame never counts twice.
        #[test]
        fn the_number_grows_exactly_with_changes(frames in prop::collection::vec(any_frame(), 0..20)) {
            let mut stream_info = Arc::new(StreamInfo::default());
            for frame in &frames {
                if let Some(next) = stream_info.with(frame, None) {
                    prop_assert_eq!(next.number, stream_info.number + 1);
                    let renumbered = StreamInfo { number: stream_info.number, ..StreamInfo::clone(&next) };
                    prop_assert_ne!(&renumbered, &*stream_info);
                    stream_info = next;
                }
                prop_assert_eq!(stream_info.with(frame, None), None);
            }
        }
    }

    fn sized(width: u32) -> Option<Params> {
        Some(Params::Video(VideoParams { width, height: width, ..VideoParams::default() }))
    }

    #[test]
    fn a_repeated_configuration_changes_nothing() {
        let first = Arc::new(StreamInfo::default());
        let config = frame(Track::VIDEO, Codec::Vp9, FrameKind::Config, b"c");
        let second = first.with(&config, sized(0)).unwrap();
        assert_eq!(second.number, 1);
        assert_eq!(second.with(&config, sized(0)), None);
        let third = second.with(&frame(Track::VIDEO, Codec::Vp9, FrameKind::Config, b"d"), sized(0)).unwrap();
        assert_eq!(third.number, 2);
    }

    #[test]
    fn what_a_keyframe_tells_joins_the_configuration() {
        let config = frame(Track::VIDEO, Codec::Vp9, FrameKind::Config, b"c");
        let key = frame(Track::VIDEO, Codec::Vp9, FrameKind::Key, b"k");
        let before = Arc::new(StreamInfo::default()).with(&config, sized(0)).unwrap();
        assert_eq!(before.with(&key, None), None);
        let after = before.with(&key, sized(64)).unwrap();
        let info = after.track(Track::VIDEO).unwrap();
        assert_eq!((info.config.as_ref(), &info.params), (Some(&config), &sized(64)));
        assert_eq!(after.with(&key, sized(64)), None);
    }

    #[test]
    fn a_frame_of_another_codec_makes_the_old_configuration_void() {
        let config = frame(Track::VIDEO, Codec::Vp9, FrameKind::Config, b"c");
        let before = Arc::new(StreamInfo::default()).with(&config, sized(0)).unwrap();
        let after = before.with(&frame(Track::VIDEO, Codec::Vp8, FrameKind::Key, b"k"), sized(64)).unwrap();
        let info = after.track(Track::VIDEO).unwrap();
        assert_eq!((info.codec, info.config.as_ref(), &info.params), (Codec::Vp8, None, &sized(64)));
    }
}
