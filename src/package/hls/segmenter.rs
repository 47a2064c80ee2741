//! Decides where segments end, and the target duration.
//!
//! A segment ends at the first keyframe after `segment_ms`. TARGETDURATION must never change in the life of a
//! playlist (RFC 8216, 6.2.1), no segment may be longer, and players stay three times as long behind. So it
//! is fixed when the first segment is complete and the publisher's keyframe distance is known, and as short
//! as that allows. After that, a segment that is about to exceed it is cut without a keyframe.
//!
//! In: the open segment and the next frame. Out: a verdict. Never: holds frames.

use super::segment::{Open, cost};
use crate::config;
use crate::media::frame::Frame;
use crate::media::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The rules, and the target duration once it is fixed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segmenter {
    segment_us: i64,
    segment_us_max: i64,
    segment_bytes_max: usize,
    target_secs: Option<u64>,
}

/// What the next frame means for the open segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The frame joins the segment.
    Join,
    /// The segment ends; the frame begins the next one.
    Cut,
    /// The segment ends before its last frame, which begins the next one: the frame fits into that.
    CutBefore,
    /// The segment ended earlier, and the frame does not continue it: the publisher paused for longer than a
    /// segment may last.
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

    /// The verdict on `frame`. `clean`: decoding can start at it.
    pub fn verdict(&self, open: &Open, frame: &Frame, clean: bool) -> Verdict {
        let elapsed_us = frame.dts - open.start();
        let end_us = self.end_us();
        if elapsed_us >= end_us {
            // With few frames a second, or at an uneven rate, the last frame was not expected to be the last.
            let fits = frame.dts - open.last().dts < end_us;
            return if fits { Verdict::CutBefore } else { Verdict::Gap };
        }
        // Publishers round timestamps to milliseconds. A keyframe that is due now may be stamped slightly
        // earlier; it must not be missed, since the segment would become twice as long.
        let slack_us = (open.step_us() / 2).min(SLACK_US_MAX);
        let due = elapsed_us + slack_us >= self.segment_us || !open.independent;
        let late = elapsed_us >= self.segment_us_max || elapsed_us + open.step_us() >= end_us;
        let full = open.bytes + cost(frame) > self.segment_bytes_max;
        if !(clean && due) && (late || full) {
            reached!("an HLS segment was cut without a keyframe");
        }
        if (clean && due) || late || full { Verdict::Cut } else { Verdict::Join }
    }

    /// Duration of `open`, in microseconds: to the start of `next`, so that no error adds up over the
    /// playlist; without `next`, to the end of its content. Never longer than TARGETDURATION allows.
    pub fn duration_us(&self, open: &Open, next: Option<&Frame>) -> u64 {
        let to = |end: Timestamp| end - open.start();
        let exact_us = next.map(|next| to(next.dts)).filter(|us| *us < self.end_us());
        let us = exact_us.unwrap_or(to(open.end())).clamp(DURATION_US_MIN, self.end_us() - 1);
        u64::try_from(us).expect("clamped to positive numbers")
    }

    /// TARGETDURATION in seconds. Fixed by the first segment to end, whose duration is `duration_us`.
    pub fn fix_target_secs(&mut self, first: &Open, duration_us: u64) -> u64 {
        let (floor, cap) = (ceil_secs(self.segment_us), self.target_secs_max());
        // With irregular keyframes a segment may end up to a GOP after it is due; with regular ones all
        // segments have about the same duration.
        let expected_us = match first.gops_us {
            Some((shortest, longest)) if (longest - shortest) * 10 > longest => self.segment_us + longest,
            _ => i64::try_from(duration_us).unwrap_or(i64::MAX / 4),
        };
        let expected_secs = round_secs(u64::try_from(expected_us + expected_us / 20).unwrap_or(0));
        let fixed = expected_secs.clamp(floor, cap).max(round_secs(duration_us));
        *self.target_secs.get_or_insert(fixed)
    }

    /// True if its bounds are in order. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let secs = self.target_secs.is_none_or(|secs| secs <= u64::from(u32::MAX));
        (SEGMENT_US_MIN..=self.segment_us_max).contains(&self.segment_us) && secs
    }

    /// Exclusive bound of a duration that rounds to TARGETDURATION (RFC 8216, 4.3.3.1), in microseconds.
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

/// Shortest `segment_ms` that is honoured, in microseconds. Sequence numbers of a restarted server assume at
/// most two segments a second; see [`super::window::Sequences`].
const SEGMENT_US_MIN: i64 = 500_000;

/// How much earlier than due a keyframe may be, at most, in microseconds.
const SLACK_US_MAX: i64 = 25_000;

/// Shortest duration in a playlist, in microseconds: some players fail on zero.
const DURATION_US_MIN: i64 = 1_000;
