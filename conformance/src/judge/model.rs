//! The model: for each stream, the frames that its publishers sent and the server should have accepted.
//!
//! In: media messages of publishers. Out: frames in order, each with its identity, its expected time, and the
//! configurations in force.
//!
//! Only the answer shows whether a publisher is accepted. So its frames wait for the answer, or until a
//! player gets a frame that can only be of this publisher.

use super::byte_counts::Span;
use super::clock::Timeline;
use super::hls::{Answer, HlsJudge};
use super::report::PublisherReport;
use super::rules::Rules;
use super::session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whose a frame is, and its number among this publisher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// Number of the session.
    pub session: u32,
    /// Number of the frame.
    pub frame: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.frame)
    }
}

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Sessions that were let in, in the order in which they asked.
    pub sessions: BTreeMap<u32, Session>,
    /// Sessions that have asked, in order.
    asked: Vec<Session>,
    /// For each stretch of the timeline, the difference in milliseconds that was learned, and whether it is
    /// beyond doubt.
    deltas: BTreeMap<u64, (i64, bool)>,
}

/// All streams.
#[derive(Debug)]
pub(super) struct Model {
    /// The rules of the run.
    pub rules: Rules,
    /// By name.
    pub streams: BTreeMap<String, Stream>,
    /// What is served in files.
    pub hls: HlsJudge,
    /// Pairs of publishers that were accepted for one stream: the time, the numbers of both, and the stream.
    /// One of the two must be closed.
    pub rivals: Vec<(u64, u32, u32, String)>,
    /// Session numbers of the whole run.
    sessions: u32,
}

impl Model {
    /// Nothing was published yet.
    pub fn new(rules: Rules, hls: HlsJudge) -> Self {
        Model { rules, streams: BTreeMap::new(), hls, rivals: Vec::new(), sessions: 0 }
    }

    /// `conn_no` asks to publish `name`. The number of the session that this will be.
    pub fn asked(&mut self, at_us: u64, conn_no: u32, name: &str) -> u32 {
        self.sessions += 1;
        let stream = self.streams.entry(name.to_owned()).or_default();
        stream.asked.push(Session::new(self.sessions, conn_no, at_us));
        self.sessions
    }

    /// The number of the next session.
    pub fn next_session(&self) -> u32 {
        self.sessions + 1
    }

    /// The socket of `conn_no` has no room from now on: the server may have ended what it publishes.
    pub fn blocked(&mut self, conn_no: u32) {
        let sessions = self.streams.values_mut().flat_map(|stream| stream.sessions.values_mut());
        for session in sessions.filter(|session| session.conn_no == conn_no && session.over_us.is_none()) {
            let counted = (session.report.audio_frames, session.report.video_frames);
            session.floor.get_or_insert(counted);
        }
    }

    /// The socket of `conn_no` had room when the server had done all that it wanted: what it publishes and
    /// has not ended was taken.
    pub fn unblocked(&mut self, conn_no: u32) {
        let sessions = self.streams.values_mut().flat_map(|stream| stream.sessions.values_mut());
        let sessions = sessions.filter(|session| session.conn_no == conn_no && session.over_us.is_none());
        sessions.for_each(|session| session.floor = None);
    }

    /// A session is accepted. Returns the publisher of the stream that should have been closed before.
    pub fn granted(&mut self, at_us: u64, name: &str, number: u32) -> Option<u32> {
        let rules = self.rules;
        let stream = self.streams.get_mut(name)?;
        if let Some(session) = stream.sessions.get_mut(&number) {
            session.presumed = false;
        }
        let place = stream.asked.iter().position(|session| session.number == number)?;
        let mut session = stream.asked.remove(place);
        let before = stream.sessions.range_mut(..number).next_back().map(|(_, before)| before);
        session.timeline = before.as_ref().map_or(Timeline::default(), |before| before.timeline.clone());
        session.timeline.restart(number);
        let rival = before.filter(|before| before.over_us.is_none()).map(|before| {
            before.over(at_us, false);
            before.conn_no
        });
        // A publisher that got the answer late may have been closed before that.
        session.floor = (!session.waiting.is_empty()).then_some((0, 0));
        for (at_us, kind, timestamp, body) in std::mem::take(&mut session.waiting) {
            session.media(at_us, &rules, (kind, timestamp), &body);
            self.hls.published(name, number, kind, timestamp, &body);
        }
        if stream.sessions.range(number..).next().is_some() {
            // The answer came late: a later publisher was accepted in the meantime.
            session.over(at_us, false);
        }
        stream.sessions.insert(number, session);
        rival
    }

