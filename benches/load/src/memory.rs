//! What each player, each idle connection or each stream costs in resident memory: a number of them, more,
//! and more again, and the straight line through what the server needs.

use crate::client::Target;
use crate::clock::{self, SECOND};
use crate::engine::Engine;
use crate::run::{publish, ramp};
use crate::system::Process;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::fmt;
use std::io;

/// How long newcomers may take to be let in, in nanoseconds.
const JOIN_MAX: u64 = 20 * SECOND;

/// Of what there are more and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Players of one stream.
    Players,
    /// Connections that got one answer and want nothing.
    Idle,
    /// Streams with a publisher each and no players.
    Streams,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Of what.
    pub what: What,
    /// Where publishers connect.
    pub publish: Target,
    /// Where the others connect.
    pub play: Target,
    /// How many, each time more.
    pub steps: Vec<u16>,
    /// Bits per second of each stream.
    pub bitrate: u64,
    /// Connections opened per second.
    pub ramp_per_second: u64,
    /// How long each number stays until memory is read, in seconds; players get a stream as old as this.
    pub settle_seconds: u64,
    /// The server.
    pub pid: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Grown {
    plan: Steps,
    /// How many, and resident KiB.
    points: Vec<(f64, f64)>,
    line: Line,
    failed: usize,
    fault: Option<String>,
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its height at zero.
    pub base: f64,
    /// How much it rises with each one.
    pub slope: f64,
    /// How far off the farthest point is.
    pub off_max: f64,
}

impl Line {
    /// The line that fits points best (least squares).
    pub fn through(points: &[(f64, f64)]) -> Line {
        let n = points.len().max(1) as f64;
        let (mid_x, mid_y) =
            points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (mut xy, mut xx) = (0.0, 0.0);
        for (x, y) in points {
            xy += (x - mid_x) * (y - mid_y);
            xx += (x - mid_x) * (x - mid_x);
        }
        let slope = if xx > 0.0 { xy / xx } else { 0.0 };
        let base = mid_y - slope * mid_x;
        let off_max = points.iter().map(|(x, y)| (y - base - slope * x).abs()).fold(0.0, f64::max);
        Line { base, slope, off_max }
    }
}

impl Steps {
    /// Measures.
    pub fn run(&self) -> io::Result<Grown> {
        let process = Process::new(self.pid)?;
        let mut engine = Engine::new()?;
        if self.what == What::Players {
            publish(&mut engine, &self.publish, 1, self.bitrate, self.ramp_per_second)?;
            engine.run(clock::now() + self.settle_seconds * SECOND, |_| false)?;
        }
        let mut points = Vec::new();
        for step in &self.steps {
            self.grow(&mut engine, *step)?;
            engine.run(clock::now() + self.settle_seconds * SECOND, |_| false)?;
            points.push((f64::from(*step), process.rss_kib()? as f64));
        }
        let line = Line::through(&points);
        let (failed, fault) = (engine.failed(), engine.fault().map(ToString::to_string));
        Ok(Grown { plan: self.clone(), points, line, failed, fault })
    }

    fn grow(&self, engine: &mut Engine, step: u16) -> io::Result<()> {
        let all = usize::from(step);
        match self.what {
            What::Streams => publish(engine, &self.publish, step, self.bitrate, self.ramp_per_second),
            What::Players => {
                let mut coming = engine.viewers().count()..all;
                ramp(engine, self.ramp_per_second, |engine| {
                    coming.next().map(|_| engine.play(&self.play, 0)).is_some()
                })?;
                engine.run(clock::now() + JOIN_MAX, |engine| {
                    engine.viewers().filter(|viewer| viewer.first.is_some()).count() + engine.failed() >= all
                })
            }
            What::Idle => {
                let mut coming = engine.idling()..all;
                ramp(engine, self.ramp_per_second, |engine| {
                    coming.next().map(|_| engine.idle(&self.play)).is_some()
                })?;
                engine.run(clock::now() + JOIN_MAX, |engine| engine.idling() + engine.failed() >= all)
            }
        }
    }
}

impl Grown {
    fn name(&self) -> String {
        self.plan.what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Everything, for programs. `server` and `round` say which of many it was.
    pub fn json(&self, server: &str, round: u32) -> Value {
        json!({
            "kind": "memory",
            "server": server,
            "round": round,
            "what": self.name(),
            "protocol": self.plan.play.protocol.name(),
            "bitrate": self.plan.bitrate,
            "numbers": self.points.iter().map(|(number, _)| number).collect::<Vec<_>>(),
            "rss_kib": self.points.iter().map(|(_, kib)| kib).collect::<Vec<_>>(),
            "each_kib": self.line.slope,
            "base_kib": self.line.base,
            "off_max_kib": self.line.off_max,
            "failed": self.failed,
            "fault": self.fault,
        })
    }
}

/// One line for people.
impl fmt::Display for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        self.points.iter().try_for_each(|(number, kib)| write!(f, " | {number}: {:.1} MiB", kib / 1024.0))?;
        let Line { base, slope, off_max } = self.line;
        write!(f, " | {slope:.2} KiB each on {:.1} MiB, at most {off_max:.0} KiB off", base / 1024.0)?;
        self.fault.iter().try_for_each(|fault| write!(f, " | {} failed: {fault}", self.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_its_points_or_says_how_far_off_they_are() {
        let line = Line::through(&[(100.0, 700.0), (200.0, 900.0), (400.0, 1300.0)]);
        assert!((line.slope - 2.0).abs() < 1e-9 && (line.base - 500.0).abs() < 1e-9 && line.off_max < 1e-6);
        let bent = Line::through(&[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]);
        assert!((bent.off_max - 2.0).abs() < 1e-9 && bent.slope.abs() < 1e-9);
    }
}
