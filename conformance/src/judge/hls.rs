//! Judges HLS: playlists (I35), how long the files that they name can be fetched and what these contain
//! (I34), and whether the frames in them are the publisher's (I1, I6, I7, I9).
//!
//! In: frames that the server accepted from publishers, and all responses with playlists and the files that
//! they name. Out: violations. Responses may come in any order; one is bound only by those that had arrived
//! before it was requested.
//!
//! Never: expects a player to fetch everything. Files that were not fetched are not judged.

use super::published::{Place, Published};
use super::segment::{self, Found};
use super::verdict::Violation;
use crate::reader::fmp4::Movie;
use crate::reader::m3u8::{self, Playlist, Segment};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What holds in this run.
#[derive(Clone, Copy, Debug)]
pub struct HlsRules {
    /// Nothing that a playlist names goes before its time: memory is ample, and streams are kept after
    /// their end for longer than their playlists last.
    pub stays: bool,
}

impl Default for HlsRules {
    fn default() -> Self {
        HlsRules { stays: true }
    }
}

/// An answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The connection that requested it.
    pub conn_no: u32,
    /// When the server had the request whole, in microseconds.
    pub asked_us: u64,
    /// When the client had the answer whole, in microseconds.
    pub at_us: u64,
    /// The path that was asked for, with or without a query.
    pub path: &'a str,
    /// The status.
    pub status: u16,
    /// The body, without codings.
    pub body: &'a [u8],
}

/// Judges the HLS of one server.
#[derive(Clone, Debug, Default)]
pub struct HlsJudge {
    pub(super) rules: HlsRules,
    published: BTreeMap<String, Published>,
    lists: BTreeMap<String, List>,
    named: BTreeMap<String, Named>,
    violations: Vec<Violation>,
}

/// All that the playlists under a path have said.
#[derive(Clone, Debug, Default)]
struct List {
    target_secs: Option<u32>,
    entries: BTreeMap<u64, Entry>,
    /// When it was in a client's hands, first number and the number behind the last; each reaches at least
    /// as far as the one before.
    served: Vec<(u64, u64, u64)>,
    placed: BTreeMap<u64, Placed>,
}

/// An entry, which never changes.
#[derive(Clone, Debug)]
struct Entry {
    segment: Segment,
    /// How many discontinuities stand before it, counted from wherever the server began.
    discontinuities: u64,
}

/// Something that a playlist named.
#[derive(Clone, Debug)]
struct Named {
    what: What,
    /// When the last playlist that named it was asked for, and how long such playlists lasted at most.
    asked_us: u64,
    lasts_us: u64,
    /// A hash of its bytes, after the first response with it.
    content: Option<u64>,
}

#[derive(Clone, Debug)]
enum What {
    Segment { list: String, number: u64, independent: bool, map: Option<String>, encrypted: bool },
    Map(Option<Movie>),
    Key,
}

/// Where in the film the frames of a segment are: first and last, by kind of track.
type Placed = BTreeMap<bool, (Place, Place)>;

impl HlsJudge {
    /// Knows nothing yet.
    pub fn new(rules: HlsRules) -> Self {
        HlsJudge { rules, ..HlsJudge::default() }
    }

    /// The server accepted the body of a media message for `stream` (`live/cam`) from session `publisher`.
    /// `kind` is the type of the tag or message, `timestamp` its milliseconds.
    pub fn published(&mut self, stream: &str, publisher: u32, kind: u8, timestamp: u32, body: &[u8]) {
        self.published.entry(stream.to_owned()).or_default().push(publisher, kind, timestamp, body);
    }

    /// The server answered a request for a file of HLS.
    pub fn answered(&mut self, answer: Answer<'_>) {
        // Compressed on demand: another client got the same plainly.
        if answer.body.starts_with(&[0x1f, 0x8b]) {
            return;
        }
        let path = answer.path.split(['?', '#']).next().unwrap_or_default().to_owned();
        match (path.ends_with(".m3u8"), answer.status) {
            (true, 200) => self.playlist(&path, answer),
            (true, _) => {}
            (false, _) => self.file(&path, answer),
        }
    }

