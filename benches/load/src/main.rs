//! `load run` measures a server, `load publish` and `load play` are its halves; `load join`, `load memory`
//! and `load hls` measure what their names say; `load bare` is the bare loop, `load table` joins what many
//! runs said, `load plot` draws it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use load::bare::{Bare, Flush};
use load::client::{Protocol, Target};
use load::clock::{self, SECOND};
use load::engine::Engine;
use load::hls::Hls;
use load::join::Join;
use load::memory::{Steps, What};
use load::plan::Plan;
use load::{plot, system, table};
use serde_json::Value;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

/// Publishers and players that measure a live-media server.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publish and play in one process, and tell what it cost.
    Run(Run),
    /// Publish only.
    Publish(Publish),
    /// Play what another process publishes (with `load publish`).
    Play(Run),
    /// Let players come while others watch, and tell how fast they get a picture and what it cost the others.
    Join(Coming),
    /// Let more and more come, and tell what each costs in memory.
    Memory(Growing),
    /// Watch over HLS, with a publisher, and tell what it cost.
    Hls(Watching),
    /// Serve as the bare loop: one write per player and flush.
    Bare(Serve),
    /// Join the JSON of many runs to a table of medians.
    Table(Joining),
    /// Draw the JSON of many runs: cost over delay, or memory.
    Plot(Drawing),
}

/// Where servers listen and what streams are called.
#[derive(Args, Clone)]
struct Where {
    /// The RTMP server.
    #[arg(long, default_value = "127.0.0.1:1935")]
    rtmp: SocketAddr,
    /// The HTTP-FLV server.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// The bare loop.
    #[arg(long, default_value = "127.0.0.1:1999")]
    bare: SocketAddr,
    /// Application: the first part of every path.
    #[arg(long, default_value = "live")]
    app: String,
    /// Streams are called so, with their number behind.
    #[arg(long, default_value = "load")]
    name: String,
    /// Number of streams.
    #[arg(long, default_value_t = 1)]
    streams: u16,
    /// Bits per second of each stream.
    #[arg(long, default_value_t = 1_000_000)]
    bitrate: u64,
    /// Connections opened per second.
    #[arg(long, default_value_t = 500)]
    ramp: u64,
    /// Run on this processor only.
    #[arg(long)]
    pin: Option<usize>,
}

#[derive(Args, Clone)]
struct Run {
    #[command(flatten)]
    place: Where,
    /// How players receive.
    #[arg(long, value_enum, default_value = "rtmp")]
    protocol: Protocol,
    /// Number of players; several, as in `100,500`, are measured one after the other as more and more come.
    #[arg(long, value_delimiter = ',', default_value = "100")]
    players: Vec<usize>,
    /// Length of the measurement.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Publishers run alone for so many seconds before the players come.
    #[arg(long, default_value_t = 6)]
    prime: u64,
    /// Seconds between the last player's first frame and the measurement.
    #[arg(long, default_value_t = 3)]
    warm_up: u64,
    /// The server's process, to measure its processor time and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Where the server answers HTTP, to see how fast it does while it is measured.
    #[arg(long)]
    api: Option<SocketAddr>,
    /// What it is asked for.
    #[arg(long, default_value = "/api/v1/versions")]
    api_path: String,
    /// While measuring, read only every so many milliseconds: spares this process work, so that a server can
    /// have more to do than it. Latencies mean nothing then.
    #[arg(long, default_value_t = 0)]
    look_ms: u64,
    /// Of so many players only one looks at every frame, the others count bytes: for the same purpose.
    #[arg(long, default_value_t = 1)]
    one_in: usize,
    #[command(flatten)]
    telling: Telling,
}

