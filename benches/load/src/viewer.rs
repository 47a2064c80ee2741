//! What one player got: every frame in order exactly once from its first keyframe on, or what was wrong.
//!
//! Frames count for the window of measurement by the time at which they were *sent*, so that what was on its
//! way at either end of the window is counted for all or for none.

use crate::clock::SECOND;
use crate::histogram::Histogram;
use crate::stamp::{Kind, Seen};
use std::ops::Range;

/// A pause between frames that counts as a stall, in nanoseconds.
const STALL: u64 = SECOND;

/// Time from the publisher's write to the player's read, in nanoseconds, of frames sent in the window.
///
/// Pictures and sound apart: where sound rides along with the next picture, it waits for it on purpose.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Of pictures.
    pub video: Histogram,
    /// Of sound.
    pub audio: Histogram,
    /// Of all frames that *arrived* in the window, whenever they were sent: where everything is late, those
    /// that were sent in the window may not have come yet.
    pub age: Histogram,
}

/// One player's record.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Which stream it plays.
    pub stream: u16,
    /// When it began to connect.
    pub started: u64,
    /// True if its latencies count; not of those whose joining is measured.
    pub counted: bool,
    /// True if it only counts bytes after its first keyframe.
    pub blind: bool,
    /// When it had asked for the stream: an RTMP player is a few round trips older by then.
    pub asked: Option<u64>,
    /// When its first keyframe had arrived.
    pub first: Option<u64>,
    /// Bytes that arrived within the window, all of them.
    pub wire_bytes: u64,
    /// Bytes of frames that were sent within the window and arrived.
    pub window_bytes: u64,
    /// Such frames.
    pub window_frames: u64,
    /// Frames that were left out, each counted once.
    pub lost: u64,
    /// Places where frames were left out.
    pub gaps: u64,
    /// Gaps after which pictures did not go on with a keyframe.
    pub torn: u64,
    /// Frames that came again or too late.
    pub repeated: u64,
    /// Frames with wrong bytes or a wrong length.
    pub corrupt: u64,
    /// Pauses of more than a second within the window.
    pub stalls: u64,
    /// The longest pause within the window, in nanoseconds.
    pub pause_max: u64,
    next_seq: u32,
    after_gap: bool,
    last: u64,
}

impl Viewer {
    /// A player of `stream` that begins to connect at `now`.
    pub fn new(stream: u16, now: u64) -> Self {
        Viewer {
            stream,
            started: now,
            counted: true,
            blind: false,
            asked: None,
            first: None,
            wire_bytes: 0,
            window_bytes: 0,
            window_frames: 0,
            lost: 0,
            gaps: 0,
            torn: 0,
            repeated: 0,
            corrupt: 0,
            stalls: 0,
            pause_max: 0,
            next_seq: 0,
            after_gap: false,
            last: now,
        }
    }

    /// So many bytes have arrived, whatever is in them.
    pub fn take(&mut self, len: usize, now: u64, window: &Range<u64>) {
        if window.contains(&now) {
            self.wire_bytes += len as u64;
        }
        if self.blind {
            self.rest(now, window);
        }
    }

    /// A frame has arrived.
    pub fn see(&mut self, seen: Seen, now: u64, window: &Range<u64>, latency: &mut Latency) {
        let Some(stamp) = seen.stamp else { return };
        if self.first.is_none() {
            if !seen.key {
                return;
            }
            self.first = Some(now);
            self.next_seq = stamp.seq;
        }
        self.corrupt += u64::from(!seen.intact || stamp.stream != self.stream);
        if stamp.seq < self.next_seq {
            self.repeated += 1;
            return;
        }
        if stamp.seq > self.next_seq {
            self.lost += u64::from(stamp.seq - self.next_seq);
            self.gaps += 1;
            self.after_gap = true;
        }
        if self.after_gap && seen.kind == Kind::Video {
            self.after_gap = false;
            self.torn += u64::from(!seen.key);
        }
        self.next_seq = stamp.seq + 1;
        self.rest(now, window);
        if self.counted && window.contains(&now) {
            latency.age.add(now.saturating_sub(stamp.sent));
        }
        if window.contains(&stamp.sent) {
            self.window_bytes += u64::from(stamp.len);
            self.window_frames += 1;
            let histogram = match seen.kind {
                Kind::Video => &mut latency.video,
                Kind::Audio => &mut latency.audio,
            };
            if self.counted {
                histogram.add(now.saturating_sub(stamp.sent));
            }
        }
    }

