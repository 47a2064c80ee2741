//! Analysers look at what the server sends: tshark at RTMP, tstools and a strict reader at MPEG-TS, mediainfo
//! at both containers.

use conformance::ffmpeg::Ffmpeg;
use conformance::http;
use conformance::media;
use conformance::process::{Running, Tool, secs, until};
use conformance::reader::ts::Transport;
use conformance::server::Server;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SHORT_LINGER: [(&str, &str); 1] = [("stream.publish.linger_ms", "500")];

/// A capture of all that goes to and from `port` on loopback, into `file`.
#[track_caller]
fn capture(port: u16, file: &Path) -> Running {
    let tool = if rustix::process::geteuid().is_root() {
        Tool::new("tshark")
    } else {
        Tool::new("sudo").arg("tshark")
    };
    let filter = format!("tcp port {port}");
    let running = tool.args(["-q", "-i", "lo", "-B", "64", "-f", &filter, "-w"]).arg(file).start();
    let ready = until(secs(20), || (running.stderr().contains("Capturing on")).then_some(()));
    assert!(ready.is_some(), "tshark does not capture: {}", running.stderr());
    std::thread::sleep(secs(1));
    running
}

/// Lines that tshark prints of `file` with `port` read as RTMP.
#[track_caller]
fn dissect(port: u16, file: &Path, args: &[&str]) -> Vec<String> {
    // By default it ignores chunk sizes above 32768.
    let tool = Tool::new("tshark").words("-o rtmpt.max_packet_size:1000000").arg("-r").arg(file);
    let tool = tool.arg("-d").arg(format!("tcp.port=={port},rtmpt")).args(args);
    tool.run(secs(60)).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn tshark_finds_no_malformed_packet_in_a_session_of_rtmp() {
    let server = Server::with(&SHORT_LINGER);
    let folder = TempDir::new().expect("a temporary directory");
    let file = folder.path().join("session.pcapng");
    let captured = capture(server.rtmp.port(), &file);
    let player = Ffmpeg::V5.packets("", &server.rtmp_url("film"), "").start();
    std::thread::sleep(secs(1));
    let _ = Ffmpeg::V5.publish_at(2.0, &media::h264_aac(), &server.rtmp_url("film")).run(secs(30));
    let _ = player.finish(secs(20));
    std::thread::sleep(secs(1));
    let _ = captured.stop();

    let port = server.rtmp.port();
    let malformed = dissect(port, &file, &["-Y", "_ws.malformed || tcp.analysis.lost_segment"]);
    assert_eq!(malformed, Vec::<String>::new());
    let commands =
        dissect(port, &file, &["-Y", "rtmpt.header.typeid == 20", "-T", "fields", "-e", "_ws.col.Info"]);
    let commands = commands.join("\n");
    for expected in [
        "connect('live')",
        "NetConnection.Connect.Success",
        "createStream",
        "publish('film')",
        "NetStream.Publish.Start",
        "play('film'",
        "NetStream.Play.Start",
    ] {
        assert!(commands.contains(expected), "{expected} is in the session:\n{commands}");
    }
    let media =
        dissect(port, &file, &["-Y", "rtmpt.header.typeid == 9", "-T", "fields", "-e", "tcp.srcport"]);
    let sent = media.iter().filter(|line| line.split(',').any(|source| source == port.to_string())).count();
    assert!(sent > 100, "tshark sees pictures leave: {sent}");
}

/// What curl gets of `film` from `name` until the stream ends.
#[track_caller]
fn saved(folder: &Path, film: &Path, ffmpeg: Ffmpeg, name: &str) -> PathBuf {
    let server = Server::with(&SHORT_LINGER);
    let file = folder.join(name);
    let curl = Tool::new("curl").words("--silent --show-error --fail --max-time 60 --output");
    let player = curl.arg(&file).arg(server.http_url(name)).start();
    let waits = until(secs(10), || {
        let clients = http::get(server.api, "/api/v1/clients/").json();
        clients["clients"].as_array()?.first().map(|_| ())
    });
    assert!(waits.is_some(), "the player waits for the stream");
    let _ = ffmpeg.publish_at(2.0, film, &server.rtmp_url("film")).run(secs(30));
    let played = player.finish(secs(20));
    assert!(played.status.success(), "{played}");
    file
}

/// Clock references come at least every 100 ms (2.7.2), tables too often enough to join.
#[track_caller]
fn well_formed(film: &Path, ffmpeg: Ffmpeg, kinds: &[u8]) {
    let folder = TempDir::new().expect("a temporary directory");
    let file = saved(folder.path(), film, ffmpeg, "film.ts");
    let found = Transport::parse(&std::fs::read(&file).expect("curl saved it"));
    assert_eq!(found.streams.values().copied().collect::<Vec<u8>>(), kinds, "stream types");
    let widest = found.clocks.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(widest.is_some_and(|ticks| ticks <= 9_000), "clock references are {widest:?} ticks apart");
    let report = Tool::new("tsreport").arg("-b").arg(&file).run(secs(30));
    let complaints: Vec<&str> =
        report.stdout.lines().chain(report.stderr.lines()).filter(|line| line.contains("###")).collect();
    assert!(complaints.is_empty(), "tsreport complains: {complaints:?}");
    let info = Tool::new("tsinfo").arg(&file).run(secs(30));
    assert!(!info.stdout.contains("###"), "tsinfo complains: {info}");
}

#[test]
fn http_ts_of_h264_and_aac_is_well_formed() {
    well_formed(&media::h264_aac(), Ffmpeg::V5, &[0x1b, 0x0f]);
}

#[test]
fn http_ts_of_hevc_and_aac_is_well_formed() {
    well_formed(&media::hevc_aac(), Ffmpeg::V9, &[0x24, 0x0f]);
}

#[test]
fn http_ts_of_mp3_alone_is_well_formed() {
    well_formed(&media::mp3_only(), Ffmpeg::V5, &[0x03]);
}

#[test]
fn mediainfo_sees_the_tracks_of_both_containers() {
    let folder = TempDir::new().expect("a temporary directory");
    for name in ["film.ts", "film.flv"] {
        let file = saved(folder.path(), &media::h264_aac(), Ffmpeg::V5, name);
        let form = "--Inform=Video;%Format% %Width%x%Height% ";
        let video = Tool::new("mediainfo").arg(form).arg(&file).run(secs(30));
        assert_eq!(video.stdout.trim(), "AVC 320x180", "{name}");
        let audio =
            Tool::new("mediainfo").arg("--Inform=Audio;%Format% %SamplingRate%").arg(&file).run(secs(30));
        assert_eq!(audio.stdout.trim(), "AAC 44100", "{name}");
    }
}