    /// What was wrong so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn say(&mut self, invariant: &'static str, answer: Answer<'_>, words: String) {
        let (at_us, conn_no) = (answer.at_us, Some(answer.conn_no));
        let words = format!("{}: {words}", answer.path);
        self.violations.push(Violation { invariant, at_us, conn_no, words });
    }

    fn playlist(&mut self, path: &str, answer: Answer<'_>) {
        let Ok(text) = std::str::from_utf8(answer.body) else {
            return self.say("I35", answer, "a playlist is text".to_owned());
        };
        if m3u8::is_multivariant(text) {
            if let Err(wrong) = m3u8::read_variants(text) {
                self.say("I35", answer, wrong.0);
            }
            return;
        }
        let list = match Playlist::read(text) {
            Ok(list) => list,
            Err(wrong) => return self.say("I35", answer, wrong.0),
        };
        let faults = self.lists.entry(path.to_owned()).or_default().follow(&list, answer);
        faults.into_iter().for_each(|words| self.say("I35", answer, words));
        self.name(path, &list, answer);
    }

    /// Notes what `list` names, and for how long that has to stay.
    fn name(&mut self, path: &str, list: &Playlist, answer: Answer<'_>) {
        let lasts_us = list.segments.iter().map(|segment| (segment.duration * 1e6) as u64).sum();
        for (number, segment) in list.numbered() {
            let map = segment.map.as_deref().map(|map| join(path, map));
            let key = segment.key.as_deref().and_then(|key| {
                m3u8::attributes(key)
                    .into_iter()
                    .find(|(name, _)| name == "URI")
                    .map(|(_, uri)| join(path, &uri))
            });
            let what = What::Segment {
                list: path.to_owned(),
                number,
                independent: list.independent,
                map: map.clone(),
                encrypted: key.is_some(),
            };
            let maps = map.map(|map| (map, What::Map(None)));
            let keys = key.map(|key| (key, What::Key));
            for (uri, what) in [(join(path, &segment.uri), what)].into_iter().chain(maps).chain(keys) {
                if let (
                    What::Segment { number, .. },
                    Some(Named { what: What::Segment { number: known, .. }, .. }),
                ) = (&what, self.named.get(&uri))
                    && number != known
                {
                    let words = format!("{uri} is segment {known} and segment {number}");
                    self.say("I35", answer, words);
                }
                let known =
                    self.named.entry(uri).or_insert(Named { what, asked_us: 0, lasts_us, content: None });
                known.asked_us = known.asked_us.max(answer.asked_us);
                known.lasts_us = known.lasts_us.max(lasts_us);
            }
        }
    }

    fn file(&mut self, path: &str, answer: Answer<'_>) {
        let Some(named) = self.named.get_mut(path) else { return };
        let stays_until_us = named.asked_us.saturating_add(named.lasts_us);
        match answer.status {
            404 | 410 if self.rules.stays && answer.at_us < stays_until_us => {
                let since = answer.at_us.saturating_sub(named.asked_us) / 1000;
                let words = format!(
                    "status {} though a playlist named it {since} ms ago that lasts {} ms",
                    answer.status,
                    named.lasts_us / 1000
                );
                return self.say("I34", answer, words);
            }
            200 => {}
            _ => return,
        }
        let mut hasher = DefaultHasher::new();
        answer.body.hash(&mut hasher);
        let hash = hasher.finish();
        match named.content.replace(hash) {
            Some(before) if before != hash => {
                return self.say("I35", answer, "it has other bytes than before".to_owned());
            }
            Some(_) => return,
            None => {}
        }
        match &mut named.what {
            What::Key if answer.body.len() != 16 => self.say("I34", answer, "a key has 16 bytes".to_owned()),
            What::Key => {}
            What::Map(movie) => match Movie::parse(answer.body) {
                Ok(read) => *movie = Some(read),
                Err(wrong) => self.say("I34", answer, wrong.0),
            },
            What::Segment { .. } => {
                let what = named.what.clone();
                self.segment(&what, path, answer);
            }
        }
    }

    fn segment(&mut self, what: &What, path: &str, answer: Answer<'_>) {
        let What::Segment { list, number, independent, map, encrypted } = what else { return };
        if *encrypted {
            if answer.body.is_empty() || !answer.body.len().is_multiple_of(16) {
                self.say("I34", answer, "what is encrypted has whole blocks".to_owned());
            }
            return;
        }
        let read = match map {
            None => segment::of_transport(answer.body),
            Some(map) => match self.named.get(map).map(|named| &named.what) {
                Some(What::Map(Some(movie))) => segment::of_fragments(movie, answer.body),
                _ => {
                    // The initialisation section was not fetched yet: judged with the next client.
                    self.named.entry(path.to_owned()).and_modify(|named| named.content = None);
                    return;
                }
            },
        };
        match read {
            Err(wrong) => self.say("I34", answer, wrong.0),
            Ok(found) => {
                self.shape(list, *independent, &found, answer);
                self.contents(list, *number, &found, answer);
            }
        }
    }

    /// Begins with a picture to begin at, lasts no longer than it may (RFC 8216, 4.3.3.1), and time goes on
    /// in it.
    fn shape(&mut self, list: &str, independent: bool, found: &[Found], answer: Answer<'_>) {
        let first = found.iter().find(|frame| frame.video);
        if independent && first.is_some_and(|frame| !frame.key) {
            self.say("I34", answer, "it begins with a picture that decoding cannot begin at".to_owned());
        }
        let target_secs = self.lists.get(list).and_then(|list| list.target_secs).unwrap_or(u32::MAX);
        let most_us = i64::from(target_secs) * 1_000_000 + 500_000;
        // A segment begins at its first picture. Sound that the publisher sent late stands before that, and
        // makes the segment no longer than the playlist says.
        let start_us = first.or(found.first()).map_or(0, |frame| frame.dts_us);
        for video in [true, false] {
            let times: Vec<i64> =
                found.iter().filter(|frame| frame.video == video).map(|frame| frame.dts_us).collect();
            if times.windows(2).any(|pair| pair[1] < pair[0] || video && pair[1] == pair[0]) {
                self.say("I9", answer, format!("time goes on within a track: {times:?}"));
            }
            let lasts_us = times.last().map_or(0, |last| last - start_us);
            if lasts_us > most_us {
                let track = if video { "video" } else { "audio" };
                let words = format!("its {track} lasts {lasts_us} µs where TARGETDURATION is {target_secs}");
                self.say("I34", answer, words);
            }
        }
    }

    /// Its frames are the publisher's, in order, behind those of the segments before it.
    fn contents(&mut self, list: &str, number: u64, found: &[Found], answer: Answer<'_>) {
        let stream =
            list.rsplit_once('/').map_or("", |(folder, _)| folder).trim_start_matches('/').to_owned();
        // A stream of which the judge saw no publisher was there before it.
        if self.published.get(&stream).is_none_or(Published::is_empty) {
            return;
        }
        let (mut placed, mut publishers) = (Placed::new(), BTreeSet::new());
        for frame in found {
            let last = placed.get(&frame.video).map(|(_, last)| *last);
            let before = || self.lists.get(list)?.placed_before(number, frame.video);
            let floor = last.or_else(before).map_or(0, |place| place + 1);
            let published = &self.published[&stream];
            match published.find(frame.video, frame.frame_id, floor) {
                Some(place) => {
                    if published.is_unique(frame.video, frame.frame_id) {
                        publishers.insert(published.frame(place).publisher);
                    }
                    let (first, _) = *placed.entry(frame.video).or_insert((place, place));
                    placed.insert(frame.video, (first, place));
                }
                None => {
                    let (invariant, words) = self.foreign(&stream, frame);
                    return self.say(invariant, answer, words);
                }
            }
        }
        if publishers.len() > 1 {
            self.say("I35", answer, "it holds frames of two publishers".to_owned());
        }
        let Some(known) = self.lists.get_mut(list) else { return };
        known.placed.insert(number, placed);
        let faults: Vec<String> = [number, number + 1]
            .iter()
            .filter_map(|number| known.seam(*number, &self.published[&stream]))
            .collect();
        faults.into_iter().for_each(|words| self.say("I35", answer, words));
    }

    /// Why a frame does not stand where it was found.
    fn foreign(&self, stream: &str, frame: &Found) -> (&'static str, String) {
        let kind = if frame.video { "a picture" } else { "a sound" };
        if self.published[stream].find(frame.video, frame.frame_id, 0).is_some() {
            return ("I1", format!("{kind} at {} µs came before, or out of order", frame.dts_us));
        }
        let mut others = self.published.iter();
        match others.find(|(_, published)| published.find(frame.video, frame.frame_id, 0).is_some()) {
            Some((other, _)) => ("I7", format!("{kind} at {} µs is of {other}", frame.dts_us)),
            None => ("I6", format!("{kind} at {} µs is not what any publisher sent", frame.dts_us)),
        }
    }
}

