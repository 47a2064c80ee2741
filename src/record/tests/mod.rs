//! Recordings replay bit for bit, alone or as a whole, and every planted fault is reported.

pub mod harness;

use crate::base::id::{ConnId, ListenerId};
use crate::base::time::Instant;
use crate::config::Config;
use crate::record::rolling_hash::RollingHash;
use crate::record::{
    ConnNo, Contents, Difference, Entry, Event, Fault, Header, Kernel, Observer, Replay, Start, Torn,
    block_end, head, read,
};
use crate::server::End;
use crate::status::Vitals;
use bytes::Bytes;
use harness::{EPOCH, PUBLISHER, Shell, a_run, a_run_with_a_beginning, recorded, seed};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Default)]
struct Watcher {
    sent: BTreeMap<ConnNo, Vec<u8>>,
    differences: Vec<Difference>,
}

impl Observer for Watcher {
    fn sent(&mut self, _: Instant, conn_no: ConnNo, bytes: &[u8]) {
        self.sent.entry(conn_no).or_default().extend_from_slice(bytes);
    }

    fn differs(&mut self, difference: &Difference) {
        self.differences.push(difference.clone());
    }
}

fn replay(contents: &Contents) -> Watcher {
    let mut watcher = Watcher::default();
    let mut replay = Replay::begin(contents).expect("it is of this build");
    replay.run(contents.entries.clone(), &mut watcher);
    assert_eq!(replay.summary().differences, watcher.differences.len() as u64);
    watcher
}

/// What [`Shell::later_files`] gives, taken apart.
fn later_recordings(shell: &mut Shell) -> Vec<Contents> {
    shell.later_files().iter().map(|bytes| recorded(bytes)).collect()
}

#[test]
fn a_run_replays_bit_for_bit() {
    for allowance in [usize::MAX, 3000, 170] {
        let mut shell = a_run(allowance);
        let [whole, _] = shell.recordings();
        let contents = recorded(&whole);
        assert!(contents.ended && contents.torn.is_none());
        let watcher = replay(&contents);
        assert_eq!(watcher.differences, []);
        let sent: Vec<&Vec<u8>> = watcher.sent.values().collect();
        assert_eq!(
            sent,
            shell.direct.peers.sent.values().collect::<Vec<_>>(),
            "seats are in the order of arrival"
        );
        let sent = sent.iter().map(|bytes| bytes.len()).sum::<usize>();
        assert!(sent > allowance.min(10_000), "{sent} bytes were sent");
    }
}

#[test]
fn a_stream_replays_alone() {
    let mut shell = a_run(900);
    let [whole, part] = shell.recordings();
    assert!(part.len() < whole.len() / 4, "only one connection of six is about the film");
    let contents = recorded(&part);
    let seats: Vec<ConnNo> = contents.entries.iter().filter_map(|entry| entry.event.conn_no()).collect();
    assert!(!seats.is_empty() && seats.iter().all(|conn_no| *conn_no == ConnNo(4)), "{seats:?}");
    assert_eq!(replay(&contents).differences, []);
}

/// For each connection that was open when a recording began: the sent bytes by the recording, and those in
/// fact.
fn since_then(shell: &Shell, contents: &Contents, watcher: &Watcher) -> Vec<(Vec<u8>, Vec<u8>)> {
    let seated = contents.entries.iter().filter_map(|entry| match entry.event {
        Event::Resumed { conn_no, conn } => Some((conn_no, conn)),
        _ => None,
    });
    let sent = |conn_no| watcher.sent.get(&conn_no).cloned().unwrap_or_default();
    let before = |conn| shell.sent_before.get(&conn).copied().unwrap_or_default();
    seated
        .map(|(conn_no, conn)| (sent(conn_no), shell.direct.peers.sent[&conn][before(conn)..].to_vec()))
        .collect()
}

