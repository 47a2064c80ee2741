//! Programs that people publish and watch with: GStreamer (its own RTMP and librtmp's), OBS, VLC, rtmpdump.

use conformance::ffmpeg::{Exactness, Ffmpeg, Packets, assert_carried, ffprobe};
use conformance::http;
use conformance::media;
use conformance::process::{Finished, Running, Tool, secs, until};
use conformance::reader::flv::Flv;
use conformance::server::Server;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Librtmp asks for a stream again when it has ended; it need not wait long to hear that there is none.
const SHORT_LINGER: [(&str, &str); 2] =
    [("stream.publish.linger_ms", "500"), ("stream.play.wait_ms", "4000")];

/// A player on RTMP that waits for `film`.
fn waiting_player(server: &Server) -> Running {
    Ffmpeg::V5.packets("", &server.rtmp_url("film"), "").start()
}

fn gstreamer(pipeline: &str) -> Tool {
    Tool::new("gst-launch-1.0").arg("-q").words(pipeline)
}

/// Timestamps pass through GStreamer's own clock and back into milliseconds.
const THROUGH_GSTREAMER: Exactness = Exactness { video_ms: 1, audio_ms: 1, ..Exactness::FULL };

/// What GStreamer publishes through `sink` arrives whole.
#[track_caller]
fn gstreamer_publishes(sink: &str) {
    let server = Server::with(&SHORT_LINGER);
    let film = media::h264_aac_plain();
    let player = waiting_player(&server);
    server.await_log("play");
    let source = format!("filesrc location={} ! flvdemux name=in", film.display());
    let video = "in.video ! queue ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! out.";
    let audio = "in.audio ! queue ! aacparse ! audio/mpeg,stream-format=raw ! out.";
    let out =
        format!("flvmux name=out streamable=true ! clocksync ! {sink} location={}", server.rtmp_url("film"));
    let published = gstreamer(&format!("{source} {out} {video} {audio}")).start().finish(secs(30));
    assert!(published.status.success(), "{published}");
    let received = Packets::of_finished(&player.finish(secs(20)));
    assert_carried(&Packets::of(Ffmpeg::V5, &film, ""), &received, THROUGH_GSTREAMER);
}

#[test]
fn gstreamer_publishes_with_its_own_rtmp() {
    gstreamer_publishes("rtmp2sink");
}

#[test]
fn gstreamer_publishes_with_librtmp() {
    gstreamer_publishes("rtmpsink");
}

/// What a player wrote into `file` is what FFmpeg publishes.
#[track_caller]
fn saved(play: impl Fn(&Server, &Path) -> Running) {
    saved_but_for(0, play);
}

/// The same for a player that may drop the last few packets itself.
#[track_caller]
fn saved_but_for(missing_last: usize, play: impl Fn(&Server, &Path) -> Running) {
    let server = Server::with(&SHORT_LINGER);
    let folder = TempDir::new().expect("a temporary directory");
    let file = folder.path().join("saved.flv");
    let film = media::h264_aac();
    let player = play(&server, &file);
    let waits = until(secs(10), || {
        let clients = http::get(server.api, "/api/v1/clients/").json();
        clients["clients"].as_array()?.first().map(|_| ())
    });
    assert!(waits.is_some(), "the player waits for the stream:\n{}", player.stderr());
    let _ = Ffmpeg::V5.publish(&film, &server.rtmp_url("film")).run(secs(30));
    let played = player.finish(secs(20));
    assert!(file.metadata().is_ok_and(|file| file.len() > 0), "nothing was saved: {played}");
    let received = Packets::of(Ffmpeg::V5, &file, "");
    let exactness = Exactness { missing_last, ..Exactness::FULL };
    assert_carried(&Packets::of(Ffmpeg::V5, &film, ""), &received, exactness);
}

#[test]
fn gstreamer_plays_with_its_own_rtmp() {
    // At StreamEOF it stops at once, and may forget the message that it has in hand.
    saved_but_for(1, |server, file| {
        let url = server.rtmp_url("film");
        gstreamer(&format!("rtmp2src location={url} ! filesink location={}", file.display())).start()
    });
}

#[test]
fn gstreamer_plays_with_librtmp() {
    saved(|server, file| {
        let url = server.rtmp_url("film");
        gstreamer(&format!("rtmpsrc location={url} ! filesink location={}", file.display())).start()
    });
}

