//! Shrinks a failing run: removes connections, then ranges of entries, then halves of payloads and pauses, as
//! long as the rest still fails (delta debugging, Zeller and Hildebrandt 2002).
//!
//! In: the entries of a run, and a predicate that is true for a failing list. Out: a failing list from which
//! no further removal that was tried keeps the failure. Deterministic; the number of calls of the predicate
//! is bounded. Never: knows what a failure is, or changes the order of entries.

use dacapo::base::time::Instant;
use dacapo::record::{ConnNo, Entry, Event, Header, Kernel};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Pauses below this are left as they are.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// How far shrinking came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being taken away.
    pub what: &'static str,
    /// How often it was tried.
    pub tries: usize,
    /// Entries that are left.
    pub entries: usize,
    /// Bytes of payload that are left.
    pub bytes: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { what, tries, entries, bytes } = self;
        write!(f, "shrink: {what}: {tries} tries, {entries} entries and {bytes} bytes are left")
    }
}

/// Shrinks `entries`, the list of a run with this header, to one that still `fails`; asks at most `budget`
/// times. A list that does not fail comes back as it is.
pub fn shrink(
    header: &Header,
    entries: Vec<Entry>,
    fails: impl FnMut(&[Entry]) -> bool,
    budget: usize,
) -> Vec<Entry> {
    shrink_telling(header, entries, fails, budget, |_| {})
}

/// The same, and tells how far it came after every success and every change of what is tried.
pub fn shrink_telling(
    header: &Header,
    entries: Vec<Entry>,
    fails: impl FnMut(&[Entry]) -> bool,
    budget: usize,
    tell: impl FnMut(Progress),
) -> Vec<Entry> {
    let mut work = Work { entries, fails, tell, tries: 0, budget, what: "see it fail" };
    let whole = std::mem::take(&mut work.entries);
    let failed = work.still(&whole);
    work.entries = whole;
    if !failed {
        return work.entries;
    }
    // With such a kernel these entries have no effect.
    if header.kernel == Kernel::Open {
        work.what = "what was noticed";
        let told = |entry: &Entry| entry.event.is_input() && !matches!(entry.event, Event::Sent { .. });
        let left = work.entries.iter().filter(|entry| told(entry)).cloned().collect();
        work.attempt(left);
    }
    loop {
        let before = (work.entries.len(), payload(&work.entries), span(&work.entries));
        work.connections();
        work.ranges();
        work.payloads();
        work.pauses();
        let after = (work.entries.len(), payload(&work.entries), span(&work.entries));
        if before == after || work.tries >= work.budget {
            return work.entries;
        }
    }
}

/// Bytes that entries carry.
pub fn payload(entries: &[Entry]) -> usize {
    entries.iter().filter_map(|entry| words(&entry.event)).map(<[u8]>::len).sum()
}

