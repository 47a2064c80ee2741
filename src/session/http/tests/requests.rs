//! Requests as such: one after the other, late, malformed, hostile.

use super::*;
use crate::base::limit::Limit;

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\n\
    Server: Dacapo\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\n\
    Content-Length: 85\r\n\
    \r\n\
    Not Found: no such path; try /app/stream followed by .flv, .ts, .aac, .mp3 or .m3u8.\n";

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let mut peer = Peer::on(Service::Http);
    for _ in 0..3 {
        assert_eq!(peer.requests("GET", "/x", &[]).hears(), NOT_FOUND);
    }
    let last = peer.requests("GET", "/x", &["Connection: close"]).hears();
    assert!(last.contains("\r\nConnection: close\r\n"));
    peer.is_done();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut peer = Peer::on(Service::Http);
    peer.says(
        "GET /live/a/seg-1.ts HTTP/1.1\r\nHost: h\r\n\r\nHEAD /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n\
         \r\nGET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(peer.hears(), "", "the first waits for the server, the others for the first");
    peer.answers(Answer::Fetch(Ok(segment())));
    let heard = peer.hears();
    let starts: Vec<&str> = heard.matches("HTTP/1.1 200 OK").collect();
    assert_eq!(starts.len(), 2);
    assert!(heard.find("0123456789HTTP/1.1 200 OK").is_some());
    assert!(heard.ends_with("or .m3u8.\n"));
    assert_eq!(heard.matches("HTTP/1.1 404 Not Found").count(), 1, "nothing after the last");
}