    /// A session is not let in.
    pub fn refused(&mut self, name: &str, number: u32) {
        if let Some(stream) = self.streams.get_mut(name) {
            stream.asked.retain(|session| session.number != number);
        }
    }

    /// Assumes that the next session that waits was accepted, since a player gets frames that may be of it.
    /// False if no session waits.
    pub fn presume(&mut self, at_us: u64, name: &str) -> bool {
        let Some(stream) = self.streams.get(name) else { return false };
        let mut asked = stream.asked.iter();
        let Some(session) = asked.find(|session| !session.waiting.is_empty()) else { return false };
        let number = session.number;
        self.granted(at_us, name, number);
        if let Some(session) = self.session_mut(name, number) {
            session.presumed = true;
        }
        true
    }

    /// A file was served. Segments cannot be judged where it is not known what was published.
    pub fn answered(&mut self, answer: Answer<'_>) {
        let path = answer.path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let (name, file) = path.rsplit_once('/').unwrap_or_default();
        let stream = self.streams.get(name);
        let dark = stream.is_some_and(|stream| stream.is_doubtful() || stream.repeats());
        if !(dark && file.starts_with("seg-")) {
            self.hls.answered(answer);
        }
    }

    /// A media message of a session.
    pub fn media(&mut self, at_us: u64, name: &str, number: u32, kind: u8, timestamp: u32, body: &[u8]) {
        let Some(stream) = self.streams.get_mut(name) else { return };
        if let Some(session) = stream.asked.iter_mut().find(|session| session.number == number) {
            if session.over_us.is_none() {
                session.waiting.push((at_us, kind, timestamp, body.to_vec()));
            }
            return;
        }
        let session = stream.sessions.get_mut(&number);
        if let Some(session) = session.filter(|session| session.over_us.is_none()) {
            session.media(at_us, &self.rules, (kind, timestamp), body);
            self.hls.published(name, number, kind, timestamp, body);
        }
    }

    /// A session ends: by its own word or its connection's end, or because the server says so.
    pub fn over(&mut self, at_us: u64, name: &str, number: u32, by_itself: bool) {
        if let Some(session) = self.session_mut(name, number) {
            session.over(at_us, by_itself);
        }
    }

    /// From here on it is not defined what the server accepts.
    pub fn doubt(&mut self, name: &str, number: u32) {
        if let Some(session) = self.session_mut(name, number) {
            session.doubtful = true;
        }
    }

    fn session_mut(&mut self, name: &str, number: u32) -> Option<&mut Session> {
        let stream = self.streams.get_mut(name)?;
        stream.sessions.values_mut().chain(&mut stream.asked).find(|session| session.number == number)
    }

    /// In whose film a payload is, other than that of `name`.
    pub fn elsewhere(&self, name: &str, track: (u8, u8), hash: u64) -> Option<&str> {
        let mut others = self.streams.iter().filter(|(other, _)| *other != name);
        others.find(|(_, stream)| stream.newest(track, hash).is_some()).map(|(name, _)| name.as_str())
    }

    /// What publishers sent, by stream.
    pub fn publishers(&self) -> BTreeMap<String, Vec<PublisherReport>> {
        let reports =
            |stream: &Stream| stream.sessions.values().map(|session| session.report.clone()).collect();
        self.streams.iter().map(|(name, stream)| (name.clone(), reports(stream))).collect()
    }
}

