//! What a player must know before its first frame: metadata and the configuration of each track.
//!
//! Headers never change; a stream whose codec changes gets new ones with the next number. A ring keeps
//! with every frame the headers that are in force there, so that whoever starts at that frame, now or
//! after a jump, gets the right ones (I2, I5).

use crate::media::codec::Params;
use crate::media::frame::{Codec, Frame, Kind, Role, Track};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known about one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its codec.
    pub codec: Codec,
    /// Its configuration frame; `None` for codecs without one, and before it came.
    pub config: Option<Frame>,
    /// What the configuration says, where it could be understood.
    pub params: Option<Params>,
}

/// The headers in force at some frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Grows by one with each change. Equal numbers of one stream mean equal headers.
    pub number: u64,
    /// `onMetaData`, if the publisher sent any.
    pub metadata: Option<Frame>,
    /// Colour information of video tracks, relayed as it came.
    pub video_info: BTreeMap<Track, Frame>,
    /// Every audio and video track seen so far.
    pub tracks: BTreeMap<Track, TrackInfo>,
}

impl Headers {
    /// The headers after `frame`, about which `params` were found out; `None` if it changes nothing.
    pub fn with(self: &Arc<Self>, frame: &Frame, params: Option<Params>) -> Option<Arc<Headers>> {
        let known = self.tracks.get(&frame.track).filter(|info| info.codec == frame.codec);
        let changes = match frame.role {
            Role::Metadata => self.metadata.as_ref().is_none_or(|old| old.payload != frame.payload),
            Role::VideoInfo => {
                self.video_info.get(&frame.track).is_none_or(|old| old.payload != frame.payload)
            }
            Role::Config => {
                known.is_none_or(|info| info.config.as_ref().is_none_or(|old| old.payload != frame.payload))
            }
            Role::Key | Role::Inter => known.is_none_or(|info| params.is_some() && info.params != params),
            Role::Message | Role::End => false,
        };
        if !changes {
            return None;
        }
        let mut next = Headers::clone(self);
        next.number += 1;
        match frame.role {
            Role::Metadata => next.metadata = Some(frame.clone()),
            Role::VideoInfo => {
                next.video_info.insert(frame.track, frame.clone());
            }
            role => {
                let config = match role {
                    Role::Config => Some(frame.clone()),
                    _ => known.and_then(|info| info.config.clone()),
                };
                next.tracks.insert(frame.track, TrackInfo { codec: frame.codec, config, params });
            }
        }
        Some(Arc::new(next))
    }

    /// What is known about `track`.
    pub fn track(&self, track: Track) -> Option<&TrackInfo> {
        self.tracks.get(&track)
    }

    /// True if a track of this kind was seen.
    pub fn has(&self, kind: Kind) -> bool {
        self.tracks.keys().any(|track| track.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::VideoParams;
    use crate::media::timestamp::Timestamp;
    use bytes::Bytes;

    fn frame(codec: Codec, role: Role, payload: &'static [u8]) -> Frame {
        let dts = Timestamp::from_millis(0);
        Frame {
            track: Track::VIDEO,
            codec,
            role,
            sound: 0,
            dts,
            cts: 0,
            payload: Bytes::from_static(payload),
        }
    }

    fn sized(width: u32) -> Option<Params> {
        Some(Params::Video(VideoParams { width, height: width, ..VideoParams::default() }))
    }

    #[test]
    fn a_repeated_configuration_changes_nothing() {
        let first = Arc::new(Headers::default());
        let config = frame(Codec::Vp9, Role::Config, b"c");
        let second = first.with(&config, sized(0)).unwrap();
        assert_eq!(second.number, 1);
        assert_eq!(second.with(&config, sized(0)), None);
        let third = second.with(&frame(Codec::Vp9, Role::Config, b"d"), sized(0)).unwrap();
        assert_eq!(third.number, 2);
    }

    #[test]
    fn what_a_keyframe_tells_joins_the_configuration() {
        let config = frame(Codec::Vp9, Role::Config, b"c");
        let key = frame(Codec::Vp9, Role::Key, b"k");
        let before = Arc::new(Headers::default()).with(&config, sized(0)).unwrap();
        assert_eq!(before.with(&key, None), None);
        let after = before.with(&key, sized(64)).unwrap();
        let info = after.track(Track::VIDEO).unwrap();
        assert_eq!((info.config.as_ref(), &info.params), (Some(&config), &sized(64)));
        assert_eq!(after.with(&key, sized(64)), None);
    }

    #[test]
    fn a_frame_of_another_codec_makes_the_old_configuration_void() {
        let config = frame(Codec::Vp9, Role::Config, b"c");
        let before = Arc::new(Headers::default()).with(&config, sized(0)).unwrap();
        let after = before.with(&frame(Codec::Vp8, Role::Key, b"k"), sized(64)).unwrap();
        let info = after.track(Track::VIDEO).unwrap();
        assert_eq!((info.codec, info.config.as_ref(), &info.params), (Codec::Vp8, None, &sized(64)));
    }
}
