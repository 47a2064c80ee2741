//! Variations of a run: bytes split in other ways, an early end, time faster or slower.
//!
//! In: entries. Out: entries. Only what networks change is varied; the bytes of each connection stay the
//! same.

use crate::rng::Rng;
use bytes::Bytes;
use dacapo::base::time::Instant;
use dacapo::record::{ConnNo, Entry, Event};
use dacapo::server::End;
use std::collections::BTreeMap;

/// Joins what one peer sends without input of another in between.
pub fn whole(entries: &[Entry]) -> Vec<Entry> {
    let mut list: Vec<Entry> = Vec::new();
    for entry in entries {
        if let Event::Received { conn_no, bytes } = &entry.event
            && let Some(Entry { at, event: Event::Received { conn_no: last, bytes: before } }) =
                list.last_mut()
            && (*at, *last) == (entry.at, *conn_no)
        {
            *before = [&before[..], bytes].concat().into();
            continue;
        }
        list.push(entry.clone());
    }
    list
}

/// Cuts all that is said into single bytes.
pub fn bytewise(entries: &[Entry]) -> Vec<Entry> {
    cut(entries, |_| 1)
}

/// Cuts all that is said at places that the generator names: some of it in crumbs, some of it whole.
pub fn split(entries: &[Entry], rng: &mut Rng) -> Vec<Entry> {
    cut(entries, |left| match rng.below(4) {
        0 => 1 + rng.below(16),
        1 => 1 + rng.below(left.min(1500)),
        2 => 1 + rng.below(left),
        _ => left,
    })
}

/// Cuts what is said into pieces of as many bytes as `next` says of how many are left.
fn cut(entries: &[Entry], mut next: impl FnMut(usize) -> usize) -> Vec<Entry> {
    let mut list = Vec::new();
    for entry in entries {
        let Event::Received { conn_no, bytes } = &entry.event else {
            list.push(entry.clone());
            continue;
        };
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(next(rest.len()).clamp(1, rest.len()));
            list.push(Entry { at: entry.at, event: Event::Received { conn_no: *conn_no, bytes: piece } });
        }
    }
    list
}

/// All bytes that a peer said.
pub fn said(entries: &[Entry], wanted: ConnNo) -> Vec<u8> {
    let words = |entry: &Entry| match &entry.event {
        Event::Received { conn_no, bytes } if *conn_no == wanted => bytes.clone(),
        _ => Bytes::new(),
    };
    entries.iter().flat_map(words).collect()
}

/// The run up to where `conn_no` has sent `count` bytes; there all peers close.
pub fn prefix(entries: &[Entry], wanted: ConnNo, count: usize) -> Vec<Entry> {
    let mut left = count;
    let mut list = Vec::new();
    let mut there: BTreeMap<ConnNo, Instant> = BTreeMap::new();
    for entry in entries {
        let mut entry = entry.clone();
        let mut last = false;
        match &mut entry.event {
            Event::Accepted { conn_no: Some(conn_no), .. } => {
                there.insert(*conn_no, entry.at);
                last = count == 0 && *conn_no == wanted;
            }
            Event::Ended { conn_no, .. } => {
                there.remove(conn_no);
            }
            Event::Received { conn_no, bytes } if *conn_no == wanted => {
                *bytes = bytes.slice(..left.min(bytes.len()));
                left -= bytes.len();
                last = left == 0;
            }
            _ => {}
        }
        let at = entry.at;
        list.push(entry);
        if last {
            let gone = |conn_no| Entry { at, event: Event::Ended { conn_no, end: End::Eof } };
            list.extend(there.keys().copied().map(gone));
            return list;
        }
    }
    list
}

/// Time goes `by` thousandths as fast: 3000 takes three times as long, 100 a tenth.
pub fn stretched(entries: &[Entry], by: u64) -> Vec<Entry> {
    let at = |entry: &Entry| Instant::from_micros(entry.at.as_micros() * by / 1000);
    entries.iter().map(|entry| Entry { at: at(entry), event: entry.event.clone() }).collect()
}

/// The connections, in the order in which they came.
pub fn conns(entries: &[Entry]) -> Vec<ConnNo> {
    let came = |entry: &Entry| match entry.event {
        Event::Accepted { conn_no, .. } => conn_no,
        _ => None,
    };
    entries.iter().filter_map(came).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytewise, prefix, said, split, stretched, whole};
    use crate::rng::Rng;
    use dacapo::base::id::ListenerId;
    use dacapo::base::time::Instant;
    use dacapo::record::{ConnNo, Entry, Event};
    use dacapo::server::End;

    fn run() -> Vec<Entry> {
        let peer = "192.0.2.1:9".parse().expect("an address");
        let at = |us| Instant::from_micros(us);
        let came =
            |conn_no| Event::Accepted { listener: ListenerId(0), peer, conn_no: Some(ConnNo(conn_no)) };
        let says =
            |conn_no, words: &'static str| Event::Received { conn_no: ConnNo(conn_no), bytes: words.into() };
        let events =
            [(0, came(0)), (1, came(1)), (5, says(0, "hello")), (9, says(1, "me too")), (9, says(1, "!"))];
        events.into_iter().map(|(us, event)| Entry { at: at(us), event }).collect()
    }

    #[test]
    fn cutting_and_joining_change_no_byte() {
        let mut rng = Rng::new(3);
        for list in [whole(&run()), bytewise(&run()), split(&run(), &mut rng)] {
            assert_eq!(
                (said(&list, ConnNo(0)), said(&list, ConnNo(1))),
                (b"hello".to_vec(), b"me too!".to_vec())
            );
        }
        assert_eq!((whole(&run()).len(), bytewise(&run()).len()), (4, 14));
    }

    #[test]
    fn a_prefix_ends_with_everybody_gone() {
        let list = prefix(&run(), ConnNo(1), 2);
        assert_eq!((said(&list, ConnNo(0)), said(&list, ConnNo(1))), (b"hello".to_vec(), b"me".to_vec()));
        let gone = list.iter().filter(|entry| matches!(entry.event, Event::Ended { end: End::Eof, .. }));
        assert_eq!(gone.count(), 2);
        assert_eq!(
            prefix(&run(), ConnNo(0), 0).len(),
            2,
            "a peer that had not connected yet does not connect"
        );
        assert_eq!(stretched(&run(), 3000)[4].at.as_micros(), 27);
    }
}
