//! One playback: compares the frames that a player gets with those that were published.
//!
//! In: the media messages or tags of the player. Each is found among the frames of the model, behind the one
//! before; frames in between are a gap. Out: violations of I1 to I12.

use super::byte_counts::Span;
use super::clock::Unwrap;
use super::frame_id::FrameId;
use super::gap;
use super::hash::{hash, mixed};
use super::model::{Model, Position, Stream};
use super::report::{PlayReport, TrackReport};
use super::rules::{Rules, StartAt};
use super::session::{Accepted, Session};
use super::verdict::Verdict;
use crate::reader::flv::{self, AUDIO, Codec, DATA, Packet, VIDEO, What};
use std::collections::BTreeMap;

/// A playback.
#[derive(Debug)]
pub(super) struct Play {
    /// What it got, in numbers.
    pub report: PlayReport,
    /// When the server was asked for it.
    pub asked_us: u64,
    /// Whether the player wants sound and pictures.
    pub wants: (bool, bool),
    /// It wanted less for a while: until it is caught up again, frames may be missing.
    pub steered: bool,
    position: Option<Position>,
    configs: BTreeMap<(u8, u8), Given>,
    seen_video: bool,
    /// How many entries of the ring it was denied between frames that it got.
    denied: Span,
    unwrap: Unwrap,
    /// Last decoding time by track, in microseconds, and the timestamp that said so.
    last: BTreeMap<(u8, u8), (i64, u32)>,
}

/// A configuration as a player has it.
#[derive(Clone, Copy, Debug)]
struct Given {
    codec: Codec,
    hash: u64,
    times: u32,
}

/// A frame as a player got it.
struct Got<'a> {
    track: (u8, u8),
    packet: &'a Packet,
    payload: &'a [u8],
    hash: u64,
    timestamp: u32,
}

/// The model and the verdict, for as long as one message is looked at.
pub(super) struct Court<'a> {
    /// What was published.
    pub model: &'a mut Model,
    /// What is broken.
    pub verdict: &'a mut Verdict,
    /// Whose connection it is.
    pub conn_no: u32,
}

impl Court<'_> {
    fn say(&mut self, invariant: &'static str, words: String) {
        self.verdict.add(invariant, self.conn_no, words);
    }
}

impl Play {
    /// The server has granted it.
    pub fn new(conn_no: u32, stream: &str, format: &'static str, asked_us: u64, stalled: bool) -> Self {
        let report = PlayReport {
            conn_no,
            stream: stream.to_owned(),
            format,
            tracks: BTreeMap::new(),
            data: 0,
            gaps: 0,
            missed: 0,
            payload_bytes: 0,
            stalled,
        };
        Play {
            report,
            asked_us,
            wants: (true, true),
            steered: false,
            position: None,
            configs: BTreeMap::new(),
            seen_video: false,
            denied: Span::default(),
            unwrap: Unwrap::default(),
            last: BTreeMap::new(),
        }
    }

    /// The player wants something else from now on.
    pub fn steer(&mut self, audio: bool, video: bool) {
        if (audio && !self.wants.0) || (video && !self.wants.1) {
            self.steered = true;
        }
        self.wants = (audio, video);
    }

    /// A message or tag has reached the player whole.
    pub fn media(&mut self, court: &mut Court<'_>, kind: u8, timestamp: u32, body: &[u8]) {
        if kind == DATA {
            self.report.data += 1;
            return;
        }
        let packets = match flv::packets(kind, body) {
            Ok(packets) => packets,
            Err(wrong) => return court.say("W1", format!("a media body is malformed: {wrong}")),
        };
        for packet in &packets {
            let payload = &body[packet.payload.clone()];
            let track = (kind, packet.track);
            match packet.what {
                What::Config => self.config(track, packet.codec, payload),
                What::Coded => {
                    let got = Got { track, packet, payload, hash: hash(payload), timestamp };
                    self.coded(court, &got);
                }
                What::End | What::Info => {}
            }
        }
    }

