//! `load run` measures a server, `load publish` and `load play` are its halves, `load bare` is the bare loop,
//! `load table` joins what many runs said.

use clap::{Args, Parser, Subcommand};
use load::bare::{Bare, Flush};
use load::client::{Protocol, Target};
use load::clock::{self, SECOND};
use load::engine::Engine;
use load::report::Report;
use load::run::Plan;
use load::{system, table};
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
    /// Play what somebody else publishes (with `load publish`).
    Play(Run),
    /// Serve as the bare loop: one write per player and flush.
    Bare(Serve),
    /// Join the JSON of many runs to a table of medians.
    Table(Join),
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
    /// Number of players.
    #[arg(long, default_value_t = 100)]
    players: usize,
    /// Length of the measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Publishers run alone for so many seconds before the players come.
    #[arg(long, default_value_t = 6)]
    prime: u64,
    /// Seconds between the last player's first frame and the measurement.
    #[arg(long, default_value_t = 3)]
    warm_up: u64,
    /// The server's process, to measure its processor time and memory.
    #[arg(long)]
    pid: Option<u32>,
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
struct Publish {
    #[command(flatten)]
    place: Where,
    /// Publish for so long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
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
struct Join {
    /// Files of JSON, one object a line.
    files: Vec<PathBuf>,
    /// Relate the processor time of all to this server's.
    #[arg(long)]
    base: Vec<String>,
}

fn main() -> ExitCode {
    let result = system::raise_descriptors().and_then(|_| match Cli::parse().command {
        Command::Run(run) => run.measure(true),
        Command::Play(run) => run.measure(false),
        Command::Publish(publish) => publish.run(),
        Command::Bare(serve) => serve.run(),
        Command::Table(join) => join.run(),
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
            Protocol::Flv => self.http,
            Protocol::Bare => self.bare,
        };
        Target { protocol, addr, app: self.app.clone(), name: self.name.clone() }
    }

    fn pin(&self) -> io::Result<()> {
        self.pin.map_or(Ok(()), system::pin)
    }
}

impl Run {
    fn measure(&self, publish: bool) -> io::Result<()> {
        self.place.pin()?;
        let spoken = if self.protocol == Protocol::Bare { Protocol::Bare } else { Protocol::Rtmp };
        let plan = Plan {
            publish: publish.then(|| self.place.target(spoken)),
            play: self.place.target(self.protocol),
            streams: self.place.streams,
            players: self.players,
            bitrate: self.place.bitrate,
            ramp_per_second: self.place.ramp,
            prime_seconds: self.prime,
            warm_up_seconds: self.warm_up,
            seconds: self.seconds,
            pid: self.pid,
        };
        self.print(&plan.run()?);
        Ok(())
    }

    fn print(&self, report: &Report) {
        if self.json {
            println!("{}", report.json(&self.server, self.round));
        } else {
            println!("{report}");
        }
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

impl Join {
    fn run(&self) -> io::Result<()> {
        let texts = self.files.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
        print!("{}", table::table(&texts.join("\n"), &self.base)?);
        Ok(())
    }
}