#[derive(Args)]
struct Publish {
    #[command(flatten)]
    place: Where,
    /// Publish for so long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// How a measurement is told.
#[derive(Args, Clone)]
struct Telling {
    /// Print one JSON object instead of a row.
    #[arg(long)]
    json: bool,
    /// The server's name in the JSON.
    #[arg(long, default_value = "server")]
    server: String,
    /// The round in the JSON: ratios are taken within a round.
    #[arg(long, default_value_t = 0)]
    round: u32,
}

#[derive(Args)]
struct Coming {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    telling: Telling,
    /// How players receive.
    #[arg(long, value_enum, default_value = "rtmp")]
    protocol: Protocol,
    /// Number of players that are there before.
    #[arg(long, default_value_t = 200)]
    watchers: usize,
    /// Number of players that come.
    #[arg(long, default_value_t = 1000)]
    newcomers: usize,
    /// Within so many seconds.
    #[arg(long, default_value_t = 1.0)]
    within: f64,
    /// The server's process, to measure its processor time.
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Args)]
struct Growing {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    telling: Telling,
    /// Of what there are more and more.
    #[arg(value_enum)]
    what: What,
    /// How players receive, or what idle connections speak.
    #[arg(long, value_enum, default_value = "rtmp")]
    protocol: Protocol,
    /// How many, each time more.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,4000")]
    steps: Vec<u16>,
    /// Seconds that each number stays until memory is read, and that a stream is published before.
    #[arg(long, default_value_t = 8)]
    settle: u64,
    /// The server's process.
    #[arg(long)]
    pid: u32,
}

#[derive(Args)]
struct Watching {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    telling: Telling,
    /// The playlist's path at the HTTP server.
    #[arg(long, default_value = "/live/load0/index.m3u8")]
    path: String,
    /// Number of viewers.
    #[arg(long, default_value_t = 1000)]
    viewers: usize,
    /// Seconds from one look at the playlist to the next.
    #[arg(long, default_value_t = 2.0)]
    poll: f64,
    /// Seconds before the measurement.
    #[arg(long, default_value_t = 6)]
    warm_up: u64,
    /// Length of the measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The process of the server, to measure its processor time.
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Args)]
struct Serve {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:1999")]
    listen: SocketAddr,
    /// When players get what is there: `frame`, `video` (sound rides along) or a number of milliseconds.
    #[arg(long, default_value = "video")]
    flush: Flush,
}

#[derive(Args)]
struct Joining {
    /// Files of JSON, one object a line.
    files: Vec<PathBuf>,
    /// Relate the processor time of all to this server's; `rule`: to the bare loop with the same flush rule.
    #[arg(long)]
    base: Vec<String>,
}

