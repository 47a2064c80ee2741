//! What is served, for how long, and what lies on disk meanwhile.

use super::*;
use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
use std::collections::BTreeMap;

#[test]
fn the_playlists_of_a_plain_stream() {
    let mut stage = Stage::with_both(settings());
    stage.gops(4, 2000);
    assert_eq!(
        stage.text(Media),
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:56294280\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:469119\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:00.000Z\n\
         #EXTINF:2.000000,\n\
         seg-56294280.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:02.000Z\n\
         #EXTINF:2.000000,\n\
         seg-56294281.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:04.000Z\n\
         #EXTINF:2.000000,\n\
         seg-56294282.ts\n"
    );
    // Every segment has the same content: peak and average are the same.
    let bits = stage.fetch(ts(FIRST + 1)).len() as u64 * 8;
    assert_eq!(
        stage.text(Master),
        format!(
            "#EXTM3U\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH={0},AVERAGE-BANDWIDTH={0},CODECS=\"avc1.64001f,mp4a.40.2\",\
             RESOLUTION=1280x720,FRAME-RATE=25.000\n\
             cam/index.m3u8\n",
            bits / 2
        )
    );
}

#[test]
fn names_are_written_so_that_a_uri_can_hold_them() {
    let name = StreamName::new("live", "10:30 a#1?é");
    let mut stage = Stage::with_both(settings());
    stage.hls = Hls::new(&settings(), &name, Seed::from_u64(1).fork(b"hls"), WALL_MS);
    stage.gops(1, 2000);
    stage.end();
    assert!(stage.text(Master).ends_with("\n10%3A30%20a%231%3F%C3%A9/index.m3u8\n"));
}

#[test]
fn segments_are_whole_and_begin_with_tables_and_a_keyframe() {
    let mut stage = Stage::with_both(settings());
    stage.gops(4, 2000);
    for entry in stage.entries() {
        let body = stage.fetch(entry.file).body.concat();
        assert_eq!(body.len() % 188, 0);
        // PAT, PMT, then video from its random access point on.
        assert_eq!(
            [&body[..3], &body[188..191], &body[376..379]],
            [b"\x47\x40\x00", b"\x47\x50\x00", b"\x47\x41\x00"]
        );
        assert_eq!(body[381] & 0x50, 0x50);
    }
}

#[test]
fn caches_are_told_what_changes_and_what_never_does() {
    let layout = config::HlsLayout::Fmp4;
    let mut stage = Stage::with_both(config::Hls { encrypt: true, layout, ..settings() });
    stage.gops(4, 4000);
    let told = |file| {
        let fetched = stage.fetch(file);
        (fetched.content_type, fetched.max_age_secs, fetched.text)
    };
    assert_eq!(told(Master), ("application/vnd.apple.mpegurl", Some(2), true));
    assert_eq!(told(Media), ("application/vnd.apple.mpegurl", Some(2), true));
    assert_eq!(told(m4s(FIRST)), ("video/mp4", None, false));
    assert_eq!(told(HlsFile::Init(FIRST)), ("video/mp4", None, false));
    assert_eq!(told(HlsFile::Key(FIRST)), ("application/octet-stream", Some(60), false));
    let etag = stage.fetch(Media).etag;
    stage.gops(1, 4000);
    assert_ne!(stage.fetch(Media).etag, etag);
    for nothing in [ts(FIRST), m4s(1), HlsFile::Init(1), HlsFile::Key(1)] {
        assert_eq!(stage.hls.fetch(nothing), Fetch::Never, "{nothing}");
    }
}

