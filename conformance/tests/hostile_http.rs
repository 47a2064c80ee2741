//! Peers that break HTTP: requests that could mean two things, requests that never end, sockets that are
//! opened and forgotten.

use conformance::health::assert_serves;
use conformance::http::{self, Answer, dial, exchange};
use conformance::process::secs;
use conformance::reader::rtmp::Peer;
use conformance::server::Server;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const IMPATIENT: [(&str, &str); 2] =
    [("http.head_timeout_ms", "1500"), ("http.keep_alive_timeout_ms", "1500")];

/// Everything that comes back for `request` until the server closes or falls silent for a second.
fn replies(server: SocketAddr, request: &[u8]) -> (String, bool) {
    let mut socket = dial(server);
    let _ = socket.write_all(request);
    socket.set_read_timeout(Some(secs(1))).expect("a timeout");
    let mut all = Vec::new();
    let mut heap = [0; 4096];
    loop {
        match socket.read(&mut heap) {
            Ok(0) => return (String::from_utf8_lossy(&all).into_owned(), true),
            Ok(count) => all.extend(&heap[..count]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {
                return (String::from_utf8_lossy(&all).into_owned(), true);
            }
            Err(_) => return (String::from_utf8_lossy(&all).into_owned(), false),
        }
    }
}

/// How many answers stand in `replies`.
fn answers(replies: &str) -> usize {
    replies.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count()
}

/// A request with these headers, and one behind it that the client did not make.
fn smuggled(headers: &str, body: &str) -> Vec<u8> {
    format!("GET /smuggled HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
        .into_bytes()
}

#[test]
fn a_request_that_could_mean_two_things_is_refused_and_nothing_behind_it_is_read() {
    let server = Server::start();
    let chunk = "5\r\nhello\r\n0\r\n\r\n";
    for (what, headers, body) in [
        ("both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", chunk),
        ("two lengths", "Content-Length: 4\r\nContent-Length: 5\r\n", "hello"),
        ("a list of lengths", "Content-Length: 4, 5\r\n", "hello"),
        ("a signed length", "Content-Length: +5\r\n", "hello"),
        ("a negative length", "Content-Length: -5\r\n", "hello"),
        ("an immense length", "Content-Length: 18446744073709551621\r\n", "hello"),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n", chunk),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunk),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n", chunk),
        ("a folded line", "X: a\r\n Transfer-Encoding: chunked\r\n", chunk),
        ("a line feed alone", "X: a\nTransfer-Encoding: chunked\r\n", chunk),
        ("a zero byte", "X: a\0b\r\n", ""),
    ] {
        let (replies, closed) = replies(server.http, &smuggled(headers, body));
        assert_eq!(answers(&replies), 1, "{what}: one answer, not {replies:?}");
        assert!(
            replies.starts_with("HTTP/1.1 400 ") || replies.starts_with("HTTP/1.1 501 "),
            "{what}: {replies:?}"
        );
        assert!(closed, "{what}: the connection is not used again");
    }
    assert_serves(&server);
}

#[test]
fn a_head_that_is_not_http_is_refused() {
    let server = Server::start();
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/3.7\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let (replies, closed) = replies(server.http, request.as_bytes());
        assert_eq!(answers(&replies), 1, "{request:?}: {replies:?}");
        assert!(
            replies.starts_with("HTTP/1.1 4") || replies.starts_with("HTTP/1.1 505 "),
            "{request:?}: {replies:?}"
        );
        assert!(closed, "{request:?}");
    }
    assert_serves(&server);
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let server = Server::start();
    let long = "a".repeat(40_000);
    let many = "X: y\r\n".repeat(500);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    ] {
        let (replies, closed) = replies(server.http, request.as_bytes());
        let refused = ["HTTP/1.1 414 ", "HTTP/1.1 431 ", "HTTP/1.1 400 "]
            .iter()
            .any(|start| replies.starts_with(start));
        assert!(refused && closed, "{} bytes: {replies:?}", request.len());
    }
    assert_serves(&server);
}

/// Sends `bytes` one every 100 ms until the server has had enough; how long it took.
#[track_caller]
fn drip(server: SocketAddr, bytes: &[u8]) -> Duration {
    let mut socket = dial(server);
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let start = Instant::now();
    for byte in bytes.iter().cycle() {
        if socket.write_all(&[*byte]).is_err() || closed(&mut socket) {
            return start.elapsed();
        }
        assert!(start.elapsed() < secs(10), "the server listens to {bytes:?} for ever");
    }
    start.elapsed()
}

/// True if the server closed; what it says before is passed over.
fn closed(socket: &mut TcpStream) -> bool {
    let mut heap = [0; 4096];
    loop {
        match socket.read(&mut heap) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => {
                return !matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            }
        }
    }
}