    fn config(&mut self, track: (u8, u8), codec: Codec, payload: &[u8]) {
        let hash = hash(payload);
        let given = self.configs.entry(track).or_insert(Given { codec, hash, times: 0 });
        *given = Given { codec, hash, times: given.times + 1 };
        if let Some(seen) = self.report.tracks.get_mut(&track) {
            seen.configs += 1;
        }
    }

    fn coded(&mut self, court: &mut Court<'_>, got: &Got<'_>) {
        let began = self.report.tracks.values().any(|seen| seen.frames > 0);
        self.clock(court, got);
        self.note(got);
        if got.track.0 == VIDEO && !std::mem::replace(&mut self.seen_video, true) && !got.packet.key {
            court.say("I2", format!("the first picture is no keyframe: {}", got.words()));
        }
        let Some(position) = self.find(court, got) else { return self.unknown(court, got) };
        let before = self.position.replace(position);
        self.count_denied(court.model, before, position);
        if court.model.streams.get(&self.report.stream).is_some_and(Stream::repeats) {
            return;
        }
        self.held_against(court, got, position);
        match before {
            // What began in the dark is not judged by how it began.
            None if began => {}
            None => self.began(court, got, position),
            Some(before) => self.went_on(court, got, before, position),
        }
    }

    /// What lies between two frames that it got: frames that are missing at least, whatever the ring may have
    /// held there at most.
    fn count_denied(&mut self, model: &Model, before: Option<Position>, position: Position) {
        let Some(stream) = model.streams.get(&self.report.stream) else { return };
        let Some(before) = before else {
            // A player that stalls may miss frames before its first one.
            self.denied.max = if self.report.stalled { u64::MAX } else { 0 };
            return;
        };
        let (stays, wants_all) = (before.session == position.session, self.wants == (true, true));
        let missed = gap::between(stream, before, position, |frame| is_wanted(self.wants, frame));
        let missed = missed.map_or(0, |gap| gap.missed);
        // What the player does not want is counted, too, where the ring went over it.
        let next = Position { frame: before.frame + 1, ..before };
        let whole = missed == 0 && (wants_all || !gap::overtaken(stream, &model.rules, next));
        if whole && stays && !self.report.stalled && !self.steered {
            return;
        }
        let entries = stream.entries_between(before, Some(position));
        self.denied.min += if stays && wants_all && !self.steered { missed } else { 0 };
        self.denied.max = self.denied.max.saturating_add(entries.unwrap_or(u64::MAX));
    }

    /// How many frames the server may have denied it so far (I38).
    pub fn dropped(&self, model: &Model) -> Span {
        let anything = Span { min: 0, max: u64::MAX };
        let Some(stream) = model.streams.get(&self.report.stream) else { return anything };
        if stream.is_doubtful() || stream.repeats() {
            return anything;
        }
        let Some(position) = self.position else { return anything };
        let tail = stream.entries_between(position, None).unwrap_or(u64::MAX);
        self.denied.plus(Span { min: 0, max: tail })
    }

    /// I9, I12: time goes on.
    fn clock(&mut self, court: &mut Court<'_>, got: &Got<'_>) {
        let ms = self.unwrap.next(got.timestamp);
        let dts_us = ms * 1000 + i64::from(got.packet.nanos) / 1000;
        let Some((last_us, last)) = self.last.insert(got.track, (dts_us, got.timestamp)) else { return };
        let goes_on = if got.track.0 == VIDEO { dts_us > last_us } else { dts_us >= last_us };
        if !goes_on {
            // Around the place where 32 bits of milliseconds, or the 24 of a plain header, end.
            let wraps = last > 0xffff_0000 || (0x00ff_0000..0x0101_0000).contains(&last);
            let invariant = if wraps { "I12" } else { "I9" };
            let words = format!("time goes from {last_us} µs to {dts_us} µs: {}", got.words());
            court.say(invariant, words);
        }
    }

