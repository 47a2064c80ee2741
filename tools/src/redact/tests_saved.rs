//! A saved server is redacted like everything else: whoever was in the middle of something goes on.

use super::harness::{PLAYER, PUBLISHER, Shell, recorded};
use super::tests::{holds, replay};
use super::tree::{Group, Node};
use super::{RedactError, redact};
use bytes::BytesMut;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::config::{Config, Service};
use dacapo::record::{Contents, Entry, Event, Fault, Kernel, Start};
use dacapo::server::save::saved;
use dacapo::server::{Input, Server, cid};
use dacapo::wire::amf0::{Value, encode_all};
use dacapo::wire::rtmp::chunk::write_message;
use dacapo::wire::rtmp::handshake::PEER_BYTES;
use std::time::Duration;

const ZERO: Value = Value::Number(0.0);

/// Everything that must be found nowhere in a copy.
const SECRETS: [&str; 17] = [
    "cam1",
    "film",
    "hidden",
    "s3cr3t",
    "t0ken",
    "q7zx9",
    "media.example",
    "portal",
    "alice77",
    "/srv/",
    "192.0.2.7",
    "203.0.113.9",
    "c00kie",
    "never-ended",
    "nobody",
    "half-a-name",
    "correct-horse",
];

/// What an RTMP client says until it has said this about a stream.
fn rtmp(command: &str, stream: &str) -> Vec<u8> {
    let text = |text: &str| Value::String(text.to_owned());
    let about = |pairs: &[(&str, &str)]| {
        Value::Object(pairs.iter().map(|(key, value)| ((*key).into(), text(value))).collect())
    };
    let connect = [
        text("connect"),
        Value::Number(1.0),
        about(&[
            ("app", "live?token=s3cr3t-t0ken"),
            ("tcUrl", "rtmp://media.example.org:1935/live?token=s3cr3t-t0ken&pin=q7zx9"),
            ("pageUrl", "http://portal.example.org/page?user=alice77"),
        ]),
    ];
    let create = [text("createStream"), Value::Number(2.0), Value::Null];
    let last = [text(command), ZERO, Value::Null, text(stream)];
    let mut out = vec![7; PEER_BYTES];
    out[0] = 3;
    for (stream_id, values) in [(0, &connect[..]), (0, &create[..]), (1, &last[..])] {
        let mut payload = BytesMut::new();
        encode_all(values, &mut payload);
        write_message(&mut out, 128, 3, 0, 20, stream_id, &payload);
    }
    out
}

