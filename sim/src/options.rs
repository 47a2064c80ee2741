//! The options of a run, all drawn from its seed: peers, media, limits, faults.
//!
//! Each part has a random generator of its own, forked from the seed by a label, so that a new option or
//! fault does not change every run.

use crate::disk::DiskFaults;
use crate::fault::{self, Fault};
use crate::rng::{Draws, fork};
use crate::socket_faults::SocketFaults;
use clap::ValueEnum;
use conformance::rng::Rng;
use dacapo::config::{Config, Flush, HlsLayout, Second, Start};
use dacapo::driver::Limits;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Small and short: for a look, and for tests
    Lite,
    /// Everything: for campaigns
    Swarm,
    /// No faults, 1 publisher and 20 players, for a minute: for measuring
    Perf,
}

/// The format that a player requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RTMP.
    Rtmp,
    /// HTTP-FLV.
    Flv,
    /// FLV on a WebSocket.
    WsFlv,
    /// MPEG-TS over HTTP.
    Ts,
    /// AAC over HTTP.
    Aac,
    /// HLS.
    Hls,
}

/// All of them.
pub const FORMS: [Form; 6] = [Form::Rtmp, Form::Flv, Form::WsFlv, Form::Ts, Form::Aac, Form::Hls];

/// The part of a peer in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Publishes.
    Publisher {
        /// Index of the stream.
        stream: usize,
        /// True: any encoder with any media. False: a well-behaved one.
        wild: bool,
    },
    /// Plays.
    Player {
        /// Index of the stream.
        stream: usize,
        /// Format.
        form: Form,
        /// True: it leaves and returns. False: it stays.
        wild: bool,
    },
    /// Requests the API.
    Operator {
        /// True: ends other connections from time to time.
        wild: bool,
    },
    /// Attacks the server.
    Attacker,
}

/// A peer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Casting {
    /// Its part.
    pub part: Part,
    /// Time of its first connection, in microseconds.
    pub dial_us: u64,
    /// True if it must get what it waits for at the end of the run.
    pub core: bool,
}

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Kind of the run.
    pub mode: Mode,
    /// The faults.
    pub faults: BTreeSet<Fault>,
    /// The configuration at the beginning.
    pub config: Config,
    /// True if its limits are small, so that they are reached.
    pub tight: bool,
    /// The peers.
    pub parts: Vec<Casting>,
    /// Length of the part with faults, in microseconds.
    pub hard_us: u64,
    /// Faults of reads and writes.
    pub socket_faults: SocketFaults,
    /// Budgets and limits of the loop.
    pub loop_limits: Limits,
    /// Faults of the disk at the beginning.
    pub disk: DiskFaults,
    /// True: the operator drains the server at the end. False: all peers leave.
    pub drains: bool,
    /// True for checks of isolation: the process never lacks time, and the bytes of each connection are kept.
    pub apart: bool,
}

impl Options {
    /// The options of the run `seed`.
    pub fn draw(seed: u64, mode: Mode) -> Self {
        let faults = if mode == Mode::Perf { BTreeSet::new() } else { fault::draw(seed) };
        let mut rng = fork(seed, "options");
        let hard_us = match mode {
            Mode::Lite => rng.between(2_000_000, 6_000_000),
            Mode::Swarm => rng.between(4_000_000, 25_000_000),
            Mode::Perf => 60_000_000,
        };
        let drains = rng.chance(300);
        let parts = cast(seed, mode, &faults, hard_us);
        let tight = mode != Mode::Perf && fork(seed, "tight").chance(500);
        let config = configure(seed, tight, &parts);
        let (socket_faults, disk) = (fault::socket_faults(seed, &faults), DiskFaults::default());
        Options {
            seed,
            mode,
            faults,
            config,
            tight,
            parts,
            hard_us,
            socket_faults,
            loop_limits: loop_limits(seed, tight),
            disk,
            drains,
            apart: false,
        }
    }

