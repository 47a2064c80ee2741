//! Viewers of HLS: each polls the playlist and fetches every segment that is new, on a connection that stays.
//!
//! ```text
//! publisher ─ until the playlist is long enough ─▶ viewers, ramp ─▶ warm-up ─▶
//! CPU ─ window ─▶ CPU ─▶ report
//! ```
//!
//! What each viewer gets of a segment is compared, byte by byte, with what the first got of it.

mod response;
mod viewer;

use crate::client::Target;
use crate::clock::{self, SECOND};
use crate::engine::Engine;
use crate::histogram::Histogram;
use crate::report::{add_quantiles, quantiles};
use crate::run::publish;
use crate::system::{Process, Sample};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use viewer::Viewer;

/// How long the playlist may take to be long enough, in nanoseconds.
const BEGIN_MAX: u64 = 30 * SECOND;

/// Bytes that one read may bring.
const READ_LEN: usize = 256 << 10;

/// Segments that are remembered, to compare.
const LIBRARY_MAX: usize = 24;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Hls {
    /// Where the publisher connects.
    pub publish: Target,
    /// The server of playlist and segments.
    pub http: SocketAddr,
    /// The playlist's path.
    pub path: String,
    /// Number of viewers.
    pub viewers: usize,
    /// They come within so many seconds, and poll so often: a segment's length, as the standard says.
    pub poll_seconds: f64,
    /// Bits per second of the stream.
    pub bitrate: u64,
    /// How long they watch before the window, and the window.
    pub warm_up_seconds: u64,
    /// Length of the window.
    pub seconds: u64,
    /// The process of the server, to measure its processor time.
    pub pid: Option<u32>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Watched {
    plan: Hls,
    counts: Counts,
    cpu: Option<Sample>,
    wall: f64,
    rss_kib: Option<u64>,
}

/// What viewers count, all together; of the window alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Bytes of segments.
    bytes: u64,
    playlists: u64,
    segments: u64,
    /// Answers other than 200, broken ones, and connections that failed.
    errors: u64,
    /// The first of them, in words.
    fault: Option<String>,
    /// Segments of which a viewer got other bytes than the first.
    differing: u64,
    /// Segments that a viewer would have wanted and that had left the playlist.
    missed: u64,
    /// From the request to the last byte.
    playlist_times: Histogram,
    segment_times: Histogram,
    /// From connecting to the end of the first segment, of all viewers ever.
    first_times: Histogram,
}

/// Segments as the first viewer got them, by name.
pub(crate) type Library = BTreeMap<String, Vec<u8>>;

impl Hls {
    /// Measures.
    pub fn run(&self) -> io::Result<Watched> {
        let process = self.pid.map(Process::new).transpose()?;
        let mut engine = Engine::new()?;
        publish(&mut engine, &self.publish, 1, self.bitrate, 500)?;
        self.wait_for_playlist(&mut engine)?;

        let mut crowd = Crowd::new(self)?;
        let begin = clock::now();
        let ramp = (self.poll_seconds * SECOND as f64) as u64;
        crowd.run(&mut engine, begin + ramp + self.warm_up_seconds * SECOND)?;
        let first_times = crowd.counts.first_times.clone();
        crowd.counts = Counts { first_times, ..Counts::default() };
        let start = clock::now();
        let before = process.map(|process| process.sample()).transpose()?;
        crowd.run(&mut engine, start + self.seconds * SECOND)?;
        let wall = (clock::now() - start) as f64 / SECOND as f64;
        let after = process.map(|process| process.sample()).transpose()?;
        Ok(Watched {
            plan: self.clone(),
            counts: crowd.counts,
            cpu: before.zip(after).map(|(before, after)| after.since(before)),
            wall,
            rss_kib: process.map(|process| process.rss_kib()).transpose()?,
        })
    }

    /// Publishes until a new viewer finds three segments.
    fn wait_for_playlist(&self, engine: &mut Engine) -> io::Result<()> {
        let until = clock::now() + BEGIN_MAX;
        let mut alone = Crowd::new(&Hls { viewers: 1, ..self.clone() })?;
        while clock::now() < until {
            alone.run(engine, clock::now() + SECOND / 2)?;
            if alone.viewers.iter().any(|viewer| viewer.listed >= 3) {
                return Ok(());
            }
            if alone.viewers.iter().all(|viewer| viewer.socket.is_none()) {
                alone = Crowd::new(&Hls { viewers: 1, ..self.clone() })?;
            }
        }
        let fault = alone.counts.fault.unwrap_or_else(|| "too few segments".to_owned());
        Err(io::Error::other(format!("no playlist at {}{}: {fault}", self.http, self.path)))
    }
}

/// All viewers.
struct Crowd {
    poll: Poll,
    viewers: Vec<Viewer>,
    counts: Counts,
    library: Library,
    buffer: Vec<u8>,
    http: SocketAddr,
    path: String,
    poll_every: u64,
}

