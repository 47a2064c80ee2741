//! What every segment of a stream's life tells of when it is, and how long each one stays.
//!
//! Publishers here send pictures at a steady rate, so that where the timeline breaks is known beforehand.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a publisher may do next.
#[derive(Clone, Debug)]
enum Event {
    /// Sends so many pictures, the first of them a keyframe or not.
    Pictures(u8, bool),
    /// Sends another configuration, and a keyframe.
    Reconfigure,
    /// Sends nothing for so long that no segment can last over it, in milliseconds.
    Pause(i64),
    /// Falls silent, and after so many milliseconds another one takes over.
    Takeover(i64),
    /// Falls silent, and is gone after so many milliseconds.
    End(i64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (1u8..90, prop::bool::weighted(0.8)).prop_map(|(count, key)| Event::Pictures(count, key)),
        1 => Just(Event::Reconfigure),
        1 => (5_000i64..30_000).prop_map(Event::Pause),
        1 => (0i64..15_000).prop_map(Event::Takeover),
        1 => (0i64..15_000).prop_map(Event::End),
    ]
}

/// A stream, and a player that looks at it after every frame and forgets nothing.
struct Story {
    stage: Stage,
    step_us: i64,
    other: bool,
    /// Wall time of the frames that continue nothing before them, in milliseconds.
    breaks: Vec<u64>,
    /// The playlist as it was last.
    text: Option<String>,
    version: u64,
    /// Every segment that was ever named, the first of them [`FIRST`].
    entries: Vec<Entry>,
    /// How many of these have left the playlist.
    left: usize,
    /// Until when those that left have to stay.
    promises: BTreeMap<HlsFile, Instant>,
}

impl Story {
    fn new(settings: config::Hls, step_us: i64) -> Story {
        let stage = Stage::with_both(settings);
        let (text, entries, promises) = (None, Vec::new(), BTreeMap::new());
        Story { stage, step_us, other: false, breaks: vec![], text, version: 0, entries, left: 0, promises }
    }

    fn tell(&mut self, event: &Event) {
        match *event {
            Event::Pictures(count, key) => {
                self.picture(if key { FrameKind::Key } else { FrameKind::Inter });
                (1..count).for_each(|_| self.picture(FrameKind::Inter));
            }
            Event::Reconfigure => {
                self.other = !self.other;
                let config = if self.other { OTHER_AVCC } else { AVCC };
                self.stage.configure(Track::VIDEO, Codec::H264, config);
                self.break_off();
                self.picture(FrameKind::Key);
            }
            Event::Pause(ms) => {
                self.stage.at_us += ms * 1000;
                self.break_off();
            }
            Event::Takeover(ms) => {
                self.stage.late_us += ms * 1000;
                self.look();
                self.stage.hls.discontinuity(self.stage.now());
                self.break_off();
            }
            Event::End(ms) => {
                self.stage.late_us += ms * 1000;
                self.look();
                self.stage.end();
                self.break_off();
            }
        }
        self.look();
    }

    fn break_off(&mut self) {
        self.breaks.push(WALL_MS + self.stage.now().as_millis());
    }

    fn picture(&mut self, kind: FrameKind) {
        self.stage.picture(kind);
        self.look();
        self.stage.sound();
        self.look();
        self.stage.at_us += self.step_us;
    }

    fn look(&mut self) {
        let text = match self.stage.hls.fetch(Media) {
            Fetch::Ready(_) => Some(self.stage.text(Media)),
            other => {
                assert_eq!((other, self.text.is_none()), (Fetch::NotYet, true));
                None
            }
        };
        let version = self.stage.hls.version();
        assert_eq!(version > self.version, text != self.text, "the version tells of every change");
        if text != self.text {
            self.compare();
        }
        (self.text, self.version) = (text, version);
        let now = self.stage.now();
        self.promises.retain(|_, until| now <= *until);
        self.promises.keys().for_each(|file| assert!(!self.stage.fetch(*file).is_empty(), "{file}"));
        self.entries[self.left..].iter().for_each(|entry| assert!(!self.stage.fetch(entry.file).is_empty()));
    }

    fn compare(&mut self) {
        let (head, entries) = self.stage.playlist();
        let listed_us: u64 = self.entries[self.left..].iter().map(|entry| entry.duration_us).sum();
        let left = usize::try_from(head.media_sequence - FIRST).expect("few segments");
        assert!((self.left..=self.entries.len()).contains(&left), "segments came back or were skipped");
        for entry in &self.entries[self.left..left] {
            let until = self.stage.now() + Duration::from_micros(listed_us);
            self.promises.insert(entry.file, until);
        }
        let known = self.entries.len() - left;
        assert!(entries.len() > known, "the playlist changes when it grows");
        assert_eq!(entries[..known], self.entries[left..], "entries are never rewritten");
        self.entries.extend_from_slice(&entries[known..]);
        self.left = left;
        let gone = self.entries[..left].iter().filter(|entry| entry.discontinuity).count() as u64;
        assert_eq!(head.discontinuity_sequence, FIRST_DISCONTINUITY + gone);
    }

    /// Discontinuities stand exactly where the timeline broke; elsewhere a segment begins where the one
    /// before it ends.
    fn check_timeline(&self) {
        assert!(self.entries.first().is_none_or(|entry| !entry.discontinuity), "it continues nothing");
        for pair in self.entries.windows(2) {
            let (from_ms, to_ms) = (pair[0].date_unix_ms, pair[1].date_unix_ms);
            let broken = self.breaks.iter().any(|ms| (from_ms + 1..=to_ms).contains(ms));
            assert_eq!(pair[1].discontinuity, broken, "{:?}, breaks at {:?}", pair[1], self.breaks);
            assert!(broken || pair[0].duration_us == (to_ms - from_ms) * 1000, "{pair:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn breaks_are_marked_where_they_are_and_what_left_stays_as_promised(
        layout in prop_oneof![Just(config::HlsLayout::Ts), Just(config::HlsLayout::Fmp4)],
        (window, keep) in (3usize..6, 1usize..4),
        step_ms in 20i64..100,
        events in proptest::collection::vec(any_event(), 1..50),
    ) {
        let settings = config::Hls { layout, window, keep, segment_ms_max: 4_000, ..settings() };
        let mut story = Story::new(settings, step_ms * 1000);
        events.iter().for_each(|event| story.tell(event));
        story.tell(&Event::End(0));
        story.check_timeline();
    }
}

#[test]
fn silence_before_the_end_does_not_shorten_the_stay_of_what_leaves_then() {
    let mut stage = Stage::with_both(config::Hls { window: 3, keep: 1, ..settings() });
    stage.gops(4, 2000);
    // The fourth segment ends with the publisher, which timed out after 30 s.
    stage.late_us += 30_000_000;
    stage.end();
    assert_eq!(stage.entries()[0].file, ts(FIRST + 1));
    stage.gops(2, 2000);
    stage.fetch(ts(FIRST));
    stage.gops(3, 2000);
    assert_eq!(stage.hls.fetch(ts(FIRST)), Fetch::Never);
}
