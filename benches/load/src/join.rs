//! How fast players get their first picture, and whether that delays the pictures of others.
//!
//! ```text
//! publisher, watchers ─ warm-up ─▶ calm: a window ─▶ newcomers come ─ the same window ─▶ all have a picture
//! ```

use crate::client::Target;
use crate::clock::{self, MILLI, SECOND};
use crate::engine::Engine;
use crate::histogram::Histogram;
use crate::report::{add_quantiles, quantiles};
use crate::run::{publish, ramp};
use crate::system::{Process, Sample};
use serde_json::{Value, json};
use std::fmt;
use std::io;

/// How long players are measured before others join, in nanoseconds: two groups of pictures.
const CALM: u64 = 4 * SECOND;

/// How long players are measured after the last of the others has joined, in nanoseconds.
const AFTER: u64 = 500 * MILLI;

/// How long the last newcomer may take, in nanoseconds.
const JOIN_MAX: u64 = 20 * SECOND;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Join {
    /// Where the publisher connects.
    pub publish: Target,
    /// Where players connect.
    pub play: Target,
    /// Players that are there before.
    pub watchers: usize,
    /// Players that come.
    pub newcomers: usize,
    /// Within so many seconds, evenly.
    pub within_seconds: f64,
    /// Bits per second of the stream.
    pub bitrate: u64,
    /// The server, to measure its processor time.
    pub pid: Option<u32>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Joined {
    plan: Join,
    /// From connecting, and from asking for the stream, to the first keyframe: median, 99 %, largest.
    first_ms: [f64; 3],
    asked_ms: [f64; 3],
    /// Latency of pictures for the first players, before and while the others join.
    calm_ms: [f64; 3],
    disturbed_ms: [f64; 3],
    /// Newcomers without a picture, and why.
    without: usize,
    fault: Option<String>,
    /// While they came; over so many seconds.
    cpu: Option<Sample>,
    wall: f64,
}

impl Join {
    /// Measures.
    pub fn run(&self) -> io::Result<Joined> {
        let process = self.pid.map(Process::new).transpose()?;
        let mut engine = Engine::new()?;
        publish(&mut engine, &self.publish, 1, self.bitrate, 500)?;
        engine.run(clock::now() + 3 * SECOND, |_| false)?;
        let mut coming = 0..self.watchers;
        ramp(&mut engine, 500, |engine| coming.next().map(|_| engine.play(&self.play, 0)).is_some())?;
        engine.run(clock::now() + SECOND, |_| false)?;

        engine.measure(clock::now()..clock::now() + CALM);
        engine.run(clock::now() + CALM, |_| false)?;
        let calm_ms = quantiles(&engine.latency().video);

        let begin = clock::now();
        let length = (self.within_seconds * SECOND as f64) as u64;
        engine.measure(begin..begin + length + AFTER);
        let before = process.map(|process| process.sample()).transpose()?;
        let rate = (self.newcomers as f64 / self.within_seconds).ceil() as u64;
        let mut coming = 0..self.newcomers;
        ramp(&mut engine, rate, |engine| coming.next().map(|_| engine.join(&self.play, 0)).is_some())?;
        engine.run(begin + length + AFTER, |_| false)?;
        let wall = (clock::now() - begin) as f64 / SECOND as f64;
        let after = process.map(|process| process.sample()).transpose()?;
        let disturbed_ms = quantiles(&engine.latency().video);
        engine.run(clock::now() + JOIN_MAX, |engine| without(engine) == 0)?;

        let (mut first, mut asked) = (Histogram::default(), Histogram::default());
        for viewer in engine.viewers().filter(|viewer| !viewer.counted) {
            let Some(at) = viewer.first else { continue };
            first.add(at - viewer.started);
            asked.add(at.saturating_sub(viewer.asked.unwrap_or(at)));
        }
        Ok(Joined {
            plan: self.clone(),
            first_ms: quantiles(&first),
            asked_ms: quantiles(&asked),
            calm_ms,
            disturbed_ms,
            without: without(&engine),
            fault: engine.fault().map(ToString::to_string),
            cpu: before.zip(after).map(|(before, after)| after.since(before)),
            wall,
        })
    }
}

fn without(engine: &Engine) -> usize {
    engine.viewers().filter(|viewer| !viewer.counted && viewer.first.is_none()).count()
}

impl Joined {
    /// Everything, for programs. `server` and `round` say which of many it was.
    pub fn json(&self, server: &str, round: u32) -> Value {
        let percent = |seconds: f64| seconds / self.wall * 100.0;
        let mut json = json!({
            "kind": "join",
            "server": server,
            "round": round,
            "protocol": self.plan.play.protocol.name(),
            "watchers": self.plan.watchers,
            "newcomers": self.plan.newcomers,
            "within_seconds": self.plan.within_seconds,
            "without": self.without,
            "fault": self.fault,
            "grown_p99_ms": self.disturbed_ms[1] - self.calm_ms[1],
            "core_percent": self.cpu.map(|cpu| percent(cpu.process)),
            "load_percent": self.cpu.map(|cpu| percent(cpu.own)),
            "others_percent": self.cpu.map(|cpu| percent(cpu.core - cpu.process).max(0.0)),
        });
        for (name, three) in [
            ("first", self.first_ms),
            ("asked", self.asked_ms),
            ("calm", self.calm_ms),
            ("disturbed", self.disturbed_ms),
        ] {
            add_quantiles(&mut json, name, Some(three));
        }
        json
    }
}

/// One line for people.
impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Join { watchers, newcomers, within_seconds, .. } = self.plan;
        let [first, first_p99, first_max] = self.first_ms;
        write!(f, "{newcomers} come within {within_seconds} s to {watchers} watchers")?;
        write!(f, " | first picture {first:.2} / {first_p99:.1} / {first_max:.1} ms")?;
        write!(f, ", from asking {:.2} ms, {} without", self.asked_ms[0], self.without)?;
        write!(f, " | watchers: p99 {:.2} ms before, {:.2} ms then", self.calm_ms[1], self.disturbed_ms[1])?;
        self.fault.iter().try_for_each(|fault| write!(f, " | {fault}"))
    }
}
