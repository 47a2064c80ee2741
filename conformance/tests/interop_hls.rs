//! HLS as RFC 8216 wants it: playlists are polled while time passes and held against one another, every
//! segment named is fetched and looked into by ffprobe, AES-128 is undone by FFmpeg.

use conformance::ffmpeg::{Ffmpeg, Packets, ffprobe};
use conformance::http::{self, get};
use conformance::media;
use conformance::process::{Running, secs, until};
use conformance::reader::m3u8::{Playlist, Segment, attributes, variants};
use conformance::reader::ts::Transport;
use conformance::server::Server;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECOND: (&str, &str) = ("stream.hls.segment_ms", "1000");
const SHORT_LINGER: (&str, &str) = ("stream.publish.linger_ms", "500");
const TS: (&str, &str) = ("stream.hls.layout", "Ts");
const FMP4: (&str, &str) = ("stream.hls.layout", "Fmp4");

const MASTER: &str = "/live/film.m3u8";

/// Publishes `film` in a loop, as fast as it plays.
fn publish(server: &Server, film: &Path, ffmpeg: Ffmpeg) -> Running {
    let tool = ffmpeg.tool().words("-re -stream_loop -1 -i").arg(film).words("-c copy -f flv");
    tool.arg(server.rtmp_url("film")).start()
}

/// Follows a relative reference.
fn join(base: &str, reference: &str) -> String {
    assert!(
        !reference.contains("://") && !reference.contains('?'),
        "relative and without query: {reference}"
    );
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    if reference.starts_with('/') { reference.to_owned() } else { format!("{folder}/{reference}") }
}

/// The path of the media playlist and the attributes of its variant.
#[track_caller]
fn variant(server: &Server) -> (String, BTreeMap<String, String>) {
    let answer = until(secs(20), || Some(get(server.http, MASTER)).filter(|answer| answer.status == 200));
    let text = answer.expect("there is a multivariant playlist").text();
    let variants = variants(&text);
    assert_eq!(variants.len(), 1, "one rendition: {text}");
    (join(MASTER, &variants[0].uri), variants[0].attributes.iter().cloned().collect())
}

#[track_caller]
fn playlist(server: &Server, path: &str) -> Playlist {
    let answer = get(server.http, path);
    assert_eq!(answer.status, 200, "{path}");
    Playlist::parse(&answer.text())
}

/// The media playlist as soon as it names `count` segments.
#[track_caller]
fn playlist_of(server: &Server, path: &str, count: usize) -> Playlist {
    let found = until(secs(30), || Some(playlist(server, path)).filter(|list| list.segments.len() >= count));
    found.unwrap_or_else(|| panic!("never {count} segments: {:?}", playlist(server, path)))
}

/// Asserts that `new` may follow `old` (RFC 8216, 6.2.1 and 6.2.2).
#[track_caller]
fn assert_follows(old: &Playlist, new: &Playlist) {
    assert_eq!(old.target_duration, new.target_duration, "TARGETDURATION must not change");
    assert_eq!(old.version, new.version, "the version stays");
    assert!(new.media_sequence >= old.media_sequence, "MEDIA-SEQUENCE must not decrease");
    let before: BTreeMap<u64, &Segment> = old.numbered().collect();
    let after: BTreeMap<u64, &Segment> = new.numbered().collect();
    for (number, segment) in &after {
        if let Some(known) = before.get(number) {
            assert_eq!(known, segment, "entry {number} must not be rewritten");
        }
    }
    assert!(after.keys().last() >= before.keys().last(), "a playlist never loses its tail");
    let removed =
        before.range(..new.media_sequence).filter(|(_, segment)| segment.discontinuity).count() as u64;
    let counted = new.discontinuity_sequence - old.discontinuity_sequence;
    assert!(
        counted >= removed.saturating_sub(1),
        "DISCONTINUITY-SEQUENCE counts what left: {removed}, {counted}"
    );
}

/// Polls for `length`; every list must follow the one before. Returns all entries ever seen.
#[track_caller]
fn follow(server: &Server, path: &str, length: Duration) -> BTreeMap<u64, Segment> {
    let start = Instant::now();
    let mut last = playlist_of(server, path, 1);
    let mut seen = BTreeMap::new();
    let mut changed = Instant::now();
    while start.elapsed() < length {
        std::thread::sleep(Duration::from_millis(150));
        let new = playlist(server, path);
        assert_follows(&last, &new);
        if new.segments.len() + usize::try_from(new.media_sequence).expect("small")
            > last.segments.len() + usize::try_from(last.media_sequence).expect("small")
        {
            changed = Instant::now();
        }
        let patience = Duration::from_millis(u64::from(new.target_duration) * 1500 + 500);
        assert!(changed.elapsed() < patience, "it advances within its target duration: {new:?}");
        seen.extend(new.numbered().map(|(number, segment)| (number, segment.clone())));
        last = new;
    }
    let count = seen.len() as u64;
    let (first, last) = (seen.keys().next().expect("entries"), seen.keys().last().expect("entries"));
    assert_eq!(last - first + 1, count, "numbers increase by one");
    seen
}