    /// Another configuration that the operator of this run may load in its middle: what decides where players
    /// start, who may publish, and whether there is HLS stays.
    pub fn redrawn(&self, number: u64) -> Config {
        let mut config = configure(number, self.tight, &self.parts);
        config.stream.publish.second = self.config.stream.publish.second;
        config.stream.play.start = self.config.stream.play.start;
        config.stream.hls.enabled = self.config.stream.hls.enabled;
        fit(&mut config);
        config
    }

    /// The places of those whose part is like this.
    pub fn places(&self, is: impl Fn(&Part) -> bool) -> Vec<usize> {
        let fits = |(place, casting): (usize, &Casting)| is(&casting.part).then_some(place);
        self.parts.iter().enumerate().filter_map(fits).collect()
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: &dyn Fn(&Part) -> bool| self.places(is).len();
        write!(
            f,
            "seed {} {:?}: {} publishers, {} players, {} operators, {} strangers; {:.1} s of hardship{}; ",
            self.seed,
            self.mode,
            count(&|part| matches!(part, Part::Publisher { .. })),
            count(&|part| matches!(part, Part::Player { .. })),
            count(&|part| matches!(part, Part::Operator { .. })),
            count(&|part| matches!(part, Part::Attacker)),
            self.hard_us as f64 / 1e6,
            if self.tight { ", tight limits" } else { "" },
        )?;
        let stream = &self.config.stream;
        write!(
            f,
            "{:?} {:?} {:?}, linger {} ms, send timeout {} ms, wait {} ms, ring {} frames, {} connections; ",
            stream.publish.second,
            stream.play.start,
            stream.play.flush,
            stream.publish.linger_ms,
            stream.play.send_timeout_ms,
            stream.play.wait_ms,
            stream.ring.frames_max,
            self.config.limits.connections,
        )?;
        write!(f, "faults: ")?;
        for fault in &self.faults {
            write!(f, "{fault:?} ")?;
        }
        write!(f, "{}", if self.drains { "and a drain" } else { "" })
    }
}

fn cast(seed: u64, mode: Mode, faults: &BTreeSet<Fault>, hard_us: u64) -> Vec<Casting> {
    let mut rng = fork(seed, "cast");
    let mut parts = Vec::new();
    let mut add = |part, dial_us, core| parts.push(Casting { part, dial_us, core });
    if mode == Mode::Perf {
        add(Part::Publisher { stream: 0, wild: false }, 0, true);
        for place in 0..20 {
            let form = [Form::Rtmp, Form::Flv][place % 2];
            add(Part::Player { stream: 0, form, wild: false }, 100_000 * (1 + place as u64), true);
        }
        return parts;
    }
    let (streams, players, others) = match mode {
        Mode::Lite => (rng.between(1, 2), 4, 2),
        _ => (rng.between(1, 4), rng.scale(2, 24), 4),
    };
    let come = |rng: &mut Rng| if rng.chance(500) { 0 } else { rng.between(0, hard_us) };
    // The core: one publisher and some players that must be content in the end.
    add(Part::Publisher { stream: 0, wild: false }, come(&mut rng) / 2, true);
    for _ in 0..rng.between(1, 4) {
        add(Part::Player { stream: 0, form: rng.pick(&FORMS), wild: false }, come(&mut rng), true);
    }
    for stream in 1..streams as usize {
        let wild = faults.contains(&Fault::OddMedia) || faults.contains(&Fault::Unpublish);
        add(Part::Publisher { stream, wild: wild && rng.chance(800) }, come(&mut rng), false);
    }
    for _ in 0..players {
        let (stream, form) = (rng.below(streams as usize + 1), rng.pick(&FORMS));
        add(Part::Player { stream, form, wild: rng.chance(600) }, come(&mut rng), false);
    }
    if faults.contains(&Fault::SecondPublisher) {
        for _ in 0..rng.between(1, 3) {
            let stream = rng.below(streams as usize);
            add(Part::Publisher { stream, wild: rng.chance(700) }, come(&mut rng), false);
        }
    }
    if faults.contains(&Fault::Unpublish) {
        let at = rng.between(0, hard_us);
        add(Part::Publisher { stream: streams as usize, wild: true }, at, false);
        for _ in 0..rng.between(1, 12) {
            let form = rng.pick(&FORMS);
            let late = at + rng.between(0, 3_000_000);
            add(Part::Player { stream: streams as usize, form, wild: true }, late, false);
        }
    }
    if faults.contains(&Fault::Attackers) {
        for _ in 0..rng.between(1, others) {
            add(Part::Attacker, come(&mut rng), false);
        }
    }
    if faults.contains(&Fault::Flood) {
        let at = rng.between(0, hard_us);
        for _ in 0..rng.scale(10, 200) {
            add(Part::Attacker, at + rng.between(0, 50_000), false);
        }
    }
    for _ in 0..rng.between(0, 2) {
        add(Part::Operator { wild: rng.chance(300) }, come(&mut rng), false);
    }
    parts
}