#[test]
fn the_next_request_waits_until_a_large_response_has_left() {
    let mut peer = Peer::on(Service::Http);
    peer.says("GET /live/a/seg-1.ts HTTP/1.1\r\nHost: h\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    let large = Fetched { body: vec![Bytes::from(vec![b'x'; 1 << 20])], ..segment() };
    peer.answers(Answer::Fetch(Ok(large)));
    assert!(peer.hears().ends_with("xxx"));
    assert!(peer.hears().starts_with("HTTP/1.1 404"));
}

#[test]
fn http_1_0_is_answered_and_closed_unless_it_asks_to_stay() {
    let mut peer = Peer::on(Service::Http);
    assert!(
        peer.says("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .hears()
            .contains("\r\nConnection: keep-alive\r\n")
    );
    assert!(peer.says("GET /x HTTP/1.0\r\n\r\n").hears().contains("\r\nConnection: close\r\n"));
    peer.is_done();
}

#[test]
fn a_body_that_nobody_wants_is_read_past() {
    let mut peer = Peer::on(Service::Http);
    peer.says("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /");
    assert!(peer.hears().starts_with("HTTP/1.1 404"));
    peer.says(
        "POST /live/a.flv HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let heard = Heard::parse(&peer.hears_bytes());
    assert_eq!((heard.status, heard.header("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    peer.requests("GET", "/x", &[]);
    assert!(peer.hears().starts_with("HTTP/1.1 404"));
}

#[test]
fn who_expects_continue_gets_it() {
    let mut peer = Peer::on(Service::Http);
    peer.says("PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(peer.hears(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(peer.says("y").hears().starts_with("HTTP/1.1 404"));
}

#[test]
fn browsers_may_ask_before_they_cross_origins() {
    let mut peer = Peer::on(Service::Http);
    let lines = ["Origin: https://other.example", "Access-Control-Request-Method: GET"];
    assert_eq!(
        peer.requests("OPTIONS", "/live/a.flv", &lines).hears(),
        "HTTP/1.1 204 No Content\r\n\
         Server: Dacapo\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Access-Control-Allow-Origin: *\r\n\
         Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Allow: GET, HEAD, OPTIONS\r\n\
         Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n\
         Access-Control-Allow-Headers: *\r\n\
         Access-Control-Max-Age: 86400\r\n\
         \r\n"
    );
    assert!(peer.requests("OPTIONS", "*", &[]).hears().starts_with("HTTP/1.1 204"));
    let mut config = Config::default();
    config.http.allow_origin = "".into();
    let mut peer = Peer::with(Service::Http, config);
    assert!(!peer.requests("GET", "/x", &[]).hears().contains("Access-Control"));
}

#[test]
fn what_could_be_smuggled_costs_the_connection() {
    for (request, status) in [
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            400,
        ),
        ("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n", 400),
        ("GET /x HTTP/1.1\nHost: h\n\n", 400),
        ("GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\n\r\n", 400),
        ("GET /a%2f..%2fb HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4294967296\r\n\r\n", 413),
        ("POST /x HTTP/1.1\r\nHost: h\r\nExpect: something\r\n\r\n", 417),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        ("\x16\x03\x01\x02", 400),
        ("\x03\x00\x00\x00", 400),
    ] {
        let mut peer = Peer::on(Service::Http);
        let heard = Heard::parse(&peer.says(request).hears_bytes());
        assert_eq!(heard.status, status, "{request:?}");
        assert_eq!(heard.header("Connection"), Some("close"));
        assert_eq!(heard.header("Content-Length"), Some(heard.body.len().to_string().as_str()));
        assert!(matches!(peer.end, Some(Reason::Protocol(_))));
        assert!(peer.asks().is_none());
    }
}

#[test]
fn a_head_has_a_limit() {
    let mut peer = Peer::on(Service::Http);
    peer.says(format!("GET /x HTTP/1.1\r\nHost: h\r\nX: {}", "y".repeat(16 << 10)));
    assert!(peer.hears().starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    let mut peer = Peer::on(Service::Http);
    peer.says(format!("GET /{}", "y".repeat(16 << 10)));
    assert!(peer.hears().starts_with("HTTP/1.1 414 URI Too Long\r\n"));
    let mut peer = Peer::on(Service::Http);
    peer.says(format!("GET /x HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(64)));
    assert!(peer.hears().starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_head_that_dribbles_in_has_one_deadline_for_all_of_it() {
    let mut peer = Peer::on(Service::Http);
    assert_eq!(peer.deadline_ms(), Some((10_000, "first request")));
    for _ in 0..9 {
        peer.waits(1_000).says("G");
    }
    assert_eq!(peer.deadline_ms(), Some((10_000, "request head")));
    peer.waits(1_000);
    assert!(peer.hears().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    assert_eq!(peer.end, Some(Reason::Timeout(Limit::HeadTimeout)));
}

#[test]
fn a_body_that_dribbles_in_has_a_deadline_too() {
    let mut peer = Peer::on(Service::Http);
    peer.waits(2_000).says("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
    assert_eq!(peer.deadline_ms(), Some((12_000, "request body")));
    peer.waits(9_000).says("a").waits(1_000);
    assert!(peer.hears().starts_with("HTTP/1.1 408 "));
    assert_eq!(peer.end, Some(Reason::Timeout(Limit::HeadTimeout)));
}

#[test]
fn who_says_nothing_is_let_go_without_a_word() {
    let mut peer = Peer::on(Service::Http);
    peer.waits(9_999);
    assert_eq!(peer.end, None);
    peer.says("\r\n\r").waits(1);
    assert_eq!(peer.end, Some(Reason::NoRequest));
    assert_eq!(peer.hears(), "");
    assert_eq!(peer.deadline_ms(), None, "an ended session has no timer");
}

#[test]
fn a_kept_connection_may_idle_longer_than_a_head_may_take() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/x", &[]);
    peer.waits(500).hears();
    assert_eq!(peer.deadline_ms(), Some((75_500, "next request")));
    peer.waits(60_000).says("G");
    assert_eq!(peer.deadline_ms(), Some((70_500, "request head")));
    peer.waits(9_999);
    assert_eq!(peer.end, None);
    peer.waits(1);
    assert_eq!(peer.end, Some(Reason::Timeout(Limit::HeadTimeout)));
}

#[test]
fn the_page_is_served_with_its_policy_and_only_if_it_changed() {
    let mut peer = Peer::on(Service::Http);
    let page = Heard::parse(&peer.requests("GET", "/", &[]).hears_bytes());
    assert_eq!(page.status, 200);
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    assert!(page.header("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().starts_with("<!doctype html>"));
    let tag = format!("If-None-Match: {}", page.header("ETag").unwrap());
    let again = Heard::parse(&peer.requests("GET", "/", &[&tag]).hears_bytes());
    assert_eq!((again.status, again.body.len()), (304, 0));
    let icon = Heard::parse(&peer.requests("GET", "/favicon.ico", &[]).hears_bytes());
    assert_eq!(icon.header("Content-Type"), Some("image/svg+xml"));
    assert!(icon.text().starts_with("<svg") && icon.text().ends_with("</svg>"));
}

#[test]
fn a_shutdown_is_told_to_who_waits_for_a_response() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/a.flv", &[]).answers(Answer::Farewell(Reason::Drained));
    let heard = Heard::parse(&peer.hears_bytes());
    assert_eq!((heard.status, heard.header("Connection")), (503, Some("close")));
    let mut idle = Peer::on(Service::Http);
    assert_eq!(idle.answers(Answer::Farewell(Reason::Drained)).hears(), "");
}
