//! What one measurement found: as a row for people, as JSON for [`crate::table`].

use crate::clock::SECOND;
use crate::engine::Engine;
use crate::histogram::Histogram;
use crate::plan::Plan;
use crate::probe::Answers;
use crate::system::Sample;
use crate::viewer::Viewer;
use serde_json::{Value, json};
use std::fmt;

/// The numbers of one measurement.
#[derive(Clone, Debug)]
pub struct Report {
    /// `rtmp`, `flv` or `bare`.
    pub protocol: &'static str,
    /// Number of players.
    pub players: usize,
    /// Number of streams.
    pub streams: u16,
    /// Frames that all publishers sent in the window; none if another process published.
    pub frames: u64,
    /// Length of the window in seconds, as it was.
    pub wall: f64,
    /// Bytes of frames sent in the window that arrived, of all players together; of players that do not check
    /// frames, bytes that came within it.
    pub bytes: u64,
    /// Those bytes divided by what should have arrived; 1 if every byte did.
    pub delivered: f64,
    /// The same of the player that got least.
    pub worst: f64,
    /// Bytes of the player to which most came within the window, divided by those of the one to which least
    /// came; infinite if that is nothing. They may be on several streams.
    pub spread: f64,
    /// Players that look and got every frame of the window once, in order and right, and nothing wrong
    /// before.
    pub complete: usize,
    /// Players that got nothing in the window.
    pub empty: usize,
    /// The longest pause of any player, in milliseconds.
    pub pause_ms: f64,
    /// Sums over all players: see [`Viewer`].
    pub faults: Faults,
    /// Connections that failed, and the first reason.
    pub failed: usize,
    /// The first reason why a connection failed.
    pub fault: Option<String>,
    /// From the publisher's write to the player's read, of pictures, in milliseconds: median, 99 %, largest.
    pub video_ms: [f64; 3],
    /// The same of sound, which may wait for a picture to ride along with.
    pub audio_ms: [f64; 3],
    /// The same of all frames.
    pub latency_ms: [f64; 3],
    /// From connecting to the first keyframe, in milliseconds: median, 99 %, largest.
    pub first_ms: [f64; 3],
    /// The same from asking for the stream.
    pub asked_ms: [f64; 3],
    /// The same of all frames that arrived in the window, whenever they were sent.
    pub age_ms: [f64; 3],
    /// True if players were read rarely: what was delivered is then what arrived in the window, sent in it or
    /// before, with what the protocol adds.
    pub by_arrival: bool,
    /// How late the publishers wrote, in milliseconds, 99 %: above a few, this process was overloaded.
    pub late_ms: f64,
    /// Processor seconds within the window.
    pub cpu: Option<Sample>,
    /// Whether the server was pinned to one processor, so that `cpu.core` was measured.
    pub pinned: bool,
    /// The server's resident memory before the players came and at the end of the window, in KiB.
    pub rss_kib: Option<(u64, u64)>,
    /// The most that it ever was.
    pub rss_peak_kib: Option<u64>,
    /// How the server answered other questions within the window.
    pub answers: Option<Answers>,
}

/// Sums over all players.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Frames that were left out.
    pub lost: u64,
    /// Gaps that did not end at a keyframe.
    pub torn: u64,
    /// Frames that came twice or too late.
    pub repeated: u64,
    /// Frames with wrong bytes.
    pub corrupt: u64,
    /// Pauses of more than a second.
    pub stalls: u64,
}

