//! The flight recorder of the release binary: FFmpeg publishes, players of several formats watch, one is
//! killed and one stalls; what was recorded replays bit for bit, whole and for one stream alone, also when
//! the server was killed, also when it was asked to record in mid-run, also without names and tokens. A full
//! disk costs the recording, not the service; its control port is another one than the API's.

use conformance::ffmpeg::Ffmpeg;
use conformance::http::{Answer, dial, exchange};
use conformance::media;
use conformance::process::{Running, Tool, secs, until};
use conformance::server::{Server, binary};
use dacapo::record::{Contents, Difference, Observer, Replay, Scope, Start, read};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const WORD: &str = "correct-horse-battery-staple";
const RECORDS: (&str, &str) = ("recorder.enabled", "true");
const PLACE: (&str, &str) = ("recorder.directory", "flights");
const TOKEN: (&str, &str) = ("recorder.api_token", WORD);

/// What a replay of a recording is: what was sent to whom, and what was not as it was then.
#[derive(Default)]
struct Played {
    bytes: BTreeMap<u32, u64>,
    differences: Vec<Difference>,
}

impl Observer for Played {
    fn sent(&mut self, _: dacapo::base::time::Instant, conn_no: dacapo::record::ConnNo, bytes: &[u8]) {
        *self.bytes.entry(conn_no.0).or_default() += bytes.len() as u64;
    }

    fn differs(&mut self, difference: &Difference) {
        self.differences.push(difference.clone());
    }
}

impl Played {
    /// Bytes to the connections that were sent the most, largest first.
    fn largest(&self) -> Vec<u64> {
        let mut bytes: Vec<u64> = self.bytes.values().copied().collect();
        bytes.sort_unstable_by(|one, other| other.cmp(one));
        bytes
    }
}

#[track_caller]
fn replay(contents: &Contents) -> Played {
    let mut played = Played::default();
    let mut replay = Replay::begin(contents).expect("it is of this build");
    replay.run(contents.entries.clone(), &mut played);
    assert_eq!(played.differences, [], "the replay is not what was");
    played
}

/// The parts in `folder`, oldest first.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut parts: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    parts.sort();
    parts
}

fn contents(part: &Path) -> Contents {
    read(std::fs::read(part).expect("it is there").into()).expect("it is a recording")
}

/// The command line says that it replays, too.
#[track_caller]
fn replays_from_the_command_line(part: &Path) {
    let finished = Tool::new(binary()).arg("replay").arg(part).run(secs(60));
    assert!(
        finished.stdout.contains("the same, bit for bit"),
        "{}",
        conformance::process::tail(&finished.stdout)
    );
}

/// The command line makes a copy without these words, which replays as well.
#[track_caller]
fn covers_from_the_command_line(part: &Path, words: &[&str]) {
    let copy = part.with_extension("copy");
    let finished = Tool::new(binary()).words("record redact").arg(part).arg(&copy).run(secs(60));
    assert!(finished.stdout.contains("replays with nothing different"), "{finished}");
    let [before, after] = [part, &copy].map(|path| std::fs::read(path).expect("it is there"));
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(holds(&before, words[0]), "{} was there", words[0]);
    for word in words {
        assert!(!holds(&after, word), "{word} is left");
    }
    replays_from_the_command_line(&copy);
    std::fs::remove_file(copy).expect("it is there");
}

fn api(server: &Server, method: &str, path: &str, word: &str) -> Answer {
    let authorization =
        if word.is_empty() { String::new() } else { format!("Authorization: Bearer {word}\r\n") };
    let line = format!("{method} /api/v1/recorder{path} HTTP/1.1");
    let host = server.recorder();
    exchange(host, &format!("{line}\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n"))
}

#[track_caller]
fn granted(server: &Server, method: &str, path: &str) -> Value {
    let answer = api(server, method, path, WORD).json();
    assert_eq!(answer["code"], 0, "{answer}");
    answer["recorder"].clone()
}

fn publish(server: &Server, name: &str) -> Running {
    let tool =
        Ffmpeg::V5.tool().words("-re -stream_loop -1 -i").arg(media::h264_aac()).words("-c copy -f flv");
    let running = tool.arg(server.rtmp_url(name)).start();
    server.await_stream(name);
    running
}

/// Everything that FFmpeg gets of `url`, thrown away.
fn watch(url: &str) -> Running {
    Ffmpeg::V5.tool().words("-v error -i").arg(url).words("-c copy -f null -").start()
}

/// A player that says what it wants and never reads.
fn stall(server: &Server, path: &str) -> TcpStream {
    let mut socket = dial(server.http);
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096).expect("a small buffer");
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("it listens");
    socket
}

