//! The command line of `sim`.

use crate::campaign::Place;
use crate::options::Mode;
use crate::thread_pool;
use clap::{Parser, ValueEnum};
use log::Level;

/// Runs the server in a simulated world.
#[derive(Clone, Debug, Parser)]
#[command(name = "sim", after_help = EXIT_CODES)]
pub struct Arguments {
    /// Seed of the run; without it, a campaign of many runs
    pub seed: Option<u64>,
    /// Number of runs, from SEED (or 1) on; default 1 with SEED, else 300
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Kind of the runs
    #[arg(long, value_enum, default_value_t = Mode::Swarm)]
    pub mode: Mode,
    /// Run for this many minutes instead
    #[arg(long, value_name = "M")]
    pub minutes: Option<u64>,
    /// Simulated world
    #[arg(long, value_enum, default_value_t = World::Tiny)]
    pub world: World,
    /// Run each seed twice and compare
    #[arg(long)]
    pub check: bool,
    /// Number of runs at a time, by default the number of cores; does not change the results
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print a line for each run instead of the table: seed, hash, events; to compare two builds
    #[arg(long)]
    pub hashes: bool,
    /// Print each event
    #[arg(long)]
    pub trace: bool,
    /// Print the server's log, too: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<Level>,
}

const EXIT_CODES: &str = "\
exit code: 0 success, 2 an invariant does not hold, 3 a peer does not get what it waits for,
4 two runs of a seed differ, 5 a mark was not reached, 64 the command line is not valid,
101 the server panicked";

/// The world of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// One process with one queue of events
    Tiny,
    /// Hosts and links, by the crate turmoil
    Turmoil,
    /// Odd seeds in turmoil, even ones in the tiny world
    Both,
}

impl Arguments {
    /// Number of runs at a time.
    pub fn jobs(&self) -> usize {
        // Lines of several runs could not be told apart.
        if self.trace || self.log.is_some() { 1 } else { self.jobs.unwrap_or_else(thread_pool::threads) }
    }

    /// True for one run, whose details are printed.
    pub fn single(&self) -> bool {
        self.seed.is_some() && self.seeds.is_none() && self.minutes.is_none()
    }

    /// Number of runs.
    pub fn runs(&self) -> u64 {
        match (self.seeds, self.single() || self.mode == Mode::Perf, self.minutes) {
            (Some(seeds), ..) => seeds,
            (None, true, _) => 1,
            (None, false, None) => 300,
            (None, false, Some(_)) => u64::MAX,
        }
    }

    /// The world of the run `seed`.
    pub fn place(&self, seed: u64) -> Place {
        match self.world {
            World::Tiny => Place::Tiny,
            World::Turmoil => Place::Turmoil,
            World::Both if seed.is_multiple_of(2) => Place::Tiny,
            World::Both => Place::Turmoil,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use crate::campaign::Place;
    use clap::{CommandFactory, Parser};

    fn parse(line: &str) -> Arguments {
        Arguments::try_parse_from(["sim"].into_iter().chain(line.split_whitespace())).expect("it makes sense")
    }

    #[test]
    fn how_many_runs_there_are_follows_from_what_is_asked_for() {
        let runs = ["", "8142", "--seeds 7", "8142 --seeds 7", "--mode perf", "--minutes 1"]
            .map(|l| parse(l).runs());
        assert_eq!(runs, [300, 1, 7, 7, 1, u64::MAX]);
        assert!(parse("8142").single() && !parse("8142 --minutes 1").single());
    }

    #[test]
    fn lines_are_printed_of_one_run_at_a_time() {
        assert_eq!(parse("--jobs 3").jobs(), 3);
        assert_eq!((parse("--jobs 3 --trace").jobs(), parse("--log debug --jobs 3").jobs()), (1, 1));
    }

    #[test]
    fn worlds_take_turns() {
        let places = [1, 2].map(|seed| parse("--world both").place(seed));
        assert_eq!(places, [Place::Turmoil, Place::Tiny]);
        assert_eq!(parse("").place(1), Place::Tiny);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        Arguments::command().debug_assert();
        for line in ["--seed 1", "--seeds", "--world moon", "seven"] {
            assert!(Arguments::try_parse_from(["sim"].into_iter().chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
