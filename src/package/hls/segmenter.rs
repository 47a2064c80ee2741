//! When a segment ends, and what TARGETDURATION is.
//!
//! A segment ends at the first keyframe after `segment_ms`. TARGETDURATION must never change in the life
//! of a playlist (RFC 8216, 6.2.1), no segment may be longer, and players stay three of it behind: so
//! it is fixed late and tight, when the first segment is complete and the publisher's keyframe distance
//! known. Whatever comes then, a segment that is about to become too long is cut without a keyframe.
//!
//! In: the open segment and the frame after it. Out: a verdict. Holds no frames.

use super::segment::{Open, cost};
use crate::config;
use crate::media::frame::Frame;
use crate::media::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Rules for the ends of segments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segmenter {
    segment_us: i64,
    segment_us_max: i64,
    segment_bytes_max: usize,
    target_secs: Option<u64>,
}

/// What becomes of the open segment when a frame comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The frame joins it.
    Join,
    /// It ends; the next segment begins with the frame.
    Cut,
    /// It ended before, and what follows it does not begin where it ends: the publisher paused for longer
    /// than a segment may last.
    Gap,
}

impl Segmenter {
    /// The rules of `settings`.
    pub fn new(settings: &config::Hls) -> Segmenter {
        let us = |ms: u64| i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        let segment_us = us(settings.segment_ms).max(SEGMENT_US_MIN);
        Segmenter {
            segment_us,
            segment_us_max: us(settings.segment_ms_max).max(segment_us),
            segment_bytes_max: settings.segment_bytes_max,
            target_secs: None,
        }
    }

    /// What becomes of `open` when `frame` comes. `clean`: decoding may begin at the frame.
    pub fn verdict(&self, open: &Open, frame: &Frame, clean: bool) -> Verdict {
        let elapsed_us = frame.dts - open.start();
        let end_us = self.end_us();
        if elapsed_us >= end_us {
            return Verdict::Gap;
        }
        // Publishers round times to milliseconds: a keyframe that is due now may be written as a little
        // earlier, and must not double the segment.
        let slack_us = (open.step_us() / 2).min(SLACK_US_MAX);
        let due = elapsed_us + slack_us >= self.segment_us || !open.independent;
        let late = elapsed_us >= self.segment_us_max || elapsed_us + open.step_us() >= end_us;
        let full = open.bytes + cost(frame) > self.segment_bytes_max;
        if !(clean && due) && (late || full) {
            reached!("an HLS segment was cut without a keyframe");
        }
        if (clean && due) || late || full { Verdict::Cut } else { Verdict::Join }
    }

    /// How long `open` lasts, in microseconds: to where `next` begins, so that no error adds up over the
    /// playlist; without `next`, to where its content ends. Never longer than TARGETDURATION allows.
    pub fn duration_us(&self, open: &Open, next: Option<&Frame>) -> u64 {
        let to = |end: Timestamp| end - open.start();
        let exact_us = next.map(|next| to(next.dts)).filter(|us| *us < self.end_us());
        let us = exact_us.unwrap_or(to(open.end())).clamp(DURATION_US_MIN, self.end_us() - 1);
        u64::try_from(us).expect("clamped to positive numbers")
    }

    /// TARGETDURATION, fixed by the first segment to end, which lasts `duration_us`.
    pub fn fix_target_secs(&mut self, first: &Open, duration_us: u64) -> u64 {
        let (floor, cap) = (ceil_secs(self.segment_us), self.target_secs_max());
        // A publisher whose keyframes keep no rhythm ends its segments anywhere up to a GOP after they
        // are due; one with a rhythm ends all of them alike, give or take a frame.
        let expected_us = match first.gops_us {
            Some((shortest, longest)) if (longest - shortest) * 10 > longest => self.segment_us + longest,
            _ => i64::try_from(duration_us).unwrap_or(i64::MAX / 4),
        };
        let expected_secs = round_secs(u64::try_from(expected_us + expected_us / 20).unwrap_or(0));
        let fixed = expected_secs.clamp(floor, cap).max(round_secs(duration_us));
        *self.target_secs.get_or_insert(fixed)
    }

    /// The longest duration that still rounds to TARGETDURATION (RFC 8216, 4.3.3.1), exclusive.
    fn end_us(&self) -> i64 {
        let target_secs = self.target_secs.unwrap_or(self.target_secs_max());
        i64::try_from(target_secs).unwrap_or(i64::MAX / 4_000_000) * 1_000_000 + 500_000
    }

    fn target_secs_max(&self) -> u64 {
        ceil_secs(self.segment_us_max)
    }
}

fn ceil_secs(us: i64) -> u64 {
    u64::try_from(us).unwrap_or(0).div_ceil(1_000_000)
}

/// Whole seconds, rounded to the nearest as RFC 8216 compares durations.
pub fn round_secs(us: u64) -> u64 {
    (us + 500_000) / 1_000_000
}

/// The shortest `segment_ms` that is honoured. Sequence numbers of a restarted server begin where two
/// segments a second would have led; see [`super::window::Sequences`].
const SEGMENT_US_MIN: i64 = 500_000;

/// The most that a keyframe may come too early.
const SLACK_US_MAX: i64 = 25_000;

/// The shortest duration that is told, in microseconds: some players stumble over zero.
const DURATION_US_MIN: i64 = 1_000;