#[test]
fn gstreamer_plays_http_flv() {
    saved(|server, file| {
        let url = server.http_url("film.flv");
        gstreamer(&format!("souphttpsrc location={url} timeout=60 ! filesink location={}", file.display()))
            .start()
    });
}

#[test]
fn rtmpdump_plays() {
    saved(|server, file| {
        let live = Tool::new("rtmpdump").words("--live --timeout 20 --quiet");
        live.arg("--rtmp").arg(server.rtmp_url("film")).arg("--flv").arg(file).start()
    });
}

#[test]
fn curl_saves_http_flv_whose_every_tag_is_well_formed() {
    saved(|server, file| {
        let quiet = Tool::new("curl").words("--silent --show-error --fail --max-time 60 --output");
        quiet.arg(file).arg(server.http_url("film.flv")).start()
    });
}

#[test]
fn the_flags_of_an_flv_file_tell_which_tracks_it_has() {
    for (film, flags) in [(media::h264_aac(), 5), (media::h264_only(), 1), (media::aac_only(), 4)] {
        let server = Server::with(&SHORT_LINGER);
        let publisher = Ffmpeg::V5.publish(&film, &server.rtmp_url("film")).start();
        server.await_stream("film");
        let saved = http::get(server.http, "/live/film.flv").body();
        assert_eq!(Flv::parse(&saved).flags, flags, "{}", film.display());
        assert!(publisher.finish(secs(20)).status.success());
    }
}

/// A folder that the user `nobody` may write to.
fn folder_for_nobody() -> TempDir {
    let folder = TempDir::new().expect("a temporary directory");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("its owner may");
    folder
}

/// VLC plays `url` into an MPEG-TS file. It refuses to run as root.
fn vlc(url: &str, folder: &Path, file: &Path) -> Tool {
    let root = rustix::process::geteuid().is_root();
    let tool = if root { Tool::new("runuser").words("-u nobody -- cvlc") } else { Tool::new("cvlc") };
    let tool = tool.env("HOME", folder).folder(folder).words("-I dummy --no-video-title-show --run-time 6");
    let out = format!("#std{{access=file,mux=ts,dst={}}}", file.display());
    tool.arg("--sout").arg(out).arg(url).arg("vlc://quit")
}

/// VLC plays `url` for a few seconds and has pictures and sound to show for it.
#[track_caller]
fn vlc_plays(url: impl Fn(&Server) -> String) {
    let _ = Tool::new("cvlc");
    let server = Server::with(&[("stream.hls.segment_ms", "1000")]);
    let publisher = Ffmpeg::V5.publish(&media::h264_aac_long(), &server.rtmp_url("film")).start();
    server.await_stream("film");
    std::thread::sleep(secs(4));
    let folder = folder_for_nobody();
    let file = folder.path().join("saved.ts");
    let played = vlc(&url(&server), folder.path(), &file).start().finish(secs(30));
    let pictures = pictures_in(&file);
    assert!(pictures > 75, "VLC saved {pictures} pictures: {played}");
    drop(publisher);
}

/// How many pictures of `file` decode.
fn pictures_in(file: &Path) -> usize {
    let count = "-count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0";
    let probed = ffprobe().words(count).arg(file).start().finish(secs(30));
    probed.stdout.lines().find_map(|line| line.trim_end_matches(',').parse().ok()).unwrap_or(0)
}

#[test]
fn vlc_plays_rtmp() {
    vlc_plays(|server| server.rtmp_url("film"));
}

#[test]
fn vlc_plays_http_flv() {
    vlc_plays(|server| server.http_url("film.flv"));
}

#[test]
fn vlc_plays_http_ts() {
    vlc_plays(|server| server.http_url("film.ts"));
}

#[test]
fn vlc_plays_hls() {
    vlc_plays(|server| server.http_url("film.m3u8"));
}

/// OBS as it is after its first start, told to stream to `server` without a click.
fn obs_home(server: &Server) -> TempDir {
    let home = TempDir::new().expect("a temporary directory");
    let top = home.path().join(".config/obs-studio");
    let profile = top.join("basic/profiles/judge");
    let scenes = top.join("basic/scenes");
    for folder in [&profile, &scenes] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
    write(top.join("global.ini"), OBS_GLOBAL);
    write(profile.join("basic.ini"), OBS_PROFILE);
    write(scenes.join("judge.json"), OBS_SCENES);
    let service = serde_json::json!({
        "type": "rtmp_custom",
        "settings": {"server": format!("rtmp://{}/live", server.rtmp), "key": "film", "use_auth": false},
    });
    write(profile.join("service.json"), &service.to_string());
    home
}