impl List {
    /// Takes the next playlist; says what it may not do after those before it.
    fn follow(&mut self, list: &Playlist, answer: Answer<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let known = *self.target_secs.get_or_insert(list.target_duration);
        if known != list.target_duration {
            faults.push(format!("TARGETDURATION changes from {known} to {}", list.target_duration));
        }
        let mut discontinuities = list.discontinuity_sequence;
        for (number, segment) in list.numbered() {
            discontinuities += u64::from(segment.discontinuity);
            let entry = Entry { segment: segment.clone(), discontinuities };
            let known = self.entries.entry(number).or_insert_with(|| entry.clone());
            if known.segment != entry.segment {
                faults.push(format!(
                    "entry {number} is rewritten: {:?} was {:?}",
                    entry.segment, known.segment
                ));
            } else if known.discontinuities != discontinuities {
                let before = known.discontinuities;
                faults.push(format!("entry {number} stands behind {discontinuities} breaks, was {before}"));
            }
        }
        let (first, end) = (list.media_sequence, list.media_sequence + list.segments.len() as u64);
        // What a client had before this one asked: this list may be no older.
        let had = self.served.iter().rev().find(|(at_us, ..)| *at_us < answer.asked_us);
        if let Some((_, had_first, had_end)) = had {
            if first < *had_first {
                faults.push(format!("MEDIA-SEQUENCE goes back from {had_first} to {first}"));
            }
            if end < *had_end {
                faults.push(format!("it shrinks at its tail: {end} after {had_end}"));
            }
        }
        let (top_first, top_end) = self.served.last().map_or((0, 0), |(_, first, end)| (*first, *end));
        self.served.push((answer.at_us, top_first.max(first), top_end.max(end)));
        // All requests that are older than these were answered.
        let old = self.served.len().saturating_sub(SERVED_KEPT);
        self.served.drain(..old);
        while self.entries.len() > ENTRIES_KEPT {
            self.entries.pop_first();
        }
        faults
    }