#[test]
fn encrypted_segments_decrypt_to_the_plain_ones() {
    for layout in [config::HlsLayout::Ts, config::HlsLayout::Fmp4] {
        let [mut plain, mut secret] = [false, true].map(|encrypt| {
            Stage::with_both(config::Hls { encrypt, segments_per_key: 2, layout, ..settings() })
        });
        plain.gops(5, 2000);
        secret.gops(5, 2000);
        let keys: Vec<HlsFile> =
            secret.entries().iter().map(|entry| entry.key.clone().expect("encrypted").file).collect();
        let key = |number: u64| HlsFile::Key(FIRST + number);
        assert_eq!(keys, [key(0), key(0), key(2), key(2)]);
        for entry in secret.entries() {
            let tag = entry.key.expect("encrypted");
            let key: [u8; 16] = secret.fetch(tag.file).body.concat().try_into().expect("16 bytes");
            let cipher = secret.fetch(entry.file).body.concat();
            let opened = cbc::Decryptor::<aes::Aes128>::new(&key.into(), &tag.iv.into())
                .decrypt_padded_vec_mut::<Pkcs7>(&cipher)
                .expect("PKCS#7 padding");
            assert_eq!(opened, plain.fetch(entry.file).body.concat());
        }
    }
}

#[test]
fn segments_stay_for_the_length_of_the_playlist_after_they_left_it() {
    let mut stage = Stage::with_both(config::Hls { window: 3, keep: 0, ..settings() });
    stage.gops(4, 2000);
    assert_eq!(stage.entries()[0].file, ts(FIRST));
    stage.gops(1, 2000);
    assert_eq!(stage.entries()[0].file, ts(FIRST + 1));
    // It left at 8 s and may be fetched for its own two seconds and the six of the playlist.
    stage.gops(3, 2000);
    stage.fetch(ts(FIRST));
    stage.gops(1, 2000);
    assert_eq!(stage.hls.fetch(ts(FIRST)), Fetch::Never);
}

#[test]
fn a_playlist_is_never_shorter_than_three_target_durations() {
    let mut stage = Stage::with_both(config::Hls { window: 1, ..settings() });
    stage.gops(10, 2000);
    assert_eq!(stage.durations_ms(), [2000; 3]);
}

#[test]
fn what_is_held_is_bounded_whatever_comes() {
    let settings = config::Hls { window: 2, keep: 1, segment_bytes_max: 4 << 20, ..settings() };
    let mut stage = Stage::with_both(settings.clone());
    let large = Bytes::from([&[0, 0x0f, 0xff, 0xfc, 0x65][..], &vec![7; (1 << 20) - 5]].concat());
    for number in 0..100 {
        let kind = if number % 5 == 0 { FrameKind::Key } else { FrameKind::Inter };
        stage.send(&stage.frame_of(Track::VIDEO, Codec::H264, kind, large.clone()));
        stage.at_us += 40_000;
    }
    assert_eq!(Hls::bytes_max(&settings), 16 << 20);
    assert!(stage.hls.bytes() <= Hls::bytes_max(&settings) + settings.segment_bytes_max);
}

#[test]
fn a_flood_of_tiny_frames_is_bounded_too() {
    let settings = config::Hls { segment_bytes_max: 64 << 10, ..settings() };
    let mut stage = Stage::with_both(settings.clone());
    // All at one time, so that nothing but their number can end a segment.
    for _ in 0..10_000 {
        stage.picture(FrameKind::Key);
        assert!(stage.hls.bytes() <= Hls::bytes_max(&settings) + settings.segment_bytes_max);
    }
    assert!(stage.hls.window.listed().count() > 1);
}

#[test]
fn a_key_stays_as_long_as_a_segment_needs_it_and_no_longer() {
    let mut stage = Stage::with_both(config::Hls { encrypt: true, segments_per_key: 3, ..settings() });
    for made in 0..40 {
        stage.gops(1, 2000);
        let there = |file| matches!(stage.hls.fetch(file), Fetch::Ready(_));
        for first in (FIRST..FIRST + made).step_by(3) {
            let needed = (first..first + 3).any(|number| there(ts(number)));
            assert_eq!(there(HlsFile::Key(first)), needed, "key {first}");
        }
    }
    assert_eq!(stage.hls.fetch(HlsFile::Key(FIRST)), Fetch::Never);
}