    fn note(&mut self, got: &Got<'_>) {
        let (dts_us, _) = self.last[&got.track];
        let configs = self.configs.get(&got.track).map_or(0, |given| u64::from(given.times));
        let codec = got.packet.codec;
        let fresh = TrackReport { codec, frames: 0, keys: 0, configs, dts_us: (dts_us, dts_us), hash: 0 };
        let seen = self.report.tracks.entry(got.track).or_insert(fresh);
        seen.codec = codec;
        seen.frames += 1;
        seen.keys += u64::from(got.packet.key);
        seen.dts_us.1 = dts_us;
        seen.hash = mixed(seen.hash, got.hash);
        self.report.payload_bytes += got.payload.len() as u64;
    }

    /// Where in the model the frame is: further on than the last one, and by preference where time fits.
    fn find(&self, court: &mut Court<'_>, got: &Got<'_>) -> Option<Position> {
        loop {
            if let Some(stream) = court.model.streams.get(&self.report.stream) {
                let found = match self.position {
                    Some(position) => got.first_of(stream, stream.behind(position)),
                    None => got.first_of(stream, stream.backwards()),
                };
                if let Some(found) = found {
                    return Some(self.learned(court, got, found));
                }
            }
            if !court.model.presume(court.verdict.at_us, &self.report.stream) {
                return None;
            }
        }
    }

    /// Learns from a frame how the player's time differs from the timeline, if that is not known.
    fn learned(&self, court: &mut Court<'_>, got: &Got<'_>, (position, alone): (Position, bool)) -> Position {
        if let Some(stream) = court.model.streams.get_mut(&self.report.stream)
            && let Some(place) = stream.frame(position).map(|frame| frame.place)
            && place.sure
            && stream.delta(place.stretch).is_none_or(|(_, strong)| !strong)
        {
            stream.learn(place.stretch, got.delta(place.dts_us), alone);
        }
        position
    }

    /// I1, I6, I7: the frame is nowhere further on.
    fn unknown(&mut self, court: &mut Court<'_>, got: &Got<'_>) {
        let stream = court.model.streams.get(&self.report.stream);
        if stream.is_some_and(|stream| stream.is_doubtful() || stream.repeats()) {
            return;
        }
        let back = stream.and_then(|stream| stream.newest(got.track, got.hash));
        match (back, self.position) {
            (Some(back), Some(position)) if back.session < position.session => {
                court.say("I7", format!("a frame of a former publisher: {}", got.words()));
            }
            (Some(back), Some(position)) => {
                let (back, position) = (back.frame, position.frame);
                let words =
                    format!("frame {back} comes again, or too late, after {position}: {}", got.words());
                court.say("I1", words);
            }
            _ => match court.model.elsewhere(&self.report.stream, got.track, got.hash) {
                Some(other) => {
                    let words = format!("a frame of {other} reached {}: {}", self.report.stream, got.words());
                    court.say("I7", words);
                }
                None => {
                    let who = stream.map_or_else(|| "there is no such stream".to_owned(), Stream::words);
                    court.say("I6", format!("this was not published: {} ({who})", got.words()));
                }
            },
        }
    }

