//! Peers that break RTMP: the server ends them, keeps its memory, and goes on serving the others.

use conformance::health::{Film, assert_serves};
use conformance::http;
use conformance::process::{secs, until};
use conformance::reader::amf::Amf;
use conformance::reader::flv::{self, Tag};
use conformance::reader::rtmp::{self, Message, Peer, kind};
use conformance::rng::Rng;
use conformance::server::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Every phase of a session ends within two seconds when its peer falls silent.
const IMPATIENT: [(&str, &str); 6] = [
    ("rtmp.handshake_timeout_ms", "1500"),
    ("rtmp.idle_timeout_ms", "1500"),
    ("stream.publish.first_frame_timeout_ms", "1500"),
    ("stream.publish.frame_timeout_ms", "1500"),
    ("stream.publish.linger_ms", "200"),
    ("stream.play.wait_ms", "1500"),
];

/// Writes what the server takes of `bytes`: it may close in the middle.
fn pour(server: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = http::dial(server);
    let _ = socket.write_all(bytes);
    socket
}

/// How long the server takes to close; `None`: it does not within `limit`.
fn closes_within(socket: &mut TcpStream, limit: Duration) -> Option<Duration> {
    let start = Instant::now();
    let mut heap = [0; 65536];
    loop {
        let left = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).expect("a timeout");
        match socket.read(&mut heap) {
            Ok(0) => return Some(start.elapsed()),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()) => return None,
            Err(_) => return Some(start.elapsed()),
        }
    }
}

#[track_caller]
fn assert_closes(socket: &mut TcpStream, what: &str) {
    let closed = closes_within(socket, secs(8));
    assert!(closed.is_some(), "{what}: the server keeps the connection");
}

#[test]
fn random_bytes_on_every_port_hurt_nobody() {
    let server = Server::with(&IMPATIENT);
    let mut rng = Rng::new(1);
    for port in [server.rtmp, server.http, server.api] {
        for round in 0..150 {
            let count = rng.below(6000);
            let mut bytes = rng.bytes(count);
            // Most would fail at the first byte; let some get further.
            let opening: &[u8] = match round % 5 {
                0 => &[3],
                1 => b"GET / HTTP/1.1\r\n",
                2 => &rtmp::handshake(),
                3 => b"GET /live/a.flv HTTP/1.1\r\nUpgrade: websocket\r\n",
                _ => b"",
            };
            bytes.splice(0..0, opening.iter().copied());
            drop(pour(port, &bytes));
        }
    }
    assert_serves(&server);
}

#[test]
fn a_good_session_that_falls_silent_anywhere_is_ended_in_time() {
    let server = Server::with(&IMPATIENT);
    let film = Film::short();
    let session = |name: &str| rtmp::session("live", name, &film.tags[..12]);
    let whole = session("prefix-0000").len();
    // Every byte of the commands, some of the handshake and of the film.
    let commands = 3073..3800;
    let others = (0..whole).filter(|at| !commands.contains(at)).step_by(97);
    let mut open: Vec<(usize, TcpStream)> = commands
        .clone()
        .chain(others)
        .map(|end| (end, pour(server.rtmp, &session(&format!("prefix-{end:04}"))[..end])))
        .collect();
    let start = Instant::now();
    for (end, socket) in &mut open {
        let left = secs(6).saturating_sub(start.elapsed()).max(Duration::from_millis(50));
        assert!(closes_within(socket, left).is_some(), "after {end} of {whole} bytes the silence is endless");
    }
    assert_serves(&server);
}

#[test]
fn a_handshake_that_drips_is_ended_in_time() {
    let server = Server::with(&IMPATIENT);
    let mut socket = http::dial(server.rtmp);
    let start = Instant::now();
    let ended = rtmp::handshake().into_iter().find(|byte| {
        std::thread::sleep(Duration::from_millis(50));
        socket.write_all(&[*byte]).is_err() || closes_within(&mut socket, Duration::from_millis(1)).is_some()
    });
    assert!(ended.is_some(), "1537 bytes at 20 a second take more than a minute");
    assert!((secs(1)..secs(5)).contains(&start.elapsed()), "it took {:?}", start.elapsed());
}

/// A chunk header that announces `length` bytes of message type `kind`.
fn announcement(kind: u8, length: u32) -> Vec<u8> {
    let [_, a, b, c] = length.to_be_bytes();
    vec![3, 0, 0, 0, a, b, c, kind, 0, 0, 0, 0]
}