    /// Ends a pause; also called when the window ends, for viewers that wait without end.
    pub fn rest(&mut self, now: u64, window: &Range<u64>) {
        let from = self.last.max(window.start);
        let until = now.min(window.end);
        let pause = until.saturating_sub(from);
        self.stalls += u64::from(pause > STALL);
        self.pause_max = self.pause_max.max(pause);
        self.last = now;
    }

    /// A window begins.
    pub fn begin(&mut self) {
        (self.wire_bytes, self.window_bytes, self.window_frames) = (0, 0, 0);
        (self.stalls, self.pause_max) = (0, 0);
    }

    /// A window was reported: what was wrong so far is forgotten, the place in the stream is not.
    pub fn forget(&mut self) {
        (self.lost, self.gaps, self.torn) = (0, 0, 0);
        (self.repeated, self.corrupt) = (0, 0);
    }

    /// True if nothing was wrong since it joined, or since the last window.
    pub fn is_flawless(&self) -> bool {
        self.first.is_some() && self.lost + self.repeated + self.corrupt == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    fn seen(seq: u32, kind: Kind, key: bool) -> Seen {
        Seen {
            kind,
            key,
            stamp: Some(Stamp { stream: 0, seq, len: 100, sent: u64::from(seq) }),
            intact: true,
        }
    }

    fn play(frames: &[(u32, Kind, bool)]) -> Viewer {
        let mut viewer = Viewer::new(0, 0);
        let mut latency = Latency::default();
        for (seq, kind, key) in frames {
            viewer.see(seen(*seq, *kind, *key), u64::from(*seq), &(0..1000), &mut latency);
        }
        viewer
    }

    #[test]
    fn counting_begins_at_the_first_keyframe() {
        use Kind::{Audio, Video};
        let viewer = play(&[(3, Audio, false), (9, Video, true), (10, Audio, false), (11, Video, false)]);
        assert!(viewer.is_flawless());
        assert_eq!((viewer.window_frames, viewer.window_bytes, viewer.first), (3, 300, Some(9)));
    }

    #[test]
    fn a_gap_that_ends_at_a_keyframe_is_not_torn() {
        use Kind::{Audio, Video};
        let viewer = play(&[(0, Video, true), (5, Audio, false), (6, Video, true)]);
        assert_eq!((viewer.lost, viewer.gaps, viewer.torn), (4, 1, 0));
        let viewer = play(&[(0, Video, true), (5, Audio, false), (6, Video, false)]);
        assert_eq!((viewer.lost, viewer.gaps, viewer.torn), (4, 1, 1));
    }

    #[test]
    fn a_frame_that_comes_twice_counts_once() {
        let viewer = play(&[(0, Kind::Video, true), (1, Kind::Audio, false), (1, Kind::Audio, false)]);
        assert_eq!((viewer.repeated, viewer.window_frames), (1, 2));
    }

    #[test]
    fn a_pause_counts_as_far_as_it_lies_in_the_window() {
        let window = 10 * SECOND..20 * SECOND;
        let mut viewer = Viewer::new(0, 0);
        viewer.rest(10 * SECOND + STALL, &window);
        assert_eq!(viewer.stalls, 0);
        viewer.rest(13 * SECOND, &window);
        assert_eq!(viewer.stalls, 1);
        viewer.rest(40 * SECOND, &window);
        assert_eq!((viewer.stalls, viewer.pause_max), (2, 7 * SECOND));
        viewer.begin();
        assert_eq!((viewer.stalls, viewer.pause_max), (0, 0));
    }
}