#[derive(Args)]
struct Drawing {
    /// What is drawn.
    #[arg(value_enum)]
    what: Picture,
    /// Files of JSON, one object a line.
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Picture {
    /// Processor time over delay.
    Cost,
    /// Memory over players, connections and streams.
    Memory,
}

fn main() -> ExitCode {
    let result = system::raise_descriptors().and_then(|_| match Cli::parse().command {
        Command::Run(run) => run.measure(true),
        Command::Play(run) => run.measure(false),
        Command::Publish(publish) => publish.run(),
        Command::Join(coming) => coming.measure(),
        Command::Memory(growing) => growing.measure(),
        Command::Hls(watching) => watching.measure(),
        Command::Bare(serve) => serve.run(),
        Command::Table(table) => table.run(),
        Command::Plot(plot) => plot.run(),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Where {
    fn target(&self, protocol: Protocol) -> Target {
        let addr = match protocol {
            Protocol::Rtmp => self.rtmp,
            Protocol::Flv | Protocol::Ws | Protocol::Ts => self.http,
            Protocol::Bare => self.bare,
        };
        Target { protocol, addr, app: self.app.clone(), name: self.name.clone() }
    }

    /// Where those publish whom players over `protocol` watch.
    fn publisher(&self, protocol: Protocol) -> Target {
        self.target(if protocol == Protocol::Bare { Protocol::Bare } else { Protocol::Rtmp })
    }

    fn pin(&self) -> io::Result<()> {
        self.pin.map_or(Ok(()), system::pin)
    }
}

impl Run {
    fn measure(&self, publish: bool) -> io::Result<()> {
        self.place.pin()?;
        let plan = Plan {
            publish: publish.then(|| self.place.publisher(self.protocol)),
            play: self.place.target(self.protocol),
            streams: self.place.streams,
            players: self.players.clone(),
            bitrate: self.place.bitrate,
            ramp_per_second: self.place.ramp,
            prime_seconds: self.prime,
            warm_up_seconds: self.warm_up,
            seconds: self.seconds,
            pid: self.pid,
            api: self.api.map(|addr| (addr, self.api_path.clone())),
            look_ms: self.look_ms,
            lookers: self.one_in,
        };
        for report in plan.run()? {
            self.telling.print(&report, |server, round| report.json(server, round));
        }
        Ok(())
    }
}

impl Telling {
    fn print(&self, report: &impl Display, json: impl FnOnce(&str, u32) -> Value) {
        if self.json {
            println!("{}", json(&self.server, self.round));
        } else {
            println!("{report}");
        }
    }
}

impl Coming {
    fn measure(&self) -> io::Result<()> {
        self.place.pin()?;
        let join = Join {
            publish: self.place.publisher(self.protocol),
            play: self.place.target(self.protocol),
            watchers: self.watchers,
            newcomers: self.newcomers,
            within_seconds: self.within,
            bitrate: self.place.bitrate,
            pid: self.pid,
        };
        let joined = join.run()?;
        self.telling.print(&joined, |server, round| joined.json(server, round));
        Ok(())
    }
}

impl Growing {
    fn measure(&self) -> io::Result<()> {
        self.place.pin()?;
        let steps = Steps {
            what: self.what,
            publish: self.place.publisher(self.protocol),
            play: self.place.target(self.protocol),
            steps: self.steps.clone(),
            bitrate: self.place.bitrate,
            ramp_per_second: self.place.ramp,
            settle_seconds: self.settle,
            pid: self.pid,
        };
        let grown = steps.run()?;
        self.telling.print(&grown, |server, round| grown.json(server, round));
        Ok(())
    }
}

impl Watching {
    fn measure(&self) -> io::Result<()> {
        self.place.pin()?;
        let hls = Hls {
            publish: self.place.target(Protocol::Rtmp),
            http: self.place.http,
            path: self.path.clone(),
            viewers: self.viewers,
            poll_seconds: self.poll,
            bitrate: self.place.bitrate,
            warm_up_seconds: self.warm_up,
            seconds: self.seconds,
            pid: self.pid,
        };
        let watched = hls.run()?;
        self.telling.print(&watched, |server, round| watched.json(server, round));
        Ok(())
    }
}

impl Publish {
    fn run(&self) -> io::Result<()> {
        self.place.pin()?;
        let mut engine = Engine::new()?;
        let target = self.place.target(Protocol::Rtmp);
        for stream in 0..self.place.streams {
            engine.publish(&target, stream, self.place.bitrate);
            engine.run(clock::now() + SECOND / self.place.ramp.max(1), |_| false)?;
        }
        let all = usize::from(self.place.streams);
        engine.run(clock::now() + self.seconds * SECOND, |engine| engine.failed() == all)?;
        engine.fault().map_or(Ok(()), |fault| Err(io::Error::other(fault.to_string())))
    }
}

impl Serve {
    fn run(&self) -> io::Result<()> {
        let mut bare = Bare::new(self.listen, self.flush)?;
        println!("bare loop on {}", bare.local_addr()?);
        bare.run()
    }
}

impl Joining {
    fn run(&self) -> io::Result<()> {
        print!("{}", table::table(&read(&self.files)?, &self.base)?);
        Ok(())
    }
}

impl Drawing {
    fn run(&self) -> io::Result<()> {
        let lines = read(&self.files)?;
        let picture = match self.what {
            Picture::Cost => plot::cost(&lines)?,
            Picture::Memory => plot::memory(&lines)?,
        };
        print!("{}", picture.ok_or_else(|| io::Error::other("nothing to draw"))?);
        Ok(())
    }
}

fn read(files: &[PathBuf]) -> io::Result<String> {
    Ok(files.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?.join("\n"))
}