#[test]
fn a_peer_that_has_not_connected_cannot_make_the_server_hold_16_mib() {
    let server = Server::with(&IMPATIENT);
    let before = server.rss_kib();
    let flood = vec![0xaa; 15 << 20];
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        let mut bytes = rtmp::handshake();
        bytes.extend(Message::set_chunk_size(0x00ff_ffff).chunks(128));
        bytes.extend(announcement(kind::COMMAND, 0x00ff_ffff));
        let mut socket = pour(server.rtmp, &bytes);
        let _ = socket.write_all(&flood);
        open.push(socket);
    }
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 20 << 10, "20 peers before connect made it grow by {grown} KiB");
    open.iter_mut().for_each(|socket| assert_closes(socket, "16 MiB before connect"));
    assert_serves(&server);
}

#[test]
fn many_announced_messages_hold_no_memory() {
    let server = Server::with(&IMPATIENT);
    let before = server.rss_kib();
    let open: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut bytes = rtmp::handshake();
            bytes.extend(announcement(flv::VIDEO, 0x00ff_ffff));
            bytes.extend([0; 100]);
            pour(server.rtmp, &bytes)
        })
        .collect();
    std::thread::sleep(secs(1));
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 200 * 64 + 4096, "200 peers made it grow by {grown} KiB");
    drop(open);
    assert_serves(&server);
}

#[test]
fn a_chunk_size_of_zero_ends_the_connection() {
    let server = Server::with(&IMPATIENT);
    for size in [0, 0x8000_0000] {
        let mut peer = Peer::connected(server.rtmp, "live");
        peer.send(&Message::set_chunk_size(size));
        assert_closes(&mut peer.socket, &format!("chunk size {size:#x}"));
    }
    assert_serves(&server);
}

#[test]
fn the_greatest_chunk_size_costs_no_memory() {
    let server = Server::with(&IMPATIENT);
    let before = server.rss_kib();
    let open: Vec<Peer> = (0..50)
        .map(|_| {
            let mut peer = Peer::connected(server.rtmp, "live");
            peer.send(&Message::set_chunk_size(0x7fff_ffff));
            let _ = peer.socket.write_all(&announcement(flv::VIDEO, 0x00ff_ffff));
            peer
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "50 peers made it grow by {grown} KiB");
    drop(open);
    assert_serves(&server);
}

#[test]
fn chunks_of_one_byte_are_read() {
    let server = Server::start();
    let film = Film::short();
    let mut player = Peer::player(server.rtmp, "live", "drops");
    let mut publisher = Peer::publisher(server.rtmp, "live", "drops");
    publisher.send(&Message::set_chunk_size(1));
    let sent: Vec<Tag> = film.tags.iter().take(40).cloned().collect();
    for tag in &sent {
        publisher.socket.write_all(&Message::media(tag).chunks(1)).expect("it is taken");
    }
    let wanted: Vec<Vec<u8>> = sent.iter().filter(|tag| tag.is_media()).map(|tag| tag.body.clone()).collect();
    let first_key = sent.iter().filter(|tag| tag.is_media()).position(Tag::is_key).expect("a keyframe");
    for body in &wanted[first_key..] {
        let received = std::iter::from_fn(|| player.tag()).find(Tag::is_media).expect("it arrives");
        assert!(received.body == *body, "a message in chunks of one byte arrives as it was");
    }
}

/// A message whose AMF0 is `depth` objects, one inside the other.
fn nested(kind: u8, depth: usize, opening: &[u8]) -> Message {
    let mut body = Vec::new();
    Amf::text("@setDataFrame").write(&mut body);
    Amf::text("onMetaData").write(&mut body);
    (0..depth).for_each(|_| body.extend(opening));
    Message { kind, stream: 1, timestamp: 0, body }
}

#[test]
fn deep_amf_neither_exhausts_the_stack_nor_the_patience() {
    let server = Server::with(&IMPATIENT);
    let object: &[u8] = &[3, 0, 1, b'a'];
    let ecma: &[u8] = &[8, 0xff, 0xff, 0xff, 0xff, 0, 1, b'a'];
    let strict: &[u8] = &[10, 0, 0, 0, 1];
    for opening in [object, ecma, strict] {
        // Before connect: as much as a peer without rights may send.
        let mut peer = Peer::new(server.rtmp);
        peer.send(&nested(kind::COMMAND, 60_000 / opening.len(), opening));
        let _ = closes_within(&mut peer.socket, Duration::from_millis(200));
        // While publishing: several megabytes of it, as data and as a command.
        for kind in [flv::DATA, kind::COMMAND, 15, 17] {
            let mut peer = Peer::publisher(server.rtmp, "live", &format!("deep-{kind}-{}", opening[0]));
            let start = Instant::now();
            peer.send(&nested(kind, 500_000, opening));
            let _ = closes_within(&mut peer.socket, Duration::from_millis(300));
            assert!(start.elapsed() < secs(5), "it took {:?}", start.elapsed());
        }
    }
    assert_serves(&server);
}

#[test]
fn lengths_inside_amf_that_nobody_could_send_are_refused() {
    let server = Server::with(&IMPATIENT);
    let bodies: [&[u8]; 5] = [
        &[12, 0xff, 0xff, 0xff, 0xff, b'x'],
        &[10, 0xff, 0xff, 0xff, 0xff, 5],
        &[8, 0xff, 0xff, 0xff, 0xff],
        &[2, 0xff, 0xff, b'x'],
        &[0, 0, 0],
    ];
    let before = server.rss_kib();
    for body in bodies {
        for kind in [kind::COMMAND, flv::DATA, 17] {
            let mut peer = Peer::connected(server.rtmp, "live");
            peer.send(&Message { kind, stream: 0, timestamp: 0, body: body.to_vec() });
            let _ = closes_within(&mut peer.socket, Duration::from_millis(100));
        }
    }
    assert!(server.rss_kib().saturating_sub(before) < 8 << 10, "a length is not an amount");
    assert_serves(&server);
}

#[test]
fn broken_media_hurts_nobody() {
    let server = Server::with(&IMPATIENT);
    let film = Film::short();
    let mut rng = Rng::new(7);
    for round in 0..40 {
        let mut peer = Peer::publisher(server.rtmp, "live", &format!("broken-{round}"));
        let mut player = http::dial(server.http);
        let ending = ["flv", "ts", "m3u8"][round % 3];
        let request = format!("GET /live/broken-{round}.{ending} HTTP/1.1\r\nHost: x\r\n\r\n");
        player.write_all(request.as_bytes()).expect("it is taken");
        for tag in &film.tags[..80] {
            let mut tag = tag.clone();
            match rng.below(4) {
                0 => tag.body.truncate(rng.below(tag.body.len() + 1)),
                1 if !tag.body.is_empty() => {
                    let at = rng.below(tag.body.len());
                    tag.body[at] = rng.bytes(1)[0];
                }
                2 => tag.timestamp = u32::try_from(rng.number() >> 32).expect("32 bits"),
                _ => {}
            }
            if peer.try_send(&Message::media(&tag)).is_err() {
                break;
            }
        }
    }
    assert_serves(&server);
}

#[test]
fn nonsense_of_every_message_type_hurts_nobody() {
    let server = Server::with(&IMPATIENT);
    let mut rng = Rng::new(3);
    for kind in 0..=255 {
        for length in [0, 1, 4, 5, 300] {
            let mut peer = Peer::connected(server.rtmp, "live");
            let _ = peer.try_send(&Message { kind, stream: 1, timestamp: 0, body: rng.bytes(length) });
        }
    }
    assert_serves(&server);
}

#[test]
fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let server = Server::start();
    let film = Film::short();
    let mut player = Peer::player(server.rtmp, "live", "one");
    let mut first = Peer::publisher(server.rtmp, "live", "one");
    first.send_tags(&film.tags[..50]);
    let mut second = Peer::connected(server.rtmp, "live");
    second.send(&rtmp::publish("one"));
    assert_eq!(second.status(), "NetStream.Publish.BadName");
    first.send_tags(&film.tags[50..]);
    let last = film.media().pop().expect("an end");
    let ends = std::iter::from_fn(|| player.tag()).any(|tag| tag.body == last.body);
    assert!(ends, "the player of the first sees the end");
}