/// The bytes of a segment, with its initialisation section before it.
#[track_caller]
fn fetched(server: &Server, path: &str, segment: &Segment) -> Vec<u8> {
    let fetch = |uri: &str| {
        let answer = get(server.http, &join(path, uri));
        assert_eq!(answer.status, 200, "{uri} is named in a playlist");
        answer.body()
    };
    let mut bytes = segment.map.as_deref().map(fetch).unwrap_or_default();
    bytes.extend(fetch(&segment.uri));
    bytes
}

/// Asserts that a segment stands on its own: its first picture is a keyframe, and it lasts as long as said.
#[track_caller]
fn assert_independent(server: &Server, path: &str, segment: &Segment) {
    let bytes = fetched(server, path, segment);
    if segment.map.is_none() {
        let _ = Transport::parse(&bytes);
    }
    let folder = TempDir::new().expect("a temporary directory");
    let file = folder.path().join("segment");
    std::fs::write(&file, &bytes).expect("a file");
    let show = "-select_streams v:0 -show_entries packet=pts_time,dts_time,flags:frame=pict_type -of csv";
    let probed = ffprobe().words(show).arg(&file).run(secs(20));
    assert_eq!(probed.stderr, "", "{}", segment.uri);
    let packets: Vec<&str> = probed.stdout.lines().filter(|line| line.starts_with("packet")).collect();
    assert!(packets[0].contains(",K"), "{} begins with a keyframe: {}", segment.uri, packets[0]);
    let first = probed.stdout.lines().find(|line| line.starts_with("frame")).expect("it decodes");
    assert!(first.trim_end_matches(',').ends_with(",I"), "{}: {first}", segment.uri);
    let lasts = packets.len() as f64 / 25.0;
    assert!(
        (lasts - segment.duration).abs() < 0.081,
        "{} lasts {lasts} s, not {}",
        segment.uri,
        segment.duration
    );
}

#[test]
fn playlists_in_ts_follow_the_rules_while_time_passes() {
    let server = Server::with(&[SECOND, TS]);
    let _publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let seen = follow(&server, &path, secs(14));
    assert!(seen.len() >= 12, "a segment a second: {}", seen.len());
    for segment in playlist(&server, &path).segments {
        assert_independent(&server, &path, &segment);
    }
}

#[test]
fn playlists_in_fmp4_follow_the_rules_while_time_passes() {
    let server = Server::with(&[SECOND, FMP4]);
    let _publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let seen = follow(&server, &path, secs(10));
    assert!(seen.len() >= 8, "a segment a second: {}", seen.len());
    let list = playlist(&server, &path);
    assert!(list.segments.iter().all(|segment| segment.map.is_some()), "each has an initialisation section");
    for segment in list.segments {
        assert_independent(&server, &path, &segment);
    }
}

#[test]
fn a_segment_that_left_the_list_can_still_be_fetched() {
    let server = Server::with(&[SECOND, TS, ("stream.hls.window", "3")]);
    let _publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let list = playlist_of(&server, &path, 3);
    let oldest = list.segments[0].clone();
    let gone =
        until(secs(15), || (playlist(&server, &path).media_sequence > list.media_sequence).then_some(()));
    assert!(gone.is_some(), "the list moves on");
    // As long as the segment and the longest list it stood in lasted (6.2.2).
    let lasts: f64 = list.segments.iter().map(|segment| segment.duration).sum();
    std::thread::sleep(Duration::from_secs_f64(lasts - 0.5));
    assert!(!fetched(&server, &path, &oldest).is_empty());
}

