//! One playback of a transport stream. Its packets are found again by what is the same in every container.
//!
//! Sound and pictures are complete at different times, so each has a place of its own in the model. That
//! frames are missing is judged for pictures alone: a gap ends at a keyframe (I3), and a player that took
//! everything has none (I4).

use super::clock::Unwrap;
use super::frame_id::FrameId;
use super::gap;
use super::hash::mixed;
use super::model::{Position, Stream};
use super::play::Court;
use super::report::{PlayReport, TrackReport};
use super::session::Accepted;
use crate::reader::flv::{AUDIO, Codec, VIDEO};
use crate::reader::psi::Program;
use crate::reader::ts::{Pes, TsReader, Unit};
use crate::reader::{Wrong, es};
use std::collections::BTreeMap;

/// A playback.
#[derive(Debug)]
pub(super) struct TsPlay {
    report: PlayReport,
    packets: TsReader,
    program: Program,
    positions: BTreeMap<u8, Position>,
    seen_video: bool,
    times: BTreeMap<u8, (Unwrap, i64)>,
}

impl TsPlay {
    /// The server has granted it.
    pub fn new(conn_no: u32, stream: &str, stalled: bool) -> Self {
        let report = PlayReport {
            conn_no,
            stream: stream.to_owned(),
            format: "ts",
            tracks: BTreeMap::new(),
            data: 0,
            gaps: 0,
            missed: 0,
            payload_bytes: 0,
            stalled,
        };
        let packets = TsReader::with_gaps();
        TsPlay {
            report,
            packets,
            program: Program::default(),
            positions: BTreeMap::new(),
            seen_video: false,
            times: BTreeMap::new(),
        }
    }

    /// What it got.
    pub fn report(&self) -> PlayReport {
        self.report.clone()
    }

    /// The player does not take everything.
    pub fn stalled(&mut self) {
        self.report.stalled = true;
    }

    /// Bytes have reached the player.
    ///
    /// # Errors
    /// If they are no transport stream.
    pub fn push(&mut self, court: &mut Court<'_>, bytes: &[u8]) -> Result<(), Wrong> {
        for unit in self.packets.push(bytes)? {
            match unit {
                Unit::Program(program) => self.program = program,
                Unit::Pes(pes) => self.pes(court, &pes)?,
                Unit::Clock(_) => {}
            }
        }
        Ok(())
    }

    fn pes(&mut self, court: &mut Court<'_>, pes: &Pes) -> Result<(), Wrong> {
        let elementary = self.program.streams.get(&pes.pid);
        let Some(codec) = elementary.and_then(|elementary| elementary.codec()) else { return Ok(()) };
        let units = match codec {
            Codec::AVC | Codec::HEVC => vec![FrameId::of_byte_stream(codec, &pes.payload)?],
            Codec::AAC => {
                let frames = es::adts(&pes.payload)?;
                frames
                    .into_iter()
                    .map(|frame| FrameId::of_bytes(codec, &pes.payload[frame.payload]))
                    .collect()
            }
            Codec::OPUS => {
                let packets = es::opus(&pes.payload)?;
                packets.into_iter().map(|packet| FrameId::of_bytes(codec, &pes.payload[packet])).collect()
            }
            // Several frames of these may be in a packet, with nothing between them.
            _ => return Ok(()),
        };
        let kind = if matches!(codec, Codec::AVC | Codec::HEVC) { VIDEO } else { AUDIO };
        self.clock(court, kind, pes);
        for frame_id in units {
            self.unit(court, kind, codec, frame_id, pes);
        }
        Ok(())
    }

    /// I9, I12: time goes on. (33 bits of 90 kHz, of which 32 and a half are enough to tell the way.)
    fn clock(&mut self, court: &mut Court<'_>, kind: u8, pes: &Pes) {
        let half = u32::try_from((pes.dts >> 1) & 0xffff_ffff).expect("32 bits");
        let fresh = !self.times.contains_key(&kind);
        let (unwrap, last) = self.times.entry(kind).or_default();
        let ticks = unwrap.next(half) * 2 + i64::from(pes.dts & 1 == 1);
        let goes_on = fresh || if kind == VIDEO { ticks > *last } else { ticks >= *last };
        if !goes_on {
            let invariant = if *last % (1 << 33) > 0x1_ffff_0000 { "I12" } else { "I9" };
            let words = format!("time goes from {last} to {ticks} ticks in a transport stream");
            court.verdict.add(invariant, court.conn_no, words);
        }
        *last = ticks;
        let at_us = ticks * 100 / 9;
        let codec = if kind == VIDEO { Codec::AVC } else { Codec::AAC };
        let fresh = TrackReport { codec, frames: 0, keys: 0, configs: 0, dts_us: (at_us, at_us), hash: 0 };
        self.report.tracks.entry((kind, 0)).or_insert(fresh).dts_us.1 = at_us;
    }

