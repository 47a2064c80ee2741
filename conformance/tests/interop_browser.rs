//! Chromium watches: hls.js, mpegts.js, its own HLS, and the server's player page.
//!
//! Each test looks on for ten seconds once pictures move: time must go on as it does outside, pictures must
//! come, and nothing may ever wait.

use conformance::ffmpeg::Ffmpeg;
use conformance::media;
use conformance::process::{Running, Tool, secs};
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

#[test]
fn chromium_itself_plays_hls_in_ts() {
    plays("native", &TS, |server| server.http_url("film.m3u8"));
}

#[test]
fn chromium_itself_plays_hls_in_fmp4() {
    plays("native", &FMP4, |server| server.http_url("film.m3u8"));
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
    let (server, _publisher) = live(&FMP4, &media::av1_opus(), Ffmpeg::V9);
    assert_smooth(&watch("hls", &server.http_url("film.m3u8"), None));
}

#[test]
fn the_player_page_lists_what_is_live_and_plays_it() {
    let _alone = alone();
    let (server, _publisher) = live(&[], &media::h264_aac_long(), Ffmpeg::V5);
    let shot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/player-page.png");
    let seen = watch("page", &format!("http://{}/", server.http), Some(&shot));
    assert_smooth(&seen);
    assert!(
        seen["listed"].as_str().is_some_and(|text| text.contains("film")),
        "the stream is listed: {seen}"
    );
}
