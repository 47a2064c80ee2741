//! Normalises the timestamps of publishers.
//!
//! In: a publisher's timestamps, unwrapped to 64 bits, as received. Out: times on the stream's own timeline,
//! which never goes back on any track (I9) and continues where the publisher before left off. If a
//! publisher's clock is steady, its differences are kept to the microsecond; if it jumps, the timeline is
//! re-anchored once, for all its tracks together, so that audio and video stay in sync (I11).

use crate::media::frame::{Frame, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// A larger step on one track, in microseconds, is a jump and not a pause.
const JUMP_US: i64 = 10_000_000;

/// A first timestamp up to this, in microseconds, is kept; a larger one is moved here, which leaves room for
/// a track that starts a little earlier.
const HEAD_ROOM_US: i64 = 1_000_000;

/// Step after a jump or a change of publisher when nothing better is known, in microseconds: one frame at 25
/// fps.
const STEP_US: i64 = 40_000;

/// Least distance of video frames, in microseconds: FLV and RTMP count milliseconds.
const VIDEO_STEP_US_MIN: i64 = 1_000;

/// The timeline of one stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Offset that is added to the publisher's time; `None` before its first audio or video frame.
    offset: Option<i64>,
    /// Last time of each track. A handful of entries.
    last: Vec<(Track, Timestamp)>,
    /// Largest time so far.
    end: Option<Timestamp>,
    /// Number of corrections so far: jumps and steps back.
    repairs: u64,
}

impl Timeline {
    /// Another publisher begins: its first frame follows the last frame.
    pub fn restart(&mut self) {
        self.offset = None;
    }

    /// Largest time so far.
    pub fn end(&self) -> Timestamp {
        self.end.unwrap_or(Timestamp::ZERO)
    }

    /// Number of corrections so far.
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    /// Moves a frame from its publisher's time to the stream's. Frames that are neither audio nor video take
    /// the time of the frame before them: encoders put arbitrary timestamps on their headers.
    pub fn normalize(&mut self, frame: &mut Frame) {
        if !frame.is_media() {
            frame.dts = self.end();
            return;
        }
        let raw = frame.dts.0;
        let offset = *self.offset.get_or_insert_with(|| match self.end {
            Some(end) => end.0 + STEP_US - raw,
            None if raw <= HEAD_ROOM_US => 0,
            None => HEAD_ROOM_US - raw,
        });
        let mut dts = Timestamp(raw.saturating_add(offset));
        let last = self.last.iter().find(|(track, _)| *track == frame.track).map(|(_, last)| *last);
        let near = last.or(self.end);
        if near.is_some_and(|near| (dts - near).abs() > JUMP_US) {
            reached!("a publisher's clock jumped");
            self.repairs += 1;
            dts = self.end() + STEP_US;
            self.offset = Some(dts.0 - raw);
        }
        let floor = match last {
            Some(last) if frame.track.kind == TrackKind::Video => last + VIDEO_STEP_US_MIN,
            Some(last) => last,
            None => Timestamp::ZERO,
        };
        if dts < floor {
            reached!("a timestamp went back");
            self.repairs += 1;
            // The presentation time is kept, unless it is in the past now.
            let shift = i32::try_from(floor - dts).unwrap_or(i32::MAX);
            frame.cts = frame.cts.saturating_sub(shift).max(0);
            dts = floor;
        }
        frame.cts = frame.cts.max(0);
        frame.dts = dts;
        match self.last.iter_mut().find(|(track, _)| *track == frame.track) {
            Some((_, last)) => *last = dts,
            None => self.last.push((frame.track, dts)),
        }
        self.end = Some(self.end().max(dts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::frame::{Codec, FrameKind};
    use bytes::Bytes;

    fn normalize(timeline: &mut Timeline, track: Track, ms: i64) -> i64 {
        let mut frame = Frame {
            track,
            codec: Codec::H264,
            kind: FrameKind::Key,
            sound: 0,
            dts: Timestamp::from_millis(ms),
            cts: 0,
            payload: Bytes::new(),
        };
        timeline.normalize(&mut frame);
        frame.dts.as_millis()
    }

    #[test]
    fn a_sane_clock_is_left_alone() {
        let mut timeline = Timeline::default();
        for ms in [0, 40, 80, 121, 5_000] {
            assert_eq!(normalize(&mut timeline, Track::VIDEO, ms), ms);
        }
        assert_eq!(timeline.repairs(), 0);
    }

    #[test]
    fn a_publisher_that_starts_late_on_its_clock_starts_near_zero() {
        let mut timeline = Timeline::default();
        assert_eq!(normalize(&mut timeline, Track::AUDIO, 3_600_000), 1_000);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 3_599_980), 980);
    }

    #[test]
    fn a_jump_is_taken_out_for_all_tracks_together() {
        let mut timeline = Timeline::default();
        normalize(&mut timeline, Track::VIDEO, 0);
        normalize(&mut timeline, Track::AUDIO, 10);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 100_000), 50);
        assert_eq!(normalize(&mut timeline, Track::AUDIO, 100_010), 60);
        assert_eq!(timeline.repairs(), 1);
    }

    #[test]
    fn a_reset_to_zero_goes_on_where_it_was() {
        let mut timeline = Timeline::default();
        normalize(&mut timeline, Track::VIDEO, 0);
        normalize(&mut timeline, Track::VIDEO, 9_000);
        normalize(&mut timeline, Track::VIDEO, 18_000);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 0), 18_040);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 40), 18_080);
    }

    #[test]
    fn video_moves_forward_strictly_and_audio_never_back() {
        let mut timeline = Timeline::default();
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 100), 100);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 100), 101);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 60), 102);
        assert_eq!(normalize(&mut timeline, Track::AUDIO, 100), 100);
        assert_eq!(normalize(&mut timeline, Track::AUDIO, 90), 100);
    }

    #[test]
    fn another_publisher_goes_on_after_the_last_frame() {
        let mut timeline = Timeline::default();
        normalize(&mut timeline, Track::VIDEO, 0);
        normalize(&mut timeline, Track::VIDEO, 500);
        timeline.restart();
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 7_777_000), 540);
        assert_eq!(normalize(&mut timeline, Track::VIDEO, 7_777_040), 580);
    }
}
