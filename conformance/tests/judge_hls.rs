//! The judge of HLS is judged: it has nothing to say about what FFmpeg packages of a film, and sees each
//! fault that is planted in it.

use conformance::ffmpeg::Ffmpeg;
use conformance::judge::hls::{Answer, HlsJudge, HlsRules};
use conformance::media;
use conformance::process::secs;
use conformance::reader::flv::Flv;
use conformance::reader::m3u8::{Playlist, Segment};
use std::path::Path;
use tempfile::TempDir;

const SECOND: u64 = 1_000_000;
const LIST: &str = "/live/film/index.m3u8";

/// A film in segments, as FFmpeg makes them.
struct Package {
    film: Flv,
    segments: Vec<(Segment, Vec<u8>)>,
    init: Option<Vec<u8>>,
}

fn package(options: &str) -> Package {
    let folder = TempDir::new().expect("a temporary directory");
    let path = media::h264_aac_plain();
    let tool = Ffmpeg::V8.tool().arg("-i").arg(&path).words("-c copy -f hls -hls_time 1 -hls_list_size 0");
    let tool = tool.words("-hls_flags independent_segments").words(options).arg("index.m3u8");
    let done = tool.folder(folder.path()).run(secs(60));
    assert!(done.status.success(), "{done}");
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("FFmpeg wrote it");
    let list = Playlist::parse(&String::from_utf8(read("index.m3u8")).expect("text"));
    let segments: Vec<_> =
        list.segments.into_iter().map(|segment| (segment.clone(), read(&segment.uri))).collect();
    assert!(segments.len() >= 2, "more than one segment");
    let init = segments[0]
        .0
        .map
        .as_deref()
        .map(|map| std::fs::read(folder.path().join(Path::new(map))).expect("init"));
    Package { film: media::read(&path), segments, init }
}

/// A run that goes well unless something is planted.
struct Run {
    judge: HlsJudge,
    package: Package,
    now_us: u64,
}

impl Run {
    fn new(options: &str) -> Self {
        let package = package(options);
        let mut judge = HlsJudge::new(HlsRules::default());
        for tag in &package.film.tags {
            judge.published("live/film", 1, tag.kind, tag.timestamp, &tag.body);
        }
        Run { judge, package, now_us: SECOND }
    }

    /// The text of a playlist of some segments; `change` may alter it.
    fn list(&self, range: std::ops::Range<usize>) -> String {
        let version = if self.package.init.is_some() { 6 } else { 3 };
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            range.start
        );
        if let Some(map) = &self.package.segments[0].0.map {
            text.push_str(&format!("#EXT-X-MAP:URI=\"{map}\"\n"));
        }
        for (segment, _) in &self.package.segments[range] {
            text.push_str(&format!("#EXTINF:{:.6},\n{}\n", segment.duration, segment.uri));
        }
        text
    }

    fn answer(&mut self, path: &str, status: u16, body: &[u8]) {
        self.now_us += SECOND / 10;
        let (asked_us, at_us) = (self.now_us - 1000, self.now_us);
        self.judge.answered(Answer { conn_no: 3, asked_us, at_us, path, status, body });
    }

    fn show(&mut self, list: &str) {
        self.answer(LIST, 200, list.as_bytes());
    }

    fn fetch(&mut self, number: usize) {
        let (segment, bytes) = self.package.segments[number].clone();
        self.give(&segment.uri, &bytes);
    }

    fn give(&mut self, name: &str, bytes: &[u8]) {
        if let Some((map, init)) = self.package.segments[0].0.map.clone().zip(self.package.init.clone()) {
            self.answer(&format!("/live/film/{map}"), 200, &init);
        }
        self.answer(&format!("/live/film/{name}"), 200, bytes);
    }

    fn uri(&self, number: usize) -> String {
        self.package.segments[number].0.uri.clone()
    }

    #[track_caller]
    fn sees(&self, invariant: &str, said: &str) {
        let found = self.judge.violations();
        let seen = found.iter().any(|found| found.invariant == invariant && found.words.contains(said));
        assert!(seen, "{invariant} {said:?} is not among {found:#?}");
    }

    #[track_caller]
    fn is_content(&self) {
        assert_eq!(self.judge.violations(), []);
    }
}