    /// I2, I5, I10, I11: what belongs to the frame is as its publisher said.
    fn held_against(&mut self, court: &mut Court<'_>, got: &Got<'_>, position: Position) {
        let Some(stream) = court.model.streams.get(&self.report.stream) else { return };
        let session = &stream.sessions[&position.session];
        let Some(frame) = session.get(position.frame) else { return };
        let mut faults: Vec<(&'static str, String)> = Vec::new();
        if frame.track.0 == VIDEO && frame.key != got.packet.key {
            faults.push(("I2", format!("a picture is a keyframe to one side only: {}", got.words())));
        }
        // Where publishers repeat each other, time alone tells whose frame it is.
        let delta = stream.delta(frame.place.stretch);
        let off = delta.map(|(delta, _)| got.delta(frame.place.dts_us) - delta);
        let told = frame.place.sure && delta.is_some_and(|(_, strong)| strong) && off == Some(0);
        if (told || stream.sessions.len() == 1)
            && let Some(config) = session.config_at(got.track, position.frame)
            && let Some(hash) = config.hash
        {
            let given = self.configs.get(&got.track);
            if !given
                .is_some_and(|given| given.codec == config.codec && (!config.exact || given.hash == hash))
            {
                let what = if given.is_some() { "another configuration" } else { "no configuration" };
                faults.push(("I5", format!("the player has {what} than the frame needs: {}", got.words())));
            }
        }
        if frame.place.sure
            && let Some(off) = off
        {
            if off.abs() > 1 {
                faults.push(("I11", format!("it stands {off} ms from its place: {}", got.words())));
            }
            if (got.packet.composition_ms - frame.cts_ms).abs() > 1 {
                let words = format!(
                    "it is shown {} ms after it is decoded, not {} ms: {}",
                    got.packet.composition_ms,
                    frame.cts_ms,
                    got.words()
                );
                faults.push(("I10", words));
            }
        }
        if got.packet.composition_ms < 0 {
            faults.push(("I10", format!("it is shown before it is decoded: {}", got.words())));
        }
        faults.into_iter().for_each(|(invariant, words)| court.say(invariant, words));
    }

    /// I2, I8: how the playback begins.
    fn began(&mut self, court: &mut Court<'_>, got: &Got<'_>, position: Position) {
        let rules = court.model.rules;
        let Some(stream) = court.model.streams.get(&self.report.stream) else { return };
        let mut faults = self.prepared(&stream.sessions[&position.session], position);
        let Some(frame) = stream.frame(position) else { return };
        // A player without video begins with the audio behind a keyframe that it does not get.
        if !frame.sync && self.wants.1 {
            faults.push(("I2", "no player may begin here".to_owned()));
        }
        if rules.settings_hold && !self.report.stalled {
            faults.extend(self.burst(stream, &rules, frame, position));
        }
        for (invariant, words) in faults {
            court.say(invariant, format!("{words}: {}", got.words()));
        }
    }

    /// I2: each track whose configuration holds where the playback begins was given it once.
    fn prepared(&self, session: &Session, position: Position) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for track in session.configs.keys() {
            let holds = session.config_at(*track, position.frame).is_some_and(|config| config.hash.is_some());
            let times = self.configs.get(track).map_or(0, |given| given.times);
            // A player that stalls before its first frame may begin later, behind frames that it did not
            // take.
            if holds && (times == 0 || times > 1 && !self.report.stalled) {
                let words = format!("{times} configurations of {} came before", words_of(*track));
                faults.push(("I2", words));
            }
        }
        faults
    }

    /// I8: the playback begins where it should, and with no more than the ring holds.
    fn burst(
        &self,
        stream: &Stream,
        rules: &Rules,
        frame: &Accepted,
        position: Position,
    ) -> Option<(&'static str, String)> {
        let early = |frame: &Accepted| frame.at_us + rules.patience_us < self.asked_us;
        let starts = |at: Position, frame: &Accepted| {
            frame.key || (frame.sync && !stream.sessions[&at.session].has_video())
        };
        let newer = stream.behind(position).take_while(|(_, other)| early(other));
        let newer = newer.filter(|(at, other)| starts(*at, other)).last();
        let words = match (rules.start, newer) {
            (StartAt::NewestKey, Some((at, newer))) => format!(
                "it was asked for at {} µs and begins at {position} ({} µs) and not at {at} ({} µs)",
                self.asked_us, frame.at_us, newer.at_us
            ),
            (StartAt::NextKey, _) if early(frame) => "it begins before it was asked for".to_owned(),
            _ if stream.sessions[&position.session].end() - position.frame > rules.ring_frames_max as u64 => {
                "the burst is longer than the ring".to_owned()
            }
            _ => return None,
        };
        Some(("I8", words))
    }

