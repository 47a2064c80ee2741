//! Captures stay true: what real programs said is played to the server again, as it was and otherwise.
//!
//! `UPDATE=1` writes expectations anew; the diff of the texts is what a reviewer reads.

use conformance::capture::{self, Capture};
use conformance::replaying::{Company, play, told};
use conformance::text::difference_in_context;
use std::time::Duration;

/// Longer than any timeout of the server: after this nobody may be left.
const REST: Duration = Duration::from_secs(200);

fn captures() -> Vec<Capture> {
    let shelf = capture::shelf();
    let load = |name: &String| Capture::load(&shelf, name).unwrap_or_else(|error| panic!("{error}"));
    capture::names(&shelf).iter().map(load).collect()
}

#[test]
fn every_capture_is_answered_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut faults = Vec::new();
    for capture in captures() {
        let run = play(&capture, &capture.entries, Company::Guests, REST, &mut ());
        let text = told::tell(&capture, &run);
        let file = capture.expectation(&capture::shelf());
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if update {
            std::fs::write(&file, &text).expect("fixtures are writable");
        } else if text != expected {
            let difference = difference_in_context(&expected, &text, 2, 60);
            faults.push(format!("{}:\n{difference}", capture.name));
        }
    }
    let hint = "if that is wanted: UPDATE=1 cargo test -p conformance --test captures";
    assert!(
        faults.is_empty(),
        "{} captures are answered otherwise; {hint}\n{}",
        faults.len(),
        faults.join("\n")
    );
}
