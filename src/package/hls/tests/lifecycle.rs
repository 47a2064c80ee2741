//! Publishers that come, change and go; servers that start again.

use super::*;

#[test]
fn a_playlist_is_shown_when_a_player_can_begin() {
    let mut stage = Stage::with_both(settings());
    assert_eq!(stage.hls.fetch(Media), Fetch::NotYet);
    stage.gops(3, 2000);
    assert_eq!((stage.hls.fetch(Master), stage.hls.version()), (Fetch::NotYet, 0));
    stage.gops(1, 2000);
    assert_eq!((stage.durations_ms(), stage.hls.version()), (vec![2000, 2000, 2000], 1));
    stage.gops(1, 2000);
    assert_eq!(stage.hls.version(), 2);
    // A player does not wait for three segments of eight seconds.
    let mut stage = Stage::with_both(settings());
    stage.gops(2, 8320);
    assert_eq!(stage.durations_ms(), [8320]);
}

#[test]
fn what_a_publisher_leaves_is_playable_at_once() {
    let mut stage = Stage::with_both(settings());
    stage.gops(1, 1000);
    stage.end();
    assert_eq!((stage.durations_ms(), stage.hls.version()), (vec![1000], 1));
    assert!(!stage.text(Media).contains("ENDLIST"));
    let version = stage.hls.version();
    stage.end();
    assert_eq!(stage.hls.version(), version, "nothing has changed");
}

#[test]
fn another_publisher_goes_on_behind_a_discontinuity() {
    let mut stage = Stage::with_both(settings());
    stage.gops(3, 2000).republish(60_000).gops(2, 2000);
    let (head, entries) = stage.playlist();
    assert_eq!((head.media_sequence, head.discontinuity_sequence), (FIRST, FIRST_DISCONTINUITY));
    assert_eq!(stage.breaks(), [false, false, false, true]);
    assert_eq!(entries[3].file, ts(FIRST + 3));
    let dates: Vec<u64> = entries.iter().map(|entry| entry.date_unix_ms - WALL_MS).collect();
    assert_eq!(dates, [0, 2000, 4000, 66_000]);
}

#[test]
fn discontinuities_are_counted_when_they_leave() {
    let mut stage = Stage::with_both(settings());
    stage.gops(2, 2000).republish(0).gops(7, 2000);
    let (head, _) = stage.playlist();
    assert_eq!((head.media_sequence, head.discontinuity_sequence), (FIRST + 2, FIRST_DISCONTINUITY));
    assert!(stage.breaks()[0], "it stands before the first segment still");
    stage.gops(1, 2000);
    let (head, _) = stage.playlist();
    assert_eq!((head.media_sequence, head.discontinuity_sequence), (FIRST + 3, FIRST_DISCONTINUITY + 1));
}

#[test]
fn numbers_go_on_over_a_restart() {
    let mut stage = Stage::with_both(config::Hls { segment_ms: 500, ..settings() });
    stage.gops(3600, 500);
    let last = stage.hls.window.next_sequence() - 1;
    let name = StreamName::new("live", "cam");
    let restart_ms = WALL_MS + 3600 * 500;
    let after = Hls::new(&settings(), &name, Seed::from_u64(2).fork(b"hls"), restart_ms);
    assert!(after.window.next_sequence() > last);
    assert!(after.window.discontinuity_sequence() > stage.hls.window.discontinuity_sequence());
}

#[test]
fn another_configuration_begins_at_its_keyframe_with_an_init_of_its_own() {
    let mut stage = Stage::with_both(config::Hls { layout: config::HlsLayout::Fmp4, ..settings() });
    stage.gops(2, 2000).gops(1, 1000);
    stage.configure(Track::VIDEO, Codec::H264, OTHER_AVCC);
    // Sound goes on; pictures that need the new configuration and begin nothing are lost.
    stage.sound();
    stage.picture(FrameKind::Inter);
    stage.at_us += 40_000;
    stage.gops(2, 2000);
    assert_eq!(stage.durations_ms(), [2000, 2000, 1040, 2000]);
    assert_eq!(stage.breaks(), [false, false, false, true]);
    let maps: Vec<HlsFile> = stage.entries().into_iter().filter_map(|entry| entry.map).collect();
    let (old, new) = (HlsFile::Init(FIRST), HlsFile::Init(FIRST + 3));
    assert_eq!(maps, [old, old, old, new]);
    assert_ne!(stage.fetch(old).body, stage.fetch(new).body);
}

#[test]
fn another_configuration_of_the_sound_waits_for_a_keyframe() {
    let mut stage = Stage::with_both(settings());
    stage.gops(2, 2000).gops(1, 1000);
    stage.configure(Track::AUDIO, Codec::Aac, b"\x11\x90");
    stage.gops(2, 2000);
    assert_eq!(stage.durations_ms(), [2000, 2000, 1000, 2000]);
    assert_eq!(stage.breaks(), [false, false, false, true]);
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut stage = Stage::with_both(settings());
    stage.gops(2, 2000);
    let metadata = stage.frame_of(Track::DATA, Codec::Amf0, FrameKind::Metadata, Bytes::from_static(b"x"));
    stage.learn(&metadata, None);
    stage.send(&metadata);
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    stage.gops(2, 2000);
    assert_eq!(stage.breaks(), [false; 3]);
}

