//! Where segments end, and what TARGETDURATION makes of it.

use super::*;

#[test]
fn segments_end_at_the_first_keyframe_when_they_are_due() {
    for (gop_ms, expected_ms, target_secs) in
        [(2000, 2000, 2), (1000, 2000, 2), (500, 2000, 2), (1500, 3000, 3), (4000, 4000, 4), (8320, 8320, 9)]
    {
        let mut stage = Stage::with_both(settings());
        stage.gops(24_000 / gop_ms + 1, gop_ms as i64);
        stage.end();
        let durations = stage.durations_ms();
        assert!(
            durations[..durations.len() - 1].iter().all(|ms| *ms == expected_ms),
            "{gop_ms}: {durations:?}"
        );
        assert_eq!(stage.playlist().0.target_secs, target_secs, "{gop_ms}");
    }
}

#[test]
fn durations_are_true_to_the_timestamps_and_no_error_adds_up() {
    let mut stage = Stage::with_both(config::Hls { window: 100, ..settings() });
    // 29.97 pictures a second, a keyframe every 60, times rounded to milliseconds.
    for number in 0..3001_i64 {
        stage.at_us = number * 1_001_000 / 30_000 * 1000;
        stage.picture(if number % 60 == 0 { FrameKind::Key } else { FrameKind::Inter });
    }
    let entries = stage.entries();
    let sum_us: u64 = entries.iter().map(|entry| entry.duration_us).sum();
    assert_eq!((entries.len(), sum_us), (50, 100_100_000));
    assert_eq!(entries[49].date_unix_ms, WALL_MS + 49 * 2002);
}

#[test]
fn a_keyframe_that_is_a_millisecond_early_is_not_missed() {
    let mut stage = Stage::with_both(settings());
    stage.gops(1, 1999).gops(1, 2001).gops(1, 1999).gops(1, 2000);
    assert_eq!(stage.durations_ms(), [1999, 2001, 1999]);
}

#[test]
fn half_a_step_is_forgiven_and_no_more() {
    for (early_ms, expected_ms) in [(20, 1980), (21, 2 * 1979)] {
        let mut stage = Stage::with_both(settings());
        for gop in 0..10 {
            for number in 0..48 {
                stage.at_us = (gop * (2000 - early_ms) + number * 40) * 1000;
                stage.picture(if number == 0 { FrameKind::Key } else { FrameKind::Inter });
            }
        }
        assert_eq!(stage.durations_ms()[..3], [expected_ms; 3]);
    }
}

#[test]
fn target_duration_is_roomy_where_keyframes_keep_no_rhythm() {
    let mut stage = Stage::with_both(settings());
    stage.gops(1, 400).gops(1, 1400).gops(1, 1400).gops(3, 1400).gops(1, 2800).gops(1, 400).gops(2, 2000);
    // Two seconds and the longest group seen, with a little to spare.
    assert_eq!(stage.playlist().0.target_secs, 4);
    assert_eq!(stage.durations_ms(), [3200, 2800, 4200, 2400]);
    assert!(stage.playlist().0.independent);
}

#[test]
fn a_segment_about_to_exceed_target_duration_is_cut_without_a_keyframe() {
    let mut stage = Stage::with_both(settings());
    stage.gops(4, 2000);
    assert!(stage.text(Master).contains("#EXT-X-INDEPENDENT-SEGMENTS\n"));
    stage.gops(1, 6000).gops(2, 2000);
    let (head, entries) = stage.playlist();
    assert_eq!((head.target_secs, head.independent), (2, false));
    // Twice just what still rounds to 2 s; then the next keyframe ends the segment that began without one.
    let durations: Vec<u64> = entries.iter().map(|entry| entry.duration_us / 1000).collect();
    assert_eq!(durations, [2000, 2000, 2480, 2480, 1040, 2000]);
    assert_eq!(stage.breaks(), [false; 6]);
    assert!(!stage.text(Master).contains("#EXT-X-INDEPENDENT-SEGMENTS"));
}

