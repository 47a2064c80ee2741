//! Every canary is caught by the invariant that its test names; a healthy run of the same number is not.

mod calm;

use calm::calm;
use dacapo::record::read;
use sim::campaign::{Place, run, watched};
use sim::canary::{ALL, Canary, Fault};
use sim::options::{Casting, Form, Options, Part};
use sim::peers::people;
use sim::run::Run;
use sim::world::link::{Fate, Pace};

/// Which invariant is said to be broken first.
fn caught(fault: Fault, options: &Options) -> Option<String> {
    let outcome = run(options, Place::Tiny, Canary::new(fault), false);
    outcome.failure.map(|failure| failure.invariant)
}

/// For a few numbers, so that it is no accident.
fn expect(fault: Fault, name: &str) {
    for seed in [7, 8, 9] {
        expect_of(fault, name, &calm(seed));
    }
}

fn expect_of(fault: Fault, name: &str, options: &Options) {
    assert_eq!(caught(Fault::None, options), None, "healthy, seed {}", options.seed);
    assert_eq!(caught(fault, options).as_deref(), Some(name), "{fault:?}, seed {}", options.seed);
}

/// The peers that are there from the beginning.
fn cast(parts: &[Part]) -> Vec<Casting> {
    parts.iter().map(|part| Casting { part: *part, dial_us: 0, core: true }).collect()
}

#[test]
fn a_lost_tick_is_caught_by_i28() {
    expect(Fault::TickLost, "I28");
}

/// What the server itself might lose is asserted in its own code (I27).
#[test]
fn a_lost_timer_is_caught_by_i28() {
    expect(Fault::TimerLost, "I28");
}

/// The server says a byte again, and what the player has is no RTMP or HTTP any more.
#[test]
fn too_few_bytes_reported_are_caught_by_the_bytes_themselves() {
    expect(Fault::SentMisreported, "W1");
}

#[test]
fn more_bytes_than_were_shown_are_caught_by_an_assertion() {
    expect(Fault::SentPastTheLimit, "PANIC");
}

#[test]
fn a_socket_that_stays_open_is_caught_by_i23() {
    expect(Fault::SocketKeptOpen, "I23");
}

#[test]
fn a_frame_twice_is_caught_by_i1() {
    expect(Fault::FrameTwice, "I1");
}

/// The keyframe comes first, and a player with room may not miss what stands before it; the rest would be I1.
#[test]
fn swapped_frames_are_caught_by_i4() {
    expect(Fault::FramesSwapped, "I4");
}

#[test]
fn a_skipped_keyframe_is_caught_by_i3() {
    expect(Fault::BoundarySkipped, "I3");
}

/// Few films change their configuration in the middle: the first number that has one will do.
#[test]
fn a_missing_header_after_a_change_is_caught_by_i5() {
    let films = (0..400).map(|seed| {
        let mut options = calm(seed);
        let player = Part::Player { stream: 0, form: Form::Flv, wild: false };
        options.parts = cast(&[Part::Publisher { stream: 0, wild: true }, player]);
        options.parts.iter_mut().for_each(|casting| casting.core = false);
        options
    });
    let mut changing = films.filter(|options| caught(Fault::HeaderMissing, options).is_some());
    expect_of(Fault::HeaderMissing, "I5", &changing.next().expect("a film that changes"));
}

#[test]
fn a_step_back_is_caught_by_i9() {
    expect(Fault::StepBack, "I9");
}

#[test]
fn a_frame_of_another_stream_is_caught_by_i7() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        let pair = |stream| {
            let player = Part::Player { stream, form: Form::Flv, wild: false };
            [Part::Publisher { stream, wild: false }, player]
        };
        options.parts = cast(&[pair(0), pair(1)].concat());
        expect_of(Fault::CrossStream, "I7", &options);
    }
}

#[test]
fn a_changed_byte_is_caught_by_i6() {
    expect(Fault::PayloadChanged, "I6");
}