    /// I3, I4: what lies between two frames.
    fn went_on(&mut self, court: &mut Court<'_>, got: &Got<'_>, before: Position, position: Position) {
        let Some(stream) = court.model.streams.get(&self.report.stream) else { return };
        let wants = self.wants;
        let wanted = |frame: &Accepted| is_wanted(wants, frame);
        let Some(gap) = gap::between(stream, before, position, wanted) else { return };
        self.report.gaps += 1;
        self.report.missed += gap.missed;
        let at_sync = stream.frame(position).is_none_or(|frame| frame.sync);
        let pictures = || gap::between(stream, before, position, |frame| frame.track.0 == VIDEO && wants.1);
        if self.steered && !at_sync && (got.track.0 == AUDIO || pictures().is_none()) {
            // With audio selected again it goes on at once; with video, it gets audio up to a keyframe.
            return;
        }
        // A player without video goes on with the audio behind a keyframe that it does not get.
        let sync = at_sync || !wants.1;
        let rules = &court.model.rules;
        let excused = self.report.stalled
            || self.steered
            || gap.excused
            || !rules.settings_hold
            || gap::overtaken(stream, rules, gap.first);
        self.steered = false;
        let at_us = |at| stream.frame(at).map_or(0, |frame| frame.at_us);
        let words = format!(
            "{} frames from {} (came at {} µs) to {position} ({} µs) are missing before {}",
            gap.missed,
            gap.first,
            at_us(gap.first),
            at_us(position),
            got.words()
        );
        if !sync {
            court.say("I3", format!("a gap does not end at a keyframe: {words}"));
        } else if !excused {
            court.say("I4", format!("the player took everything: {words}"));
        }
    }
}

impl Got<'_> {
    /// The first of `frames` that this may be, and whether there is no other: by preference one at the right
    /// time.
    fn first_of<'a>(
        &self,
        stream: &Stream,
        frames: impl Iterator<Item = (Position, &'a Accepted)>,
    ) -> Option<(Position, bool)> {
        let mut found: Option<Position> = None;
        // A publisher whose place in time is not known yet: its own frames come before those of others.
        let mut fresh = None;
        let mut many = false;
        let mut frame_id = None;
        for (position, frame) in frames {
            if fresh.is_some_and(|session| session != position.session) {
                break;
            }
            if frame.track != self.track || frame.codec != self.packet.codec {
                continue;
            }
            let mut repaired = || {
                let of = || FrameId::of_sample(self.packet.codec, self.payload, 4);
                *frame_id.get_or_insert_with(of) == frame.frame_id
            };
            if frame.hash != self.hash && !(frame.byte_stream && repaired()) {
                continue;
            }
            let known = stream.delta(frame.place.stretch);
            let fits = (self.delta(frame.place.dts_us) - known.map_or(0, |(delta, _)| delta)).abs() <= 1;
            if fits || !frame.place.sure {
                return Some((position, fits && found.is_none()));
            }
            if known.is_none_or(|(_, strong)| !strong) && fresh.is_none() {
                (fresh, found, many) = (Some(position.session), None, false);
            }
            many |= found.is_some();
            found.get_or_insert(position);
        }
        found.map(|position| (position, !many))
    }

    /// How far from `dts_us` its timestamp is, in milliseconds, by the shorter way around.
    fn delta(&self, dts_us: i64) -> i64 {
        let expected = (dts_us.div_euclid(1000) & 0xffff_ffff) as u32;
        i64::from(self.timestamp.wrapping_sub(expected).cast_signed())
    }

    fn words(&self) -> String {
        let key = if self.packet.key && self.track.0 == VIDEO { ", key" } else { "" };
        let (what, codec) = (words_of(self.track), self.packet.codec);
        format!("{what} ({codec}{key}) of {} bytes at {} ms", self.payload.len(), self.timestamp)
    }
}

/// Whether a player that wants sound, pictures, or both wants this frame.
fn is_wanted((audio, video): (bool, bool), frame: &Accepted) -> bool {
    match frame.track.0 {
        AUDIO => audio,
        VIDEO => video,
        _ => true,
    }
}

fn words_of((kind, number): (u8, u8)) -> String {
    let kind = if kind == VIDEO { "video" } else { "audio" };
    if number == 0 { kind.to_owned() } else { format!("{kind} track {number}") }
}