impl Crowd {
    fn new(plan: &Hls) -> io::Result<Self> {
        let poll_every = (plan.poll_seconds * SECOND as f64) as u64;
        let now = clock::now();
        let at = |index: usize| now + poll_every * index as u64 / plan.viewers.max(1) as u64;
        Ok(Crowd {
            poll: Poll::new()?,
            viewers: (0..plan.viewers).map(|index| Viewer::new(at(index))).collect(),
            counts: Counts::default(),
            library: Library::new(),
            buffer: vec![0; READ_LEN],
            http: plan.http,
            path: plan.path.clone(),
            poll_every,
        })
    }

    /// Lets publisher and viewers do what they do.
    fn run(&mut self, engine: &mut Engine, until: u64) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while clock::now() < until {
            // The publisher writes a frame every few milliseconds; the viewers' sockets can wait as long.
            engine.run(clock::now() + 2 * clock::MILLI, |_| false)?;
            self.ask_due()?;
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                let viewer = &mut self.viewers[event.token().0];
                let result = viewer.handle(event, &mut self.buffer, &mut self.library, &mut self.counts);
                if let Err(fault) = result {
                    viewer.socket = None;
                    self.counts.errors += 1;
                    self.counts.fault.get_or_insert(fault.to_string());
                }
            }
            while self.library.len() > LIBRARY_MAX {
                self.library.pop_first();
            }
        }
        Ok(())
    }

    /// Viewers whose time has come connect or request the playlist.
    fn ask_due(&mut self) -> io::Result<()> {
        let now = clock::now();
        for (index, viewer) in self.viewers.iter_mut().enumerate() {
            if viewer.due > now {
                continue;
            }
            viewer.due = now + self.poll_every;
            if viewer.is_new() {
                let mut socket = TcpStream::connect(self.http)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut socket, Token(index), interest)?;
                viewer.connect(socket, &self.http.to_string(), &self.path);
            } else {
                viewer.ask_for_playlist();
            }
        }
        Ok(())
    }
}

impl Watched {
    /// Gigabits of segments in the window.
    pub fn gbit(&self) -> f64 {
        self.counts.bytes as f64 * 8.0 / 1e9
    }

    /// The server's processor seconds per gigabit.
    pub fn cpu_per_gbit(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.process / self.gbit())
    }

    /// Everything, for programs. `server` and `round` say which of many it was.
    pub fn json(&self, server: &str, round: u32) -> Value {
        let percent = |seconds: f64| seconds / self.wall * 100.0;
        let expected = self.plan.viewers as f64 * self.plan.bitrate as f64 * self.wall / 1e9;
        let counts = &self.counts;
        let mut json = json!({
            "kind": "hls",
            "server": server,
            "round": round,
            "viewers": self.plan.viewers,
            "gbit": self.gbit(),
            "of_bitrate": self.gbit() / expected,
            "playlists": counts.playlists,
            "segments": counts.segments,
            "errors": counts.errors,
            "differing": counts.differing,
            "missed": counts.missed,
            "fault": counts.fault,
            "cpu_per_gbit": self.cpu_per_gbit(),
            "core_percent": self.cpu.map(|cpu| percent(cpu.process)),
            "load_percent": self.cpu.map(|cpu| percent(cpu.own)),
            "others_percent": self.cpu.map(|cpu| percent(cpu.core - cpu.process).max(0.0)),
            "rss_kib": self.rss_kib,
        });
        for (name, times) in [
            ("playlist", &counts.playlist_times),
            ("segment", &counts.segment_times),
            ("first", &counts.first_times),
        ] {
            add_quantiles(&mut json, name, Some(quantiles(times)));
        }
        json
    }
}

/// One line for people.
impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { segments, playlists, errors, differing, missed, .. } = self.counts;
        write!(f, "{} viewers | {segments} segments, {playlists} playlists", self.plan.viewers)?;
        write!(f, " | {:.2} Gbit, {errors} errors, {differing} differing, {missed} missed", self.gbit())?;
        let [p50, p99, _] = quantiles(&self.counts.segment_times);
        let [playlist, ..] = quantiles(&self.counts.playlist_times);
        write!(f, " | segment {p50:.1} / {p99:.1} ms, playlist {playlist:.1} ms")?;
        if let (Some(each), Some(cpu)) = (self.cpu_per_gbit(), self.cpu) {
            let percent = |seconds: f64| seconds / self.wall * 100.0;
            let (core, load) = (percent(cpu.process), percent(cpu.own));
            write!(f, " | {each:.4} CPU s/Gbit, core {core:.1} %, load {load:.0} %")?;
        }
        self.counts.fault.iter().try_for_each(|fault| write!(f, " | {fault}"))
    }
}
