//! Live streams over HTTP.

use super::*;
use crate::media::headers::Headers;
use crate::session::ask::{Playing, Refusal};
use std::sync::Arc;

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Server: Dacapo\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Connection: close\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Type: video/x-flv\r\n\
    Cache-Control: no-store\r\n\
    X-Accel-Buffering: no\r\n\
    \r\n";

fn live() -> Arc<Headers> {
    Arc::new(Headers::default())
}

#[test]
fn a_live_stream_begins_with_the_head_and_nothing_else() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv?token=t", &["User-Agent: VLC"]);
    assert!(
        peer.asks_text().starts_with("Introduce(Introduction { role: \"flv-play\", name: Some(live/ca…)")
    );
    assert_eq!(peer.asks_text(), "Play { name: live/ca…, query: \"token=t\", format: Flv }");
    assert_eq!(peer.answers(Answer::Play(Ok(Playing::Live(live())))).hears(), HEAD);
    assert_eq!(peer.deadline_ms(), None);
    assert!(peer.asks().is_none());
}

#[test]
fn each_format_has_its_type_and_role() {
    for (extension, content_type, role) in [
        ("flv", "video/x-flv", "flv-play"),
        ("ts", "video/mp2t", "ts-play"),
        ("aac", "audio/aac", "aac-play"),
        ("mp3", "audio/mpeg", "mp3-play"),
    ] {
        let mut peer = Peer::on(Service::Http);
        peer.requests("GET", &format!("/live/cam.{extension}"), &[]);
        assert!(peer.asks_text().contains(&format!("role: \"{role}\"")));
        peer.answers(Answer::Play(Ok(Playing::Live(live()))));
        assert_eq!(Heard::parse(&peer.hears_bytes()).header("Content-Type"), Some(content_type));
    }
}

#[test]
fn the_head_is_held_back_until_somebody_publishes() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &[]).answers(Answer::Play(Ok(Playing::Waiting)));
    assert_eq!(peer.hears(), "");
    assert_eq!(peer.answers(Answer::Began(live())).hears(), HEAD);
    // The publisher dropped and is back: the response goes on.
    assert_eq!(peer.answers(Answer::Began(live())).hears(), "");
}

#[test]
fn a_stream_that_never_comes_is_not_found_and_the_connection_stays() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &[]).answers(Answer::Play(Ok(Playing::Waiting)));
    peer.requests("GET", "/x", &[]);
    assert_eq!(peer.hears(), "");
    let heard = peer.answers(Answer::Ended(Refusal::NotFound)).hears();
    assert!(heard.starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(heard.contains("Not Found: no such stream is live here.\n"));
    assert_eq!(heard.matches("HTTP/1.1 404").count(), 2, "the next request is served");
}

#[test]
fn the_end_of_the_stream_ends_the_connection() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &[]).answers(Answer::Play(Ok(Playing::Live(live()))));
    peer.hears();
    peer.asks();
    peer.asks();
    peer.answers(Answer::Ended(Refusal::Ended));
    assert!(matches!(peer.asks(), Some(Ask::Bye(Reason::StreamEnded))));
    assert_eq!(peer.hears(), "");
}

#[test]
fn head_answers_the_head_and_plays_nothing() {
    let mut peer = Peer::on(Service::Http);
    let heard = peer.requests("HEAD", "/live/cam.flv", &[]).hears();
    assert_eq!(heard, HEAD.replace("Connection: close\r\n", ""));
    assert!(peer.asks().is_none());
    assert!(peer.requests("GET", "/x", &[]).hears().starts_with("HTTP/1.1 404"));
}

#[test]
fn what_a_player_sends_is_dropped_and_bounded() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &[]).answers(Answer::Play(Ok(Playing::Live(live()))));
    peer.hears();
    peer.requests("GET", "/pipelined", &[]);
    assert_eq!(peer.hears(), "");
    peer.says(vec![0; 60_000]);
    assert_eq!(peer.end, None);
    peer.says(vec![0; 6_000]);
    assert!(matches!(peer.end, Some(Reason::Protocol(_))));
}

#[test]
fn an_unknown_upgrade_is_ignored() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &["Connection: Upgrade", "Upgrade: h2c"]);
    peer.answers(Answer::Play(Ok(Playing::Live(live()))));
    assert_eq!(peer.hears(), HEAD);
}