#[test]
fn the_multivariant_playlist_tells_the_truth() {
    let server = Server::with(&[SECOND]);
    let film = media::h264_aac();
    let _publisher = publish(&server, &film, Ffmpeg::V5);
    let (path, found) = variant(&server);
    let _ = playlist_of(&server, &path, 4);
    let (_, found) = (found, variant(&server).1);
    let probed =
        ffprobe().words("-show_entries stream=profile,level -select_streams v:0 -of csv=p=0").arg(&film);
    let level = probed.run(secs(20)).stdout;
    let level: u8 = level.trim().rsplit(',').next().expect("a level").parse().expect("a number");
    let codecs = format!("avc1.6400{level:02x},mp4a.40.2");
    assert_eq!(found.get("CODECS").map(String::as_str), Some(codecs.as_str()));
    assert_eq!(found.get("RESOLUTION").map(String::as_str), Some("320x180"));
    let rate: f64 = found.get("FRAME-RATE").expect("it is known").parse().expect("a number");
    assert!((rate - 25.0).abs() < 0.01, "{rate}");
    let bandwidth: f64 = found.get("BANDWIDTH").expect("it is required").parse().expect("a number");
    let real = std::fs::metadata(&film).expect("a film").len() as f64;
    assert!(
        (real * 0.9..real * 3.0).contains(&bandwidth),
        "a film of eight seconds and {real} bytes: {bandwidth}"
    );
}

#[test]
fn every_entry_has_a_date_that_goes_on_with_the_clock() {
    let server = Server::with(&[SECOND, TS]);
    let _publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let list = playlist_of(&server, &path, 4);
    assert!(list.independent, "segments are independent");
    let first =
        list.segments[0].date.clone().expect("EXT-X-PROGRAM-DATE-TIME stands before the first segment");
    let seconds = |date: &str| {
        let output = conformance::process::Tool::new("date").args(["-d", date, "+%s.%N"]).run(secs(5)).stdout;
        output.trim().parse::<f64>().expect("a number")
    };
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let age = now - seconds(&first);
    assert!((3.0..12.0).contains(&age), "the first of four segments began {age} seconds ago");
    for pair in list.segments.windows(2) {
        if let (Some(a), Some(b)) = (&pair[0].date, &pair[1].date) {
            let apart = seconds(b) - seconds(a);
            assert!((apart - pair[0].duration).abs() < 0.1, "{a} + {} is not {b}", pair[0].duration);
        }
    }
}

#[test]
fn a_publisher_that_returns_goes_on_in_the_same_list_behind_a_discontinuity() {
    let server =
        Server::with(&[SECOND, TS, ("stream.publish.linger_ms", "8000"), ("stream.hls.window", "20")]);
    let film = media::h264_aac_plain();
    let mut publisher = publish(&server, &film, Ffmpeg::V5);
    let (path, _) = variant(&server);
    let before = playlist_of(&server, &path, 3);
    publisher.kill();
    std::thread::sleep(secs(1));
    let _publisher = publish(&server, &film, Ffmpeg::V5);
    let after = playlist_of(&server, &path, before.segments.len() + 4);
    assert_follows(&before, &after);
    let marks = after.segments.iter().skip(1).filter(|segment| segment.discontinuity).count();
    assert_eq!(marks, 1, "marked exactly where the publisher changed: {after:?}");
    assert!(!after.ended);
}

/// The playlist when its stream is over and all of it is listed: it names `seconds` of film.
#[track_caller]
fn playlist_lasting(server: &Server, path: &str, seconds: f64) -> Playlist {
    let lasts = |list: &Playlist| list.segments.iter().map(|segment| segment.duration).sum::<f64>();
    let whole = until(secs(10), || Some(playlist(server, path)).filter(|list| lasts(list) > seconds - 0.1));
    let list = whole.unwrap_or_else(|| panic!("not all of it is listed: {:?}", playlist(server, path)));
    assert!(lasts(&list) < seconds + 0.1, "{seconds} seconds of film last {}", lasts(&list));
    list
}

#[test]
fn numbers_go_on_when_a_stream_begins_again_after_its_end() {
    let server = Server::with(&[SECOND, TS, SHORT_LINGER, ("stream.hls.window", "20")]);
    let film = media::h264_aac_plain();
    let _ = Ffmpeg::V5.publish_at(4.0, &film, &server.rtmp_url("film")).run(secs(20));
    let (path, _) = variant(&server);
    let before = playlist_lasting(&server, &path, 8.0);
    let last = before.numbered().last().expect("entries").0;
    let _publisher = publish(&server, &film, Ffmpeg::V5);
    let again = until(secs(20), || {
        let list = playlist(&server, &path);
        (list.numbered().last()?.0 > last).then_some(list)
    });
    let again = again.unwrap_or_else(|| panic!("nothing comes after {last}: {:?}", playlist(&server, &path)));
    assert_follows(&before, &again);
}

#[test]
fn a_stream_that_is_over_lists_all_of_its_film() {
    let server = Server::with(&[SECOND, TS, SHORT_LINGER, ("stream.hls.window", "60")]);
    let _ = Ffmpeg::V5.publish_at(4.0, &media::h264_aac_plain(), &server.rtmp_url("film")).run(secs(20));
    let (path, _) = variant(&server);
    let _ = playlist_lasting(&server, &path, 8.0);
}

