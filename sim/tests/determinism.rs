//! A number is a run: played again it is the same, in both worlds, whatever is logged.

use sim::campaign::{Place, run};
use sim::canary::Canary;
use sim::options::{Mode, Options};
use sim::{coverage, thread_pool};

/// The hash and the length of a run.
fn play(seed: u64, mode: Mode, place: Place) -> (u64, u64) {
    let outcome = run(&Options::draw(seed, mode), place, Canary::default(), false);
    assert!(outcome.events > 10, "seed {seed} in {place:?} is a run");
    (outcome.hash, outcome.events)
}

#[test]
fn fifty_numbers_are_the_same_runs_again() {
    let twice = |seed| {
        let place = if seed % 2 == 0 { Place::Turmoil } else { Place::Tiny };
        (seed, [(); 2].map(|()| play(seed, Mode::Lite, place)))
    };
    thread_pool::in_order(thread_pool::threads(), 1..=50, twice, |(seed, [once, again]): (u64, [_; 2])| {
        assert_eq!(once, again, "seed {seed}");
    });
}

#[test]
fn what_is_logged_changes_nothing() {
    let quiet = [3, 4].map(|seed| play(seed, Mode::Lite, Place::Tiny));
    coverage::listen(Some(log::Level::Trace));
    let loud = [3, 4].map(|seed| play(seed, Mode::Lite, Place::Tiny));
    assert_eq!(quiet, loud);
}

#[test]
fn numbers_differ() {
    assert_ne!(play(1, Mode::Lite, Place::Tiny), play(2, Mode::Lite, Place::Tiny));
}
