//! HLS: files of streams.

use super::*;
use crate::session::ask::Refusal;

#[test]
fn a_segment_is_fetched_and_may_be_cached_for_ever() {
    let mut peer = Peer::on(Service::Http);
    peer.requests(
        "GET",
        "/live/cam/seg-17.ts?token=t",
        &["User-Agent: hls.js", "Referer: https://a.example/watch?who=me"],
    );
    assert_eq!(
        peer.asks_text(),
        "Introduce(Introduction { kind: Some(HlsPlay), name: Some(live/ca…), \
         tc_url: \"http://media.example/live/cam/seg-17.ts\", page_url: \"https://a.example/watch\", \
         swf_url: \"\", agent: \"hls.js\" })"
    );
    assert_eq!(
        peer.asks_text(),
        "Fetch { name: live/ca…, file: Segment { number: 17, layout: Ts }, query: \"token=t\" }"
    );
    assert_eq!(
        peer.answers(Answer::Fetch(Ok(segment()))).hears(),
        "HTTP/1.1 200 OK\r\n\
         Server: Dacapo\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Access-Control-Allow-Origin: *\r\n\
         Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Cache-Control: public, max-age=31536000, immutable\r\n\
         ETag: \"17-a\"\r\n\
         Content-Type: video/mp2t\r\n\
         Accept-Ranges: bytes\r\n\
         Content-Length: 10\r\n\
         \r\n\
         0123456789"
    );
}

#[test]
fn a_player_is_introduced_once_per_stream() {
    let mut peer = Peer::on(Service::Http);
    for (target, introduced) in [
        ("/live/a.m3u8", true),
        ("/live/a/index.m3u8", false),
        ("/live/a/seg-1.ts", false),
        ("/live/b.m3u8", true),
    ] {
        peer.requests("GET", target, &[]);
        if introduced {
            assert!(matches!(peer.asks(), Some(Ask::Introduce(_))), "{target}");
        }
        assert!(matches!(peer.asks(), Some(Ask::Fetch { .. })), "{target}");
        peer.answers(Answer::Fetch(Err(Refusal::NotFound))).hears();
    }
}

#[test]
fn the_multivariant_playlist_stands_beside_the_stream() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.m3u8", &[]);
    peer.asks();
    assert_eq!(peer.asks_text(), "Fetch { name: live/ca…, file: Master, query: \"\" }");
}

#[test]
fn head_range_and_condition_are_kept() {
    let mut peer = Peer::on(Service::Http);
    let mut fetch = |method, lines: &[&str]| {
        peer.requests(method, "/live/cam/seg-17.ts", lines).answers(Answer::Fetch(Ok(segment())));
        let heard = Heard::parse(&peer.hears_bytes());
        (heard.status, heard.header("Content-Length").map(str::to_owned), heard.text().to_owned())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(fetch("HEAD", &[]), (200, some("10"), String::new()));
    assert_eq!(fetch("GET", &["Range: bytes=2-5"]), (206, some("4"), "2345".into()));
    assert_eq!(fetch("HEAD", &["Range: bytes=2-5"]), (206, some("4"), String::new()));
    assert_eq!(fetch("GET", &["Range: bytes=0-1,3-4"]), (200, some("10"), "0123456789".into()));
    assert_eq!(fetch("GET", &["Range: bytes=10-"]).0, 416);
    assert_eq!(fetch("GET", &["If-None-Match: \"17-a\""]), (304, None, String::new()));
    assert_eq!(fetch("GET", &["If-None-Match: \"16-a\""]).0, 200);
}

#[test]
fn every_refusal_has_its_status() {
    for (refusal, status) in [
        (Refusal::NotFound, 404),
        (Refusal::Ended, 404),
        (Refusal::BadName, 400),
        (Refusal::Disabled("stream.hls.enabled"), 403),
        (Refusal::Unsuitable, 406),
        (Refusal::Busy, 503),
        (Refusal::Limit(Limit::Streams), 503),
        (Refusal::Draining, 503),
    ] {
        let mut peer = Peer::on(Service::Http);
        peer.requests("GET", "/live/cam.m3u8", &[]).answers(Answer::Fetch(Err(refusal)));
        let heard = Heard::parse(&peer.hears_bytes());
        assert_eq!(heard.status, status);
        assert_eq!(heard.header("Retry-After"), (status == 503).then_some("5"));
        assert!(heard.text().ends_with(".\n"));
    }
}
