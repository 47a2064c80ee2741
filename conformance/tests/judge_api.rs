//! The judge of the HTTP API sees what it should (I38): an answer that is right in everything passes, and
//! each number in it that is wrong is a violation.

use conformance::judge::{Judge, Rules, Service};
use conformance::reader::amf::Amf;
use conformance::reader::flv::{AUDIO, Tag, VIDEO};
use conformance::reader::rtmp::{self, Message};
use serde_json::{Value, json};

const PUBLISHER: u32 = 1;
const PLAYER: u32 = 2;
const OPERATOR: u32 = 3;

const CLIENTS: &str = "/api/v1/clients/?count=1000";
const STREAMS: &str = "/api/v1/streams/?count=1000";

/// A stream with a publisher, a player and an operator; counts bytes on its own.
struct Stage {
    judge: Judge,
    at_us: u64,
    /// Bytes in and out, by connection.
    bytes: [(u64, u64); 4],
}

impl Stage {
    fn new(rules: Rules, player: Service) -> Self {
        let mut stage = Stage { judge: Judge::new(rules), at_us: 0, bytes: [(0, 0); 4] };
        for (conn_no, service) in [(PUBLISHER, Service::Rtmp), (PLAYER, player), (OPERATOR, Service::Api)] {
            stage.judge.opened(0, conn_no, service);
        }
        stage.said(PUBLISHER, &[rtmp::handshake(), rtmp::connect("live").chunks(128)].concat());
        stage.told(PUBLISHER, &[0; 3073]);
        stage.said(PUBLISHER, &rtmp::publish("a").chunks(128));
        stage.told(PUBLISHER, &status("NetStream.Publish.Start"));
        stage
    }

    fn said(&mut self, conn_no: u32, bytes: &[u8]) {
        self.at_us += 1_000;
        self.bytes[conn_no as usize].0 += bytes.len() as u64;
        self.judge.from_client(self.at_us, conn_no, bytes);
    }

    fn told(&mut self, conn_no: u32, bytes: &[u8]) {
        self.bytes[conn_no as usize].1 += bytes.len() as u64;
        self.judge.to_client(self.at_us, conn_no, bytes);
    }

    /// A picture or a sound is published, and reaches the player if that has come.
    fn passes(&mut self, kind: u8, body: &[u8], plays: bool) {
        let tag = Tag { kind, timestamp: (self.at_us / 1000) as u32, body: body.to_vec() };
        self.said(PUBLISHER, &Message::media(&tag).chunks(128));
        if plays {
            self.told(PLAYER, &tag.bytes());
        }
    }

    /// Two pictures and a sound, which a player of FLV gets.
    fn film() -> Stage {
        let mut stage = Stage::new(Rules::default(), Service::Http);
        stage.said(PLAYER, b"GET /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n");
        stage.passes(VIDEO, &[0x17, 0, 0, 0, 0, 1, 9], false);
        stage.passes(AUDIO, &[0xaf, 0, 0x12, 9], false);
        stage.told(
            PLAYER,
            b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\nFLV\x01\x05\0\0\0\x09\0\0\0\0",
        );
        let tags = [(VIDEO, &[0x17, 0, 0, 0, 0, 1, 9][..]), (AUDIO, &[0xaf, 0, 0x12, 9])];
        for (kind, body) in tags {
            stage.told(PLAYER, &Tag { kind, timestamp: 0, body: body.to_vec() }.bytes());
        }
        stage.passes(VIDEO, &[0x17, 1, 0, 0, 0, 1, 1, 1], true);
        stage.passes(AUDIO, &[0xaf, 1, 2, 2], true);
        stage.passes(VIDEO, &[0x27, 1, 0, 0, 0, 3, 3, 3], true);
        stage
    }

