//! The simulator: the server inside a network with hardship in it.
//!
//! `sim` alone plays a campaign of numbers that follow from the build; `sim 8142` plays one run again.

use log::Level;
use sim::campaign::{Place, Summary, exit, exit_code, fail_line, run};
use sim::canary::Canary;
use sim::mark;
use sim::options::{Mode, Options};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const HELP: &str = "\
Plays the server in a simulated world.

usage: sim [SEED] [--seeds N] [--mode lite|swarm|perf] [--minutes M] [--world tiny|turmoil|both] [--check]
           [--strict] [--trace] [--log LEVEL]

  SEED         the run to play; without it, a campaign of many
  --seeds N    so many runs, from SEED (or 1) on; default 1 with SEED, else 300
  --mode MODE  lite: small and short; swarm: everything (default); perf: 1 publisher, 20 players, no faults
  --minutes M  go on for so long instead
  --world W    where: tiny (default), one queue of events; turmoil, hosts and links; both: odd and even seeds
               a campaign in turn
  --check      play every run twice and compare
  --strict     what is open whether server or judge is wrong fails a run, too
  --trace      print what happens, line by line
  --log LEVEL  print the server's log, too: error, warn, info, debug or trace

exit code: 0 all is well, 2 an invariant does not hold, 3 somebody waits in vain, 4 two runs differ,
           5 a mark was missed, 101 the server panicked
";

/// A campaign missed a mark.
const MISSED: u8 = 5;

/// From so many runs on, a campaign must have reached every mark.
const MARKS_SEEDS_MIN: u64 = 300;

struct Arguments {
    seed: Option<u64>,
    seeds: Option<u64>,
    mode: Mode,
    minutes: Option<u64>,
    worlds: &'static [Place],
    check: bool,
    strict: bool,
    trace: bool,
    log: Option<Level>,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(words) => {
            eprintln!("{words}\n\n{HELP}");
            return ExitCode::from(64);
        }
    };
    mark::listen(arguments.log);
    // A panic is a failing run like any other, and is told in its line.
    if arguments.log.is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    campaign(&arguments)
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        seed: None,
        seeds: None,
        mode: Mode::Swarm,
        minutes: None,
        worlds: &[Place::Tiny],
        check: false,
        strict: false,
        trace: false,
        log: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is no number"));
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seeds" => arguments.seeds = Some(number(value()?)?),
            "--minutes" => arguments.minutes = Some(number(value()?)?),
            "--check" => arguments.check = true,
            "--strict" => arguments.strict = true,
            "--trace" => arguments.trace = true,
            "--log" => {
                let text = value()?;
                arguments.log = Some(text.parse().map_err(|_| format!("`{text}` is no level of a log"))?);
            }
            "--world" => {
                arguments.worlds = match value()?.as_str() {
                    "tiny" => &[Place::Tiny],
                    "turmoil" => &[Place::Turmoil],
                    "both" => &[Place::Tiny, Place::Turmoil],
                    other => return Err(format!("`{other}` is no world: tiny, turmoil or both")),
                };
            }
            "--mode" => {
                arguments.mode = match value()?.as_str() {
                    "lite" => Mode::Lite,
                    "swarm" => Mode::Swarm,
                    "perf" => Mode::Perf,
                    other => return Err(format!("`{other}` is no mode: lite, swarm or perf")),
                };
            }
            _ if word.starts_with('-') => return Err(format!("`{word}` is no option")),
            _ => arguments.seed = Some(number(word.clone())?),
        }
    }
    Ok(Some(arguments))
}

#[expect(clippy::disallowed_methods, reason = "how fast a simulation runs is no part of what it simulates")]
fn now() -> Instant {
    Instant::now()
}

fn campaign(arguments: &Arguments) -> ExitCode {
    let begun = now();
    let single = arguments.seed.is_some() && arguments.seeds.is_none() && arguments.minutes.is_none();
    let perf = arguments.mode == Mode::Perf;
    let seeds = arguments.seeds.unwrap_or(match (single || perf, arguments.minutes) {
        (true, _) => 1,
        (false, None) => 300,
        (false, Some(_)) => u64::MAX,
    });
    let end = arguments.minutes.map(|minutes| begun + Duration::from_secs(60 * minutes));
    let first = arguments.seed.unwrap_or(1);
    let mut summary = Summary::default();
    let (mut worst, mut told) = (None, begun);
    for seed in (first..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        if end.is_some_and(|end| now() >= end) {
            break;
        }
        let options = Options { strict: arguments.strict, ..Options::draw(seed, arguments.mode) };
        if single || perf || arguments.trace {
            println!("{options}");
        }
        let place = arguments.worlds[usize::try_from(seed % 2).expect("0 or 1") % arguments.worlds.len()];
        let mut outcome = run(&options, place, Canary::default(), arguments.trace);
        if arguments.check && outcome.failure.is_none() {
            let again = run(&options, place, Canary::default(), false);
            outcome.compare(&again);
        }
        if single || perf {
            println!("hash {:016x}, {} events", outcome.hash, outcome.events);
        }
        if let Some(failure) = &outcome.failure {
            let path = format!("{seed}.inputs");
            if let Err(error) = std::fs::write(&path, &outcome.inputs) {
                eprintln!("cannot write {path}: {error}");
            }
            let line = fail_line(failure, &options, place, &commit());
            println!("{line}");
            worst = worst.or(Some((exit_code(failure), line)));
        }
        summary.add(&options, &outcome);
        if now() > told + Duration::from_secs(5) {
            told = now();
            progress(&summary, seeds, begun, end);
        }
    }
    if !single {
        print!("{summary}");
        speed(&summary, begun.elapsed());
    }
    if let Some((code, line)) = worst {
        println!("{line}");
        return ExitCode::from(code);
    }
    let missed = summary.missed();
    if arguments.mode == Mode::Swarm && summary.seeds >= MARKS_SEEDS_MIN && !missed.is_empty() {
        println!("FAIL marks: never reached: {}", missed.join("; "));
        return ExitCode::from(MISSED);
    }
    ExitCode::SUCCESS
}

fn progress(summary: &Summary, seeds: u64, begun: Instant, end: Option<Instant>) {
    let elapsed = begun.elapsed().as_secs_f64();
    let rate = summary.seeds as f64 / elapsed;
    let left = match end {
        Some(end) => end.saturating_duration_since(now()).as_secs_f64(),
        None => (seeds - summary.seeds) as f64 / rate,
    };
    eprintln!(
        "{} seeds, {rate:.1} a second, {:.2} virtual hours, {} failed, {left:.0} s to go",
        summary.seeds,
        summary.virtual_us as f64 / 3.6e9,
        summary.failed,
    );
}

fn speed(summary: &Summary, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    let times = summary.virtual_us as f64 / 1e6 / seconds;
    println!("{seconds:.1} s, {times:.0} times as fast as the real world");
}

/// Which commit this is, for whoever reads the line later.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

const _: () = assert!(exit::INVARIANT != MISSED);
