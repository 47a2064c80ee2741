//! Fragmented MP4 (ISO/IEC 14496-12, with CMAF's constraints on fragments, ISO/IEC 23000-19).
//!
//! In: stream info and frames of a stream. Out: an initialisation section ([`Movie::init`]) and media
//! segments ([`Movie::fragment`]), all tracks in one file. Tracks whose codec or configuration has no place
//! in MP4 are left out.

mod boxes;
mod entry;
mod fragment;
mod init;
#[cfg(test)]
mod tests;

use crate::media::codec::Params;
use crate::media::frame::{Codec, Frame, Track};
use crate::media::stream_info::{StreamInfo, TrackInfo};
use crate::media::timestamp::Timestamp;

/// The stream's time zero on the movie's timeline, in microseconds: decode times are unsigned here, and a
/// track may begin a little before the stream's first frame. As in [`super::ts`].
pub const START_US: i64 = 1_400_000;

/// Timescale of tracks whose sampling rate cannot express milliseconds exactly.
const TIMESCALE: u32 = 90_000;

/// The tracks of a file, as long as none of them changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movie {
    tracks: Vec<MovieTrack>,
    /// The stream's time zero, in microseconds.
    start_us: i64,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MovieTrack {
    track: Track,
    /// Track id, from 1 on.
    id: u32,
    /// Timescale, in ticks per second.
    timescale: u32,
    /// Duration of a frame as the configuration tells it, in ticks.
    frame_ticks: i64,
    /// Width and height in pixels; zero for audio.
    size: (u32, u32),
    /// Sample entry, a whole box.
    entry: Vec<u8>,
}

impl Movie {
    /// The file for `stream_info`. `frames` are used for codecs without configuration (AC-3, E-AC-3): tracks
    /// of these are left out if none of their frames is there.
    pub fn new(stream_info: &StreamInfo, frames: &[Frame]) -> Movie {
        let mut tracks = Vec::new();
        for (track, info) in &stream_info.tracks {
            let first = || frames.iter().find(|frame| frame.track == *track && frame.is_media());
            let Some(entry) = entry::sample_entry(info, first()) else { continue };
            tracks.push(MovieTrack {
                track: *track,
                id: tracks.len() as u32 + 1,
                timescale: timescale(info),
                frame_ticks: frame_ticks(info),
                size: match &info.params {
                    Some(Params::Video(video)) => (video.width, video.height),
                    _ => (0, 0),
                },
                entry,
            });
        }
        Movie { tracks, start_us: START_US }
    }

    /// The same, with a timeline that is `secs` seconds ahead.
    pub fn ahead(self, secs: u32) -> Movie {
        Movie { start_us: START_US + i64::from(secs) * 1_000_000, ..self }
    }

    /// True if no track has a place in it.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }
}

impl MovieTrack {
    /// The tick at `time`. Each time is rounded by itself, so that no error adds up.
    fn ticks(&self, time: Timestamp) -> i64 {
        let ticks = (i128::from(time.0) * i128::from(self.timescale) + 500_000).div_euclid(1_000_000);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// The timescale: the sampling rate, which players prefer, if it can express milliseconds exactly. Publishers
/// send times in milliseconds, and their differences must be kept.
fn timescale(info: &TrackInfo) -> u32 {
    match (&info.params, info.codec) {
        // The decoder's clock, whatever was encoded (RFC 7845, 4).
        (_, Codec::Opus) => 48_000,
        (Some(Params::Audio(audio)), _) if audio.sample_rate > 0 && audio.sample_rate % 1000 == 0 => {
            audio.sample_rate
        }
        _ => TIMESCALE,
    }
}

fn frame_ticks(info: &TrackInfo) -> i64 {
    let timescale = i64::from(timescale(info));
    match &info.params {
        Some(Params::Video(video)) => timescale * 1000 / i64::from(video.fps_milli.unwrap_or(25_000).max(1)),
        Some(Params::Audio(audio)) => match audio.frame_samples {
            Some(samples) => timescale * i64::from(samples) / i64::from(audio.sample_rate.max(1)),
            None => timescale / 50,
        },
        None => timescale / 50,
    }
}