#[test]
fn the_disk_holds_what_can_be_fetched() {
    for layout in [config::HlsLayout::Ts, config::HlsLayout::Fmp4] {
        let directory = "/srv/hls".into();
        let mut stage = Stage::with_both(config::Hls { directory, layout, encrypt: true, ..settings() });
        let mut disk = Disk::default();
        for number in 0..30 {
            if number == 15 {
                stage.republish(1000);
            }
            stage.gops(1, 2000);
            disk.follow(&mut stage.hls);
            for (path, content) in &disk.files {
                let file = match path.strip_prefix("/srv/hls/live/cam/") {
                    Some(name) => HlsFile::parse(name).expect("a name of the packager"),
                    None => Master,
                };
                assert_eq!(&stage.fetch(file).body.concat(), content, "{path}");
            }
        }
        for segment in stage.hls.window.all() {
            assert!(disk.files.contains_key(&format!("/srv/hls/live/cam/{}", segment.entry.file)));
        }
    }
}

#[test]
fn without_a_directory_nothing_is_stored() {
    let mut stage = Stage::with_both(settings());
    stage.gops(10, 2000);
    stage.hls.dispose();
    assert_eq!(stage.hls.poll_store(), None);
}

#[test]
fn the_disk_never_names_what_is_not_there() {
    let layout = config::HlsLayout::Fmp4;
    let directory = "/srv/hls/".into();
    let settings = config::Hls {
        directory,
        encrypt: true,
        window: 3,
        keep: 0,
        segments_per_key: 2,
        layout,
        ..settings()
    };
    let mut stage = Stage::with_both(settings);
    let mut disk = Disk::default();
    for _ in 0..12 {
        stage.gops(1, 2000);
        disk.follow(&mut stage.hls);
    }
    stage.configure(Track::VIDEO, Codec::H264, OTHER_AVCC);
    for _ in 0..12 {
        stage.gops(1, 2000);
        disk.follow(&mut stage.hls);
    }
    stage.end();
    disk.follow(&mut stage.hls);
    assert_eq!(disk.cleared, ["/srv/hls/live/cam"]);
    assert_eq!(disk.files["/srv/hls/live/cam.m3u8"], stage.text(Master).into_bytes());
    assert_eq!(disk.files["/srv/hls/live/cam/index.m3u8"], stage.text(Media).into_bytes());
    let kept: Vec<&str> =
        disk.files.keys().filter_map(|path| path.strip_prefix("/srv/hls/live/cam/init-")).collect();
    assert_eq!(kept.len(), 1, "the first one went with its last segment");
    assert!(disk.files.len() < 20);
    stage.hls.dispose();
    disk.follow(&mut stage.hls);
    assert!(disk.files.is_empty(), "{:?}", disk.files.keys());
}

/// Files as a web server would find them.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    cleared: Vec<String>,
}

impl Disk {
    /// Makes the changes; after each of them every file that the playlist names is there.
    fn follow(&mut self, hls: &mut Hls) {
        while let Some(op) = hls.poll_store() {
            match op {
                StoreOp::Write { path, body } => {
                    self.files.insert(path.to_string(), body.concat());
                }
                StoreOp::Remove { path } => {
                    assert!(self.files.remove(&*path).is_some(), "{path} was not there");
                }
                StoreOp::Clear { path, .. } => self.cleared.push(path.to_string()),
            }
            let Some(media) = self.files.get("/srv/hls/live/cam/index.m3u8") else { continue };
            let (_, entries) = reader::read(std::str::from_utf8(media).expect("UTF-8"));
            for entry in entries {
                for file in [Some(entry.file), entry.map, entry.key.map(|key| key.file)].into_iter().flatten()
                {
                    assert!(self.files.contains_key(&format!("/srv/hls/live/cam/{file}")), "{file} is named");
                }
            }
        }
    }
}
