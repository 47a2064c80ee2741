//! A redacted recording holds nothing of what was replaced, and replays.

use super::harness::{a_run, recorded};
use super::redact;
use dacapo::base::id::ListenerId;
use dacapo::base::rng::Seed;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{BearerToken, Config};
use dacapo::record::{ConnNo, Difference, Entry, Event, Header, Kernel, Observer, Replay, write};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Watcher {
    pub sent: BTreeMap<ConnNo, usize>,
    pub differences: Vec<Difference>,
}

impl Observer for Watcher {
    fn sent(&mut self, _: Instant, conn_no: ConnNo, bytes: &[u8]) {
        *self.sent.entry(conn_no).or_default() += bytes.len();
    }
    fn differs(&mut self, difference: &Difference) {
        self.differences.push(difference.clone());
    }
}

pub fn replay(bytes: &[u8]) -> Watcher {
    let contents = recorded(bytes);
    let mut watcher = Watcher::default();
    let mut replay = Replay::begin(&contents).expect("it is of this build");
    replay.run(contents.entries, &mut watcher);
    watcher
}

pub fn holds(bytes: &[u8], word: impl AsRef<[u8]>) -> bool {
    bytes.windows(word.as_ref().len()).any(|window| window == word.as_ref())
}

#[test]
fn nothing_of_it_is_left_and_it_replays_with_the_same_lengths() {
    for allowance in [usize::MAX, 3000, 170] {
        for whole in a_run(allowance).recordings() {
            let before = replay(&whole);
            let redacted = redact(&recorded(&whole), Seed::from_u64(99)).expect("it can be redacted");
            let after = replay(&redacted.bytes);
            assert_eq!(after.differences, []);
            assert_eq!(after.sent, before.sent, "pseudonyms are as long as what they stand for");
            for word in ["cam1", "film", "192.0.2.7"] {
                assert!(!holds(&redacted.bytes, word), "{word} is left");
            }
            assert!(holds(&whole, [4, 192, 0, 2, 7]) && !holds(&redacted.bytes, [192, 0, 2, 7]));
            assert_eq!(redacted.left, 0);
            assert_ne!(recorded(&redacted.bytes).header.seed, recorded(&whole).header.seed);
        }
    }
}

#[test]
fn chunks_and_reads_that_cut_a_name_hide_it_as_well() {
    let [whole, _] = a_run(usize::MAX).recordings();
    let mut contents = recorded(&whole);
    // Byte by byte: every name is cut everywhere.
    contents.entries = contents
        .entries
        .into_iter()
        .flat_map(|entry| match &entry.event {
            Event::Received { conn_no, bytes } => {
                let one = |at: usize| Event::Received { conn_no: *conn_no, bytes: bytes.slice(at..=at) };
                (0..bytes.len()).map(|at| dacapo::record::Entry { at: entry.at, event: one(at) }).collect()
            }
            _ => vec![entry],
        })
        .collect();
    let redacted = redact(&contents, Seed::from_u64(99)).expect("it can be redacted");
    let entries = recorded(&redacted.bytes).entries;
    let mut said: BTreeMap<ConnNo, Vec<u8>> = BTreeMap::new();
    for entry in &entries {
        if let Event::Received { conn_no, bytes } = &entry.event {
            said.entry(*conn_no).or_default().extend_from_slice(bytes);
        }
    }
    assert!(said.len() > 4);
    for bytes in said.values() {
        assert!(!holds(bytes, "cam1") && !holds(bytes, "film"));
    }
    assert_eq!(replay(&redacted.bytes).differences, []);
}

#[test]
fn a_stream_that_is_called_like_its_application_leaves_the_application_alone() {
    let epoch = Epoch(1_700_000_000_000_000);
    let config = Config::default();
    let header = Header { kernel: Kernel::Open, ..Header::new(&config, &Seed::from_u64(3), epoch) };
    let conn_no = ConnNo(0);
    let said = "GET /channel/channel.flv HTTP/1.1\r\nHost: a\r\nX-Note: channel\r\n\r\n\
        GET /channel/other.flv HTTP/1.1\r\nHost: a\r\n\r\n";
    let events = [
        Event::Accepted { listener: ListenerId(1), peer: ([192, 0, 2, 7], 9).into(), conn_no: Some(conn_no) },
        Event::Received { conn_no, bytes: said.into() },
    ];
    let entries = events.map(|event| Entry { at: Instant::from_micros(7), event });
    let redacted =
        redact(&recorded(&write(&header, &entries)), Seed::from_u64(99)).expect("it can be redacted");
    let entries = recorded(&redacted.bytes).entries;
    let Event::Received { bytes, .. } = &entries[1].event else { panic!("{entries:?}") };
    assert!(bytes.starts_with(b"GET /channel/") && holds(bytes, "GET /channel/"), "{bytes:?}");
    assert!(!holds(bytes, "channel.flv") && !holds(bytes, "other"));
}

#[test]
fn the_word_of_an_operator_is_left_nowhere() {
    let mut config = Config::default();
    config.recorder.directory = "/srv/flights".into();
    config.recorder.api_token = BearerToken::new("correct-horse-battery").expect("long enough");
    config.recorder.listen = vec![([203, 0, 113, 9], 1987).into()];
    let epoch = Epoch(1_700_000_000_000_000);
    let header = Header { kernel: Kernel::Open, ..Header::new(&config, &Seed::from_u64(3), epoch) };
    // To the wrong port, but said is said.
    let said = "GET /api/v1/recorder?action=look&streams=live/film HTTP/1.1\r\nHost: a\r\n\
        Authorization: Bearer correct-horse-battery\r\n\r\n";
    let conn_no = ConnNo(0);
    let events = [
        Event::Accepted { listener: ListenerId(2), peer: ([192, 0, 2, 7], 9).into(), conn_no: Some(conn_no) },
        Event::Received { conn_no, bytes: said.into() },
    ];
    let entries = events.map(|event| Entry { at: Instant::from_micros(7), event });
    let whole = write(&header, &entries);
    let redacted = redact(&recorded(&whole), Seed::from_u64(99)).expect("it can be redacted");
    let (before, after) = (replay(&whole), replay(&redacted.bytes));
    assert_eq!(after.sent, before.sent);
    let token = config.recorder.api_token.to_string();
    for word in ["correct-horse", "/srv/flights", "film", "203.0.113.9", &token] {
        assert!(!holds(&redacted.bytes, word), "{word} is left");
    }
}
