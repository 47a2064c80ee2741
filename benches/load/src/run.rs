//! One measurement from beginning to end, of one number of players or of several, one after the other.
//!
//! ```text
//! publishers ─ prime ─▶ RSS ─▶ ┌ players, ramp ─▶ all have a frame ─ warm-up ─▶            ┐ for each number
//!                              └ CPU, API ─ window ─▶ CPU, RSS ─ grace ─▶ report           ┘ of players
//! ```
//!
//! Windows begin at the same place of a group of pictures, so that each holds the same keyframes.

use crate::client::Target;
use crate::clock::{self, MILLI, SECOND};
use crate::engine::Engine;
use crate::plan::Plan;
use crate::probe::Probe;
use crate::report::Report;
use crate::source::{GOP_LEN, VIDEO_RATE};
use crate::system::Process;
use std::io;

/// Connections are opened in steps of so many nanoseconds.
const RAMP_STEP: u64 = 10 * MILLI;

/// How long publishers may take to be let in, and players to get their first frame, in nanoseconds.
const JOIN_MAX: u64 = 20 * SECOND;

/// So long after a keyframe windows begin, in nanoseconds: servers that write every 350 ms have written it.
const WINDOW_PHASE: u64 = 500 * MILLI;

/// How long what was sent in the window may take to arrive, in nanoseconds.
const GRACE_MAX: u64 = 3 * SECOND;

impl Plan {
    /// Measures: one report for each number of players.
    pub fn run(&self) -> io::Result<Vec<Report>> {
        let process = self.pid.map(Process::new).transpose()?;
        let mut engine = Engine::new()?;
        self.start_publishers(&mut engine)?;
        let rss_before = process.map(|process| process.rss_kib()).transpose()?;
        let mut reports = Vec::new();
        for players in &self.players {
            self.start_players(&mut engine, *players)?;
            let mut report = self.measure(&mut engine, process)?;
            report.rss_kib = rss_before.zip(report.rss_kib).map(|(before, (_, after))| (before, after));
            reports.push(report);
        }
        Ok(reports)
    }

    fn measure(&self, engine: &mut Engine, process: Option<Process>) -> io::Result<Report> {
        engine.look_every(self.look_ms * MILLI);
        self.wait_for_window(engine)?;
        let start = clock::now();
        let window = start..start + (self.seconds * SECOND as f64) as u64;
        engine.measure(window.clone());
        let before = process.map(|process| process.sample()).transpose()?;
        let probe = self.api.clone().map(|(addr, path)| Probe::start(addr, path)).transpose()?;
        engine.run(window.end, |_| false)?;
        let wall = (clock::now() - start) as f64 / SECOND as f64;
        let after = process.map(|process| process.sample()).transpose()?;
        let answers = probe.map(Probe::stop);
        let rss = process.map(|process| process.rss_kib()).transpose()?;
        let rss_peak = process.map(|process| process.peak_kib()).transpose()?;
        // What is on its way when the window ends was not all delivered within it, but as much was on its way
        // when it began: bytes that arrived in the window are as many as bytes sent in it and arrived at all.
        engine.run(clock::now() + GRACE_MAX, |engine| self.is_complete(engine))?;
        engine.rest(window.end);

        let mut report = Report::new(self, engine, wall);
        if let (Some(process), Some(before), Some(after)) = (process, before, after) {
            report.cpu = Some(after.since(before));
            report.pinned = process.is_pinned();
        }
        report.rss_kib = rss.map(|rss| (rss, rss));
        report.rss_peak_kib = rss_peak;
        report.answers = answers;
        engine.look_every(0);
        engine.forget();
        Ok(report)
    }

    fn wait_for_window(&self, engine: &mut Engine) -> io::Result<()> {
        let now = clock::now();
        let warm = now + self.warm_up_seconds * SECOND;
        let began = engine.gop_began(now);
        let gop = GOP_LEN * SECOND / VIDEO_RATE;
        let at = began.map_or(warm, |began| {
            let first = began + WINDOW_PHASE;
            first + warm.saturating_sub(first).div_ceil(gop) * gop
        });
        engine.run(at, |_| false)
    }

    fn start_publishers(&self, engine: &mut Engine) -> io::Result<()> {
        let Some(target) = &self.publish else { return Ok(()) };
        publish(engine, target, self.streams, self.bitrate, self.ramp_per_second)?;
        engine.run(clock::now() + self.prime_seconds * SECOND, |_| false)
    }

    /// Lets players come until there are so many.
    fn start_players(&self, engine: &mut Engine, players: usize) -> io::Result<()> {
        let there = engine.viewers().count();
        let mut coming = (0..self.streams).cycle().enumerate().take(players).skip(there);
        ramp(engine, self.ramp_per_second, |engine| {
            let Some((number, stream)) = coming.next() else { return false };
            match number.is_multiple_of(self.lookers.max(1)) {
                true => engine.play(&self.play, stream),
                false => engine.play_blind(&self.play, stream),
            }
            true
        })?;
        engine.run(clock::now() + JOIN_MAX, |engine| {
            engine.viewers().filter(|viewer| viewer.first.is_some()).count() + engine.failed() >= players
        })
    }

    /// True if every player has every frame that was sent in the window.
    fn is_complete(&self, engine: &Engine) -> bool {
        let mut sent = vec![0; usize::from(self.streams)];
        for publisher in engine.publishers() {
            sent[usize::from(publisher.stream)] = publisher.window_frames;
        }
        self.publish.is_some()
            && engine
                .viewers()
                .all(|viewer| viewer.blind || viewer.window_frames >= sent[usize::from(viewer.stream)])
    }
}

/// Lets publishers of the streams up to `streams` come, and waits until they may publish.
pub fn publish(
    engine: &mut Engine,
    target: &Target,
    streams: u16,
    bitrate: u64,
    rate: u64,
) -> io::Result<()> {
    let there = engine.publishers().count();
    let mut coming = (0..streams).skip(there);
    ramp(engine, rate, |engine| {
        coming.next().map(|stream| engine.publish(target, stream, bitrate)).is_some()
    })?;
    let all = usize::from(streams);
    engine.run(clock::now() + JOIN_MAX, |engine| engine.publishing() + engine.failed() >= all)?;
    if engine.publishing() == 0 {
        let fault = engine.fault().map_or_else(|| "no answer".to_owned(), ToString::to_string);
        return Err(io::Error::other(format!("no publisher was admitted: {fault}")));
    }
    Ok(())
}

/// Opens so many connections per second until `open` has no more.
pub fn ramp(
    engine: &mut Engine,
    per_second: u64,
    mut open: impl FnMut(&mut Engine) -> bool,
) -> io::Result<()> {
    let begin = clock::now();
    for opened in 1.. {
        if !open(engine) {
            break;
        }
        let next = begin + opened * SECOND / per_second.max(1);
        if next > clock::now() + RAMP_STEP || opened % per_second.max(1) == 0 {
            engine.run(next, |_| false)?;
        }
    }
    Ok(())
}