#[test]
fn a_head_that_drips_is_ended_in_time() {
    let server = Server::with(&IMPATIENT);
    for port in [server.http, server.api] {
        let took = drip(port, b"X-Slow: loris\r\n");
        assert!((secs(1)..secs(4)).contains(&took), "it took {took:?}");
    }
    assert_serves(&server);
}

#[test]
fn a_connection_without_a_next_request_is_ended_in_time() {
    let server = Server::with(&IMPATIENT);
    let mut socket = dial(server.api);
    socket.write_all(b"GET /api/v1/versions HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is taken");
    let answer = Answer::read_from(socket.try_clone().expect("a second handle"));
    assert_eq!(answer.status, 200);
    let _ = answer.body();
    let start = Instant::now();
    socket.set_read_timeout(Some(secs(6))).expect("a timeout");
    assert_eq!(socket.read(&mut [0]).expect("it is closed in time"), 0);
    assert!((secs(1)..secs(4)).contains(&start.elapsed()), "it took {:?}", start.elapsed());
}

#[test]
fn a_body_that_nobody_wants_holds_no_memory() {
    let server = Server::start();
    let before = server.rss_kib();
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut socket = dial(server.http);
        let _ = socket.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4294967296\r\n\r\n");
        let _ = socket.write_all(&vec![0; 4 << 20]);
        open.push(socket);
    }
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "bodies of 4 GiB hold {grown} KiB");
    drop(open);
    assert_serves(&server);
}

#[test]
fn endless_pipelining_without_reading_holds_no_memory() {
    let server = Server::start();
    let before = server.rss_kib();
    let mut socket = dial(server.http);
    socket.set_write_timeout(Some(secs(2))).expect("a timeout");
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut sent = 0;
    while sent < 200 && socket.write_all(requests.as_bytes()).is_ok() {
        sent += 1;
    }
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "after {sent} thousand requests it holds {grown} KiB");
    assert_serves(&server);
}

/// A WebSocket on `path`, just opened.
#[track_caller]
fn websocket(server: &Server, path: &str) -> Answer {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n");
    let answer = exchange(server.http, &request);
    assert_eq!(answer.status, 101, "{:?}", answer.headers);
    // The example of RFC 6455, 1.3.
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    answer
}

#[test]
fn broken_websocket_frames_end_the_connection() {
    let server = Server::start();
    let film = conformance::health::Film::short();
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&film.tags[..60]);
    server.await_stream("film");
    let mask = [1, 2, 3, 4];
    let frame = |first: u8, length: &[u8]| [&[first][..], length, &mask].concat();
    for (what, bytes) in [
        ("no mask", vec![0x82, 0x01, 0x00]),
        ("a length of 2^63", frame(0x82, &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        ("a length of 4 GiB", frame(0x82, &[0xff, 0, 0, 0, 1, 0, 0, 0, 0])),
        ("reserved bits", frame(0xf2, &[0x80])),
        ("an unknown opcode", frame(0x83, &[0x80])),
        ("a long ping", frame(0x89, &[0xfe, 0x01, 0x00])),
        ("a ping in fragments", frame(0x09, &[0x80])),
        ("a close frame", frame(0x88, &[0x80])),
    ] {
        let mut socket = websocket(&server, "/live/film.flv").into_socket();
        socket.write_all(&bytes).expect("it is taken");
        let start = Instant::now();
        let mut heap = vec![0; 1 << 16];
        socket.set_read_timeout(Some(secs(5))).expect("a timeout");
        while socket.read(&mut heap).unwrap_or_else(|e| panic!("{what}: the connection stays: {e}")) > 0 {
            assert!(start.elapsed() < secs(5), "{what}: the connection stays");
        }
    }
    assert_serves(&server);
}

#[test]
fn paths_lead_nowhere_but_to_streams() {
    let server = Server::with(&[("stream.play.wait_ms", "200")]);
    for path in [
        "/../../../../etc/passwd",
        "/live/../../etc/passwd",
        "/live/%2e%2e/%2e%2e/etc/passwd",
        "/live/..%2f..%2fetc%2fpasswd.flv",
        "/live/film/seg-99999999999999999999999999.ts",
        "/live/film/seg--1.ts",
        "//live//film.flv",
        "/live/\u{7f}.flv",
        "/api/v1/clients",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.http, &request);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:"), "{path} leads out of the house");
    }
    let answer = http::request(server.api, "DELETE", "/api/v1/clients/nobody").json();
    assert_eq!(answer["code"], 2049, "{answer}");
    assert_serves(&server);
}