fn config() -> Config {
    let text = "(stream: (hls: (directory: \"/srv/hidden-place\", segment_ms: 1000)),
        http: (allow_origin: \"https://portal.example.org\"),
        recorder: (directory: \"/srv/flights\", api_token: \"correct-horse-battery\"),
        streams: [(pattern: \"live/hidden-*\", hls: (segment_ms: 2000))])";
    dacapo::config::load(text, "a test", &[]).expect("sound")
}

/// Peers in the middle of what they say: what they said before and will say after.
fn in_the_middle() -> Vec<(Service, Vec<u8>, Vec<u8>)> {
    let http = |text: &str| (Service::Http, text.to_owned());
    let api = |text: &str| (Service::Api, text.to_owned());
    let texts = [
        http("GET /live/hidden-film.flv?token=s3cr3t|-t0ken HTTP/1.1\r\nHost: media.example.org\r\n\r\n"),
        http("GET /live/cam1.ts?token=s3cr3t-t0ken HTTP/1.1\r\nHost: media.example.org\r\n\r\n|"),
        http("GET /live/cam1.m3u8?token=s3cr3t-t0ken HTTP/1.1\r\nHost: media.example.org\r\n\r\n|GET "),
        http("GET /live/cam1/index.m3u8 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n|"),
        http("GET /live/nobody.flv?tok=never-ended|"),
        http(
            "POST /live/cam1.m3u8?k=s3cr3t-t0ken HTTP/1.1\r\nHost: media.example.org\r\n\
            Cookie: c00kie-jar\r\nContent-Length: 12\r\n\r\nabc|012345678\
            GET /live/cam1.aac HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        api("GET /api/v1/clients/ HTTP/1.1\r\nHost: 203.0.113.9:80\r\n\r\n|\
            GET /api/v1/streams/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        api("POST /api/v1/recorder?action=start&streams=live/hidden-* HTTP/1.1\r\nHost: a\r\n\
            Authorization: Bearer correct-horse-battery\r\n\r\n|"),
    ];
    let mut all: Vec<_> = texts
        .into_iter()
        .map(|(service, text)| {
            let (before, after) = text.split_once('|').expect("a mark");
            (service, before.as_bytes().to_vec(), after.as_bytes().to_vec())
        })
        .collect();
    let waiting = rtmp("play", "hidden-film?token=s3cr3t-t0ken&user=alice77");
    let cut = rtmp("publish", "hidden-show?key=s3cr3t-t0ken");
    let never = rtmp("publish", "half-a-name");
    let at = |len: usize| (cut[..len].to_vec(), cut[len..].to_vec());
    for (before, after) in [
        (waiting, Vec::new()),
        at(cut.len() - 17),
        at(cut.len() - 40),
        at(500),
        at(2000),
        at(PEER_BYTES),
        at(PEER_BYTES + 5),
        at(PEER_BYTES + 100),
        (never[..never.len() - 3].to_vec(), Vec::new()),
    ] {
        all.push((Service::Rtmp, before, after));
    }
    all
}

/// Recordings that begin when everybody is in the middle of something.
fn files(allowance: usize, begin: usize) -> Vec<Vec<u8>> {
    let mut shell = Shell::new(config());
    shell.direct.peers.allowance = allowance;
    let player = shell.connect(Service::Rtmp);
    shell.tell(Input::Received { conn: player, bytes: PLAYER });
    let cam = shell.connect(Service::Rtmp);
    let mut late: Vec<(ConnId, Vec<u8>)> = Vec::new();
    for (place, bytes) in PUBLISHER.chunks(700).enumerate() {
        if place == begin {
            for (service, before, after) in in_the_middle() {
                let conn = shell.connect(service);
                shell.tell(Input::Received { conn, bytes: &before });
                late.push((conn, after));
            }
            shell.begin("cam1");
        }
        shell.tell(Input::Received { conn: cam, bytes });
        shell.pass(Duration::from_millis(40));
        if place == begin + 1 {
            for (conn, after) in late.drain(..).filter(|(_, after)| !after.is_empty()) {
                shell.tell(Input::Received { conn, bytes: &after });
            }
        }
    }
    let fresh = shell.connect(Service::Http);
    shell.tell(Input::Received { conn: fresh, bytes: b"GET /live/cam1.mp3 HTTP/1.1\r\nHost: a\r\n\r\n" });
    shell.pass(Duration::from_secs(3));
    shell.later_files()
}

#[test]
fn everybody_goes_on_and_nothing_of_them_is_left() {
    let last = PUBLISHER.len() / 700;
    for (allowance, begin) in [(usize::MAX, last / 2), (900, last - 2), (170, 3)] {
        for whole in &files(allowance, begin)[1..] {
            let before = replay(whole);
            assert_eq!(before.differences, []);
            let redacted = redact(&recorded(whole), Seed::from_u64(99)).expect("it can be redacted");
            let after = replay(&redacted.bytes);
            assert_eq!(after.differences, []);
            assert_eq!(after.sent, before.sent, "pseudonyms are as long as what they stand for");
            for word in SECRETS {
                assert!(!holds(&redacted.bytes, word), "{word} is left ({allowance}, {begin})");
            }
            assert!(holds(whole, [192, 0, 2, 7]) && !holds(&redacted.bytes, [192, 0, 2, 7]));
            assert_eq!(redacted.left, 0);
            let (old, new) = (recorded(whole), recorded(&redacted.bytes));
            let seed = old.header.seed().expect("sound");
            assert!(holds(whole, seed.reveal()) && !holds(&redacted.bytes, seed.reveal()));
            let kinds = |list: &[Entry]| -> Vec<_> {
                list.iter()
                    .map(|entry| {
                        let event = format!("{:?}", entry.event);
                        let kind = event.split([' ', '(']).next().map(str::to_owned);
                        (entry.at, kind, entry.event.conn_no())
                    })
                    .collect()
            };
            let dice = dice_of_the_first(&seed);
            assert!(holds(whole, dice) && !holds(&redacted.bytes, dice), "what it will throw is known");
            assert_eq!(kinds(&old.entries), kinds(&new.entries), "everything happens when it did");
        }
    }
}

/// The key of the dice of the first who came.
fn dice_of_the_first(seed: &Seed) -> [u8; 32] {
    let listeners = config().listeners();
    let place = listeners.iter().position(|(_, service, _)| *service == Service::Rtmp).expect("it listens");
    let (rng, _) = cid(seed, ListenerId(place as u16), ([192, 0, 2, 7], 9001).into());
    let bytes = postcard::to_allocvec(&rng).expect("plain data");
    *bytes.first_chunk().expect("a key")
}

/// The words of the server's own making for those who were there.
fn cids(contents: &Contents) -> Vec<String> {
    let server = Server::load(contents.saved.as_ref().expect("one")).expect("sound");
    let seated = contents.entries.iter().filter_map(|entry| match entry.event {
        Event::Resumed { conn, .. } => Some(conn),
        _ => None,
    });
    seated.filter_map(|conn| server.cid(conn)).map(|cid| cid.to_string()).collect()
}

#[test]
fn words_for_connections_are_others_and_an_operator_still_finds_them() {
    let whole = files(usize::MAX, 5)[2].clone();
    let mut contents = recorded(&whole);
    let word = cids(&contents)[0].clone();
    let api = contents.entries.iter().find_map(|entry| match &entry.event {
        Event::Received { conn_no, bytes } if bytes.starts_with(b"GET /api/v1/streams") => Some(*conn_no),
        _ => None,
    });
    let conn_no = api.expect("somebody asked");
    let said = format!("GET /api/v1/clients/{word} HTTP/1.1\r\nHost: a\r\n\r\n");
    let at = contents.entries.last().expect("one").at;
    contents.entries.push(Entry { at, event: Event::Received { conn_no, bytes: said.into() } });
    contents.header.kernel = Kernel::Open;
    let sent = |contents: &Contents| {
        let file = super::whole(contents);
        replay(&file).sent[&conn_no]
    };
    let before = sent(&contents);
    let redacted = redact(&contents, Seed::from_u64(99)).expect("it can be redacted");
    let copy = recorded(&redacted.bytes);
    assert_eq!(sent(&copy), before);
    assert!(!holds(&redacted.bytes, &word) && holds(&redacted.bytes, &cids(&copy)[0]));
}

#[test]
fn a_part_that_cannot_be_played_alone_cannot_be_redacted() {
    let mut contents = recorded(&files(usize::MAX, 5)[2]);
    contents.header.start = Start::Part;
    contents.header.part = 3;
    contents.saved = None;
    let refused = redact(&contents, Seed::from_u64(99)).expect_err("it cannot be played");
    assert_eq!(refused, RedactError::Fault(Fault::Part(3)));
}

/// The recording with its saved server as somebody might write it who has built the file by hand.
fn forged(contents: &Contents, name: &str, mut edit: impl FnMut(&mut Group)) -> Contents {
    let server = Server::load(contents.saved.as_ref().expect("it begins with one")).expect("it is one");
    let (mut tree, mut edits) = (Node::of(&server), 0);
    tree.each(name, &mut |node| {
        if let Node::Group(group) = node {
            edits += 1;
            edit(group);
        }
    });
    assert!(edits > 0, "there is a {name}");
    Contents { saved: Some(saved(&tree).into()), ..contents.clone() }
}

#[test]
fn a_forged_server_is_redacted_or_refused() {
    let contents = recorded(&files(usize::MAX, 5)[2]);
    let target = forged(&contents, "Target", |target| {
        *target.field_mut("path").expect("it has one") = Node::Text("/live/cam1#".to_owned());
    });
    let refused = redact(&target, Seed::from_u64(99)).expect_err("no peer can have said that");
    assert!(matches!(refused, RedactError::Fault(Fault::Saved(_))), "{refused}");
    let cid = forged(&contents, "Cid", |cid| cid.parts[0].set_octets(&[0xff; 8]));
    let replaced = redact(&cid, Seed::from_u64(99)).expect("words for logs may be anything");
    assert!(!holds(&replaced.bytes, "cam1"));
    let uri = forged(&contents, "Files", |files| {
        *files.field_mut("media_uri").expect("it has one") = Node::Text("/".to_owned());
    });
    assert!(redact(&uri, Seed::from_u64(99)).is_ok_and(|replaced| !holds(&replaced.bytes, "film")));
}