#[test]
fn a_playlist_that_shrinks_is_caught_by_i35() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        options.config.stream.hls.dispose_ms = 60_000;
        options.config.stream.hls.segment_ms = 200;
        options.hard_us = 15_000_000;
        let player = Part::Player { stream: 0, form: Form::Hls, wild: false };
        options.parts = cast(&[Part::Publisher { stream: 0, wild: false }, player]);
        expect_of(Fault::PlaylistShrinks, "I35", &options);
    }
}

/// Any answer in which there is such a number: of clients, of streams or of vhosts.
#[test]
fn a_changed_number_of_the_api_is_caught_by_i38() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        options.parts.extend(cast(&[Part::Operator { wild: false }]));
        expect_of(Fault::NumberChanged, "I38", &options);
    }
}

#[test]
fn a_panic_is_caught_and_told() {
    expect(Fault::Panics, "PANIC");
}

// What the loop itself may not do wrong.

/// Budgets so small that every publisher's frame is beyond them.
#[test]
fn a_budget_that_is_ignored_is_caught_by_i41() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        options.loop_limits.read_bytes = 500;
        options.loop_limits.read_budget_bytes = 1_000;
        expect_of(Fault::BudgetIgnored, "I41", &options);
    }
}

/// Peers that say what no program would, and do not read that they are refused.
#[test]
fn a_lingering_close_that_is_forgotten_is_caught_by_l9() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        let attackers = [Casting { part: Part::Attacker, dial_us: 0, core: false }; 8];
        let first = options.parts.len();
        options.parts.extend(attackers);
        let caught = |fault| {
            let mut people = people(&options);
            people[first..].iter_mut().for_each(|attacker| attacker.pace = Pace::Stalled);
            let outcome = watched(Run::among(&options, people, Canary::new(fault), false));
            outcome.failure.map(|failure| failure.invariant)
        };
        assert_eq!(caught(Fault::None), None, "healthy, seed {seed}");
        assert_eq!(caught(Fault::LingerForgotten).as_deref(), Some("L9"), "seed {seed}");
    }
}

#[test]
fn a_wake_up_that_comes_too_late_is_caught_by_i28() {
    expect(Fault::WakeLate, "I28");
}

/// Players that close their side in the middle of their request: both arrive together.
#[test]
fn an_end_that_is_lost_behind_the_last_bytes_is_caught_by_i42() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        let player = Part::Player { stream: 0, form: Form::Flv, wild: true };
        options.parts.push(Casting { part: player, dial_us: 1_000_000, core: false });
        let caught = |fault| {
            let mut people = people(&options);
            people.last_mut().expect("the player").fates = vec![Fate::HalfClose(10); 100];
            let outcome = watched(Run::among(&options, people, Canary::new(fault), false));
            outcome.failure.map(|failure| failure.invariant)
        };
        assert_eq!(caught(Fault::None), None, "healthy, seed {seed}");
        assert_eq!(caught(Fault::EndLost).as_deref(), Some("I42"), "seed {seed}");
    }
}

/// Players come all the time, and for a while there are no file descriptors.
#[test]
fn an_accept_pause_that_never_ends_is_caught_by_l10() {
    for seed in [7, 8, 9] {
        let mut options = calm(seed);
        options.faults.insert(sim::fault::Fault::Exhausted);
        for place in 0..60 {
            let part = Part::Player { stream: 0, form: Form::Flv, wild: true };
            options.parts.push(Casting { part, dial_us: place * 100_000, core: false });
        }
        expect_of(Fault::AcceptPauseEndless, "L10", &options);
    }
}

#[test]
fn twenty_canaries_and_no_two_alike() {
    let names: std::collections::BTreeSet<String> = ALL.iter().map(|fault| format!("{fault:?}")).collect();
    assert_eq!((ALL.len(), names.len()), (20, 20));
}

#[test]
fn a_failing_run_leaves_a_recording() {
    let outcome = run(&calm(7), Place::Tiny, Canary::new(Fault::FrameTwice), false);
    let contents = read(outcome.inputs.into()).expect("it is a recording");
    assert!(contents.ended && contents.entries.len() > 100, "{} entries", contents.entries.len());
}