const TS: &str = "-hls_segment_type mpegts -hls_segment_filename seg-%d.ts";
const FMP4: &str = "-hls_segment_type fmp4 -hls_segment_filename seg-%d.m4s";

#[test]
fn what_ffmpeg_packages_is_good() {
    for options in [TS, FMP4] {
        let mut run = Run::new(options);
        for first in 0..4 {
            let list = run.list(first..first + 3);
            run.show(&list);
            (first..first + 3).for_each(|number| run.fetch(number));
        }
        run.is_content();
    }
}

#[test]
fn a_segment_that_goes_too_early_is_seen() {
    let mut run = Run::new(TS);
    let (long, short) = (run.list(0..3), run.list(1..4));
    run.show(&long);
    run.show(&short);
    let gone = format!("/live/film/{}", run.uri(0));
    run.answer(&gone, 404, b"");
    run.sees("I34", "status 404 though a playlist named it");
    // A while later it may be gone.
    let mut run = Run::new(TS);
    run.show(&long);
    run.now_us += 4 * SECOND;
    run.answer(&gone, 404, b"");
    run.is_content();
}

#[test]
fn an_initialisation_section_that_lacks_is_seen() {
    let mut run = Run::new(FMP4);
    let list = run.list(0..3);
    run.show(&list);
    let init = run.package.segments[0].0.map.clone().expect("it has one");
    run.answer(&format!("/live/film/{init}"), 404, b"");
    run.sees("I34", "status 404");
}

#[test]
fn a_segment_without_tables_or_keyframe_is_seen() {
    let mut run = Run::new(TS);
    let list = run.list(0..3);
    run.show(&list);
    let (name, bytes) = (run.uri(0), run.package.segments[0].1.clone());
    run.give(&name, &bytes[188 * 3..]);
    run.sees("I34", "program association");

    // FFmpeg cuts in the middle of a GOP.
    let mut run = Run::new(&format!("{TS} -hls_flags split_by_time -hls_time 0.6"));
    let list = run.list(0..3);
    run.show(&list);
    (0..3).for_each(|number| run.fetch(number));
    run.sees("I34", "decoding cannot begin at");
}

#[test]
fn a_segment_longer_than_the_target_is_seen() {
    let mut run = Run::new(&format!("{TS} -hls_time 4"));
    let list = run.list(0..1).replace("#EXTINF:4", "#EXTINF:2");
    run.show(&list);
    run.fetch(0);
    run.sees("I34", "where TARGETDURATION is 2");
}

#[test]
fn playlists_that_shrink_go_back_or_are_rewritten_are_seen() {
    let mut run = Run::new(TS);
    let (long, short) = (run.list(0..4), run.list(0..3));
    run.show(&long);
    run.show(&short);
    run.sees("I35", "shrinks at its tail");

    let mut run = Run::new(TS);
    let (later, earlier) = (run.list(2..5), run.list(1..5));
    run.show(&later);
    run.show(&earlier);
    run.sees("I35", "goes back from 2 to 1");

    let mut run = Run::new(TS);
    run.show(&short);
    run.show(&short.replacen("#EXTINF:", "#EXTINF:0", 1).replace("seg-1.ts", "seg-7.ts"));
    run.sees("I35", "entry 1 is rewritten");

    let mut run = Run::new(TS);
    run.show(&short);
    run.show(&short.replace("TARGETDURATION:2", "TARGETDURATION:3"));
    run.sees("I35", "TARGETDURATION changes");

    let mut run = Run::new(TS);
    run.show(&short);
    run.show(&run.list(1..4).replace("DISCONTINUITY-SEQUENCE:4", "DISCONTINUITY-SEQUENCE:5"));
    run.sees("I35", "stands behind 5 breaks, was 4");

    let mut run = Run::new(TS);
    run.show(&short.replace("#EXT-X-TARGETDURATION:2\n", ""));
    run.sees("I35", "TARGETDURATION is required");
}