    /// The last place of a track in the segments before `number`.
    fn placed_before(&self, number: u64, video: bool) -> Option<Place> {
        self.placed.range(..number).rev().find_map(|(_, placed)| placed.get(&video)).map(|(_, last)| *last)
    }

    /// What is wrong between segment `number` and the one before it: a discontinuity stands exactly where the
    /// publisher changed, or where the publisher itself began something new.
    fn seam(&self, number: u64, published: &Published) -> Option<String> {
        let marked = self.entries.get(&number)?.segment.discontinuity;
        let (before, after) = (self.placed.get(&number.checked_sub(1)?)?, self.placed.get(&number)?);
        let begin = |placed: &Placed| placed.get(&true).or(placed.get(&false)).map(|(first, _)| *first);
        let (before, place) = (published.frame(begin(before)?), begin(after)?);
        let after = published.frame(place);
        match marked {
            false if before.publisher != after.publisher => {
                Some(format!("no discontinuity before {number}, though another publisher begins there"))
            }
            true if before.breaks == after.breaks && !published.turns_at(place) => {
                Some(format!("a discontinuity before {number}, though the publisher's film goes on"))
            }
            _ => None,
        }
    }
}

/// How many of the last playlists and entries are remembered.
const SERVED_KEPT: usize = 256;
const ENTRIES_KEPT: usize = 4096;

/// The path of `uri`, which stands in the playlist at `path`.
fn join(path: &str, uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    match (uri.starts_with('/'), path.rsplit_once('/')) {
        (true, _) => uri.to_owned(),
        (false, Some((folder, _))) => format!("{folder}/{uri}"),
        (false, None) => uri.to_owned(),
    }
}
