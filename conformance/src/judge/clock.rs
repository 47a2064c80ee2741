//! The timeline of a stream as the server promises it: a publisher's differences are kept to the
//! microsecond, jumps of more than ten seconds and steps back are taken out, and another publisher goes on
//! where the one before ended.
//!
//! In: what publishers call time. Out: where their frames should stand. Where a stream begins again is not
//! always known here (the server forgets streams); so a constant difference from this timeline is learned,
//! for each stretch between two places where the clock may be set anew.

use std::collections::BTreeMap;

/// A step that is larger is a jump.
const JUMP_US: i64 = 10_000_000;
/// Up to here a first timestamp is taken as it is.
const HEAD_ROOM_US: i64 = 1_000_000;
/// Added after a jump or a change of publisher.
const STEP_US: i64 = 40_000;
/// Pictures are at least so far apart.
const VIDEO_STEP_US: i64 = 1_000;

/// Unwraps 32 bits of milliseconds: the next is taken to be nearest to the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrap {
    last: Option<i64>,
}

impl Unwrap {
    /// In milliseconds.
    pub fn next(&mut self, timestamp: u32) -> i64 {
        let next = match self.last {
            None => i64::from(timestamp),
            Some(last) => {
                let step = timestamp.wrapping_sub((last & 0xffff_ffff) as u32).cast_signed();
                last + i64::from(step)
            }
        };
        self.last = Some(next);
        next
    }
}

/// Where a frame should stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In microseconds, but for a difference that is the same for the whole stretch.
    pub dts_us: i64,
    /// Which stretch.
    pub stretch: u64,
    /// False if the frame was moved alone: then its new time is not defined.
    pub sure: bool,
}

/// The timeline of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    offset: Option<i64>,
    last: BTreeMap<(u8, u8), i64>,
    end: Option<i64>,
    stretch: u64,
    /// True if the stream was published before.
    follows: bool,
    /// Tracks that this publisher has shown, and its first place.
    seen: Vec<(u8, u8)>,
    first: i64,
}

impl Timeline {
    /// Another publisher begins, the one with this number.
    pub fn restart(&mut self, number: u32) {
        self.offset = None;
        self.stretch = u64::from(number) << 32;
        self.follows = self.end.is_some();
        self.seen.clear();
    }

    /// The next frame of `track`, a kind and a number, whose publisher calls its time `raw` microseconds.
    pub fn place(&mut self, track: (u8, u8), video: bool, raw: i64) -> Place {
        let begins = self.offset.is_none();
        let offset = *self.offset.get_or_insert(match self.end {
            Some(end) => end + STEP_US - raw,
            None if raw <= HEAD_ROOM_US => 0,
            None => HEAD_ROOM_US - raw,
        });
        let mut dts = raw.saturating_add(offset);
        let last = self.last.get(&track).copied();
        let known = self.seen.contains(&track);
        if last.or(self.end).is_some_and(|near| (dts - near).abs() > JUMP_US) {
            dts = self.end.unwrap_or(0) + STEP_US;
            self.offset = Some(dts - raw);
            self.stretch += 1;
        } else if !known && !begins && self.follows {
            // Whether its last frame of long ago makes this a jump depends on what the server still knows.
            self.stretch += 1;
        }
        if begins {
            self.first = dts;
        }
        let floor = match last {
            Some(last) if video => last + VIDEO_STEP_US,
            Some(last) => last,
            None => 0,
        };
        let sure = dts >= floor && dts >= self.first;
        let dts = dts.max(floor);
        self.last.insert(track, dts);
        self.end = Some(self.end.map_or(dts, |end| end.max(dts)));
        if !known {
            self.seen.push(track);
        }
        Place { dts_us: dts, stretch: self.stretch, sure }
    }
}

#[cfg(test)]
mod tests {
    use super::{Timeline, Unwrap};

    const VIDEO: (u8, u8) = (9, 0);
    const AUDIO: (u8, u8) = (8, 0);

    #[test]
    fn time_goes_on_where_32_bits_end() {
        let mut unwrap = Unwrap::default();
        assert_eq!([0xffff_fff0, 0x10, 0].map(|t| unwrap.next(t)), [0xffff_fff0, 0x1_0000_0010, 1 << 32]);
    }

    #[test]
    fn a_jump_begins_another_stretch_and_a_step_back_is_not_sure() {
        let mut timeline = Timeline::default();
        let mut at = |track, ms: i64| timeline.place(track, track == VIDEO, ms * 1000);
        assert_eq!((at(VIDEO, 0).dts_us, at(AUDIO, 10).dts_us), (0, 10_000));
        let back = at(VIDEO, 0);
        assert_eq!((back.dts_us, back.sure), (1_000, false));
        let leap = at(VIDEO, 100_000);
        assert_eq!((leap.dts_us, leap.stretch, leap.sure), (50_000, 1, true));
        assert_eq!(at(VIDEO, 100_040).dts_us, 90_000);
    }

    #[test]
    fn another_publisher_goes_on_after_the_last_frame() {
        let mut timeline = Timeline::default();
        timeline.place(VIDEO, true, 500_000);
        timeline.restart(1);
        let place = timeline.place(VIDEO, true, 7_777_000_000);
        assert_eq!((place.dts_us, place.stretch), (540_000, 1 << 32));
    }
}
