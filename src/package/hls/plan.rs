//! The choice of tracks and layout.
//!
//! In: the stream info. Out: a plan with at most one video and one audio track: those with the lowest ids
//! whose codec has a place in the layout. Other tracks are left out.

use crate::config::HlsLayout;
use crate::media::codec::{self, Params};
use crate::media::frame::{Codec, Frame, Track, TrackKind};
use crate::media::stream_info::{StreamInfo, TrackInfo};
use crate::wire::m3u8::Layout;
use crate::wire::ts;
use serde::{Deserialize, Serialize};

/// Tracks and layout of segments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Layout of segments.
    pub layout: Layout,
    /// The stream info, reduced to the packaged tracks.
    pub stream_info: StreamInfo,
}

impl Plan {
    /// The plan for `stream_info`; `None` if no track can be packaged. A stream that is laid out as
    /// fragmented MP4 (`before`) stays so: a playlist cannot remove an initialisation section.
    pub fn new(stream_info: &StreamInfo, wanted: HlsLayout, before: Option<Layout>) -> Option<Plan> {
        let layout = match (wanted, before) {
            (HlsLayout::Ts, _) => Layout::Ts,
            (HlsLayout::Fmp4, _) | (_, Some(Layout::Fmp4)) => Layout::Fmp4,
            (HlsLayout::Auto, _) => {
                let chosen = chosen(stream_info, is_usable);
                if chosen.tracks.values().all(is_at_home_in_ts) { Layout::Ts } else { Layout::Fmp4 }
            }
        };
        let stream_info = match layout {
            Layout::Ts => chosen(stream_info, |info| is_usable(info) && ts::has_place(info)),
            Layout::Fmp4 => chosen(stream_info, is_usable),
        };
        (!stream_info.tracks.is_empty()).then_some(Plan { layout, stream_info })
    }

    /// True for media frames of a packaged track.
    pub fn carries(&self, frame: &Frame) -> bool {
        frame.is_media()
            && self.stream_info.tracks.get(&frame.track).is_some_and(|info| info.codec == frame.codec)
    }

    /// Learns from a keyframe what the configuration did not tell: VP8 and VP9 have their size there only.
    pub fn learn(&mut self, frame: &Frame) {
        let Some(info) = self.stream_info.tracks.get_mut(&frame.track) else { return };
        if let Some(Params::Video(video)) = &mut info.params
            && video.width == 0
            && let Some(Params::Video(seen)) = codec::parse_frame(frame.codec, &frame.payload)
        {
            (video.width, video.height) = (seen.width, seen.height);
        }
    }

    /// True if decoding can start at the frame: a video keyframe, or any frame if there is no video.
    pub fn is_clean(&self, frame: &Frame) -> bool {
        frame.is_video_key() || !self.has_video()
    }

    /// True if both plans package `track` in the same way.
    pub fn keeps(&self, track: Track, other: &Plan) -> bool {
        match (self.stream_info.track(track), other.stream_info.track(track)) {
            (Some(one), Some(two)) => is_same(one, two),
            _ => false,
        }
    }

    /// True if this plan packages every track of `other` in the same way, and perhaps more.
    pub fn extends(&self, other: &Plan) -> bool {
        other.stream_info.tracks.keys().all(|track| self.keeps(*track, other))
    }

    /// True if segments of one plan can follow those of the other without a discontinuity.
    pub fn continues(&self, other: &Plan) -> bool {
        self.layout == other.layout && self.extends(other) && other.extends(self)
    }

    /// True if a video track is packaged.
    pub fn has_video(&self) -> bool {
        self.stream_info.has(TrackKind::Video)
    }

    /// The packaged video track.
    pub fn video(&self) -> Option<&TrackInfo> {
        self.stream_info.tracks.iter().find(|(track, _)| track.kind == TrackKind::Video).map(|(_, info)| info)
    }

    /// Codecs as RFC 6381 writes them; empty if one of them is unknown.
    pub fn codecs(&self) -> Vec<String> {
        let name = |info: &TrackInfo| match &info.params {
            Some(Params::Video(video)) => Some(video.rfc6381.clone()),
            Some(Params::Audio(audio)) => Some(audio.rfc6381.clone()),
            None => None,
        };
        let names: Option<Vec<String>> = self.stream_info.tracks.values().map(name).collect();
        names.filter(|names| names.iter().all(|name| !name.is_empty())).unwrap_or_default()
    }
}

/// The stream info with the first track of each kind that fits.
fn chosen(stream_info: &StreamInfo, fits: impl Fn(&TrackInfo) -> bool) -> StreamInfo {
    let mut chosen = StreamInfo { number: stream_info.number, ..StreamInfo::default() };
    for (track, info) in &stream_info.tracks {
        if fits(info) && !chosen.has(track.kind) {
            chosen.tracks.insert(*track, info.clone());
        }
    }
    chosen
}

/// True if enough is known about the track to package it.
fn is_usable(info: &TrackInfo) -> bool {
    match info.codec {
        Codec::FlvVideo(_) | Codec::FlvAudio(_) | Codec::Amf0 => false,
        Codec::Mp3 | Codec::Ac3 | Codec::Eac3 => info.params.is_some(),
        _ => info.params.is_some() && info.config.is_some(),
    }
}

/// True if both are decoded alike. The rest may differ: configurations come at different times, and some
/// parameters are learned from frames.
fn is_same(one: &TrackInfo, two: &TrackInfo) -> bool {
    let config = |info: &TrackInfo| info.config.as_ref().map(|config| config.payload.clone());
    let same_sound = config(one).is_some() || one.params == two.params;
    one.codec == two.codec && config(one) == config(two) && same_sound
}

/// True if HLS has no place for any of the tracks, whatever is still to be learned about them.
pub fn is_hopeless(stream_info: &StreamInfo) -> bool {
    let opaque =
        |info: &TrackInfo| matches!(info.codec, Codec::FlvVideo(_) | Codec::FlvAudio(_) | Codec::Amf0);
    !stream_info.tracks.is_empty() && stream_info.tracks.values().all(opaque)
}

/// True for tracks that every HLS player supports in MPEG-TS. Not H.265: Apple's players support it in
/// fragmented MP4 only (HLS Authoring Specification for Apple Devices, 1.5).
fn is_at_home_in_ts(info: &TrackInfo) -> bool {
    let codec = matches!(info.codec, Codec::H264 | Codec::Aac | Codec::Mp3 | Codec::Ac3 | Codec::Eac3);
    codec && ts::has_place(info)
}