#[test]
fn a_second_publisher_takes_over_where_that_is_set() {
    let server = Server::with(&[("stream.publish.second", "Replace")]);
    let film = Film::short();
    let mut player = Peer::player(server.rtmp, "live", "one");
    let mut first = Peer::publisher(server.rtmp, "live", "one");
    first.send_tags(&film.tags[..50]);
    let seen = std::iter::from_fn(|| player.tag()).find(Tag::is_key).expect("a keyframe of the first");
    let mut second = Peer::publisher(server.rtmp, "live", "one");
    second.send_tags(&film.tags);
    assert_closes(&mut first.socket, "the first publisher");
    let last = film.media().pop().expect("an end");
    let mut times = vec![seen.timestamp];
    let ends = std::iter::from_fn(|| player.tag())
        .filter(|tag| tag.kind == flv::VIDEO && tag.is_media())
        .any(|tag| {
            times.push(tag.timestamp);
            tag.body == last.body || times.len() > 190
        });
    assert!(ends, "the player sees the second");
    let rising = times.windows(2).all(|pair| pair[0] <= pair[1]);
    assert!(rising, "time goes on for the player: {times:?}");
}

#[test]
fn a_publisher_killed_in_the_middle_of_a_message_may_come_back() {
    let server = Server::with(&[("stream.publish.linger_ms", "5000")]);
    let film = Film::short();
    let mut on_rtmp = Peer::player(server.rtmp, "live", "back");
    let mut first = Peer::publisher(server.rtmp, "live", "back");
    first.send_tags(&film.tags[..100]);
    server.await_stream("back");
    let mut on_http = flv::Reader::new(http::get(server.http, "/live/back.flv"));
    let _ = on_http.head();
    let half = Message::media(&film.tags[100]).chunks(4096);
    first.socket.write_all(&half[..half.len() / 2]).expect("half a message is taken");
    drop(first);
    std::thread::sleep(secs(1));
    let mut again = Peer::publisher(server.rtmp, "live", "back");
    again.send_tags(&film.tags);
    let last = film.media().pop().expect("an end");
    for (name, tags) in
        [("RTMP", take_until(&last, || on_rtmp.tag())), ("HTTP-FLV", take_until(&last, || on_http.tag()))]
    {
        for kind in [flv::VIDEO, flv::AUDIO] {
            let times: Vec<u32> =
                tags.iter().filter(|t| t.kind == kind && t.is_media()).map(|t| t.timestamp).collect();
            assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{name}: time goes on: {times:?}");
        }
        let pictures: Vec<&Tag> =
            tags.iter().filter(|tag| tag.kind == flv::VIDEO && tag.is_media()).collect();
        let whole = film.media();
        let first = whole.iter().find(|tag| tag.is_key()).expect("a keyframe");
        let begins = pictures.iter().rposition(|tag| tag.body == first.body).expect("the film begins again");
        let shown = whole.iter().filter(|tag| tag.kind == flv::VIDEO).count();
        assert_eq!(pictures.len() - begins, shown, "{name}: every picture after the return");
    }
}