#[test]
fn a_first_segment_without_end_is_cut_at_segment_ms_max() {
    let mut stage = Stage::with_both(settings());
    stage.gops(1, 25_000);
    assert_eq!(stage.durations_ms(), [10_000, 10_000]);
    assert_eq!(stage.playlist().0.target_secs, 10);
}

#[test]
fn a_segment_that_is_full_is_cut() {
    let mut stage = Stage::with_both(config::Hls { segment_bytes_max: 64 << 10, ..settings() });
    let payload = Bytes::from([&[0, 0, 0x27, 0x0c, 0x65][..], &[7; 9_995]].concat());
    for number in 0..=50 {
        let kind = if number % 25 == 0 { FrameKind::Key } else { FrameKind::Inter };
        stage.send(&stage.frame_of(Track::VIDEO, Codec::H264, kind, payload.clone()));
        stage.at_us += 40_000;
    }
    stage.end();
    // Six pictures and what holding them costs fit; one of 25 is left over when the next keyframe comes.
    assert_eq!(stage.durations_ms(), [240, 240, 240, 240, 40, 240, 240, 240, 240, 40, 40]);
    assert!(!stage.playlist().0.independent);
    assert_eq!(stage.breaks(), [false; 11]);
}

#[test]
fn a_pause_is_no_part_of_a_segment() {
    let mut stage = Stage::with_both(settings());
    stage.gops(3, 2000);
    stage.gops(1, 1000);
    stage.at_us += 30_000_000;
    stage.gops(2, 2000);
    assert_eq!(stage.durations_ms(), [2000, 2000, 2000, 1000, 2000]);
    assert_eq!(stage.breaks(), [false, false, false, false, true]);
    assert_eq!(stage.entries()[4].date_unix_ms, WALL_MS + 37_000);
}

#[test]
fn pictures_that_come_slowly_are_all_kept_and_break_nothing() {
    // Even rates, and uneven ones: a frame that comes late was not expected when the one before it joined.
    for steps_ms in [&[500][..], &[700], &[1_000], &[2_400], &[1_000, 1_000, 600], &[40, 40, 2_300]] {
        for gop in [1, 7, 1_000] {
            let mut stage = Stage::with_both(config::Hls { window: 100, ..settings() });
            stage.gops(2, 2000);
            for (number, step_ms) in steps_ms.iter().cycle().take(60).enumerate() {
                stage.picture(if number % gop == 0 { FrameKind::Key } else { FrameKind::Inter });
                stage.at_us += step_ms * 1000;
            }
            stage.gops(1, 2000).end();
            let (head, entries) = stage.playlist();
            assert_eq!(head.target_secs, 2);
            assert_eq!(stage.breaks(), vec![false; entries.len()], "{steps_ms:?}, {gop}");
            for pair in entries.windows(2) {
                let distance_ms = pair[1].date_unix_ms - pair[0].date_unix_ms;
                assert_eq!(
                    pair[0].duration_us,
                    distance_ms * 1000,
                    "{steps_ms:?}, {gop}: it begins at the end"
                );
            }
            let last = entries.last().expect("there are segments");
            let end_ms = last.date_unix_ms + last.duration_us / 1000;
            assert_eq!(end_ms, WALL_MS + stage.at_us as u64 / 1000, "{steps_ms:?}, {gop}");
        }
    }
}

#[test]
fn sound_alone_is_cut_by_time() {
    let mut stage = Stage::with_audio(settings());
    stage.sounds(400);
    assert_eq!(stage.durations_ms(), [2001, 2001, 2001, 2001]);
    let (head, _) = stage.playlist();
    assert_eq!((head.target_secs, head.independent), (2, true));
}

#[test]
fn a_stream_begins_with_a_keyframe() {
    let mut stage = Stage::with_both(settings());
    stage.sounds(5);
    stage.picture(FrameKind::Inter);
    stage.at_us += 40_000;
    stage.gops(1, 2000);
    stage.end();
    assert_eq!(stage.durations_ms(), [2000]);
    assert_eq!(stage.entries()[0].date_unix_ms, WALL_MS + 155);
}
