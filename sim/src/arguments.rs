//! What is typed behind `sim`.

use crate::campaign::Place;
use crate::crew;
use crate::options::Mode;
use log::Level;

/// How to use it.
pub const HELP: &str = "\
Plays the server in a simulated world.

usage: sim [SEED] [--seeds N] [--mode lite|swarm|perf] [--minutes M] [--world tiny|turmoil|both] [--check]
           [--jobs N] [--hashes] [--trace] [--log LEVEL]

  SEED         the run to play; without it, a campaign of many
  --seeds N    so many runs, from SEED (or 1) on; default 1 with SEED, else 300
  --mode MODE  lite: small and short; swarm: everything (default); perf: 1 publisher, 20 players, no faults
  --minutes M  go on for so long instead
  --world W    where: tiny (default), one queue of events; turmoil, hosts and links; both: odd and even seeds
               a campaign in turn
  --check      play every run twice and compare
  --jobs N     so many runs at a time; default as many as there are cores; the result does not depend on it
  --hashes     print a line for each run instead of the table: seed, hash, events; to hold two builds together
  --trace      print what happens, line by line
  --log LEVEL  print the server's log, too: error, warn, info, debug or trace

exit code: 0 all is well, 2 an invariant does not hold, 3 somebody waits in vain, 4 two runs differ,
           5 a mark was missed, 101 the server panicked
";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The first run.
    pub seed: Option<u64>,
    /// How many.
    pub seeds: Option<u64>,
    /// How much of it.
    pub mode: Mode,
    /// How long.
    pub minutes: Option<u64>,
    /// Where, in turn.
    pub worlds: &'static [Place],
    /// Twice each.
    pub check: bool,
    /// So many at a time.
    pub jobs: usize,
    /// A line for each run, and no table.
    pub hashes: bool,
    /// With lines of what happens.
    pub trace: bool,
    /// With the server's log down to this level.
    pub log: Option<Level>,
}

impl Arguments {
    /// Reads them; `None`: help is wanted.
    ///
    /// # Errors
    /// What makes no sense, in words.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Arguments {
            seed: None,
            seeds: None,
            mode: Mode::Swarm,
            minutes: None,
            worlds: &[Place::Tiny],
            check: false,
            jobs: crew::hands(),
            hashes: false,
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
                "--jobs" => arguments.jobs = usize::try_from(number(value()?)?).unwrap_or(usize::MAX),
                "--hashes" => arguments.hashes = true,
                "--trace" => arguments.trace = true,
                "--log" => {
                    let text = value()?;
                    let level = text.parse().map_err(|_| format!("`{text}` is no level of a log"))?;
                    arguments.log = Some(level);
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
        if arguments.trace || arguments.log.is_some() {
            // Lines of two runs at a time would be nobody's.
            arguments.jobs = 1;
        }
        Ok(Some(arguments))
    }

    /// One run, to be looked at.
    pub fn single(&self) -> bool {
        self.seed.is_some() && self.seeds.is_none() && self.minutes.is_none()
    }

    /// How many runs.
    pub fn runs(&self) -> u64 {
        match (self.seeds, self.single() || self.mode == Mode::Perf, self.minutes) {
            (Some(seeds), ..) => seeds,
            (None, true, _) => 1,
            (None, false, None) => 300,
            (None, false, Some(_)) => u64::MAX,
        }
    }

    /// Where the run `seed` takes place.
    pub fn place(&self, seed: u64) -> Place {
        self.worlds[usize::try_from(seed % 2).expect("0 or 1") % self.worlds.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, HELP};
    use crate::campaign::Place;

    fn parse(line: &str) -> Arguments {
        let arguments = Arguments::parse(line.split_whitespace().map(str::to_owned));
        arguments.expect("it makes sense").expect("no help is wanted")
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
        assert_eq!(parse("--jobs 3").jobs, 3);
        assert_eq!((parse("--jobs 3 --trace").jobs, parse("--log debug --jobs 3").jobs), (1, 1));
    }

    #[test]
    fn worlds_take_turns() {
        let places = [1, 2].map(|seed| parse("--world both").place(seed));
        assert_eq!(places, [Place::Turmoil, Place::Tiny]);
        assert_eq!(parse("").place(1), Place::Tiny);
    }

    #[test]
    fn every_option_is_helped_with_and_others_are_refused() {
        for option in ["--seeds", "--mode", "--minutes", "--world", "--check", "--jobs", "--hashes"] {
            assert!(HELP.matches(option).count() >= 2, "{option}");
        }
        for line in ["--seed 1", "--seeds", "--world moon", "seven"] {
            assert!(Arguments::parse(line.split(' ').map(str::to_owned)).is_err(), "{line}");
        }
    }
}