#[test]
fn an_old_playlist_may_reach_a_slow_client_late() {
    let mut run = Run::new(TS);
    let (old, new) = (run.list(0..3), run.list(1..4));
    run.show(&new);
    let (asked_us, at_us) = (run.now_us - SECOND / 2, run.now_us + SECOND);
    run.judge.answered(Answer { conn_no: 9, asked_us, at_us, path: LIST, status: 200, body: old.as_bytes() });
    run.is_content();
}

#[test]
fn foreign_frames_are_seen() {
    // What was not published.
    let mut run = Run::new(TS);
    run.judge = HlsJudge::new(HlsRules::default());
    let other = media::read(&media::h264_aac());
    for tag in &other.tags {
        run.judge.published("live/film", 1, tag.kind, tag.timestamp, &tag.body);
    }
    let list = run.list(0..3);
    run.show(&list);
    run.fetch(0);
    run.sees("I6", "is not what any publisher sent");

    // What another publisher sent.
    for tag in &run.package.film.tags {
        run.judge.published("live/other", 2, tag.kind, tag.timestamp, &tag.body);
    }
    run.fetch(1);
    run.sees("I7", "is of live/other");

    // What came before.
    let mut run = Run::new(TS);
    run.show(&list);
    run.fetch(0);
    let (name, again) = (run.uri(1), run.package.segments[0].1.clone());
    run.give(&name, &again);
    run.sees("I1", "came before");

    // Other bytes under the same name.
    let mut run = Run::new(TS);
    run.show(&list);
    run.fetch(0);
    let (name, other) = (run.uri(0), run.package.segments[1].1.clone());
    run.give(&name, &other);
    run.sees("I35", "other bytes than before");
}

#[test]
fn discontinuities_stand_where_the_publisher_changes() {
    let marked = |list: &str, name: &str| {
        let (before, after) = list.split_once(&format!(",\n{name}")).expect("it is listed");
        let (head, duration) = before.rsplit_once("#EXTINF:").expect("it has a duration");
        format!("{head}#EXT-X-DISCONTINUITY\n#EXTINF:{duration},\n{name}{after}")
    };
    // A mark where the film goes on.
    let mut run = Run::new(TS);
    let list = run.list(0..3);
    let name = run.uri(1);
    run.show(&marked(&list, &name));
    (0..2).for_each(|number| run.fetch(number));
    run.sees("I35", "though the publisher's film goes on");

    // Another publisher for the later part of the film: without a mark, and with one.
    for with_mark in [false, true] {
        let mut run = Run::new(TS);
        run.judge = HlsJudge::new(HlsRules::default());
        let tags = &run.package.film.tags;
        let keys = tags.iter().enumerate().filter(|(_, tag)| tag.is_key());
        let change = keys.map(|(place, _)| place).nth(1).expect("a second keyframe");
        // Each begins with its configurations.
        let configs = tags.iter().filter(|tag| tag.is_config());
        for (publisher, tags) in [(1, &tags[..change]), (2, &tags[change..])] {
            for tag in configs.clone().chain(tags) {
                run.judge.published("live/film", publisher, tag.kind, tag.timestamp, &tag.body);
            }
        }
        run.show(&if with_mark { marked(&list, &name) } else { list.clone() });
        (0..2).for_each(|number| run.fetch(number));
        let found =
            run.judge.violations().iter().filter(|found| found.words.contains("discontinuity")).count();
        assert_eq!(found, usize::from(!with_mark), "{:?}", run.judge.violations());
    }
}
