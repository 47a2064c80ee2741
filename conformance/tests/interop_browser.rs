//! Chromium watches: hls.js, mpegts.js, its own HLS, and the server's player page.
//!
//! Each test looks on for ten seconds once pictures move: time must go on as it does outside, pictures must
//! come, and nothing may ever wait.

use conformance::ffmpeg::Ffmpeg;
use conformance::http;
use conformance::media;
use conformance::process::{Running, Tool, secs, until};
use conformance::reader::m3u8::Playlist;
use conformance::server::Server;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One browser at a time: two of them on a small machine would judge the machine.
fn alone() -> MutexGuard<'static, ()> {
    static BROWSER: Mutex<()> = Mutex::new(());
    BROWSER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// Plays `url` in `player` and returns what the browser saw in ten seconds.
#[track_caller]
fn watch(player: &str, url: &str, screenshot: Option<&Path>) -> Value {
    let _ = Tool::new("chromium");
    assert!(
        folder().join("node_modules/hls.js").is_dir(),
        "npm packages lack; run: bash conformance/install.sh"
    );
    let tool = Tool::new("node").folder(&folder()).args(["watch.mjs", player, url, "10"]).args(screenshot);
    let seen = tool.run(secs(60));
    serde_json::from_str(seen.stdout.trim()).unwrap_or_else(|e| panic!("{e}: {seen}"))
}

/// Asserts that ten seconds of a film of 25 pictures a second were seen without a stop.
#[track_caller]
fn assert_smooth(seen: &Value) {
    assert_eq!(seen["began"], true, "pictures never moved: {seen}");
    let number = |name: &str| seen[name].as_f64().unwrap_or_else(|| panic!("no {name}: {seen}"));
    assert!(number("advanced") > 9.0, "ten seconds outside were less inside: {seen}");
    assert!(number("frames") > 220.0, "pictures are missing: {seen}");
    assert_eq!((number("width"), number("height")), (320.0, 180.0), "{seen}");
    assert!(number("audio_bytes") > 0.0, "sound is decoded: {seen}");
    for gathered in ["waits", "faults", "console"] {
        assert_eq!(seen[gathered], Value::Array(Vec::new()), "{gathered}: {seen}");
    }
}

/// A server whose stream `film` is live, and its publisher.
#[track_caller]
fn live(settings: &[(&str, &str)], film: &Path, ffmpeg: Ffmpeg) -> (Server, Running) {
    let server = Server::with(settings);
    let publisher = ffmpeg.tool().words("-re -stream_loop -1 -i").arg(film).words("-c copy -f flv");
    let publisher = publisher.arg(server.rtmp_url("film")).start();
    server.await_stream("film");
    (server, publisher)
}

#[track_caller]
fn plays(player: &str, settings: &[(&str, &str)], url: impl Fn(&Server) -> String) {
    let _alone = alone();
    let (server, _publisher) = live(settings, &media::h264_aac_long(), Ffmpeg::V5);
    assert_smooth(&watch(player, &url(&server), None));
}

const TS: [(&str, &str); 2] = [("stream.hls.layout", "Ts"), ("stream.hls.segment_ms", "1000")];
const FMP4: [(&str, &str); 2] = [("stream.hls.layout", "Fmp4"), ("stream.hls.segment_ms", "1000")];

#[test]
fn hls_js_plays_hls_in_ts() {
    plays("hls", &TS, |server| server.http_url("film.m3u8"));
}

#[test]
fn hls_js_plays_hls_in_fmp4() {
    plays("hls", &FMP4, |server| server.http_url("film.m3u8"));
}

/// Chromium's own player gives up on a list that has but one segment yet, whatever server it is from.
#[track_caller]
fn plays_by_itself(settings: &[(&str, &str)]) {
    plays("native", settings, |server| {
        let listed = until(secs(20), || {
            let answer = http::get(server.http, "/live/film/index.m3u8");
            (answer.status == 200 && Playlist::parse(&answer.text()).segments.len() >= 4).then_some(())
        });
        assert!(listed.is_some(), "segments are listed");
        server.http_url("film.m3u8")
    });
}

#[test]
fn chromium_itself_plays_hls_in_ts() {
    plays_by_itself(&TS);
}

#[test]
fn chromium_itself_plays_hls_in_fmp4() {
    plays_by_itself(&FMP4);
}

#[test]
fn mpegts_js_plays_http_flv() {
    plays("mpegts", &[], |server| server.http_url("film.flv"));
}

#[test]
fn mpegts_js_plays_websocket_flv() {
    plays("mpegts", &[], |server| server.http_url("film.flv").replace("http://", "ws://"));
}

#[test]
fn mpegts_js_plays_http_ts() {
    plays("mpegts", &[], |server| server.http_url("film.ts"));
}

#[test]
fn hls_js_plays_av1_and_opus_in_fmp4() {
    let _alone = alone();
    let (server, _publisher) = live(&FMP4, &media::av1_opus_long(), Ffmpeg::V9);
    assert_smooth(&watch("hls", &server.http_url("film.m3u8"), None));
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Drives the player page: the first stream that it lists is played in `way`.
#[track_caller]
fn page_plays(way: &str, film: &Path, ffmpeg: Ffmpeg) {
    let _alone = alone();
    // The page tells people the port that is configured; it cannot know what became of port 0.
    let rtmp = format!("127.0.0.1:{}", free_port());
    let (server, _publisher) = live(&[TS[0], TS[1], ("rtmp.listen", &rtmp)], film, ffmpeg);
    let name = way.replace(':', "-").to_lowercase();
    let shot = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/player-{name}.png"));
    std::thread::sleep(secs(4));
    let seen = watch(way, &format!("http://{}/", server.http), Some(&shot));
    assert_smooth(&seen);
    let listed = seen["listed"].as_str().unwrap_or_default();
    for shown in ["live/film", &server.rtmp_url("film"), &server.http_url("film.m3u8")] {
        assert!(listed.contains(shown), "{shown} is listed: {listed}");
    }
}

#[test]
fn the_player_page_lists_what_is_live_and_plays_it() {
    page_plays("page", &media::h264_aac_long(), Ffmpeg::V5);
}

#[test]
fn the_player_page_plays_over_websocket() {
    page_plays("page:WebSocket", &media::h264_aac_long(), Ffmpeg::V5);
}

#[test]
fn the_player_page_plays_hls() {
    page_plays("page:HLS", &media::h264_aac_long(), Ffmpeg::V5);
}

#[test]
fn the_player_page_plays_av1_and_opus() {
    page_plays("page", &media::av1_opus_long(), Ffmpeg::V9);
}