#[test]
fn a_track_that_is_a_little_late_breaks_nothing() {
    let mut stage = Stage::new(settings());
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    stage.picture(FrameKind::Key);
    stage.configure(Track::AUDIO, Codec::Aac, b"\x12\x10");
    stage.at_us += 40_000;
    for _ in 0..24 {
        stage.picture(FrameKind::Inter);
        stage.sound();
        stage.at_us += 40_000;
    }
    stage.gops(4, 1000);
    stage.end();
    assert_eq!(stage.durations_ms(), [2000, 2000, 1000]);
    assert_eq!(stage.breaks(), [false; 3]);
    assert!(stage.text(Master).contains("CODECS=\"avc1.64001f,mp4a.40.2\""));
}

#[test]
fn sound_before_the_first_picture_is_no_segment_of_its_own() {
    let mut stage = Stage::with_audio(settings());
    stage.sounds(20);
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    stage.gops(1, 2000);
    stage.end();
    assert_eq!(stage.durations_ms(), [2000]);
}

#[test]
fn pictures_that_come_to_a_running_stream_of_sound_begin_a_segment() {
    let mut stage = Stage::with_audio(settings());
    stage.sounds(200);
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    stage.gops(2, 2000);
    assert_eq!(stage.breaks(), [false, false, false, true]);
    assert_eq!(stage.durations_ms(), [2001, 2001, 598, 2000]);
}

#[test]
fn codecs_choose_the_layout() {
    let layout_of = |video: Option<Codec>, audio: Codec, layout| {
        let mut stage = Stage::new(config::Hls { layout, ..settings() });
        if let Some(video) = video {
            stage.configure(Track::VIDEO, video, HVCC_OR_AVCC[usize::from(video == Codec::H264)]);
        }
        let config: &[u8] = if audio == Codec::Opus { OPUS_HEAD } else { b"\x12\x10" };
        stage.configure(Track::AUDIO, audio, config);
        for _ in 0..2 {
            for (track, codec) in [(Track::VIDEO, video), (Track::AUDIO, Some(audio))] {
                let Some(codec) = codec else { continue };
                stage.send(&stage.frame_of(
                    track,
                    codec,
                    FrameKind::Key,
                    Bytes::from_static(b"\0\0\0\x02\x26\x01"),
                ));
            }
            stage.at_us += 1_000_000;
        }
        stage.end();
        match stage.entries()[0].file {
            HlsFile::Segment { layout, .. } => layout,
            other => panic!("{other} is no segment"),
        }
    };
    use config::HlsLayout::{Auto, Fmp4, Ts};
    let (ts, mp4) = (Layout::Ts, Layout::Fmp4);
    assert_eq!(layout_of(Some(Codec::H264), Codec::Aac, Auto), ts);
    assert_eq!(layout_of(Some(Codec::H264), Codec::Aac, Fmp4), mp4);
    assert_eq!(layout_of(None, Codec::Aac, Auto), ts);
    assert_eq!(layout_of(Some(Codec::H265), Codec::Aac, Auto), mp4);
    assert_eq!(layout_of(Some(Codec::H265), Codec::Aac, Ts), ts);
    assert_eq!(layout_of(Some(Codec::H264), Codec::Opus, Auto), mp4);
    assert_eq!(layout_of(Some(Codec::Av1), Codec::Aac, Auto), mp4);
    assert_eq!(layout_of(Some(Codec::Av1), Codec::Aac, Ts), ts);
}

#[test]
fn codecs_that_only_flv_knows_are_left_out() {
    let opaque = |stage: &mut Stage, codec| {
        let frame = stage.frame_of(Track::AUDIO, codec, FrameKind::Key, Bytes::from_static(b"x"));
        stage.learn(&frame, None);
        stage.send(&frame);
    };
    let mut stage = Stage::new(settings());
    opaque(&mut stage, Codec::FlvAudio(11));
    assert_eq!(stage.hls.fetch(Media), Fetch::Never);
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    assert_eq!(stage.hls.fetch(Media), Fetch::NotYet);
    stage.gops(1, 2000);
    stage.end();
    assert!(stage.text(Master).contains("CODECS=\"avc1.64001f\""));
}

const HVCC_OR_AVCC: [&[u8]; 2] = [b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\0", AVCC];
const OPUS_HEAD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

#[test]
fn sound_that_is_left_out_for_late_pictures_takes_no_break_with_it() {
    let mut stage = Stage::with_both(settings());
    stage.gops(3, 2000).republish(0);
    stage.stream_info =
        Arc::new(StreamInfo { number: stage.stream_info.number + 1, ..StreamInfo::default() });
    stage.configure(Track::AUDIO, Codec::Aac, b"\x12\x10");
    stage.sounds(10);
    stage.configure(Track::VIDEO, Codec::H264, AVCC);
    stage.gops(2, 2000);
    assert_eq!(stage.breaks(), [false, false, false, true]);
}

#[test]
fn the_layout_of_the_first_segment_holds_before_it_is_complete() {
    let mut stage = Stage::new(settings());
    stage.configure(Track::AUDIO, Codec::Flac, &[0; 34]);
    let sound = |stage: &Stage, codec| {
        stage.frame_of(Track::AUDIO, codec, FrameKind::Key, Bytes::from_static(b"abc"))
    };
    stage.send(&sound(&stage, Codec::Flac));
    stage.at_us += 1_000_000;
    stage.configure(Track::AUDIO, Codec::Aac, b"\x12\x10");
    stage.sounds(400);
    stage.end();
    let files: Vec<HlsFile> = stage.entries().iter().map(|entry| entry.file).collect();
    let is_fragment = |file: &HlsFile| matches!(file, HlsFile::Segment { layout: Layout::Fmp4, .. });
    assert!(
        files.len() > 1 && files.iter().all(is_fragment),
        "an initialisation section holds on: {files:?}"
    );
}