impl Stream {
    /// True if what some publisher sent cannot be told for sure.
    pub fn is_doubtful(&self) -> bool {
        self.sessions.values().chain(&self.asked).any(|session| session.doubtful)
    }

    /// True if a session that has sent frames has no answer yet.
    fn awaits(&self) -> bool {
        self.asked.iter().any(|session| !session.waiting.is_empty())
    }

    /// True if a publisher repeats frames of another one: then the publisher of a frame is not certain.
    pub fn repeats(&self) -> bool {
        if self.awaits() {
            return true;
        }
        if self.sessions.len() < 2 {
            return false;
        }
        let mut seen = BTreeSet::new();
        let mut firsts = self.sessions.values().flat_map(|session| session.telling.values());
        firsts.any(|hash| !seen.insert(hash))
    }

    /// The publishers of the stream, for the report of a frame that was not found.
    pub fn words(&self) -> String {
        let many = self.sessions.len();
        let last = self.sessions.values().next_back().map(|last| {
            let over = last.over_us.map_or(String::new(), |over_us| format!(", over at {over_us} µs"));
            format!("the last is connection {} with {} frames{over}", last.conn_no, last.end())
        });
        let asked = self.asked.len();
        format!("{many} publishers, {asked} more have asked; {}", last.unwrap_or_default())
    }

    /// What is known of the difference between the timeline and what players get, in milliseconds.
    pub fn delta(&self, stretch: u64) -> Option<(i64, bool)> {
        self.deltas.get(&stretch).copied()
    }

    /// A player has shown the difference. `strong`: by a frame that cannot be mistaken for another one.
    pub fn learn(&mut self, stretch: u64, delta: i64, strong: bool) {
        self.deltas.insert(stretch, (delta, strong));
    }

    /// The last frame with this payload.
    pub fn newest(&self, track: (u8, u8), hash: u64) -> Option<Position> {
        self.backwards().find(|(_, frame)| frame.track == track && frame.hash == hash).map(|found| found.0)
    }

    /// All frames, the newest first.
    pub fn backwards(&self) -> impl Iterator<Item = (Position, &super::session::Accepted)> {
        self.sessions.iter().rev().flat_map(|(session, frames)| {
            let at = |frame| Position { session: *session, frame };
            frames.numbered().rev().map(move |(frame, accepted)| (at(frame), accepted))
        })
    }

    /// All frames behind `position`.
    pub fn behind(&self, position: Position) -> impl Iterator<Item = (Position, &super::session::Accepted)> {
        self.sessions.range(position.session..).flat_map(move |(session, frames)| {
            let from = if *session == position.session { position.frame + 1 } else { 0 };
            let at = |frame| Position { session: *session, frame };
            frames.from(from).map(move |(frame, accepted)| (at(frame), accepted))
        })
    }

    /// How many entries of the ring there may be behind `before` and before `position`, or up to now. `None`
    /// if that is not known any more.
    pub fn entries_between(&self, before: Position, position: Option<Position>) -> Option<u64> {
        let passed = self.frame(before)?.ring.0;
        let end = position.map_or(u32::MAX, |position| position.session);
        let mut entries = 0;
        for (number, session) in self.sessions.range(before.session..=end) {
            entries += match position.filter(|position| position.session == *number) {
                Some(position) => self.frame(position)?.ring.0 - 1,
                None => session.entries(),
            };
        }
        Some(entries.saturating_sub(passed))
    }

    /// The frames of sessions from `number` on that the server must have counted: sound, and pictures.
    pub fn counted(&self, number: u32) -> (Span, Span) {
        let mut sums = (Span::default(), Span::default());
        for session in self.sessions.range(number..).map(|(_, session)| session) {
            let (audio, video) = session.counted();
            sums = (sums.0.plus(audio), sums.1.plus(video));
        }
        if self.awaits() {
            (sums.0.max, sums.1.max) = (u64::MAX, u64::MAX);
        }
        sums
    }

    /// The frame at a position.
    pub fn frame(&self, position: Position) -> Option<&super::session::Accepted> {
        self.sessions.get(&position.session)?.get(position.frame)
    }
}