/// A configuration. With `tight` limits each knob is small as often as not.
fn configure(seed: u64, tight: bool, parts: &[Casting]) -> Config {
    let mut rng = fork(seed, "config");
    let mut config = Config::default();
    let wanted =
        |casting: &Casting| casting.core && matches!(casting.part, Part::Player { form: Form::Hls, .. });
    let serves_hls = parts.iter().any(wanted);
    let small = |rng: &mut Rng| tight && rng.chance(500);
    let people = parts.iter().filter(|casting| casting.part != Part::Attacker).count();
    if small(&mut rng) {
        config.limits.connections = people + rng.between(0, 4) as usize;
        // Attackers may play anything.
        let may_play = |casting: &&Casting| plays(casting, 0) || casting.part == Part::Attacker;
        config.limits.players_per_stream = parts.iter().filter(may_play).count();
        config.limits.streams = 6;
    }
    if small(&mut rng) {
        config.limits.outbox_bytes = rng.scale(65_536, 1 << 20) as usize;
        config.limits.pinned_bytes = rng.scale(65_536, 1 << 20) as usize;
        config.limits.unproven_bytes = rng.scale(8_192, 65_536) as usize;
    }
    if small(&mut rng) {
        let least = if serves_hls { 1 << 20 } else { 65_536 };
        config.limits.response_bytes = rng.scale(least, 20 << 20) as usize;
        config.stream.hls.segment_bytes_max = rng.scale(65_536, 1 << 20) as usize;
    }
    if small(&mut rng) {
        // A ring holds at least one frame: publishers of larger ones are closed.
        config.stream.ring.bytes_max = rng.scale(65_536, 4 << 20) as usize;
        config.limits.frame_bytes = config.limits.frame_bytes.min(config.stream.ring.bytes_max);
        config.stream.ring.frames_max = rng.scale(16, 300) as usize;
        config.stream.ring.keep_ms = rng.scale(1, 4_000);
    }
    if small(&mut rng) {
        config.rtmp.chunk_size = rng.scale(128, 65_536) as u32;
        config.rtmp.ack_window = rng.scale(16_384, 1 << 20) as u32;
    }
    let timeout = |rng: &mut Rng, least: u64, most: u64| rng.scale(least, most);
    config.rtmp.handshake_timeout_ms = timeout(&mut rng, 2_000, 10_000);
    config.rtmp.idle_timeout_ms = timeout(&mut rng, 2_000, 20_000);
    config.http.head_timeout_ms = timeout(&mut rng, 2_000, 10_000);
    config.http.keep_alive_timeout_ms = timeout(&mut rng, 2_000, 20_000);
    config.drain_timeout_ms = timeout(&mut rng, 100, 10_000);
    let publish = &mut config.stream.publish;
    publish.second = rng.pick(&[Second::Refuse, Second::Replace]);
    publish.linger_ms = rng.pick(&[0, 500, 3_000, 10_000]);
    publish.first_frame_timeout_ms = timeout(&mut rng, 2_000, 10_000);
    publish.frame_timeout_ms = timeout(&mut rng, 2_000, 10_000);
    let play = &mut config.stream.play;
    play.wait_ms = rng.pick(&[0, 1_000, 10_000, 30_000]);
    play.start = rng.pick(&[Start::NewestKey, Start::NewestKey, Start::OldestKey, Start::NextKey]);
    play.flush =
        rng.pick(&[Flush::Frame, Flush::Video, Flush::Video, Flush::Auto, Flush::Ms(100), Flush::Ms(500)]);
    play.send_timeout_ms = timeout(&mut rng, 1_000, 20_000);
    let hls = &mut config.stream.hls;
    let wanted =
        |casting: &Casting| casting.core && matches!(casting.part, Part::Player { form: Form::Hls, .. });
    hls.enabled = !rng.chance(100) || parts.iter().any(wanted);
    hls.layout = rng.pick(&[HlsLayout::Auto, HlsLayout::Ts, HlsLayout::Fmp4]);
    hls.segment_ms = rng.pick(&[200, 1_000, 2_000]);
    hls.window = rng.between(3, 6) as usize;
    hls.keep = rng.between(1, 6) as usize;
    hls.dispose_ms = rng.pick(&[60_000, 120_000]);
    hls.encrypt = rng.chance(200);
    hls.segments_per_key = rng.between(1, 5) as u32;
    if rng.chance(500) {
        hls.directory = "/srv/hls".into();
    }
    if small(&mut rng) {
        config.limits.pass_writes = rng.scale(4, 64) as usize;
    }
    fit(&mut config);
    config
}