fn words(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Received { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// The same entry with only the bytes of `range` of its payload.
fn cut(entry: &Entry, range: std::ops::Range<usize>) -> Entry {
    let mut entry = entry.clone();
    if let Event::Received { bytes, .. } = &mut entry.event {
        *bytes = bytes.slice(range);
    }
    entry
}

fn span(entries: &[Entry]) -> Duration {
    match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => last.at.since(first.at),
        _ => Duration::ZERO,
    }
}

struct Work<F, T> {
    /// The smallest list so far that fails.
    entries: Vec<Entry>,
    fails: F,
    tell: T,
    tries: usize,
    budget: usize,
    what: &'static str,
}

impl<F: FnMut(&[Entry]) -> bool, T: FnMut(Progress)> Work<F, T> {
    /// Whether `list` fails. Never true once the budget is spent.
    fn still(&mut self, list: &[Entry]) -> bool {
        if self.tries >= self.budget {
            return false;
        }
        self.tries += 1;
        (self.fails)(list)
    }

    /// Keeps `list` if it fails.
    fn attempt(&mut self, list: Vec<Entry>) -> bool {
        if !self.still(&list) {
            return false;
        }
        self.entries = list;
        self.report();
        true
    }

    fn report(&mut self) {
        let (entries, bytes) = (self.entries.len(), payload(&self.entries));
        (self.tell)(Progress { what: self.what, tries: self.tries, entries, bytes });
    }

    /// Takes away connections with all that is about them: many at once, then fewer.
    fn connections(&mut self) {
        self.what = "connections";
        let conns: BTreeSet<ConnNo> = self.entries.iter().filter_map(|entry| entry.event.conn_no()).collect();
        let mut conns: Vec<ConnNo> = conns.into_iter().collect();
        let mut step = conns.len();
        while step > 0 {
            let mut at = 0;
            while at < conns.len() {
                let gone = &conns[at..(at + step).min(conns.len())];
                let about =
                    |entry: &&Entry| !entry.event.conn_no().is_some_and(|conn_no| gone.contains(&conn_no));
                let left = self.entries.iter().filter(about).cloned().collect();
                if self.attempt(left) {
                    conns.drain(at..(at + step).min(conns.len()));
                } else {
                    at += step;
                }
            }
            step /= 2;
        }
        self.report();
    }

    /// Takes away entries that follow each other, long ranges first. From the end: what follows the failure
    /// goes at once.
    fn ranges(&mut self) {
        self.what = "entries";
        let mut step = self.entries.len().next_power_of_two() / 2;
        while step > 0 {
            let mut end = self.entries.len();
            while end > 0 {
                let from = end.saturating_sub(step);
                let left = [&self.entries[..from], &self.entries[end..]].concat();
                self.attempt(left);
                end = from;
            }
            step /= 2;
        }
        self.report();
    }

    /// Takes away parts of payloads: a half, a quarter, down to single bytes.
    fn payloads(&mut self) {
        self.what = "bytes";
        for at in (0..self.entries.len()).rev() {
            let len = |work: &Self| words(&work.entries[at].event).map_or(0, <[u8]>::len);
            let mut step = len(self).next_power_of_two() / 2;
            while step > 0 {
                let mut end = len(self);
                while end > 0 && len(self) > 1 {
                    let from = end.saturating_sub(step);
                    let mut list = self.entries.clone();
                    let whole = &self.entries[at];
                    list[at] = match (from, end) {
                        (0, end) => cut(whole, end..len(self)),
                        (from, end) if end == len(self) => cut(whole, 0..from),
                        (from, end) => without(whole, from..end),
                    };
                    self.attempt(list);
                    end = from;
                }
                step /= 2;
            }
        }
        self.report();
    }

    /// Shortens the times between entries.
    fn pauses(&mut self) {
        self.what = "pauses";
        for at in 1..self.entries.len() {
            loop {
                let pause = self.entries[at].at.since(self.entries[at - 1].at);
                if pause < PAUSE_MIN {
                    break;
                }
                // All of it, else half.
                let sooner = |by: Duration| {
                    let mut list = self.entries.clone();
                    for entry in &mut list[at..] {
                        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
                        entry.at = Instant::from_micros(entry.at.as_micros().saturating_sub(by));
                    }
                    list
                };
                let (none, half) = (sooner(pause), sooner(pause / 2));
                if !self.attempt(none) && !self.attempt(half) {
                    break;
                }
            }
        }
        self.report();
    }
}

/// The same entry without the bytes of `range` in the middle of its payload.
fn without(entry: &Entry, range: std::ops::Range<usize>) -> Entry {
    let mut entry = entry.clone();
    if let Event::Received { bytes, .. } = &mut entry.event {
        *bytes = [&bytes[..range.start], &bytes[range.end..]].concat().into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::{Progress, payload, shrink, shrink_telling, span};
    use bytes::Bytes;
    use dacapo::base::id::ListenerId;
    use dacapo::base::rng::Seed;
    use dacapo::base::time::{Epoch, Instant};
    use dacapo::config::Config;
    use dacapo::record::{ConnNo, Entry, Event, Header, Kernel};
    use std::time::Duration;

    fn header() -> Header {
        let header = Header::new(&Config::default(), &Seed::from_u64(1), Epoch(0));
        Header { kernel: Kernel::Open, ..header }
    }

    /// Twenty connections that each send sixteen bytes thirty times; one of these bytes is the connection's
    /// number.
    fn long() -> Vec<Entry> {
        let peer = "192.0.2.1:9".parse().expect("an address");
        let at = |ms| Instant::from_micros(ms * 1000);
        let mut list = Vec::new();
        for number in 0..20 {
            let event = Event::Accepted { listener: ListenerId(0), peer, conn_no: Some(ConnNo(number)) };
            list.push(Entry { at: at(u64::from(number)), event });
        }
        for turn in 0..30 {
            for number in 0..20u8 {
                let mut bytes = vec![100 + turn; 16];
                bytes[8] = number;
                let event = Event::Received { conn_no: ConnNo(number.into()), bytes: Bytes::from(bytes) };
                list.push(Entry { at: at(100 + 1000 * u64::from(turn)), event });
            }
        }
        list
    }

    fn says(entries: &[Entry], conn_no: u32, wanted: [u8; 2]) -> bool {
        entries.iter().any(|entry| match &entry.event {
            Event::Received { conn_no: ConnNo(other), bytes } => {
                *other == conn_no && bytes.windows(2).any(|pair| pair == wanted)
            }
            _ => false,
        })
    }

    #[test]
    fn what_is_needed_is_what_is_left() {
        let mut asked = 0;
        let fails = |entries: &[Entry]| {
            asked += 1;
            says(entries, 7, [7, 105]) && says(entries, 13, [120, 13])
        };
        let left = shrink(&header(), long(), fails, 100_000);
        assert_eq!((left.len(), payload(&left), span(&left)), (2, 4, Duration::ZERO), "{left:#?}");
        assert!(asked < 1500, "{asked} tries");
    }

    #[test]
    fn a_budget_is_kept_and_what_comes_back_fails_still() {
        for budget in [1, 2, 10, 50, 200] {
            let mut asked = 0;
            let fails = |entries: &[Entry]| says(entries, 3, [3, 129]);
            let counted = |entries: &[Entry]| {
                asked += 1;
                fails(entries)
            };
            let left = shrink(&header(), long(), counted, budget);
            assert!(asked <= budget && fails(&left), "{asked} of {budget}");
        }
    }

    #[test]
    fn what_does_not_fail_stays_as_it_is() {
        assert_eq!(shrink(&header(), long(), |_| false, 100), long());
    }

    #[test]
    fn it_is_told_how_it_goes() {
        let mut told: Vec<Progress> = Vec::new();
        let fails = |entries: &[Entry]| says(entries, 3, [3, 129]);
        let _ = shrink_telling(&header(), long(), fails, 1000, |progress| told.push(progress));
        assert!(told.windows(2).all(|pair| pair[1].bytes <= pair[0].bytes && pair[1].tries >= pair[0].tries));
        let last = told.last().expect("it was told").to_string();
        assert!(last.contains("1 entries and 2 bytes are left"), "{last}");
    }
}