/// Players of three formats and HLS watch `film`, others something else; one is killed, one stalls.
fn everybody_watches(server: &Server, players: usize, time: Duration) -> Vec<Running> {
    let mut running = vec![publish(server, "film"), publish(server, "other")];
    let formats = |n: usize| match n % 4 {
        0 => server.rtmp_url("film"),
        1 => server.http_url("film.flv"),
        2 => server.http_url("film.ts"),
        _ => server.http_url("film.m3u8"),
    };
    running.extend((0..players).map(|n| watch(&formats(n))));
    running.push(watch(&server.http_url("other.flv")));
    let _stalled = stall(server, "/live/film.flv");
    std::thread::sleep(time / 2);
    running[2].kill();
    std::thread::sleep(time / 2);
    running
}

#[test]
fn a_run_with_ffmpeg_replays_bit_for_bit() {
    let mut server = Server::with(&[RECORDS, PLACE]);
    let running = everybody_watches(&server, 50, secs(12));
    drop(running);
    server.signal(Signal::INT);
    assert!(server.finish(secs(10)).success());
    let parts = parts(&server.folder().join("flights"));
    let [part] = &parts[..] else { panic!("one part: {parts:?}") };
    let contents = contents(part);
    assert!(contents.ended && contents.torn.is_none());
    let played = replay(&contents);
    assert!(played.largest()[20] > 50_000, "players were sent something: {:?}", played.largest());
    replays_from_the_command_line(part);
}

#[test]
fn one_stream_of_a_run_replays_alone() {
    let streams = ("recorder.streams", "[\"live/film\"]");
    let mut server = Server::with(&[RECORDS, PLACE, streams]);
    drop(everybody_watches(&server, 4, secs(4)));
    server.signal(Signal::INT);
    assert!(server.finish(secs(10)).success());
    let parts = parts(&server.folder().join("flights"));
    let contents = contents(&parts[0]);
    assert_eq!(contents.header.scope, Scope::Streams(vec!["live/film".to_owned()]));
    let played = replay(&contents);
    assert!(played.bytes.len() >= 5 && played.largest()[2] > 20_000, "{:?}", played.bytes);
    replays_from_the_command_line(&parts[0]);
}

#[test]
fn parts_by_size_replay_alone_and_the_oldest_are_deleted() {
    let small = ("recorder.part_bytes_max", "65536");
    let mut server = Server::with(&[RECORDS, PLACE, small, ("recorder.parts_max", "3")]);
    drop(everybody_watches(&server, 4, secs(8)));
    server.signal(Signal::INT);
    assert!(server.finish(secs(10)).success());
    let parts = parts(&server.folder().join("flights"));
    assert_eq!(parts.len(), 3, "{parts:?}");
    for part in &parts {
        let contents = contents(part);
        assert!(contents.ended && contents.header.part > 0);
        assert_eq!(contents.header.start, Start::Saved);
        let played = replay(&contents);
        assert!(played.bytes.len() > 2, "{:?}", played.bytes);
    }
    replays_from_the_command_line(&parts[1]);
}

#[test]
fn what_was_recorded_outlives_a_kill() {
    let mut server = Server::with(&[RECORDS, PLACE]);
    let running = everybody_watches(&server, 4, secs(4));
    let before = SystemTime::now();
    server.signal(Signal::KILL);
    assert!(!server.finish(secs(10)).success());
    drop(running);
    let part = &parts(&server.folder().join("flights"))[0];
    let contents = contents(part);
    assert!(!contents.ended);
    let last = contents.entries.last().expect("something was recorded").at;
    let last = Duration::from_micros(contents.header.epoch_us) + Duration::from_micros(last.as_micros());
    let missing = before.duration_since(SystemTime::UNIX_EPOCH + last).unwrap_or_default();
    assert!(missing < secs(1), "{missing:?} are missing");
    replay(&contents);
    replays_from_the_command_line(part);
}