const OBS_GLOBAL: &str = "[General]\nFirstRun=true\nLastVersion=486539266\n\
    Pre19Defaults=false\nPre21Defaults=false\n\
    Pre23Defaults=false\nPre24.1Defaults=false\nEnableAutoUpdates=false\nConfirmOnExit=false\n\
    [Basic]\nProfile=judge\nProfileDir=judge\nSceneCollection=judge\nSceneCollectionFile=judge\n\
    ConfigOnNewProfile=false\n[OBSWebSocket]\nFirstLoad=false\nServerEnabled=false\n";

const OBS_PROFILE: &str = "[General]\nName=judge\n[Output]\nMode=Advanced\n\
    [AdvOut]\nTrackIndex=1\nEncoder=obs_x264\n\
    [Video]\nBaseCX=320\nBaseCY=180\nOutputCX=320\nOutputCY=180\nFPSType=0\nFPSCommon=30\n\
    [Audio]\nSampleRate=44100\nChannelSetup=Stereo\n";

const OBS_SCENES: &str = r#"{"name": "judge", "current_scene": "Scene", "current_program_scene": "Scene",
    "scene_order": [{"name": "Scene"}], "groups": [], "transitions": [], "current_transition": "Fade",
    "sources": [
        {"id": "color_source", "versioned_id": "color_source_v3", "name": "Colour", "enabled": true,
         "volume": 1.0, "mixers": 0, "settings": {"color": 4283787007, "width": 320, "height": 180}},
        {"id": "scene", "versioned_id": "scene", "name": "Scene", "enabled": true, "settings": {"items": [
            {"name": "Colour", "visible": true, "id": 1, "pos": {"x": 0.0, "y": 0.0},
             "scale": {"x": 1.0, "y": 1.0}, "rot": 0.0, "align": 5, "bounds_type": 0}]}}
    ]}"#;

#[test]
fn obs_publishes() {
    let server = Server::start();
    let home = obs_home(&server);
    let encoder =
        serde_json::json!({"bitrate": 300, "keyint_sec": 1, "preset": "ultrafast", "rate_control": "CBR"});
    let profile = home.path().join(".config/obs-studio/basic/profiles/judge");
    std::fs::write(profile.join("streamEncoder.json"), encoder.to_string()).expect("a file");
    let _ = (Tool::new("obs"), Tool::new("xauth"));
    let obs = Tool::new("xvfb-run")
        .args(["-a", "-s", "-screen 0 1280x800x24"])
        .words("obs --multi --startstreaming --minimize-to-tray")
        .words("--profile judge --collection judge --scene Scene")
        .words("--disable-updater --disable-missing-files-check")
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .start();
    let live = until(secs(40), || {
        let streams = http::get(server.api, "/api/v1/streams/").json();
        let stream = streams["streams"].as_array()?.iter().find(|stream| stream["name"] == "film")?.clone();
        (stream["video_frames"].as_u64()? > 60 && stream["audio_frames"].as_u64()? > 60).then_some(stream)
    });
    let live = live
        .unwrap_or_else(|| panic!("OBS does not publish:\n{}", conformance::process::tail(&obs.stderr())));
    assert_eq!((&live["video"]["codec"], &live["audio"]["codec"]), (&"H264".into(), &"AAC".into()));
    assert_eq!((&live["video"]["width"], &live["video"]["height"]), (&320.into(), &180.into()));
    let played = watch_for_five_seconds(&server);
    let pictures = played.stdout.lines().filter(|line| line.starts_with("0,")).count();
    assert!((100..260).contains(&pictures), "{pictures} pictures in five seconds at 30 a second: {played}");
    assert_eq!(played.stderr, "", "what OBS sends comes out without a flaw");
    let ended = obs.stop();
    let gone = until(secs(15), || {
        let streams = http::get(server.api, "/api/v1/streams/").json();
        let mut streams = streams["streams"].as_array()?.iter();
        (!streams.any(|stream| stream["publish"]["active"] == true)).then_some(())
    });
    assert!(gone.is_some(), "the stream ends with OBS: {ended}");
}

#[track_caller]
fn watch_for_five_seconds(server: &Server) -> Finished {
    Ffmpeg::V5
        .tool()
        .arg("-i")
        .arg(server.rtmp_url("film"))
        .words("-t 5 -c copy -f framehash -")
        .run(secs(30))
}