#[test]
fn a_recording_may_begin_in_the_middle_of_a_run() {
    let pieces = PUBLISHER.len() / 700;
    for (allowance, begin) in
        [(usize::MAX, pieces / 2), (3000, 1), (170, 4), (900, pieces - 1), (170, pieces)]
    {
        let mut shell = a_run_with_a_beginning(allowance, Some(begin));
        let [first, second, all, some] = &later_recordings(&mut shell)[..] else { panic!("four") };
        for contents in [second, all, some] {
            let watcher = replay(contents);
            assert_eq!(watcher.differences, [], "{begin}");
            let pairs = since_then(&shell, contents, &watcher);
            assert_eq!(pairs.len(), 6, "five players and their publisher were there");
            assert!(pairs.iter().all(|(now, then)| now == then), "{begin}");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let playlist = pairs.iter().any(|(now, _)| text(now).contains("#EXTM3U"));
            assert!(playlist || allowance < 900, "{allowance}, {begin}: a playlist came in time");
        }
        assert!(some.entries.len() < all.entries.len(), "others were there, too");
        let mut watcher = Watcher::default();
        let mut replay = Replay::begin(first).expect("it is of this build");
        replay.run(first.entries.clone(), &mut watcher);
        replay.next_part();
        replay.run(second.entries.clone(), &mut watcher);
        assert_eq!(watcher.differences, [], "the parts follow each other");
        assert_eq!(
            watcher.sent.values().collect::<Vec<_>>(),
            shell.direct.peers.sent.values().collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_recording_that_cannot_begin_says_why() {
    let mut shell = a_run_with_a_beginning(900, Some(3));
    let mut contents = later_recordings(&mut shell).remove(2);
    let told = |contents: &Contents| Replay::begin(contents).expect_err("it cannot").to_string();
    contents.header.part = 4;
    contents.header.start = Start::Part;
    assert!(told(&contents).contains("part 4"));
    contents.header.start = Start::Saved;
    let mut damaged = contents.saved.take().expect("it has one").to_vec();
    assert!(told(&contents).contains("is missing"));
    damaged[300] ^= 1;
    contents.saved = Some(damaged.into());
    assert!(told(&contents).contains("is damaged"));
}

#[test]
fn what_is_not_as_it_was_is_told_with_its_place() {
    let [whole, _] = a_run(1000).recordings();
    let contents = recorded(&whole);
    type Plant = fn(&mut Vec<Entry>);
    let plants: [(Plant, &str); 5] = [
        (
            |list| {
                let place = list.iter().rposition(|e| matches!(e.event, Event::Sent { .. })).expect("one");
                let Event::Sent { check, .. } = &mut list[place].event else { return };
                *check ^= 1;
            },
            " differ",
        ),
        (
            |list| {
                list.retain(|e| match &e.event {
                    Event::Received { conn_no: ConnNo(3), bytes } => bytes.len() <= 200,
                    _ => true,
                })
            },
            "written in the recording",
        ),
        (|list| list.retain(|e| !matches!(e.event, Event::Sent { conn_no: ConnNo(5), .. })), "written now"),
        (|list| list.retain(|e| !matches!(e.event, Event::Closed { .. })), "is closed now"),
        (
            |list| list.retain(|e| !matches!(e.event, Event::Ended { .. })),
            "was closed in the recording and is open now",
        ),
    ];
    for (plant, told) in plants {
        let mut planted = contents.clone();
        plant(&mut planted.entries);
        let differences: Vec<String> = replay(&planted).differences.iter().map(ToString::to_string).collect();
        assert!(differences.iter().any(|difference| difference.contains(told)), "{told}: {differences:#?}");
    }
}

#[test]
fn words_alone_are_a_run_too() {
    let [whole, _] = a_run(usize::MAX).recordings();
    let mut contents = recorded(&whole);
    contents.header.kernel = Kernel::Open;
    contents.entries.retain(|entry| matches!(entry.event, Event::Accepted { .. } | Event::Received { .. }));
    let watcher = replay(&contents);
    assert_eq!(watcher.differences, []);
    assert!(watcher.sent[&ConnNo(0)].len() > 3_000, "the player got the stream");
}

#[test]
fn a_torn_tail_is_told_and_the_rest_replays() {
    let mut shell = a_run(1000);
    let [mut whole, _] = shell.recordings();
    shell.pass(Duration::from_secs(2));
    let good = whole.len() - block_end().len();
    whole.truncate(good);
    whole.extend(head(&Header::new(&Config::default(), &seed(), EPOCH)));
    whole.truncate(good + 90);
    let contents = recorded(&whole);
    assert_eq!(contents.torn, Some(Torn { at: good, lost: 90 }));
    assert!(!contents.ended);
    assert_eq!(replay(&contents).differences, []);
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    let told = |bytes: &[u8]| read(Bytes::copy_from_slice(bytes)).expect_err("it is none").to_string();
    assert_eq!(told(b"FLV\x01"), "not a recording: it does not begin with \"dacapo recording \"");
    assert_eq!(told(b"dacapo recording 2 x\n"), "the recording has format 2; this build reads format 1");
    assert!(told(b"dacapo recording 1 SECRET\n").contains("ends before its header"));
    let header = Header { seed: "12".to_owned(), ..Header::new(&Config::default(), &seed(), EPOCH) };
    assert!(matches!(header.seed(), Err(Fault::Header(_))));
    let header = Header { config: "(rtmp: (listn: 1))".to_owned(), ..header };
    assert!(header.config().expect_err("no such setting").to_string().contains("listn"));
}

fn event() -> impl Strategy<Value = Event> {
    let conn_no = || any::<u32>().prop_map(ConnNo);
    let digest = || vec(any::<u8>(), 0..9).prop_map(|bytes| RollingHash::of(&bytes));
    let peer = || (any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from);
    let bytes = || vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let result = || prop_oneof![Just(Ok(())), ".*".prop_map(Err)];
    let ticket = || any::<u64>().prop_map(crate::base::id::Ticket);
    let listener = || any::<u16>().prop_map(ListenerId);
    prop_oneof![
        (listener(), peer(), proptest::option::of((0..u32::MAX).prop_map(ConnNo)))
            .prop_map(|(listener, peer, conn_no)| Event::Accepted { listener, peer, conn_no }),
        (conn_no(), any::<(u32, u32)>()).prop_map(|(conn_no, (index, generation))| Event::Resumed {
            conn_no,
            conn: ConnId { index, generation }
        }),
        Just(Event::Tick),
        Just(Event::Drain),
        (conn_no(), bytes()).prop_map(|(conn_no, bytes)| Event::Received { conn_no, bytes }),
        (conn_no(), any::<(u32, bool, u16)>()).prop_map(|(conn_no, (len, room, check))| Event::Sent {
            conn_no,
            len,
            room,
            check
        }),
        conn_no().prop_map(|conn_no| Event::Writable { conn_no }),
        (conn_no(), prop_oneof![Just(End::Eof), ".*".prop_map(End::Broken)])
            .prop_map(|(conn_no, end)| Event::Ended { conn_no, end }),
        (ticket(), result()).prop_map(|(ticket, result)| Event::Stored { ticket, result }),
        // Every number that a machine may be measured to have: an answer of the API shows each to the bit.
        (ticket(), any::<u32>(), -1e9..1e9).prop_map(|(ticket, pid, load_1m)| Event::Measured {
            ticket,
            vitals: Box::new(Vitals { pid, load_1m, ..Vitals::default() })
        }),
        ".*".prop_map(|config| Event::Reload { config }),
        (conn_no(), any::<bool>(), digest()).prop_map(|(conn_no, linger, sent)| Event::Closed {
            conn_no,
            linger,
            sent
        }),
        (conn_no(), digest()).prop_map(|(conn_no, sent)| Event::Checked { conn_no, sent }),
        digest().prop_map(|requests| Event::Requested { requests }),
    ]
}

proptest! {
    #[test]
    fn entries_come_back_as_they_were(list in vec((0u64..1 << 40, event()), 1..20)) {
        let mut at = Instant::ZERO;
        let mut body = at.as_micros().to_le_bytes().to_vec();
        let mut entries = Vec::new();
        for (us, event) in list {
            let last = at;
            at = last + Duration::from_micros(us);
            super::codec::put(&mut body, last, at, &event);
            entries.push(Entry { at, event });
        }
        let mut file = head(&Header::new(&Config::default(), &seed(), EPOCH));
        file.extend(super::file::block_entries(&body, false));
        prop_assert_eq!(&recorded(&file).entries, &entries);
        let header = Header::new(&Config::default(), &seed(), EPOCH);
        let written = recorded(&super::write(&header, &entries));
        prop_assert_eq!((written.header, written.entries, written.ended), (header, entries, true));
    }

    #[test]
    fn kinds_that_no_build_writes_are_no_entries(kind: u8, rest in vec(any::<u8>(), 0..40)) {
        let unused = [0, 8, 9, 10, 12, 13, 20];
        let kind = if kind > 20 { kind } else { unused[usize::from(kind) % unused.len()] };
        let body = [&Instant::ZERO.as_micros().to_le_bytes()[..], &[kind], &rest].concat();
        let mut file = head(&Header::new(&Config::default(), &seed(), EPOCH));
        let at = file.len();
        file.extend(super::file::block_entries(&body, false));
        prop_assert_eq!(read(file.into()), Err(Fault::Content(at)));
    }

    #[test]
    fn damage_never_panics(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let [mut bytes, _] = a_run(1000).recordings();
        let len = bytes.len();
        bytes[at.index(len)] = byte;
        bytes.truncate(cut.index(len));
        if let Ok(contents) = read(bytes.into())
            && let Ok(mut replay) = Replay::begin(&contents)
        {
            replay.run(contents.entries, &mut ());
        }
    }
}