/// The limits of the loop: with `tight` limits each is small as often as not.
fn loop_limits(seed: u64, tight: bool) -> Limits {
    let mut rng = fork(seed, "loop");
    let mut limits = Limits::default();
    let small = |rng: &mut Rng| tight && rng.chance(500);
    if small(&mut rng) {
        limits.read_bytes = rng.scale(256, 65_536) as usize;
    }
    if small(&mut rng) {
        limits.read_budget_bytes = rng.scale(256, 256 << 10) as usize;
    }
    if small(&mut rng) {
        limits.accepts = rng.scale(1, 256) as usize;
    }
    if small(&mut rng) {
        limits.accept_pause = Duration::from_millis(rng.scale(1, 1_000));
    }
    if small(&mut rng) {
        limits.linger = Duration::from_millis(rng.scale(500, 5_000));
    }
    limits
}

/// Lets one setting suit the others: a response carries a whole segment, and its head.
fn fit(config: &mut Config) {
    if config.stream.hls.enabled {
        let least = config.stream.hls.segment_bytes_max + (64 << 10);
        config.limits.response_bytes = config.limits.response_bytes.max(least);
    }
}

fn plays(casting: &Casting, wanted: usize) -> bool {
    matches!(casting.part, Part::Player { stream, .. } if stream == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Mode, Options};
    use crate::fault::ALL;

    #[test]
    fn every_fault_is_off_in_about_half_of_the_seeds() {
        let drawn: Vec<_> = (0..400).map(|seed| Options::draw(seed, Mode::Swarm)).collect();
        for fault in ALL {
            let on = drawn.iter().filter(|options| options.faults.contains(&fault)).count();
            assert!((80..=260).contains(&on), "{fault:?} in {on} of 400");
        }
        let tight = drawn.iter().filter(|options| options.tight).count();
        assert!((150..=250).contains(&tight), "tight limits in {tight} of 400");
    }

    #[test]
    fn every_configuration_that_is_drawn_could_stand_in_a_file() {
        for seed in 0..200 {
            let options = Options::draw(seed, Mode::Swarm);
            for config in [options.config.clone(), options.redrawn(seed + 1)] {
                let text = dacapo::config::print(&config);
                let read = dacapo::config::load(&text, "a drawn configuration", &[]);
                assert_eq!(read.expect("it makes sense"), config, "seed {seed}");
            }
        }
    }
}
