//! HTTP as curl and RFC 9110 know it: connections are kept, answers match their heads, caches are served.

use conformance::health::Film;
use conformance::http::{Answer, dial, exchange, get, request};
use conformance::process::{Tool, secs};
use conformance::reader::flv::{Flv, Reader};
use conformance::reader::rtmp::Peer;
use conformance::server::Server;
use std::io::{Read, Write};

fn curl(args: &str, url: &str) -> String {
    Tool::new("curl").words("--silent --show-error --max-time 10").words(args).arg(url).run(secs(15)).stdout
}

fn page(server: &Server) -> String {
    format!("http://{}/", server.http)
}

#[test]
fn many_requests_share_a_connection() {
    let server = Server::start();
    let urls = format!("{0} {0} {0}", page(&server));
    let tool = Tool::new("curl")
        .words("--silent --max-time 10 --output /dev/null --output /dev/null --output /dev/null");
    let printed = tool.words("--write-out %{http_code}:%{num_connects}\\n").words(&urls).run(secs(15)).stdout;
    assert_eq!(printed, "200:1\n200:0\n200:0\n");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut socket = dial(server.api);
    let requests = ["/api/v1/versions", "/api/v1/streams/", "/nowhere"]
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    socket.write_all(requests.concat().as_bytes()).expect("it is taken");
    let mut answers = Vec::new();
    for _ in 0..3 {
        let mut answer = Answer::read_from(socket.try_clone().expect("a handle"));
        let mut body = String::new();
        answer.read_to_string(&mut body).expect("a body");
        answers.push((answer.status, body.contains("major"), body.contains("streams")));
    }
    assert_eq!(answers, [(200, true, false), (200, false, true), (404, false, false)]);
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let server = Server::start();
    let mut socket = dial(server.api);
    for byte in b"GET /api/v1/versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
        socket.write_all(&[*byte]).expect("it is taken");
    }
    assert_eq!(Answer::read_from(socket).json()["code"], 0);
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = Server::start();
    let got = get(server.http, "/");
    let head = exchange(server.http, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((got.status, head.status), (200, 200));
    assert_eq!(got.header("content-length"), head.header("content-length"));
    let mut rest = Vec::new();
    head.into_socket().read_to_end(&mut rest).expect("the end");
    assert_eq!(rest, b"");
}

#[test]
fn an_http_1_0_client_gets_a_body_that_ends_with_the_connection() {
    let server = Server::start();
    let text = curl("--http1.0 --include", &page(&server));
    assert!(text.contains(" 200 ") && text.contains("</html>") && !text.contains("chunked"), "{text}");
}

#[test]
fn a_browser_may_ask_before_it_asks() {
    let server = Server::start();
    let ask = "Origin: http://a.example\r\nAccess-Control-Request-Method: GET\r\n\
               Access-Control-Request-Headers: range";
    let answer = exchange(
        server.http,
        &format!("OPTIONS /live/a.flv HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ask}\r\n\r\n"),
    );
    assert!([200, 204].contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let methods = answer.header("access-control-allow-methods").unwrap_or_default().to_owned();
    assert!(methods.contains("GET"), "{methods}");
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let server = Server::start();
    let first = get(server.http, "/");
    let tag = first.header("etag").expect("the page has an ETag").to_owned();
    assert!(tag.starts_with('"') || tag.starts_with("W/\""), "an ETag is quoted: {tag}");
    let ask = |value: &str| {
        let request =
            format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {value}\r\n\r\n");
        exchange(server.http, &request)
    };
    let same = ask(&tag);
    assert_eq!((same.status, same.header("etag")), (304, Some(tag.as_str())));
    assert_eq!(ask(&format!("\"other\", {tag}")).status, 304);
    assert_eq!(ask("\"other\"").status, 200);
}

#[test]
fn text_is_compressed_for_those_who_read_it_so() {
    let server = Server::start();
    let plain = curl("", &page(&server));
    let unpacked = curl("--compressed", &page(&server));
    assert_eq!(plain, unpacked);
    let head = curl("--head --header Accept-Encoding:gzip", &page(&server)).to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let refused = curl("--head --header Accept-Encoding:gzip;q=0", &page(&server)).to_lowercase();
    assert!(!refused.contains("content-encoding"), "{refused}");
}

#[test]
fn a_part_of_a_file_can_be_asked_for() {
    let server = Server::start();
    let whole = get(server.http, "/").body();
    let ask = |range: &str| {
        exchange(
            server.http,
            &format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: {range}\r\n\r\n"),
        )
    };
    let part = ask("bytes=10-19");
    let all = whole.len();
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), Some(format!("bytes 10-19/{all}").as_str()));
    assert_eq!(part.body(), whole[10..20]);
    assert_eq!(ask("bytes=-5").body(), whole[all - 5..]);
    let beyond = ask(&format!("bytes={all}-"));
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{all}").as_str()))
    );
    let many = ask("bytes=0-0,2-2");
    assert!(many.status == 200 || many.status == 206, "several parts: {}", many.status);
}

