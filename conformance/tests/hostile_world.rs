//! What the world does to a server: signals, descriptors that run out, a kill in the middle of everything.

use conformance::ffmpeg::Ffmpeg;
use conformance::health::{Film, assert_serves};
use conformance::http;
use conformance::media;
use conformance::process::{Tool, secs, until};
use conformance::reader::flv::{self, Tag};
use conformance::reader::m3u8::Playlist;
use conformance::reader::rtmp::{self, Peer};
use conformance::server::{Server, binary};
use rustix::process::Signal;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A live stream with a player on RTMP and one on HTTP-FLV that have both seen a tag.
#[track_caller]
fn live(server: &Server) -> (Peer, Peer, flv::Reader<http::Answer>) {
    let film = Film::short();
    let mut on_rtmp = Peer::player(server.rtmp, "live", "film");
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&film.tags[..100]);
    server.await_stream("film");
    let mut on_http = flv::Reader::new(http::get(server.http, "/live/film.flv"));
    let _ = on_http.head();
    assert!(on_rtmp.tag().is_some() && on_http.tag().is_some());
    (publisher, on_rtmp, on_http)
}

#[test]
fn a_drain_tells_every_peer_and_ends_well_in_time() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::with(&[("drain_timeout_ms", "3000")]);
        let (mut publisher, mut on_rtmp, mut on_http) = live(&server);
        let _idle = TcpStream::connect(server.rtmp).expect("the server listens");
        let start = Instant::now();
        server.signal(signal);
        let mut told = Vec::new();
        while let Some(message) = on_rtmp.receive() {
            if message.kind == rtmp::kind::COMMAND {
                told.extend(message.values());
            }
        }
        let told = format!("{told:?}");
        assert!(
            told.contains("NetStream.Play.UnpublishNotify") || told.contains("NetStream.Play.Stop"),
            "{told}"
        );
        while on_http.tag().is_some() {}
        while publisher.receive().is_some() {}
        let status = server.finish(secs(5));
        assert_eq!(status.code(), Some(0), "{signal:?}: it ends well");
        assert!(start.elapsed() < secs(4), "{signal:?}: it took {:?}", start.elapsed());
    }
}

#[test]
fn a_drain_does_not_wait_for_the_deaf() {
    let mut server = Server::with(&[("drain_timeout_ms", "1000")]);
    let film = Film::short();
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&film.tags);
    server.await_stream("film");
    let mut deaf = http::dial(server.http);
    std::io::Write::write_all(&mut deaf, b"GET /live/film.flv HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("it is taken");
    for round in 1..40 {
        publisher.send_tags(&film.later(round * film.length_ms()).tags);
    }
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.finish(secs(5)).code(), Some(0));
    assert!(start.elapsed() < secs(3), "it took {:?}", start.elapsed());
}

#[test]
fn nobody_new_is_served_during_a_drain() {
    let mut server = Server::with(&[("drain_timeout_ms", "3000")]);
    let (_publisher, _on_rtmp, _on_http) = live(&server);
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    if let Ok(mut socket) = TcpStream::connect(server.rtmp) {
        let _ = std::io::Write::write_all(&mut socket, &rtmp::handshake());
        socket.set_read_timeout(Some(secs(5))).expect("a timeout");
        let got = std::io::Read::read(&mut socket, &mut [0; 4096]);
        assert!(!matches!(got, Ok(1..)), "a server that shuts down answers no new connection");
    }
    assert_eq!(server.finish(secs(6)).code(), Some(0));
}

/// A server whose settings stand in a file of its folder.
#[track_caller]
fn from_file(text: &str) -> (Server, tempfile::TempDir) {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let file = folder.path().join("dacapo.ron");
    std::fs::write(&file, text).expect("a file");
    (Server::launch(Tool::new(binary()).arg("-c").arg(&file), &[]), folder)
}

#[test]
fn a_reload_holds_for_new_sessions_and_leaves_the_others_alone() {
    let (mut server, folder) = from_file("(stream: (publish: (second: Refuse)))");
    let (mut publisher, mut on_rtmp, mut on_http) = live(&server);
    let mut second = Peer::connected(server.rtmp, "live");
    second.send(&rtmp::publish("film"));
    assert_eq!(second.status(), "NetStream.Publish.BadName");

    std::fs::write(folder.path().join("dacapo.ron"), "(stream: (publish: (second: Replace)))")
        .expect("a file");
    server.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(500));
    let film = Film::short();
    publisher.send_tags(&film.tags[100..110]);
    assert!(on_rtmp.tag().is_some() && on_http.tag().is_some(), "players go on");
    let _ = Peer::publisher(server.rtmp, "live", "film");
}

#[test]
fn a_reload_of_a_broken_file_changes_nothing() {
    let (mut server, folder) = from_file("(stream: (publish: (second: Replace)))");
    std::fs::write(folder.path().join("dacapo.ron"), "(stream: (publish: (second: Maybe)))").expect("a file");
    server.signal(Signal::HUP);
    server.await_log("Maybe");
    assert_serves(&server);
    let film = Film::short();
    let mut first = Peer::publisher(server.rtmp, "live", "film");
    first.send_tags(&film.tags[..10]);
    let _ = Peer::publisher(server.rtmp, "live", "film");
}

