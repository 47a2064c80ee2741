//! The flush rule of a stream (`stream.play.flush`): frames are sent at once, or together with later ones.
//!
//! In: frames, flushes, passes of the loop. Out: whether to flush now, or when. Each flush costs a write for
//! every player, so fewer flushes serve more players per core at the price of latency.

use crate::base::time::Instant;
use crate::config::Flush;
use crate::media::frame::{Frame, TrackKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most time that audio waits for the next video frame, with rules that flush with video.
const RIDE_ALONG: Duration = Duration::from_millis(40);

/// Most time that `Auto` holds frames back.
const AUTO_HOLD_MAX: Duration = Duration::from_millis(Flush::AUTO_HOLD_MS_MAX);

/// `Auto` keeps flushes of a stream apart by this many times the length of a pass. Two leaves half of a core
/// for other streams and for peaks.
const AUTO_PASSES: u32 = 2;

/// The flush rule of a stream and the measured length of a pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flusher {
    flush: Flush,
    /// When frames that are held back must be flushed.
    at: Option<Instant>,
    /// Time of the last flush.
    left: Instant,
    /// True while the length of the pass that flushed is being measured.
    measuring: bool,
    /// Length of a pass with a flush.
    pass: Duration,
}

impl Flusher {
    /// The rule of a setting.
    pub fn new(flush: Flush) -> Self {
        Flusher { flush, at: None, left: Instant::ZERO, measuring: false, pass: Duration::ZERO }
    }

    /// Decides about a new frame of a stream, which has video if `pictures`. True: flush now. False: not
    /// before [`Flusher::flush_at`].
    pub fn take(&mut self, now: Instant, frame: &Frame, pictures: bool) -> bool {
        // Audio is frequent and small: where there is video it does not get writes of its own.
        let whole = frame.is_media() && (frame.track.kind == TrackKind::Video || !pictures);
        let (prompt, patience) = match self.flush {
            Flush::Frame => (frame.is_media(), Duration::ZERO),
            Flush::Video | Flush::Auto => (whole, RIDE_ALONG),
            Flush::Ms(ms) => (frame.is_video_key(), Duration::from_millis(u64::from(ms))),
        };
        let earliest = self.left + self.hold();
        // Keyframes are not held back: players that wait begin with them.
        if prompt && (frame.is_video_key() || earliest <= now) {
            return true;
        }
        let at = if prompt { earliest } else { earliest.max(now + patience) };
        self.at = Some(self.at.map_or(at, |before| before.min(at)));
        false
    }

    /// Notes a flush.
    pub fn left(&mut self, now: Instant) {
        self.at = None;
        self.left = now;
        // Only `Auto` uses the length of a pass; measuring it costs a wake-up.
        self.measuring = self.flush == Flush::Auto;
    }

    /// Notes that a pass of the loop begins at `now`.
    pub fn note_pass(&mut self, now: Instant) {
        if self.measuring && self.left < now {
            self.measuring = false;
            // Rises at once and falls over several passes, since load comes in bursts.
            self.pass = now.since(self.left).max(self.pass - self.pass / 8);
        }
    }

    /// How long frames are held back after a flush because of load.
    pub fn hold(&self) -> Duration {
        (self.pass * AUTO_PASSES).min(AUTO_HOLD_MAX)
    }

    /// When frames that are held back must be flushed.
    pub fn flush_at(&self) -> Option<Instant> {
        self.at
    }

    /// When the rule needs a call at the latest: a flush, or the end of a measurement.
    pub fn wake_at(&self) -> Option<Instant> {
        let pass = self.measuring.then_some(self.left + Duration::from_micros(1));
        self.at.into_iter().chain(pass).min()
    }
}

#[cfg(test)]
mod tests {
    use super::{AUTO_HOLD_MAX, Flusher, RIDE_ALONG};
    use crate::base::time::Instant;
    use crate::config::Flush;
    use crate::media::frame::{Codec, Frame, FrameKind, Track};
    use crate::media::timestamp::Timestamp;
    use bytes::Bytes;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn frame(track: Track, kind: FrameKind) -> Frame {
        let codec = if track == Track::VIDEO { Codec::H264 } else { Codec::Aac };
        Frame { track, codec, kind, sound: 0, dts: Timestamp(0), cts: 0, payload: Bytes::from_static(b"x") }
    }

    fn key() -> Frame {
        frame(Track::VIDEO, FrameKind::Key)
    }

    fn picture() -> Frame {
        frame(Track::VIDEO, FrameKind::Inter)
    }

    fn sound() -> Frame {
        frame(Track::AUDIO, FrameKind::Key)
    }

    /// A flusher under `Auto` whose last pass took this long, and the end of that pass.
    fn loaded(pass: Duration) -> (Flusher, Instant) {
        let mut flusher = Flusher::new(Flush::Auto);
        let now = Instant::ZERO + 1000 * MS;
        assert!(flusher.take(now, &picture(), true), "nothing is known of a load yet");
        flusher.left(now);
        assert_eq!(flusher.wake_at(), Some(now + MS / 1000));
        flusher.note_pass(now);
        assert_eq!(flusher.hold(), Duration::ZERO, "the pass has not ended yet");
        flusher.note_pass(now + pass);
        assert_eq!(flusher.wake_at(), None);
        (flusher, now + pass)
    }

    #[test]
    fn sound_rides_along_with_pictures_and_leaves_alone_where_there_are_none() {
        let now = Instant::ZERO;
        let mut flusher = Flusher::new(Flush::Video);
        assert!(!flusher.take(now, &sound(), true));
        assert_eq!(flusher.flush_at(), Some(now + RIDE_ALONG));
        assert!(flusher.take(now, &picture(), true));
        assert!(flusher.take(now, &sound(), false));
    }

    #[test]
    fn what_a_pass_costs_decides_how_often_frames_leave() {
        let (mut flusher, now) = loaded(20 * MS);
        assert_eq!(flusher.hold(), 40 * MS);
        assert!(!flusher.take(now, &picture(), true));
        assert_eq!(flusher.flush_at(), Some(now + 20 * MS), "40 ms behind the last time");
        assert!(!flusher.take(now + 10 * MS, &sound(), true));
        assert_eq!(flusher.flush_at(), Some(now + 20 * MS), "a later frame never moves the flush back");
        assert!(flusher.take(now + 20 * MS, &picture(), true));
    }

    #[test]
    fn a_keyframe_is_never_held_back_and_nothing_is_for_long() {
        let (mut flusher, now) = loaded(3000 * MS);
        assert!(flusher.take(now, &key(), true));
        flusher.left(now);
        assert_eq!(flusher.hold(), AUTO_HOLD_MAX);
        assert!(!flusher.take(now, &picture(), true));
        assert_eq!(flusher.flush_at(), Some(now + AUTO_HOLD_MAX));
    }

    #[test]
    fn load_that_is_over_is_forgotten() {
        let (mut flusher, mut now) = loaded(20 * MS);
        for _ in 0..40 {
            now = now + 33 * MS;
            flusher.left(now);
            flusher.note_pass(now + MS / 10);
        }
        assert!(flusher.hold() < MS, "{:?}", flusher.hold());
    }

    #[test]
    fn other_settings_measure_nothing() {
        for flush in [Flush::Frame, Flush::Video, Flush::Ms(100)] {
            let mut flusher = Flusher::new(flush);
            flusher.left(Instant::ZERO);
            assert_eq!(flusher.wake_at(), None);
            flusher.note_pass(Instant::ZERO + 1000 * MS);
            assert_eq!(flusher.hold(), Duration::ZERO);
        }
    }
}
