//! The endpoint of the flight recorder: who may use it, and what it says.

use super::*;
use crate::config::Secret;
use crate::session::ask::Ask;
use crate::status::{RecorderAnswer, RecorderRefusal, RecorderStatus, RecorderWish};

const WORD: &str = "correct-horse-battery";
const OPERATOR: &str = "Authorization: Bearer correct-horse-battery";

fn peer() -> Peer {
    let mut config = Config::default();
    config.recorder.api_token = Secret::new(WORD).expect("long enough");
    Peer::with(Service::Api, config)
}

fn wished(peer: &mut Peer) -> RecorderWish {
    match peer.asks() {
        Some(Ask::Recorder(wish)) => wish,
        other => panic!("{other:?}"),
    }
}

fn answer(result: Result<RecorderAnswer, RecorderRefusal>) -> Answer {
    Answer::Recorder(result)
}

#[test]
fn nobody_uses_it_unless_there_is_a_word() {
    let mut peer = Peer::on(Service::Api);
    peer.requests("GET", "/api/v1/recorder", &[OPERATOR]);
    let heard = Heard::parse(&peer.hears_bytes());
    assert_eq!(heard.status, 403);
    assert!(heard.text().contains("recorder.api_token"), "{}", heard.text());
    assert!(peer.asks().is_none());
}

#[test]
fn who_does_not_know_the_word_is_asked_for_it() {
    for lines in [
        &[][..],
        &["Authorization: Bearer correct-horse-batterz"],
        &["Authorization: Basic correct-horse-battery"],
        &["Authorization: correct-horse-battery"],
    ] {
        for (method, target) in [
            ("GET", "/api/v1/recorder"),
            ("POST", "/api/v1/recorder?action=start"),
            ("GET", "/api/v1/recorder/x"),
        ] {
            let mut peer = peer();
            peer.requests(method, target, lines);
            let heard = Heard::parse(&peer.hears_bytes());
            assert_eq!(heard.status, 401, "{lines:?}");
            assert_eq!(heard.header("WWW-Authenticate"), Some("Bearer realm=\"recorder\""));
            assert!(peer.asks().is_none() && !heard.text().contains(WORD));
        }
    }
}

#[test]
fn each_request_is_one_wish() {
    let wish = |method: &str, target: &str| {
        let mut peer = peer();
        peer.requests(method, target, &[OPERATOR]);
        wished(&mut peer)
    };
    let start = |streams: &[&str]| RecorderWish::Start {
        streams: streams.iter().map(|text| (*text).to_owned()).collect(),
    };
    assert_eq!(wish("GET", "/api/v1/recorder"), RecorderWish::Look);
    assert_eq!(wish("GET", "/api/v1/recorder/"), RecorderWish::Look);
    assert_eq!(wish("POST", "/api/v1/recorder?action=start"), start(&[]));
    assert_eq!(
        wish("POST", "/api/v1/recorder?action=start&streams=live/*,vod/%7Ba,b%7D"),
        start(&["live/*", "vod/{a,b}"])
    );
    assert_eq!(wish("POST", "/api/v1/recorder?action=stop"), RecorderWish::Stop);
    let name = "20261125T165229.123456Z-000007.dacapo".to_owned();
    assert_eq!(wish("GET", &format!("/api/v1/recorder/{name}")), RecorderWish::Fetch { name });
}

#[test]
fn what_is_done_is_answered_by_how_it_stands_then() {
    let mut peer = peer();
    let status = RecorderStatus { directory: "/flights".into(), drops: 2, ..RecorderStatus::default() };
    peer.requests("POST", "/api/v1/recorder?action=stop", &[OPERATOR])
        .answers(answer(Ok(RecorderAnswer::State(Box::new(status)))));
    let heard = Heard::parse(&peer.hears_bytes());
    let envelope = r#""code":0,"server":"vid-0a1b2c3","service":"s5v7x9z1","pid":"4242""#;
    let recorder = r#"{"directory":"/flights","recording":null,"drops":2,"last_drop":"","parts":[]}"#;
    assert_eq!(heard.text(), format!("{{{envelope},\"recorder\":{recorder}}}"));
}

#[test]
fn what_is_refused_has_a_code_and_words() {
    for (refusal, code, words) in [
        (RecorderRefusal::Running, 9001, "stop it first"),
        (RecorderRefusal::Idle, 9002, "does not record"),
        (RecorderRefusal::NoPart, 9003, "no such part"),
        (RecorderRefusal::Pattern("`live/[` is not a pattern".into()), 9004, "is not a pattern"),
        (RecorderRefusal::Disk("no space".into()), 9005, "no space"),
        (RecorderRefusal::Busy, 9006, "later"),
    ] {
        let mut peer = peer();
        peer.requests("POST", "/api/v1/recorder?action=start", &[OPERATOR]).answers(answer(Err(refusal)));
        let heard = Heard::parse(&peer.hears_bytes());
        let json: serde_json::Value = serde_json::from_str(heard.text()).expect("JSON");
        assert_eq!((heard.status, &json["code"]), (200, &code.into()));
        assert!(json["message"].as_str().is_some_and(|message| message.contains(words)), "{json}");
    }
    let mut peer = peer();
    peer.requests("POST", "/api/v1/recorder", &[OPERATOR]);
    let heard = Heard::parse(&peer.hears_bytes());
    assert!(
        heard.text().contains("\"code\":9004") && heard.text().contains("action=start"),
        "{}",
        heard.text()
    );
}

#[test]
fn a_part_follows_its_head_without_passing_through_here() {
    let name = "20261125T165229.123456Z-000007.dacapo";
    let part = || answer(Ok(RecorderAnswer::Part { bytes: 1 << 33 }));
    let mut peer = peer();
    peer.requests("GET", &format!("/api/v1/recorder/{name}"), &[OPERATOR]);
    wished(&mut peer);
    peer.answers(part());
    let text = peer.hears();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(
        text.contains("Content-Length: 8589934592\r\n") && text.contains("Connection: close\r\n"),
        "{text}"
    );
    assert_eq!(peer.asks_text(), format!("Append {{ name: {name:?}, bytes: 8589934592 }}"));
    assert!(peer.asks_text().starts_with("Bye"));
}

#[test]
fn a_head_alone_is_followed_by_nothing() {
    let mut peer = peer();
    peer.requests("HEAD", "/api/v1/recorder/20261125T165229.123456Z-000007.dacapo", &[OPERATOR]);
    wished(&mut peer);
    peer.answers(answer(Ok(RecorderAnswer::Part { bytes: 10 })));
    assert!(peer.hears().contains("Content-Length: 10\r\n"));
    assert!(peer.asks_text().starts_with("Bye"));
}