    fn asks(&mut self, target: &str) {
        self.said(OPERATOR, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    }

    fn answers(&mut self, answer: &Value) {
        let body = answer.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.told(OPERATOR, (head + &body).as_bytes());
    }

    /// The right answer to what was just asked.
    fn right(&self, target: &str) -> Value {
        let [_, publisher, player, _] = self.bytes;
        // What came with the command to publish or before is no stream's, nor is the player's request.
        let opening = [rtmp::handshake(), rtmp::connect("live").chunks(128), rtmp::publish("a").chunks(128)];
        let before = opening.concat().len() as u64;
        let sum = |of: fn(&(u64, u64)) -> u64| self.bytes.iter().map(of).sum::<u64>();
        match target {
            CLIENTS => {
                let client = |kind: &str, publish: bool, (recv, sent): (u64, u64)| {
                    json!({"url": "/live/a", "type": kind, "publish": publish, "recv_bytes": recv,
                        "send_bytes": sent, "dropped_frames": 0})
                };
                let both = [client("flash-publish", true, publisher), client("flv-play", false, player)];
                json!({"code": 0, "total": 2, "clients": both})
            }
            STREAMS => json!({"code": 0, "total": 1, "streams": [{"url": "/live/a", "frames": 3,
                "audio_frames": 1, "video_frames": 2, "clients": 2, "recv_bytes": publisher.0 - before,
                "send_bytes": player.1, "publish": {"active": true}}]}),
            "/api/v1/vhosts" => json!({"code": 0, "vhosts": [{"clients": 2, "streams": 1,
                "recv_bytes": publisher.0 - before, "send_bytes": player.1}]}),
            _ => json!({"code": 0, "data": {"system": {"conn_srs": 3, "srs_recv_bytes": sum(|of| of.0),
                "srs_send_bytes": sum(|of| of.1)}}}),
        }
    }

    fn found(&self) -> Vec<&'static str> {
        self.judge.violations().iter().map(|violation| violation.invariant).collect()
    }
}

fn status(code: &str) -> Vec<u8> {
    let info = Amf::Object(vec![("code".to_owned(), Amf::text(code))]);
    Message::command(1, &[Amf::text("onStatus"), Amf::Number(0.0), Amf::Null, info]).chunks(128)
}

/// What is said of an answer in which `spoils` has changed something.
fn judged(target: &str, spoils: impl Fn(&mut Value)) -> Vec<&'static str> {
    let mut stage = Stage::film();
    stage.asks(target);
    let mut answer = stage.right(target);
    spoils(&mut answer);
    stage.answers(&answer);
    assert_eq!(stage.judge.api_judged(), 1);
    stage.found()
}

fn expect(target: &str, pointers: &[&str]) {
    assert!(judged(target, |_| {}).is_empty(), "the right answer to {target}");
    for pointer in pointers {
        let spoils = |answer: &mut Value| {
            let place = answer.pointer_mut(pointer).expect("the answer has it");
            *place = match &*place {
                Value::Number(number) => json!(number.as_u64().expect("no sign") + 1),
                Value::Bool(truth) => json!(!*truth),
                other => json!(format!("{}x", other.as_str().expect("a text"))),
            };
        };
        assert_eq!(judged(target, spoils), ["I38"], "{target} {pointer}");
    }
}

#[test]
fn each_number_of_a_client_counts() {
    let keys = ["url", "type", "publish", "recv_bytes", "send_bytes", "dropped_frames"];
    for client in [0, 1] {
        // A publisher is denied nothing, and there is no query.
        let keys = keys.iter().filter(|key| client == 1 || **key != "dropped_frames");
        let pointers: Vec<String> = keys.map(|key| format!("/clients/{client}/{key}")).collect();
        expect(CLIENTS, &pointers.iter().map(String::as_str).collect::<Vec<_>>());
    }
    expect(CLIENTS, &["/total"]);
    assert_eq!(judged(CLIENTS, |answer| answer["clients"] = json!([])), ["I38"]);
}

#[test]
fn each_number_of_a_stream_counts() {
    let keys = ["frames", "audio_frames", "video_frames", "clients", "recv_bytes", "send_bytes"];
    let pointers = keys.map(|key| format!("/streams/0/{key}"));
    expect(STREAMS, &pointers.each_ref().map(String::as_str));
    expect(STREAMS, &["/total", "/streams/0/url", "/streams/0/publish/active"]);
    let two_wrong = |answer: &mut Value| {
        answer["streams"][0]["audio_frames"] = json!(0);
        answer["streams"][0]["video_frames"] = json!(3);
    };
    assert_eq!(judged(STREAMS, two_wrong), ["I38"]);
    assert_eq!(judged(STREAMS, |answer| *answer = json!({"total": 0, "streams": []})), ["I38"]);
}

