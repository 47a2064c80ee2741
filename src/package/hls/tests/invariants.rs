//! What holds for every stream whatsoever, at every moment (I34, I35).

use super::*;
use proptest::prelude::*;

/// Something that happens to a stream.
#[derive(Clone, Debug)]
enum Event {
    /// Pictures and sound for so many frames of so many microseconds; a keyframe first.
    Gop(u8, u32),
    /// Sound only.
    Sounds(u8),
    /// The publisher pauses.
    Pause(u32),
    /// Another publisher comes.
    Republish(u16),
    /// The pictures get the one or the other configuration.
    Configure(bool),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1u8..120, 5_000u32..400_000).prop_map(|(frames, us)| Event::Gop(frames, us)),
        2 => (1u8..200).prop_map(Event::Sounds),
        1 => (1u32..40_000_000).prop_map(Event::Pause),
        1 => any::<u16>().prop_map(Event::Republish),
        1 => any::<bool>().prop_map(Event::Configure),
    ]
}

fn any_settings() -> impl Strategy<Value = config::Hls> {
    let layout = prop_oneof![Just(config::HlsLayout::Auto), Just(config::HlsLayout::Fmp4)];
    (layout, 0u64..6_000, 0u64..12_000, 0usize..8, 0usize..4, any::<bool>()).prop_map(
        |(layout, segment_ms, segment_ms_max, window, keep, encrypt)| config::Hls {
            layout,
            segment_ms,
            segment_ms_max,
            window,
            keep,
            encrypt,
            ..config::Hls::default()
        },
    )
}

/// What a player remembers of the playlists that it saw.
#[derive(Default)]
struct Player {
    version: u64,
    head: Option<MediaPlaylist<'static>>,
    entries: Vec<Entry>,
    /// Files that may still be fetched: until when, in microseconds.
    promised: Vec<(HlsFile, u64)>,
}

impl Player {
    fn look(&mut self, stage: &Stage) {
        let now_us = stage.now().as_micros();
        for (file, until_us) in &self.promised {
            assert!(
                *until_us < now_us || matches!(stage.hls.fetch(*file), Fetch::Ready(_)),
                "{file} is gone"
            );
        }
        if stage.hls.version() == self.version {
            return;
        }
        self.version = stage.hls.version();
        let (head, entries) = stage.playlist();
        self.compare(&head, &entries);
        let total_us: u64 = entries.iter().map(|entry| entry.duration_us).sum();
        for entry in &entries {
            assert!(entry.duration_us + 500_000 < (head.target_secs + 1) * 1_000_000, "EXTINF fits");
            for file in [Some(entry.file), entry.map, entry.key.as_ref().map(|key| key.file)] {
                let Some(file) = file else { continue };
                assert!(!stage.fetch(file).is_empty());
                self.promised.retain(|(promised, _)| *promised != file);
                self.promised.push((file, now_us + total_us));
            }
        }
        (self.head, self.entries) = (Some(head), entries);
    }

    /// The playlist is the one before, with some taken off its head and some appended at its tail.
    fn compare(&self, head: &MediaPlaylist<'_>, entries: &[Entry]) {
        for (number, entry) in (head.media_sequence..).zip(entries) {
            assert!(entry.file == ts(number) || entry.file == m4s(number), "{} is {number}", entry.file);
        }
        let Some(before) = &self.head else { return };
        assert_eq!(head.target_secs, before.target_secs);
        assert!(head.media_sequence >= before.media_sequence);
        let gone = usize::try_from(head.media_sequence - before.media_sequence).expect("a few");
        assert!(gone <= self.entries.len(), "no segment was missed");
        let (gone, stay) = self.entries.split_at(gone);
        assert_eq!(&entries[..stay.len()], stay, "the tail is only added to");
        let breaks = gone.iter().filter(|entry| entry.discontinuity).count() as u64;
        assert_eq!(head.discontinuity_sequence, before.discontinuity_sequence + breaks);
        let stay_us: u64 = entries.iter().map(|entry| entry.duration_us).sum();
        assert!(gone.is_empty() || stay_us >= 3 * head.target_secs * 1_000_000, "it is long enough");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn playlists_only_grow_and_keep_their_word(
        settings in any_settings(),
        events in proptest::collection::vec(any_event(), 1..40),
    ) {
        let mut stage = Stage::with_both(settings);
        let mut player = Player::default();
        for event in events {
            match event {
                Event::Gop(frames, us) => {
                    for number in 0..frames {
                        stage.picture(if number == 0 { FrameKind::Key } else { FrameKind::Inter });
                        stage.sound();
                        stage.at_us += i64::from(us);
                        player.look(&stage);
                    }
                }
                Event::Sounds(count) => {
                    for _ in 0..count {
                        stage.sounds(1);
                        player.look(&stage);
                    }
                }
                Event::Pause(us) => stage.at_us += i64::from(us),
                Event::Republish(ms) => {
                    stage.republish(i64::from(ms));
                }
                Event::Configure(other) => {
                    stage.configure(Track::VIDEO, Codec::H264, if other { OTHER_AVCC } else { AVCC });
                }
            }
            player.look(&stage);
        }
        stage.end();
        player.look(&stage);
    }
}
