//! Forged saved servers: each part may be anything, and no part makes loading, replaying or redacting panic.

use conformance::rng::Rng;
use fuzz::saved::{Outcome, count, nodes, outcome};

/// Changes that are tried.
const CHANGES: usize = 240;

/// What happens after a server was loaded: players and publishers come, time passes, the server drains.
const THEN: [u8; 40] = [
    2, 16, 2, 0, 20, 9, 3, 100, 0, 0, 13, 0, 200, 0, 19, 0, 1, 19, 0, 5, 16, 2, 0, 20, 13, 3, 0, 4, 10, 3,
    16, 2, 0, 20, 17, 0x5a, 13, 3, 0, 4,
];

#[test]
fn a_server_that_is_not_forged_is_played_and_redacted() {
    // No connection comes that might be refused: time passes, and a player has room.
    let then = [13, 0, 200, 0, 10, 3];
    for which in 0..count() {
        assert_eq!(outcome(&[&[which as u8, 0][..], &then].concat()), Outcome::Redacted, "server {which}");
    }
}

#[test]
fn no_part_of_a_forged_server_makes_a_replay_or_a_redaction_panic() {
    let mut rng = Rng::new(1);
    let mut outcomes = Vec::new();
    for _ in 0..CHANGES {
        let which = rng.below(count());
        let at = (rng.below(nodes(which as u8)) as u32).to_le_bytes();
        let (how, with) = (rng.below(256) as u8, rng.below(256) as u8);
        outcomes.push(outcome(&[&[which as u8, 1][..], &at, &[how, with], &THEN].concat()));
    }
    for each in [Outcome::Refused, Outcome::Redacted] {
        let share = outcomes.iter().filter(|outcome| **outcome == each).count();
        assert!(share * 10 > CHANGES, "{share} of {CHANGES} were {each:?}: changes are of all kinds");
    }
}