#[test]
fn an_operator_records_in_mid_run_and_takes_the_part_along() {
    let mut server = Server::with(&[PLACE, TOKEN]);
    for (word, status) in [("", 401), ("correct-horse-battery-stable", 401), (WORD, 200)] {
        assert_eq!(api(&server, "GET", "", word).status, status);
    }
    let publisher = publish(&server, "film");
    let watcher = watch(&server.http_url("film.flv"));
    let _stalled = stall(&server, "/live/film.ts");
    std::thread::sleep(secs(2));
    for (streams, alone) in [("", false), ("&streams=live/film", true)] {
        let started = granted(&server, "POST", &format!("?action=start{streams}"));
        assert!(started["recording"]["name"].is_string(), "{started}");
        let later = watch(&server.rtmp_url("film"));
        std::thread::sleep(secs(2));
        assert_eq!(api(&server, "POST", "?action=start", WORD).json()["code"], 9001);
        drop(later);
        let stopped = granted(&server, "POST", "?action=stop");
        assert_eq!(stopped["recording"], Value::Null);
        let part = stopped["parts"].as_array().and_then(|parts| parts.last()).expect("one part").clone();
        assert_eq!(part["finished"], true, "{part}");
        let name = part["name"].as_str().expect("a name");
        let answer = api(&server, "GET", &format!("/{name}"), WORD);
        assert_eq!(answer.header("content-length"), Some(part["bytes"].to_string().as_str()));
        let mut taken = Vec::new();
        let _len = answer.into_socket().read_to_end(&mut taken).expect("all of it");
        let path = server.folder().join("flights").join(name);
        assert_eq!(taken, std::fs::read(&path).expect("it is there"));
        let contents = contents(&path);
        assert_eq!(contents.header.start, Start::Saved);
        let played = replay(&contents);
        assert!(played.largest()[1] > 10_000, "alone {alone}: {:?}", played.bytes);
        replays_from_the_command_line(&path);
        covers_from_the_command_line(&path, &["film", WORD]);
    }
    assert_eq!(api(&server, "POST", "?action=stop", WORD).json()["code"], 9002);
    assert_eq!(api(&server, "GET", "/../../etc/passwd", WORD).status, 400);
    assert_eq!(api(&server, "GET", "/passwd", WORD).json()["code"], 9003);
    assert_eq!(api(&server, "GET", "/20200101T000000.000000Z-000000.dacapo", WORD).json()["code"], 9003);
    assert!(!server.log().contains(WORD), "the word is in the log");
    drop((publisher, watcher));
    server.signal(Signal::INT);
    assert!(server.finish(secs(10)).success());
}

#[test]
fn the_api_says_where_it_is_and_without_a_word_it_is_nowhere() {
    let server = Server::start();
    for path in ["/api/v1/recorder", "/api/v1/recorder/a.dacapo"] {
        let answer = conformance::http::get(server.api, path);
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("recorder.listen"));
    }
    assert!(!server.log().contains("/api/v1/recorder"), "nothing listens for operators");
}

#[test]
fn who_stalls_at_its_port_delays_no_player() {
    let server = Server::with(&[PLACE, TOKEN]);
    let _publisher = publish(&server, "film");
    let mut stalled = Vec::new();
    for n in 0..64 {
        let mut socket = dial(server.recorder());
        // Of some the head never ends, others never say a word, and of many more nothing is heard again.
        let _turned_away = socket.write_all(if n % 2 == 0 { b"GET /api/v1/recorder HT" } else { b"" });
        stalled.push(socket);
    }
    conformance::health::assert_serves(&server);
    let answered = until(secs(10), || {
        let mut socket = dial(server.recorder());
        let host = server.recorder();
        let head =
            format!("GET /api/v1/recorder HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {WORD}\r\n\r\n");
        let mut got = String::new();
        let said = socket.write_all(head.as_bytes()).and_then(|()| socket.read_to_string(&mut got));
        (said.is_ok() && got.starts_with("HTTP/1.1 200 ")).then_some(())
    });
    assert!(answered.is_some(), "a silent client is closed, and operators are served again");
    drop(stalled);
}

#[test]
fn a_full_disk_costs_the_recording_and_not_the_service() {
    // A file of this process may have 300 KB; a write past it fails as one does on a full disk.
    let tool = Tool::new("sh").args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""]).arg(binary());
    let server = Server::launch(tool, &[RECORDS, PLACE, TOKEN, ("log.level", "info")]);
    let server = server.tolerating("ended because of an error");
    let publisher = publish(&server, "film");
    let dropped = until(secs(20), || {
        let recorder = granted(&server, "GET", "");
        (recorder["drops"] == 1).then_some(recorder)
    });
    let recorder = dropped.expect("the recording ends");
    assert_eq!(recorder["recording"], Value::Null);
    assert!(
        recorder["last_drop"].as_str().is_some_and(|why| why.contains("cannot write to the disk")),
        "{recorder}"
    );
    assert_eq!(server.log().matches("ended because of an error").count(), 1, "it is said once");
    conformance::health::assert_serves(&server);
    let contents = contents(&parts(&server.folder().join("flights"))[0]);
    assert!(!contents.ended);
    replay(&contents);
    drop(publisher);
}