#[test]
fn methods_that_make_no_sense_are_told_which_do() {
    let server = Server::start();
    for method in ["DELETE", "PUT", "PATCH"] {
        let answer = request(server.http, method, "/");
        assert_eq!(answer.status, 405, "{method}");
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains("GET")),
            "{method}: {:?}",
            answer.headers
        );
    }
}

#[test]
fn who_expects_to_be_told_to_continue_is_told() {
    let server = Server::start();
    let ask = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\
               Connection: close\r\n\r\n";
    let answer = exchange(server.http, ask);
    assert!(answer.status == 100 || (400..500).contains(&answer.status), "{}", answer.status);
    let unknown =
        exchange(server.http, "GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nConnection: close\r\n\r\n");
    assert_eq!(unknown.status, 417);
}

/// A server with a publisher that has sent the first two seconds of a film.
#[track_caller]
fn live() -> (Server, Peer, Film) {
    let server = Server::with(&[("stream.publish.linger_ms", "200")]);
    let film = Film::short();
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&film.tags[..130]);
    server.await_stream("film");
    (server, publisher, film)
}

#[test]
fn live_answers_say_that_they_must_not_be_kept() {
    let (server, _publisher, _) = live();
    for (ending, kind) in [("flv", "video/x-flv"), ("ts", "video/mp2t"), ("aac", "audio/aac")] {
        let answer = get(server.http, &format!("/live/film.{ending}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        let control = answer.header("cache-control").unwrap_or_default().to_owned();
        assert!(control.contains("no-store") || control.contains("no-cache"), "{ending}: {control:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("content-length"), None);
    }
}

#[test]
fn head_of_a_live_stream_has_no_body() {
    let (server, _publisher, _) = live();
    let text = curl("--head", &format!("http://{}/live/film.flv", server.http));
    assert!(text.contains(" 200 "), "{text}");
}

#[test]
fn a_live_body_ends_properly_with_its_stream() {
    let (server, mut publisher, film) = live();
    let mut watched = get(server.http, "/live/film.flv");
    publisher.send_tags(&film.tags[130..]);
    drop(publisher);
    let mut all = Vec::new();
    let _ = watched.read_to_end(&mut all).expect("the last chunk comes: the body is whole");
    let last = Flv::parse(&all).tags.into_iter().rfind(|tag| tag.is_media()).expect("tags");
    assert_eq!(last.body, film.media().last().expect("an end").body);
}

#[test]
fn a_stream_that_nobody_publishes_is_waited_for_and_then_not_found() {
    let server = Server::with(&[("stream.play.wait_ms", "1500")]);
    for ending in ["flv", "ts", "m3u8"] {
        let start = std::time::Instant::now();
        let answer = get(server.http, &format!("/live/nobody.{ending}"));
        assert_eq!(answer.status, 404, "{ending}");
        assert!((secs(1)..secs(4)).contains(&start.elapsed()), "{ending}: it took {:?}", start.elapsed());
    }
    let server = Server::with(&[("stream.play.wait_ms", "0")]);
    let start = std::time::Instant::now();
    assert_eq!(get(server.http, "/live/nobody.flv").status, 404);
    assert!(start.elapsed() < secs(1));
}

/// The frames of a WebSocket (RFC 6455, 5.2) as a server sends them: whole, unmasked.
struct Frames(Answer);

impl Frames {
    #[track_caller]
    fn next(&mut self) -> (u8, Vec<u8>) {
        let [first, second] = self.take();
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let length = match second {
            126 => u64::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a short frame")];
        self.0.read_exact(&mut payload).expect("a whole frame");
        (first, payload)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).expect("a frame");
        bytes
    }
}

#[test]
fn a_websocket_carries_flv_answers_pings_and_closes_politely() {
    let (server, mut publisher, film) = live();
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a.example";
    let answer = exchange(
        server.http,
        &format!("GET /live/film.flv HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n"),
    );
    assert_eq!(
        (answer.status, answer.header("sec-websocket-accept")),
        (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    );
    let mut frames = Frames(answer);
    let mut flv = Vec::new();
    for _ in 0..20 {
        let (first, payload) = frames.next();
        assert_eq!(first, 0x82, "FLV comes in whole binary messages");
        flv.extend(payload);
    }
    assert!(flv.starts_with(b"FLV\x01"));
    let mut reader = Reader::new(&flv[..]);
    assert_eq!(reader.head(), 5);
    assert!(std::iter::from_fn(|| reader.tag()).any(|tag| tag.is_key()), "a keyframe is among the first");

    // A masked ping (the payload is `hi`), then a masked close with code 1000.
    let mut socket = frames.0.into_socket();
    socket.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).expect("it is taken");
    publisher.send_tags(&film.tags[130..160]);
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).expect("it is taken");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("the server closes");
    let has = |wanted: &[u8]| rest.windows(wanted.len()).any(|bytes| bytes == wanted);
    assert!(has(&[0x8a, 2, b'h', b'i']), "a ping is answered");
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xe8]), "a close is answered, and nothing follows it");
}