#[test]
fn each_sum_counts() {
    let keys = ["clients", "streams", "recv_bytes", "send_bytes"].map(|key| format!("/vhosts/0/{key}"));
    expect("/api/v1/vhosts", &keys.each_ref().map(String::as_str));
    let keys = ["conn_srs", "srs_recv_bytes", "srs_send_bytes"].map(|key| format!("/data/system/{key}"));
    expect("/api/v1/summaries", &keys.each_ref().map(String::as_str));
}

/// The server may have ended whom it cannot tell so; what it tells of others must be right all the same.
#[test]
fn who_takes_nothing_may_be_gone_already() {
    for (there, right) in [(true, true), (false, true), (true, false)] {
        let mut stage = Stage::film();
        stage.judge.stalled(stage.at_us, PLAYER);
        stage.asks(CLIENTS);
        let mut answer = stage.right(CLIENTS);
        let clients = answer["clients"].as_array_mut().expect("a list");
        if !right {
            clients[1]["send_bytes"] = json!(1);
        }
        if !there {
            clients.pop();
            answer["total"] = json!(1);
        }
        stage.answers(&answer);
        assert_eq!(stage.found().is_empty(), right, "there {there}, right {right}");
    }
}

/// A request behind another is answered at an unknown time.
#[test]
fn answers_to_several_questions_at_once_are_not_judged() {
    let mut stage = Stage::film();
    let question = format!("GET {CLIENTS} HTTP/1.1\r\nHost: h\r\n\r\n");
    stage.said(OPERATOR, question.repeat(2).as_bytes());
    let nothing = json!({"total": 0, "clients": []});
    stage.answers(&nothing);
    stage.answers(&nothing);
    assert_eq!((stage.found(), stage.judge.api_judged()), (Vec::new(), 0));
}

#[test]
fn a_player_without_sound_may_be_denied_what_the_ring_dropped_and_no_more() {
    // Ten pictures and their sounds come too fast for a small ring: it drops them before they are sent.
    for (denied, found) in [(20, &[][..]), (100, &["I38"][..])] {
        let mut stage = Stage::new(Rules { ring_frames_max: 8, ..Rules::default() }, Service::Rtmp);
        stage.said(PLAYER, &[rtmp::handshake(), rtmp::connect("live").chunks(128)].concat());
        stage.told(PLAYER, &[0; 3073]);
        stage.said(PLAYER, &rtmp::play("a").chunks(128));
        stage.told(PLAYER, &status("NetStream.Play.Start"));
        let values = [Amf::text("receiveAudio"), Amf::Number(0.0), Amf::Null, Amf::Boolean(false)];
        stage.said(PLAYER, &Message::command(1, &values).chunks(128));
        let mut publish = |kind: u8, body: &[u8], gets: bool| {
            let tag = Tag { kind, timestamp: (stage.at_us / 1000) as u32, body: body.to_vec() };
            let bytes = Message::media(&tag).chunks(128);
            stage.said(PUBLISHER, &bytes);
            if gets {
                stage.told(PLAYER, &bytes);
            }
        };
        publish(VIDEO, &[0x17, 0, 0, 0, 0, 1, 9], true);
        publish(AUDIO, &[0xaf, 0, 0x12, 9], true);
        publish(VIDEO, &[0x17, 1, 0, 0, 0, 1, 1, 1], true);
        for number in 0..10 {
            publish(AUDIO, &[0xaf, 1, 2, number], false);
            publish(VIDEO, &[0x27, 1, 0, 0, 0, 3, 3, number], false);
        }
        publish(VIDEO, &[0x17, 1, 0, 0, 0, 1, 1, 2], true);
        stage.asks(CLIENTS);
        let [_, publisher, player, _] = stage.bytes;
        let client = |kind: &str, publish: bool, (recv, sent): (u64, u64), denied: u64| {
            json!({"url": "/live/a", "type": kind, "publish": publish, "recv_bytes": recv,
                "send_bytes": sent, "dropped_frames": denied})
        };
        let both = [client("flash-publish", true, publisher, 0), client("rtmp-play", false, player, denied)];
        stage.answers(&json!({"code": 0, "total": 2, "clients": both}));
        assert_eq!((stage.judge.api_judged(), stage.found()), (1, found.to_vec()), "{denied}");
    }
}
