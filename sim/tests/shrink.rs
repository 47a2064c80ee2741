//! What a failing run leaves is enough: its inputs fail in the same way without any world around the server,
//! and so does the little that shrinking leaves of them.
//!
//! The fault is planted in the server's mouth, by the same canary in the world and in the replay.

mod calm;

use calm::calm;
use conformance::replaying::fault::{fault, planted};
use conformance::shrink::{payload, shrink};
use dacapo::record::{Contents, Entry, Header, read};
use sim::campaign::{Place, run};
use sim::canary::{Canary, Fault};
use sim::options::{Casting, FORMS, Options, Part};
use std::io::IoSlice;

/// Half a minute of three streams and a dozen players.
fn busy() -> Options {
    let mut options = calm(7);
    options.hard_us = 30_000_000;
    for stream in [1, 2] {
        options.parts.push(Casting {
            part: Part::Publisher { stream, wild: false },
            dial_us: 0,
            core: false,
        });
        for form in FORMS {
            let part = Part::Player { stream, form, wild: true };
            options.parts.push(Casting { part, dial_us: 500_000, core: false });
        }
    }
    options
}

/// What a run with this canary says is broken, and the inputs that it leaves.
fn failing(place: Place, canary: Fault) -> (String, Contents) {
    let outcome = run(&busy(), place, Canary::picky(canary), false);
    let failure = outcome.failure.expect("the canary is noticed");
    (failure.invariant, read(outcome.inputs.into()).expect("it is a recording"))
}

/// What is broken if these entries are given to a server with this canary in its mouth.
fn broken(header: &Header, entries: &[Entry], canary: Fault) -> Option<String> {
    let mut canary = Canary::picky(canary);
    let tampers =
        |conn_no: dacapo::record::ConnNo, bytes: &[u8]| canary.tampers(conn_no.0, &[IoSlice::new(bytes)]);
    let fault = planted(header, entries, tampers).expect("the header is one of this build");
    fault.map(|fault| fault.kind)
}

fn shrinks(place: Place, canary: Fault, law: &str, kind: &str) {
    let (invariant, Contents { header, entries, .. }) = failing(place, canary);
    assert_eq!(invariant, law, "{canary:?} in {place:?}");
    assert_eq!(broken(&header, &entries, canary).as_deref(), Some(kind), "without the world");
    assert_eq!(fault(&header, &entries), Ok(None), "without the canary");

    let before = (entries.len(), payload(&entries));
    let still = |entries: &[Entry]| broken(&header, entries, canary).as_deref() == Some(kind);
    let small = shrink(&header, entries, still, BUDGET);
    let after = (small.len(), payload(&small));
    println!(
        "{law} in {place:?}: {} inputs with {} bytes became {} with {}",
        before.0, before.1, after.0, after.1
    );
    assert!(still(&small));
    assert!(after.0 * 10 <= before.0 && after.1 * 10 <= before.1, "{before:?} became {after:?}");
}

#[test]
fn a_frame_twice_in_the_tiny_world() {
    shrinks(Place::Tiny, Fault::FrameTwice, "I1", "I1");
}

#[test]
fn a_frame_twice_in_turmoil() {
    shrinks(Place::Turmoil, Fault::FrameTwice, "I1", "I1");
}

#[test]
fn a_panic_in_the_tiny_world() {
    shrinks(Place::Tiny, Fault::Panics, "PANIC", "panic");
}

#[test]
fn a_panic_in_turmoil() {
    shrinks(Place::Turmoil, Fault::Panics, "PANIC", "panic");
}

/// A lie of the shell is found in the world; the server that was lied to has done nothing wrong, and that is
/// what its inputs say.
#[test]
fn a_fault_of_the_shell_is_none_of_the_server() {
    for place in [Place::Tiny, Place::Turmoil] {
        let (_, Contents { header, entries, .. }) = failing(place, Fault::TimerLost);
        assert_eq!(fault(&header, &entries), Ok(None), "{place:?}");
    }
}

/// How often shrinking may try.
const BUDGET: usize = 3_000;
