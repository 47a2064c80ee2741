//! One measurement from beginning to end.
//!
//! ```text
//! publishers ─ prime ─▶ RSS ─ players, ramp ─▶ all have a frame ─ warm-up ─▶
//! CPU ─ window ─▶ CPU, RSS ─ grace ─▶ report
//! ```

use crate::client::Target;
use crate::clock::{self, MILLI, SECOND};
use crate::engine::Engine;
use crate::report::Report;
use crate::system::{Process, Sample};
use std::io;

/// Connections are opened in steps of so many nanoseconds.
const RAMP_STEP: u64 = 10 * MILLI;

/// How long publishers may take to be let in, and players to get their first frame, in nanoseconds.
const JOIN_MAX: u64 = 20 * SECOND;

/// How long what was sent in the window may take to arrive, in nanoseconds.
const GRACE_MAX: u64 = 3 * SECOND;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where publishers connect; `None`: somebody else publishes.
    pub publish: Option<Target>,
    /// Where players connect.
    pub play: Target,
    /// Number of streams.
    pub streams: u16,
    /// Number of players; the streams share them evenly.
    pub players: usize,
    /// Bits per second of each stream.
    pub bitrate: u64,
    /// Connections opened per second.
    pub ramp_per_second: u64,
    /// How long publishers run alone, in seconds: the server's buffers are full before its memory is read.
    pub prime_seconds: u64,
    /// Time between the last player's first frame and the window, in seconds.
    pub warm_up_seconds: u64,
    /// Length of the window, in seconds.
    pub seconds: u64,
    /// The server; `None`: its processor time and memory are not measured.
    pub pid: Option<u32>,
}

impl Plan {
    /// One stream of 1 Mbit/s, published over RTMP, with `players` players.
    pub fn new(publish: Option<Target>, play: Target, players: usize) -> Self {
        Plan {
            publish,
            play,
            streams: 1,
            players,
            bitrate: 1_000_000,
            ramp_per_second: 500,
            prime_seconds: 6,
            warm_up_seconds: 3,
            seconds: 10,
            pid: None,
        }
    }

    /// Measures.
    pub fn run(&self) -> io::Result<Report> {
        let process = self.pid.map(Process::new).transpose()?;
        let mut engine = Engine::new()?;
        self.start_publishers(&mut engine)?;
        let rss_before = process.map(|process| process.rss_kib()).transpose()?;
        self.start_players(&mut engine)?;
        engine.run(clock::now() + self.warm_up_seconds * SECOND, |_| false)?;

        let start = clock::now();
        let window = start..start + self.seconds * SECOND;
        engine.measure(window.clone());
        let before = process.map(|process| process.sample()).transpose()?;
        engine.run(window.end, |_| false)?;
        let wall = (clock::now() - start) as f64 / SECOND as f64;
        let after = process.map(|process| process.sample()).transpose()?;
        let rss_after = process.map(|process| process.rss_kib()).transpose()?;
        let rss_peak = process.map(|process| process.peak_kib()).transpose()?;
        // What is on its way when the window ends was not all delivered within it, but as much was on its way
        // when it began: bytes that arrived in the window are as many as bytes sent in it and arrived at all.
        engine.run(clock::now() + GRACE_MAX, |engine| self.is_complete(engine))?;
        engine.rest(window.end);

        let mut report = Report::new(self, &engine, wall);
        if let (Some(process), Some(before), Some(after)) = (process, before, after) {
            report.cpu = Some(Sample {
                process: after.process - before.process,
                own: after.own - before.own,
                core: after.core - before.core,
            });
            report.pinned = process.is_pinned();
        }
        report.rss_kib = rss_before.zip(rss_after);
        report.rss_peak_kib = rss_peak;
        Ok(report)
    }

    fn start_publishers(&self, engine: &mut Engine) -> io::Result<()> {
        let Some(target) = &self.publish else { return Ok(()) };
        let mut streams = 0..self.streams;
        self.ramp(engine, |engine| {
            streams.next().map(|stream| engine.publish(target, stream, self.bitrate)).is_some()
        })?;
        let all = usize::from(self.streams);
        engine.run(clock::now() + JOIN_MAX, |engine| engine.publishing() + engine.failed() >= all)?;
        if engine.publishing() == 0 {
            let fault = engine.fault().map_or_else(|| "no answer".to_owned(), ToString::to_string);
            return Err(io::Error::other(format!("nobody may publish: {fault}")));
        }
        engine.run(clock::now() + self.prime_seconds * SECOND, |_| false)
    }

    fn start_players(&self, engine: &mut Engine) -> io::Result<()> {
        let mut streams = (0..self.streams).cycle().take(self.players);
        self.ramp(engine, |engine| streams.next().map(|stream| engine.play(&self.play, stream)).is_some())?;
        engine.run(clock::now() + JOIN_MAX, |engine| {
            engine.viewers().filter(|viewer| viewer.first.is_some()).count() + engine.failed() >= self.players
        })
    }

    /// Opens connections at the rate of the plan until `open` has no more.
    fn ramp(&self, engine: &mut Engine, mut open: impl FnMut(&mut Engine) -> bool) -> io::Result<()> {
        let step = (self.ramp_per_second * RAMP_STEP / SECOND).max(1);
        loop {
            for _ in 0..step {
                if !open(engine) {
                    return Ok(());
                }
            }
            engine.run(clock::now() + RAMP_STEP, |_| false)?;
        }
    }

    /// True if every player has every frame that was sent in the window.
    fn is_complete(&self, engine: &Engine) -> bool {
        let mut sent = vec![0; usize::from(self.streams)];
        for publisher in engine.publishers() {
            sent[usize::from(publisher.stream)] = publisher.window_frames;
        }
        self.publish.is_some()
            && engine.viewers().all(|viewer| viewer.window_frames >= sent[usize::from(viewer.stream)])
    }
}