impl Report {
    /// What `engine` saw.
    pub fn new(plan: &Plan, engine: &Engine, wall: f64) -> Self {
        let expected = expected(plan, engine);
        let looking = || engine.viewers().filter(|viewer| !viewer.blind);
        let by_arrival = plan.look_ms > 0;
        let shares: Vec<f64> = match by_arrival {
            true => engine.viewers().map(|viewer| arrived(viewer, &expected)).collect(),
            false => looking().map(|viewer| share(viewer, &expected)).collect(),
        };
        let looked: u64 = looking().map(|viewer| viewer.window_bytes).sum();
        let wanted: u64 = match &expected {
            Some(expected) => looking().map(|viewer| expected[usize::from(viewer.stream)]).sum(),
            None => 0,
        };
        let delivered = match wanted {
            _ if by_arrival => shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            0 => shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            wanted => looked as f64 / wanted as f64,
        };
        let blind: u64 = engine.viewers().filter(|viewer| viewer.blind).map(|viewer| viewer.wire_bytes).sum();
        let flawless = |viewer: &&Viewer| viewer.is_flawless() && share(viewer, &expected) == 1.0;
        let complete = looking().filter(flawless).count();
        let wires = || engine.viewers().map(|viewer| viewer.wire_bytes);
        let spread = wires().max().unwrap_or(0) as f64 / wires().min().unwrap_or(0) as f64;
        let latency = engine.latency();
        let mut faults = Faults::default();
        let mut first = Histogram::default();
        let mut asked = Histogram::default();
        let mut pause = 0;
        for viewer in engine.viewers() {
            faults.lost += viewer.lost;
            faults.torn += viewer.torn;
            faults.repeated += viewer.repeated;
            faults.corrupt += viewer.corrupt;
            faults.stalls += viewer.stalls;
            pause = viewer.pause_max.max(pause);
            if let Some(at) = viewer.first {
                first.add(at - viewer.started);
                asked.add(at.saturating_sub(viewer.asked.unwrap_or(at)));
            }
        }
        let worst = shares.iter().copied().fold(f64::INFINITY, f64::min);
        Report {
            protocol: plan.play.protocol.name(),
            players: engine.viewers().count(),
            streams: plan.streams,
            frames: engine.publishers().map(|publisher| publisher.window_frames).sum(),
            wall,
            bytes: looked + blind,
            delivered,
            worst,
            spread,
            complete,
            empty: engine.viewers().filter(|viewer| viewer.wire_bytes == 0).count(),
            pause_ms: ms(pause),
            faults,
            failed: engine.failed(),
            fault: engine.fault().map(ToString::to_string),
            video_ms: quantiles(&latency.video),
            audio_ms: quantiles(&latency.audio),
            latency_ms: quantiles(&latency.video.merge(&latency.audio)),
            age_ms: quantiles(&latency.age),
            by_arrival,
            first_ms: quantiles(&first),
            asked_ms: quantiles(&asked),
            late_ms: quantiles(engine.lateness())[1],
            cpu: None,
            pinned: false,
            rss_kib: None,
            rss_peak_kib: None,
            answers: None,
        }
    }

    /// Gigabits of frames delivered.
    pub fn gbit(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e9
    }

    /// The server's processor seconds per gigabit delivered.
    pub fn cpu_per_gbit(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.process / self.gbit())
    }

    /// The server's time in user space for each frame that was published, however many players it went to, in
    /// microseconds; `None` if nothing was published here.
    pub fn user_us_per_frame(&self) -> Option<f64> {
        let cpu = self.cpu.filter(|_| self.frames > 0)?;
        Some(cpu.user * 1e6 / self.frames as f64)
    }

    /// The server's share of a processor, this process's, and that of others on the server's, in percent.
    pub fn percents(&self) -> Option<(f64, f64, Option<f64>)> {
        let percent = |seconds: f64| (seconds / self.wall * 100.0).max(0.0);
        self.cpu.map(|cpu| {
            let others = self.pinned.then(|| percent(cpu.core - cpu.process));
            (percent(cpu.process), percent(cpu.own), others)
        })
    }

    /// By how much the server's memory grew, per player, in KiB.
    pub fn rss_per_player_kib(&self) -> Option<f64> {
        self.rss_kib.map(|(before, after)| (after as f64 - before as f64) / self.players.max(1) as f64)
    }

    /// Everything, for programs. `server` and `round` say which of many it was.
    pub fn json(&self, server: &str, round: u32) -> Value {
        let percents = self.percents();
        let mut json = json!({
            "kind": "run",
            "server": server,
            "round": round,
            "protocol": self.protocol,
            "players": self.players,
            "streams": self.streams,
            "seconds": self.wall,
            "gbit": self.gbit(),
            "delivered": self.delivered,
            "worst": self.worst,
            "spread": self.spread,
            "complete": self.complete,
            "empty": self.empty,
            "pause_ms": self.pause_ms,
            "lost": self.faults.lost,
            "torn": self.faults.torn,
            "repeated": self.faults.repeated,
            "corrupt": self.faults.corrupt,
            "stalls": self.faults.stalls,
            "failed": self.failed,
            "fault": self.fault,
            "unanswered": self.answers.as_ref().map(|answers| answers.failed),
            "late_p99_ms": self.late_ms,
            "cpu_seconds": self.cpu.map(|cpu| cpu.process),
            "cpu_per_gbit": self.cpu_per_gbit(),
            "frames": self.frames,
            "user_us_per_frame": self.user_us_per_frame(),
            "core_percent": percents.map(|(server, ..)| server),
            "load_percent": percents.map(|(_, load, _)| load),
            "others_percent": percents.and_then(|(.., others)| others),
            "rss_before_kib": self.rss_kib.map(|(before, _)| before),
            "rss_after_kib": self.rss_kib.map(|(_, after)| after),
            "rss_peak_kib": self.rss_peak_kib,
            "rss_per_player_kib": self.rss_per_player_kib(),
        });
        let times = [
            ("latency", Some(self.latency_ms)),
            ("video", Some(self.video_ms)),
            ("audio", Some(self.audio_ms)),
            ("age", self.by_arrival.then_some(self.age_ms)),
            ("first", Some(self.first_ms)),
            ("asked", Some(self.asked_ms)),
            ("answer", self.answers.as_ref().map(|answers| quantiles(&answers.times))),
        ];
        for (name, three) in times {
            add_quantiles(&mut json, name, three);
        }
        json
    }
}