#[test]
fn a_log_file_that_was_moved_away_is_opened_anew() {
    let mut server = Server::with(&[("log.file", "dacapo.log")]);
    let file = server.folder().join("dacapo.log");
    let moved = server.folder().join("dacapo.log.1");
    std::fs::rename(&file, &moved).expect("a log file");
    server.signal(Signal::USR1);
    let reopened = until(secs(5), || file.is_file().then_some(()));
    assert!(reopened.is_some(), "SIGUSR1 opens the file anew");
    let before = std::fs::metadata(&moved).expect("it was moved").len();
    assert_serves(&server);
    assert!(
        std::fs::read_to_string(&file).expect("text").contains("publishes"),
        "what happens is in the new file"
    );
    assert_eq!(
        std::fs::metadata(&moved).expect("it was moved").len(),
        before,
        "nothing more goes to the old one"
    );
}

/// Clock ticks (10 ms) of processor time so far.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> =
        stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum()
}

#[test]
fn descriptors_that_run_out_are_survived_without_a_frenzy() {
    let limited = Tool::new("sh").args(["-c", "ulimit -n 64; exec \"$0\""]).arg(binary());
    let server = Server::launch(limited, &[]);
    let flood: Vec<TcpStream> = (0..200).filter_map(|_| TcpStream::connect(server.rtmp).ok()).collect();
    std::thread::sleep(secs(1));
    let before = cpu_ticks(server.pid());
    std::thread::sleep(secs(2));
    let spent = cpu_ticks(server.pid()) - before;
    assert!(spent < 40, "with no descriptor left it spends {spent} of 200 ticks");
    drop(flood);
    std::thread::sleep(secs(2));
    assert_serves(&server);
}

#[test]
fn a_server_without_peers_does_nothing() {
    let server = Server::start();
    assert_serves(&server);
    std::thread::sleep(secs(1));
    let before = cpu_ticks(server.pid());
    std::thread::sleep(secs(4));
    let spent = cpu_ticks(server.pid()) - before;
    assert!(spent <= 4, "idle, it spends {spent} of 400 ticks");
}

/// The last number in the playlist of `film`.
#[track_caller]
fn last_number(server: &Server) -> u64 {
    let listed = until(secs(20), || {
        let answer = http::get(server.http, "/live/film/index.m3u8");
        let list = (answer.status == 200).then(|| Playlist::parse(&answer.text()))?;
        list.numbered().nth(1)?;
        list.numbered().last().map(|(number, _)| number)
    });
    listed.expect("segments are listed")
}

#[test]
fn after_a_kill_hls_goes_on_with_higher_numbers() {
    let film = media::h264_aac_long();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let mut server = Server::with(&[("stream.hls.segment_ms", "1000")]);
        let publisher = Ffmpeg::V5.publish_at(2.0, &film, &server.rtmp_url("film")).start();
        numbers.push(last_number(&server));
        server.signal(Signal::KILL);
        let _ = server.finish(secs(5));
        drop(publisher);
    }
    assert!(numbers[1] > numbers[0], "numbers of segments before and after: {numbers:?}");
}

#[test]
fn a_kill_leaves_nothing_that_keeps_the_next_start_from_serving() {
    let mut server = Server::start();
    let (rtmp, http, api) = (server.rtmp, server.http, server.api);
    let peers = live(&server);
    server.signal(Signal::KILL);
    let _ = server.finish(secs(5));
    let [rtmp, http, api] = [rtmp, http, api].map(|addr| addr.to_string());
    let again = Server::with(&[("rtmp.listen", &rtmp), ("http.listen", &http), ("api.listen", &api)]);
    assert_eq!(again.rtmp.to_string(), rtmp, "the same ports, at once");
    assert_serves(&again);
    drop(peers);
}

#[test]
fn keys_and_tokens_never_appear_in_the_log() {
    let server = Server::with(&[
        ("log.level", "trace"),
        ("stream.hls.segment_ms", "1000"),
        ("stream.publish.linger_ms", "500"),
    ]);
    let (key, token) = ("KEYthatNOBODYmaySEE", "TOKENthatNOBODYmaySEE");
    let query = format!("{key}?token={token}");
    let saved = |ending: &str| {
        let curl = Tool::new("curl").words("--silent --location --max-time 20 --output /dev/null");
        curl.arg(server.http_url(&format!("{key}.{ending}?token={token}"))).start()
    };
    let player = Ffmpeg::V5.packets("", &server.rtmp_url(&query), "").start();
    let others: Vec<_> = ["flv", "ts", "m3u8"].map(saved).into();
    let published = Ffmpeg::V5.publish_at(2.0, &media::h264_aac(), &server.rtmp_url(&query)).run(secs(30));
    let by_app = format!("rtmp://{}/live?token={token}/{key}", server.rtmp);
    let _ = Ffmpeg::V5.publish_at(4.0, &media::h264_aac(), &by_app).start().finish(secs(30));
    let mut second = Peer::publisher(server.rtmp, "live", key);
    second.send_tags(&[Tag { kind: flv::DATA, timestamp: 0, body: b"\x02\0\x01x".to_vec() }]);
    let mut refused = Peer::connected(server.rtmp, "live");
    refused.send(&rtmp::publish(&query));
    let _ = refused.status();
    let _ = http::get(server.http, &format!("/live/{key}.webm?token={token}"));
    let _ = (player.finish(secs(20)), others, published);
    let log = server.log();
    assert!(log.lines().any(|line| line.contains("TRACE")), "the log is at its loudest");
    for secret in [key, token] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(secret)).take(5).collect();
        assert!(lines.is_empty(), "{secret} is in the log:\n{}", lines.join("\n"));
    }
}
