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
    /// The headers after `frame`; `None` if it changes nothing.
    pub fn with(self: &Arc<Self>, frame: &Frame, params: Option<Params>) -> Option<Arc<Headers>> {
        let known = self.tracks.get(&frame.track);
        let changes = match frame.role {
            Role::Metadata => self.metadata.as_ref().is_none_or(|old| old.payload != frame.payload),
            Role::VideoInfo => {
                self.video_info.get(&frame.track).is_none_or(|old| old.payload != frame.payload)
            }
            Role::Config => known.is_none_or(|info| {
                info.codec != frame.codec
                    || info.config.as_ref().is_none_or(|old| old.payload != frame.payload)
            }),
            Role::Key | Role::Inter => known.is_none_or(|info| info.codec != frame.codec),
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
            _ => {
                let config = (frame.role == Role::Config).then(|| frame.clone());
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