/// Tags up to the one that has the body of `last`, the second time.
#[track_caller]
fn take_until(last: &Tag, mut next: impl FnMut() -> Option<Tag>) -> Vec<Tag> {
    let mut tags = Vec::new();
    while let Some(tag) = next() {
        let ends = tag.body == last.body;
        tags.push(tag);
        if ends {
            return tags;
        }
    }
    panic!("the stream ended after {} tags, before its last one came", tags.len());
}

#[test]
fn players_that_never_read_cost_little_and_take_nothing_from_others() {
    // HLS keeps its segments for as long as they play, and this film plays a hundred times too fast.
    let server = Server::with(&[("stream.play.send_timeout_ms", "4000"), ("stream.hls.enabled", "false")]);
    let film = Film::short();
    let mut publisher = Peer::publisher(server.rtmp, "live", "fall");
    publisher.send_tags(&film.tags);
    server.await_stream("fall");
    let before = server.rss_kib();
    let request = |ending: &str| format!("GET /live/fall.{ending} HTTP/1.1\r\nHost: x\r\n\r\n");
    let deaf: Vec<TcpStream> = (0..60)
        .map(|at| match at % 3 {
            0 => Peer::player(server.rtmp, "live", "fall").socket,
            1 => pour(server.http, request("flv").as_bytes()),
            _ => pour(server.http, request("ts").as_bytes()),
        })
        .collect();
    let mut reader = flv::Reader::new(http::get(server.http, "/live/fall.flv"));
    let _ = reader.head();
    // In step with the good player: it has each round before the next is sent.
    let mut most = 0;
    for round in 1..=120 {
        let film = film.later(round * film.length_ms());
        publisher.send_tags(film.tags.iter().filter(|tag| tag.is_media()));
        let sent = film.media();
        let mut left: std::collections::VecDeque<&Tag> = sent.iter().collect();
        while let Some(wanted) = left.front() {
            let tag = reader.tag().expect("the good player is served");
            if round == 1 && tag.timestamp < wanted.timestamp {
                continue;
            }
            if tag.is_media() {
                assert!(tag.body == wanted.body, "round {round}: {} at {}", tag.kind, tag.timestamp);
                left.pop_front();
            }
        }
        most = most.max(server.rss_kib());
    }
    let grown = most.saturating_sub(before);
    assert!(grown < 16 << 10, "45 MB went past 60 deaf players; memory grew by {grown} KiB");
    let gone = until(secs(15), || {
        let clients = http::get(server.api, "/api/v1/clients/?count=100").json();
        (clients["clients"].as_array()?.len() <= 2).then_some(())
    });
    assert!(gone.is_some(), "a player that takes nothing for four seconds is closed");
    drop(deaf);
}

#[test]
fn two_thousand_idle_connections_are_carried_lightly() {
    let server = Server::start();
    assert_serves(&server);
    let before = server.rss_kib();
    let idle: Vec<TcpStream> =
        (0..2000).map(|at| http::dial(if at % 2 == 0 { server.rtmp } else { server.http })).collect();
    assert_serves(&server);
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 2000 * 12, "2000 idle connections hold {grown} KiB");
    drop(idle);
    assert_serves(&server);
}
