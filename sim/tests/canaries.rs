//! Every canary is caught by the invariant that its test names; a healthy run of the same number is not.

mod calm;

use calm::calm;
use dacapo::record::read;
use sim::campaign::{Place, run};
use sim::canary::{ALL, Canary, Fault};
use sim::options::Options;

/// Which invariant is said to be broken first.
fn caught(fault: Fault, options: &Options) -> Option<String> {
    let outcome = run(options, Place::Tiny, Canary::new(fault), false);
    outcome.failure.map(|failure| failure.invariant)
}

fn expect(fault: Fault, names: &[&str]) {
    let options = calm(7);
    assert_eq!(caught(Fault::None, &options), None, "healthy");
    let name = caught(fault, &options).unwrap_or_else(|| "nothing".to_owned());
    assert!(names.contains(&name.as_str()), "{fault:?} is caught by {name}");
}

#[test]
fn a_lost_tick_is_caught_by_i28() {
    expect(Fault::TickLost, &["I28"]);
}

#[test]
fn a_lost_timer_is_caught_by_i28() {
    expect(Fault::TimerLost, &["I28"]);
}

#[test]
fn too_few_bytes_reported_are_caught_by_the_talk() {
    expect(Fault::SentMisreported, &["W1", "I1", "I6", "TALK"]);
}

#[test]
fn more_bytes_than_were_shown_are_caught_by_the_assertion() {
    expect(Fault::SentPastTheLimit, &["PANIC", "I14", "I1", "TALK"]);
}

#[test]
fn a_socket_that_stays_open_is_caught_by_i23() {
    expect(Fault::SocketKeptOpen, &["I23"]);
}

#[test]
fn a_frame_twice_is_caught_by_i1() {
    expect(Fault::FrameTwice, &["I1", "I9"]);
}

#[test]
fn swapped_frames_are_caught_by_i1() {
    expect(Fault::FramesSwapped, &["I1", "I9", "I4", "I3"]);
}

#[test]
fn a_skipped_keyframe_is_caught_by_i3() {
    expect(Fault::BoundarySkipped, &["I3", "I4"]);
}

#[test]
fn a_missing_configuration_is_caught_by_i2() {
    expect(Fault::HeaderMissing, &["I2", "I5"]);
}

#[test]
fn a_step_back_is_caught_by_i9() {
    expect(Fault::StepBack, &["I9", "I1"]);
}

#[test]
fn a_foreign_frame_is_caught_by_i6() {
    expect(Fault::CrossStream, &["I6", "I7", "I1"]);
}

#[test]
fn a_changed_byte_is_caught_by_i6() {
    expect(Fault::PayloadChanged, &["I6", "I1"]);
}

#[test]
fn twelve_canaries_and_no_two_alike() {
    assert!(ALL.len() >= 12);
}

#[test]
fn a_failing_run_leaves_a_recording() {
    let outcome = run(&calm(7), Place::Tiny, Canary::new(Fault::FrameTwice), false);
    let contents = read(outcome.inputs.into()).expect("it is a recording");
    assert!(contents.ended && contents.entries.len() > 100, "{} entries", contents.entries.len());
}