/// One line for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} {}", self.players, self.streams, self.protocol)?;
        write!(f, " | delivered {:.4}, worst {:.4}, {} complete", self.delivered, self.worst, self.complete)?;
        write!(f, " | {} stalls, longest pause {:.0} ms", self.faults.stalls, self.pause_ms)?;
        if self.worst < 1.0 || self.empty > 0 {
            write!(f, ", most/least {:.2}, {} without media", self.spread, self.empty)?;
        }
        let Faults { lost, torn, repeated, corrupt, .. } = self.faults;
        if lost + torn + repeated + corrupt > 0 {
            write!(f, ", {lost} lost, {torn} torn, {repeated} repeated, {corrupt} corrupt")?;
        }
        let [p50, p99, max] = self.video_ms;
        write!(f, " | video latency {p50:.2} / {p99:.2} / {max:.2} ms, audio {:.2} ms", self.audio_ms[0])?;
        write!(f, ", all {:.2} ms, first frame {:.1} ms", self.latency_ms[0], self.first_ms[0])?;
        if let (Some(cpu), Some((server, load, others))) = (self.cpu_per_gbit(), self.percents()) {
            write!(f, " | {cpu:.4} CPU s/Gbit, core {server:.1} %, load {load:.0} %")?;
            if let Some(others) = others {
                write!(f, ", others {others:.0} %")?;
            }
            if let Some(user) = self.user_us_per_frame() {
                write!(f, ", {user:.1} us per frame in user space")?;
            }
        }
        if let (Some(each), Some(peak)) = (self.rss_per_player_kib(), self.rss_peak_kib) {
            write!(f, " | RSS {each:.1} KiB/player, peak {:.1} MiB", peak as f64 / 1024.0)?;
        }
        if let Some(answers) = &self.answers {
            let [p50, _, max] = quantiles(&answers.times);
            write!(f, " | API {p50:.1} / {max:.1} ms, {} without answer", answers.failed)?;
        }
        if self.by_arrival {
            let [p50, p99, max] = self.age_ms;
            write!(f, " | what came was {p50:.0} / {p99:.0} / {max:.0} ms old, {} lost", self.faults.lost)?;
        }
        write!(f, " | late {:.1} ms", self.late_ms)?;
        if let Some(fault) = &self.fault {
            write!(f, " | {} failed: {fault}", self.failed)?;
        }
        Ok(())
    }
}

/// Bytes that each stream's publisher sent in the window; `None` if another process published.
fn expected(plan: &Plan, engine: &Engine) -> Option<Vec<u64>> {
    plan.publish.as_ref()?;
    let mut expected = vec![0; usize::from(plan.streams)];
    for publisher in engine.publishers() {
        expected[usize::from(publisher.stream)] = publisher.window_bytes;
    }
    Some(expected)
}

/// What a player got of what it should have got: bytes if that is known, else frames, by its own gaps.
fn share(viewer: &Viewer, expected: &Option<Vec<u64>>) -> f64 {
    let (got, wanted) = match expected {
        Some(expected) => (viewer.window_bytes, expected[usize::from(viewer.stream)]),
        None => (viewer.window_frames, viewer.window_frames + viewer.lost),
    };
    if wanted == 0 { 0.0 } else { got as f64 / wanted as f64 }
}

/// What arrived for a player within the window, of what its publisher sent in it.
fn arrived(viewer: &Viewer, expected: &Option<Vec<u64>>) -> f64 {
    let wanted = expected.as_ref().map_or(0, |expected| expected[usize::from(viewer.stream)]);
    if wanted == 0 { 0.0 } else { viewer.wire_bytes as f64 / wanted as f64 }
}

/// Adds three numbers to an object, as `NAME_p50_ms`, `NAME_p99_ms` and `NAME_max_ms`.
pub fn add_quantiles(json: &mut Value, name: &str, three: Option<[f64; 3]>) {
    for (index, part) in ["p50", "p99", "max"].iter().enumerate() {
        json[format!("{name}_{part}_ms")] = json!(three.map(|three| three[index]));
    }
}

/// Median, 99 % and the largest, in milliseconds.
pub fn quantiles(histogram: &Histogram) -> [f64; 3] {
    [ms(histogram.quantile(0.5)), ms(histogram.quantile(0.99)), ms(histogram.max())]
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 * 1000.0 / SECOND as f64
}