#[test]
fn encrypted_segments_decrypt_to_the_film() {
    for layout in [TS, FMP4] {
        let encrypt = [("stream.hls.encrypt", "true"), ("stream.hls.segments_per_key", "2")];
        let server = Server::with(
            &[&[SECOND, layout, SHORT_LINGER, ("stream.hls.window", "60")][..], &encrypt].concat(),
        );
        let film = media::h264_aac_plain();
        let _ = Ffmpeg::V5.publish_at(4.0, &film, &server.rtmp_url("film")).run(secs(20));
        let (path, _) = variant(&server);
        let list = playlist_lasting(&server, &path, 8.0);
        let keys: Vec<BTreeMap<String, String>> = list
            .segments
            .iter()
            .map(|s| attributes(s.key.as_deref().expect("a key")).into_iter().collect())
            .collect();
        assert!(keys.iter().all(|key| key["METHOD"] == "AES-128"), "{keys:?}");
        let uris: std::collections::BTreeSet<&String> = keys.iter().map(|key| &key["URI"]).collect();
        assert_eq!(uris.len(), keys.len().div_ceil(2), "a key for two segments: {uris:?}");
        let first = fetched(&server, &path, &Segment { map: None, ..list.segments[0].clone() });
        assert_eq!(first.len() % 16, 0, "whole blocks");
        assert!(first[0] != 0x47 || first.get(188) != Some(&0x47), "it is not plain");
        let url = format!("http://{}{MASTER}", server.http);
        let options = "-allowed_extensions ALL -live_start_index 0 -m3u8_hold_counters 4";
        let received = Packets::of_finished(&Ffmpeg::V5.packets(options, &url, "").run(secs(30)));
        let sent = Packets::of(Ffmpeg::V5, &film, "");
        assert_eq!(received.video.packets.len(), sent.video.packets.len(), "{layout:?}");
        let sound = sent.audio.packets.len() - sent.audio_before_video;
        assert_eq!(received.audio.packets.len(), sound, "{layout:?}");
    }
}

#[test]
fn caches_are_told_what_they_may_keep() {
    let server = Server::with(&[SECOND, TS]);
    let _publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let list = playlist_of(&server, &path, 2);
    let answer = get(server.http, &path);
    assert_eq!(answer.header("content-type"), Some("application/vnd.apple.mpegurl"));
    let age = |answer: &http::Answer| {
        let control = answer.header("cache-control").expect("Cache-Control is said").to_owned();
        let age = control.split(',').find_map(|part| part.trim().strip_prefix("max-age=").map(str::to_owned));
        (age.map_or(0, |age| age.parse::<u32>().expect("a number")), control)
    };
    assert!(age(&answer).0 <= list.target_duration, "a playlist grows old quickly: {:?}", age(&answer));
    let answer = get(server.http, &join(&path, &list.segments[0].uri));
    assert_eq!(answer.header("content-type"), Some("video/mp2t"));
    assert!(
        age(&answer).0 >= 3600 && age(&answer).1.contains("immutable"),
        "a segment stays: {:?}",
        age(&answer)
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn segments_are_written_to_disk_where_that_is_set() {
    let server = Server::with(&[
        SECOND,
        TS,
        ("stream.hls.directory", "files"),
        ("stream.hls.dispose_ms", "2000"),
        SHORT_LINGER,
    ]);
    let publisher = publish(&server, &media::h264_aac_plain(), Ffmpeg::V5);
    let (path, _) = variant(&server);
    let _ = playlist_of(&server, &path, 3);
    let top = server.folder().join("files");
    let listed = until(secs(10), || files_below(&top).into_iter().find(|file| file.ends_with("index.m3u8")));
    let index = listed.unwrap_or_else(|| panic!("a playlist is written: {:?}", files_below(&top)));
    let list = Playlist::parse(&std::fs::read_to_string(&index).expect("it is readable"));
    for segment in &list.segments {
        let file = Path::new(&index).parent().expect("a folder").join(&segment.uri);
        let _ = Transport::parse(&std::fs::read(&file).expect("what is listed is there"));
    }
    assert!(
        files_below(&top).iter().all(|file| !file.ends_with(".tmp")),
        "no half file: {:?}",
        files_below(&top)
    );
    drop(publisher);
    let cleaned = until(secs(15), || files_below(&top).is_empty().then_some(()));
    assert!(cleaned.is_some(), "files go when the stream is disposed of: {:?}", files_below(&top));
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found
}