    fn unit(&mut self, court: &mut Court<'_>, kind: u8, codec: Codec, frame_id: FrameId, pes: &Pes) {
        if let Some(seen) = self.report.tracks.get_mut(&(kind, 0)) {
            seen.codec = codec;
            seen.frames += 1;
            seen.keys += u64::from(pes.random_access && kind == VIDEO);
            seen.hash = mixed(seen.hash, pes.payload.len() as u64);
        }
        let name = self.report.stream.clone();
        let before = self.positions.get(&kind).copied();
        if kind == VIDEO && !std::mem::replace(&mut self.seen_video, true) && !pes.random_access {
            court.verdict.add("I2", court.conn_no, "the first picture is no keyframe".to_owned());
        }
        loop {
            if let Some(stream) = court.model.streams.get(&name)
                && let Some(position) = find(stream, before, (kind, 0), frame_id, pes.dts)
            {
                self.positions.insert(kind, position);
                if let Some(before) = before.filter(|_| kind == VIDEO) {
                    self.went_on(court, before, position);
                }
                return;
            }
            if !court.model.presume(court.verdict.at_us, &name) {
                return self.unknown(court, kind, frame_id, pes.dts);
            }
        }
    }

    fn unknown(&self, court: &mut Court<'_>, kind: u8, frame_id: FrameId, dts: u64) {
        let stream = court.model.streams.get(&self.report.stream);
        if stream.is_some_and(|stream| stream.is_doubtful() || stream.repeats()) {
            return;
        }
        let (back, position) = (
            stream.and_then(|stream| find(stream, None, (kind, 0), frame_id, dts)),
            self.positions.get(&kind),
        );
        let (invariant, what) = match (back, position) {
            (Some(back), Some(position)) if back.session < position.session => {
                ("I7", "a frame of a former publisher")
            }
            (Some(_), _) => ("I1", "a frame comes again, or too late"),
            (None, _) => ("I6", "this was not published"),
        };
        let track = if kind == VIDEO { "video" } else { "audio" };
        let words = format!("{track} at {dts} ticks");
        court.verdict.add(invariant, court.conn_no, format!("{what}, in a transport stream: {words}"));
    }

    fn went_on(&mut self, court: &mut Court<'_>, before: Position, position: Position) {
        let Some(stream) = court.model.streams.get(&self.report.stream) else { return };
        if stream.repeats() {
            return;
        }
        let Some(gap) = gap::between(stream, before, position, is_shown) else { return };
        self.report.gaps += 1;
        self.report.missed += gap.missed;
        let rules = &court.model.rules;
        let key = stream.frame(position).is_none_or(|frame| frame.key);
        // Its place in the ring was behind the last picture that came, at sound that has not come yet, or at
        // the first picture that is missing.
        let places = stream.behind(before).map(|(at, _)| at).take_while(|at| *at <= gap.first);
        let excused = self.report.stalled
            || gap.excused
            || !rules.settings_hold
            || std::iter::once(before).chain(places).any(|at| gap::overtaken(stream, rules, at));
        let words = format!("{} pictures are missing in a transport stream", gap.missed);
        if !key {
            court.verdict.add("I3", court.conn_no, format!("a gap does not end at a keyframe: {words}"));
        } else if !excused {
            court.verdict.add("I4", court.conn_no, format!("the player took everything: {words}"));
        }
    }
}

/// Pictures that a transport stream has a place for: of a codec that it knows, configured, and not torn
/// before the first part is whole.
fn is_shown(frame: &Accepted) -> bool {
    let known = matches!(frame.codec, Codec::AVC | Codec::HEVC);
    frame.track.0 == VIDEO && known && frame.configured && !frame.frame_id.is_nothing()
}

/// The frame that this may be: by preference one at the right time, since silence is always the same.
fn find(
    stream: &Stream,
    before: Option<Position>,
    track: (u8, u8),
    frame_id: FrameId,
    dts: u64,
) -> Option<Position> {
    let same = |frame: &Accepted| frame.track == track && frame.frame_id == frame_id;
    let fits = |frame: &Accepted| {
        let delta = stream.delta(frame.place.stretch).map_or(0, |(delta, _)| delta);
        let expected = (frame.place.dts_us + delta * 1000) * 9 / 100 + START_TICKS;
        // 32 bits of milliseconds and 33 bits of ticks wrap at different times.
        let off = (i64::try_from(dts).expect("33 bits") - expected).rem_euclid(1 << 33);
        off <= 180 || off >= (1 << 33) - 180
    };
    let mut found = None;
    let mut choose = |frames: &mut dyn Iterator<Item = (Position, &Accepted)>| {
        for (position, _) in frames.filter(|(_, frame)| same(frame)) {
            if stream.frame(position).is_some_and(fits) {
                return Some(position);
            }
            found.get_or_insert(position);
        }
        found
    };
    match before {
        Some(before) => choose(&mut stream.behind(before)),
        None => choose(&mut stream.backwards()),
    }
}

/// Where the server's transport streams begin to count, in ticks of 90 kHz.
const START_TICKS: i64 = 126_000;
