//! The program `sim`: runs the server in a simulated network with faults.
//!
//! `sim` runs a campaign of 300 seeds, `sim 8142` one run.

use clap::Parser;
use dacapo::record;
use sim::arguments::Arguments;
use sim::campaign::{Place, Summary, exit, exit_code, fail_line, run};
use sim::canary::Canary;
use sim::options::{Mode, Options};
use sim::run::Outcome;
use sim::{coverage, thread_pool};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Exit code: a campaign did not reach every mark.
const MISSED: u8 = 5;

/// Exit code: the command line is not valid. Not clap's 2, which means that an invariant does not hold.
const SENSELESS: u8 = 64;

/// A campaign with this many runs must reach every mark.
const MARKS_SEEDS_MIN: u64 = 300;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(words) => {
            let wrong = words.use_stderr();
            // Fails if the output is closed; then the text is of no use.
            let _unread = words.print();
            return if wrong { ExitCode::from(SENSELESS) } else { ExitCode::SUCCESS };
        }
    };
    // A panic fails its run, and the run's line reports it.
    if arguments.log.is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    campaign(&arguments)
}

#[expect(clippy::disallowed_methods, reason = "how fast a simulation runs is no part of what it simulates")]
fn now() -> Instant {
    Instant::now()
}

/// A finished run.
struct Played {
    options: Options,
    place: Place,
    outcome: Outcome,
}

fn campaign(arguments: &Arguments) -> ExitCode {
    let begun = now();
    let looked_at = arguments.single() || arguments.mode == Mode::Perf;
    let end = arguments.minutes.map(|minutes| begun + Duration::from_secs(60 * minutes));
    let runs = usize::try_from(arguments.runs()).unwrap_or(usize::MAX);
    let seeds = (arguments.seed.unwrap_or(1)..).take(runs).take_while(|_| end.is_none_or(|end| now() < end));
    let mut summary = Summary::default();
    let (mut worst, mut told) = (None, begun);
    thread_pool::in_order(
        arguments.jobs(),
        seeds,
        |seed| play(seed, arguments),
        |played| {
            let Played { options, place, outcome } = played;
            if arguments.hashes {
                println!("{} {:016x} {}", options.seed, outcome.hash, outcome.events);
            } else if looked_at {
                println!("hash {:016x}, {} events", outcome.hash, outcome.events);
            }
            if let Some(failure) = &outcome.failure {
                let path = format!("{}.inputs", options.seed);
                if let Err(error) = std::fs::write(&path, &outcome.inputs) {
                    eprintln!("cannot write {path}: {error}");
                }
                let line = fail_line(failure, &options, place, commit());
                println!("{line}");
                worst = worst.take().or(Some((exit_code(failure), line)));
            }
            summary.add(&options, &outcome);
            if now() > told + Duration::from_secs(5) {
                told = now();
                progress(&summary, arguments.runs(), begun, end);
            }
        },
    );
    if !arguments.single() && !arguments.hashes {
        print!("{summary}");
        speed(&summary, begun.elapsed());
    }
    if let Some((code, line)) = worst {
        // Repeated, so that it is the last line.
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

/// Runs `seed`, twice with `--check`.
fn play(seed: u64, arguments: &Arguments) -> Played {
    coverage::listen(arguments.log);
    let options = Options::draw(seed, arguments.mode);
    if arguments.single() || arguments.mode == Mode::Perf || arguments.trace {
        println!("{options}");
    }
    let place = arguments.place(seed);
    let mut outcome = run(&options, place, Canary::default(), arguments.trace);
    if arguments.check && outcome.failure.is_none() {
        outcome.compare(&run(&options, place, Canary::default(), false));
    }
    if outcome.failure.is_none() {
        // Not needed, and the outcome may wait until those with smaller seeds are printed.
        outcome.inputs = Vec::new();
    }
    Played { options, place, outcome }
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

/// The commit of this build, or its version if the commit is not known.
fn commit() -> &'static str {
    record::BUILD.split_once('+').map_or(record::BUILD, |(_, commit)| commit)
}

const _: () = assert!(exit::INVARIANT != MISSED);
