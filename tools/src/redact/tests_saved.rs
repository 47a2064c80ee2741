//! Redaction of saved servers: connections in the middle of a request go on.

use super::harness::{PLAYER, PUBLISHER, Shell, recorded};
use super::tests::{holds, replay};
use super::{RedactError, redact};
use crate::tree::{Group, Node};
use bytes::BytesMut;
use dacapo::base::id::ConnId;
use dacapo::base::rng::Seed;
use dacapo::base::secret::mark;
use dacapo::config::{Config, Service};
use dacapo::record::{Contents, Entry, Event, Fault, Kernel, Start};
use dacapo::server::{Input, Server};
use dacapo::wire::amf0::{Value, encode_all};
use dacapo::wire::rtmp::chunk::write_message;
use dacapo::wire::rtmp::handshake::PEER_BYTES;
use std::collections::BTreeSet;
use std::time::Duration;

const ZERO: Value = Value::Number(0.0);

/// Everything that must be found nowhere in a copy.
const SECRETS: [&str; 23] = [
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
    "pa55word",
    "dXNlcjpw",
    "b0dy",
    "2a00:77",
    "b\u{f6}se",
    "b%C3%B6se",
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
            "PUT /live/b%C3%B6se.flv HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nb0d|y-of-\
            \r\n6\r\nb0dies\r\n0\r\n\r\n\
            GET http://user:pa55word@media.example.org/live/hidden-film.ts HTTP/1.1\r\n\
            Host: a\r\nAuthorization: Basic dXNlcjpwYTU1d29yZA==\r\nX-Real-IP: 2a00:77::7\r\n\r\n",
        ),
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

/// Recordings that begin while each connection is in the middle of a request.
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
fn connections_go_on_and_no_secret_of_them_is_left() {
    let last = PUBLISHER.len() / 700;
    for (allowance, begin) in [(usize::MAX, last / 2), (900, last - 2), (170, 3)] {
        for whole in &files(allowance, begin) {
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
            assert_ne!(old.header.seed, new.header.seed);
            let kinds = |list: &[Entry]| -> Vec<_> {
                list.iter()
                    .map(|entry| {
                        let event = format!("{:?}", entry.event);
                        let kind = event.split([' ', '(']).next().map(str::to_owned);
                        (entry.at, kind, entry.event.conn_no())
                    })
                    .collect()
            };
            for secret in old.saved.iter().flat_map(|saved| secrets(saved)) {
                assert!(holds(whole, &secret) && !holds(&redacted.bytes, &secret), "a secret is left");
            }
            assert_eq!(kinds(&old.entries), kinds(&new.entries), "everything happens when it did");
        }
    }
}

/// The secrets of the server that a recording begins with: its seed, keys, and the states of generators.
fn secrets(saved: &[u8]) -> Vec<Vec<u8>> {
    let server = Server::load(saved).expect("sound");
    let mut secrets = Vec::new();
    Node::of(&server).each(mark::SECRET, &mut |secret| {
        let mut leaves = vec![&secret.parts[0]];
        while let Some(leaf) = leaves.pop() {
            match leaf {
                Node::Group(group) => leaves.extend(&group.parts),
                leaf => secrets.push(leaf.octets().to_vec()),
            }
        }
    });
    secrets.retain(|secret| !secret.is_empty());
    assert!(secrets.len() > 5, "a seed and the generators of peers");
    secrets
}

/// The ids of the connections that the saved server holds.
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
    let conn_no = api.expect("a request for the API");
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
    let refused = redact(&contents, Seed::from_u64(99)).err();
    assert_eq!(refused, Some(RedactError::Fault(Fault::Part(3))));
}

/// Texts without a mark, by type and field: each of them tells nothing of a peer but words that are replaced
/// wherever they stand. A text of a peer is of a type of [`dacapo::base::secret`].
const PLAIN_TEXTS: [(&str, &str); 1] = [("Introduction", "agent")];

/// Marks in which not everything is replaced as a whole.
const OPEN_MARKS: [&str; 3] = [mark::CONNECTION, mark::OUTBOX, mark::FRAME];

#[test]
fn every_text_of_a_server_has_a_mark_or_is_known_to_need_none() {
    let mut texts = BTreeSet::new();
    for whole in &files(usize::MAX, 5)[1..] {
        let server = Server::load(&recorded(whole).saved.expect("it begins with one")).expect("sound");
        gather(&Node::of(&server), ("", ""), &mut texts);
    }
    let known = BTreeSet::from(PLAIN_TEXTS);
    let news: Vec<_> = texts.difference(&known).collect();
    assert!(news.is_empty(), "give these texts a type, or list them: {news:?}");
}

fn gather(
    node: &Node,
    place: (&'static str, &'static str),
    texts: &mut BTreeSet<(&'static str, &'static str)>,
) {
    match node {
        Node::Text(_) => {
            texts.insert(place);
        }
        Node::Group(group) if !group.head.name.starts_with('$') || OPEN_MARKS.contains(&group.head.name) => {
            for (at, part) in group.parts.iter().enumerate() {
                let head = group.head;
                let place = match group.keys.get(at) {
                    Some(key) => (head.name, *key),
                    None if head.name.is_empty() => place,
                    None => (head.name, head.variant),
                };
                gather(part, place, texts);
            }
        }
        _ => {}
    }
}

/// The recording with a saved server that was built by hand.
fn forged(contents: &Contents, mark: &str, mut edit: impl FnMut(&mut Group)) -> Contents {
    let server = Server::load(contents.saved.as_ref().expect("it begins with one")).expect("it is one");
    let (mut tree, mut edits) = (Node::of(&server), 0);
    tree.each_mut(mark, &mut |group| {
        edits += 1;
        edit(group);
    });
    assert!(edits > 0, "there is a {mark}");
    let server: Server = tree.read().expect("it has the form of a server");
    Contents { saved: Some(server.save().into()), ..contents.clone() }
}

#[test]
fn a_forged_server_is_redacted_or_refused() {
    let contents = recorded(&files(usize::MAX, 5)[2]);
    let target = forged(&contents, mark::TARGET, |target| {
        target.parts[0] = Node::Text("/live/cam1#".to_owned());
    });
    assert!(redact(&target, Seed::from_u64(99)).is_ok_and(|replaced| !holds(&replaced.bytes, "cam1")));
    let target = forged(&contents, mark::TARGET, |target| target.parts[0] = Node::Text("cam1".to_owned()));
    let refused = redact(&target, Seed::from_u64(99)).err();
    assert!(matches!(refused, Some(RedactError::Mark(_))), "no peer can have said that: {refused:?}");
    let cid = forged(&contents, mark::CID, |cid| cid.parts[0].set_octets(vec![0xff; 8]));
    let replaced = redact(&cid, Seed::from_u64(99)).expect("ids may be anything");
    assert!(!holds(&replaced.bytes, "cam1"));
    let uri = forged(&contents, mark::QUOTES, |quotes| {
        if let Some(text @ Node::Text(_)) = quotes.parts.first_mut() {
            *text = Node::Text("/".to_owned());
        }
    });
    assert!(redact(&uri, Seed::from_u64(99)).is_ok_and(|replaced| !holds(&replaced.bytes, "film")));
}
