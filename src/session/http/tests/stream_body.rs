//! Live streams over HTTP.

use super::*;
use crate::media::stream_info::StreamInfo;
use crate::session::ask::{Playing, Refusal};
use crate::status::ClientKind;
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
    Transfer-Encoding: chunked\r\n\
    \r\n";

fn live() -> Arc<StreamInfo> {
    Arc::new(StreamInfo::default())
}

#[test]
fn a_live_stream_begins_with_the_head_and_nothing_else() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv?token=t", &["User-Agent: VLC"]);
    assert!(
        peer.asks_text().starts_with("Introduce(Introduction { kind: Some(FlvPlay), name: Some(live/ca…)")
    );
    assert_eq!(
        peer.asks_text(),
        "Play { name: live/ca…, query: \"token=t\", format: Format { container: Flv, framing: HttpChunks } }"
    );
    assert_eq!(peer.answers(Answer::Play(Ok(Playing::Live(live())))).hears(), HEAD);
    assert_eq!(peer.deadline_ms(), None);
    assert!(peer.asks().is_none());
}

#[test]
fn each_format_has_its_type_and_role() {
    for (extension, content_type, kind) in [
        ("flv", "video/x-flv", ClientKind::FlvPlay),
        ("ts", "video/mp2t", ClientKind::TsPlay),
        ("aac", "audio/aac", ClientKind::AacPlay),
        ("mp3", "audio/mpeg", ClientKind::Mp3Play),
    ] {
        let mut peer = Peer::on(Service::Http);
        peer.requests("GET", &format!("/live/cam.{extension}"), &[]);
        assert!(peer.asks_text().contains(&format!("kind: Some({kind:?})")));
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
    assert_eq!(peer.hears(), "0\r\n\r\n");
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let mut peer = Peer::on(Service::Http);
    peer.says("GET /live/cam.flv HTTP/1.0\r\n\r\n");
    peer.asks();
    assert_eq!(
        peer.asks_text(),
        "Play { name: live/ca…, query: \"\", format: Format { container: Flv, framing: Bare } }"
    );
    peer.answers(Answer::Play(Ok(Playing::Live(live()))));
    assert_eq!(peer.hears(), HEAD.replace("Transfer-Encoding: chunked\r\n", ""));
    peer.answers(Answer::Ended(Refusal::Ended));
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

const UPGRADE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A WebSocket on which a stream plays.
fn websocket() -> Peer {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &UPGRADE);
    assert!(peer.asks_text().contains("kind: Some(WsFlvPlay)"));
    assert_eq!(
        peer.asks_text(),
        "Play { name: live/ca…, query: \"\", format: Format { container: Flv, framing: WebSocket } }"
    );
    peer.answers(Answer::Play(Ok(Playing::Live(live()))));
    assert_eq!(
        peer.hears(),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Server: Dacapo\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         \r\n"
    );
    peer
}

/// A frame as a client sends it: masked, here with zeroes.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[0x80 | opcode, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_websocket_answers_pings_and_does_not_mind_chatter() {
    let mut peer = websocket();
    peer.says([frame(1, b"hello"), frame(9, b"are you there"), frame(2, &[0; 100]), frame(10, b"")].concat());
    assert_eq!(peer.hears_bytes(), [&[0x8a, 13][..], b"are you there"].concat());
    assert_eq!(peer.end, None);
}

#[test]
fn a_websocket_that_is_closed_is_answered_in_kind() {
    let mut peer = websocket();
    peer.says(frame(8, &[0x03, 0xe9]));
    assert_eq!(peer.hears_bytes(), [0x88, 2, 0x03, 0xe9]);
    assert_eq!(peer.end, Some(Reason::PeerLeft));
}

#[test]
fn a_websocket_is_closed_when_its_stream_ends() {
    let mut peer = websocket();
    peer.answers(Answer::Ended(Refusal::Ended));
    assert_eq!(peer.hears_bytes(), [&[0x88, 18, 0x03, 0xe8][..], b"the stream ended"].concat());
    assert!(matches!(peer.asks(), Some(Ask::Bye(Reason::StreamEnded))));
    peer.says(frame(8, &[0x03, 0xe8]));
    assert_eq!(peer.hears_bytes(), [0u8; 0]);
}

#[test]
fn a_websocket_is_told_why_it_is_ended() {
    for (reason, code) in [(Reason::Drained, 1001u16), (Reason::Kicked, 1008), (Reason::StreamEnded, 1000)] {
        let mut peer = websocket();
        let [high, low] = code.to_be_bytes();
        assert_eq!(peer.answers(Answer::Farewell(reason)).hears_bytes(), [0x88, 2, high, low]);
    }
}

#[test]
fn a_broken_frame_costs_the_websocket() {
    for (bytes, code) in [(vec![0x81, 0x05], 1002u16), (vec![0x82, 0xfe, 0x10, 0x01, 0, 0, 0, 0], 1009)] {
        let mut peer = websocket();
        let [high, low] = code.to_be_bytes();
        assert_eq!(peer.says(bytes).hears_bytes(), [0x88, 2, high, low]);
        assert!(matches!(peer.end, Some(Reason::Protocol(_))));
    }
}

#[test]
fn a_websocket_for_a_stream_that_never_comes_is_refused_in_http() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live/cam.flv", &UPGRADE).answers(Answer::Play(Ok(Playing::Waiting)));
    assert_eq!(peer.hears(), "");
    assert!(peer.answers(Answer::Ended(Refusal::NotFound)).hears().starts_with("HTTP/1.1 404"));
}

#[test]
fn an_unsound_websocket_handshake_is_refused() {
    let mut peer = Peer::on(Service::Http);
    let old = [UPGRADE[0], UPGRADE[1], "Sec-WebSocket-Version: 8", UPGRADE[3]];
    let heard = Heard::parse(&peer.requests("GET", "/live/cam.flv", &old).hears_bytes());
    assert_eq!((heard.status, heard.header("Sec-WebSocket-Version")), (426, Some("13")));
    let heard = Heard::parse(&peer.requests("GET", "/live/cam.flv", &UPGRADE[..3]).hears_bytes());
    assert_eq!(heard.status, 400);
    // Only FLV travels in WebSockets.
    assert!(peer.requests("GET", "/live/cam.ts", &UPGRADE).asks_text().contains("kind: Some(TsPlay)"));
}
