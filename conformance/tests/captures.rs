//! Captures stay true: what real programs said is played to the server again, as it was and otherwise.
//!
//! `UPDATE=1` writes expectations anew; the diff of the texts is what a reviewer reads.

use conformance::capture::{self, Capture};
use conformance::replaying::fault::fault;
use conformance::replaying::judged::Judged;
use conformance::replaying::leftovers::left_over;
use conformance::replaying::{Company, REST, Run, first_publish, play, transcript, vary};
use conformance::rng::Rng;
use conformance::shrink;
use conformance::text::difference_in_context;
use dacapo::base::time::Instant;
use dacapo::record::{ConnNo, Entry, Event};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Long enough for everything that is on its way.
const MOMENT: Duration = Duration::from_secs(1);

/// Shorter words than these are cut short at every byte behind the handshake.
const SHORT: usize = 3450;

fn captures() -> Vec<Capture> {
    let shelf = capture::shelf();
    let load = |name: &String| Capture::load(&shelf, name).unwrap_or_else(|error| panic!("{error}"));
    capture::names(&shelf).iter().map(load).collect()
}

/// The repository is no film archive.
#[test]
fn captures_are_many_and_small() {
    let shelf = capture::shelf();
    let mut together = 0;
    let names = capture::names(&shelf);
    for name in &names {
        let files = std::fs::read_dir(shelf.join(name)).expect("a folder").flatten();
        let size: u64 = files.map(|file| file.metadata().map_or(0, |data| data.len())).sum();
        assert!(size < 400 << 10, "{name} has {size} bytes");
        together += size;
    }
    assert!(together < 12 << 20, "{together} bytes");
    let recorded = captures().into_iter().filter(|capture| !capture.reference.is_empty()).count();
    assert!(recorded >= 25, "{recorded} captures were recorded here");
}

#[test]
fn every_capture_is_answered_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut faults = Vec::new();
    for capture in captures() {
        let run = judged(&capture, &capture.entries, Company::Viewers, REST, "as recorded");
        let text = transcript::tell(&capture, &run);
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

/// Plays before the judge, which must find no fault.
#[track_caller]
fn judged(capture: &Capture, entries: &[Entry], company: Company, after: Duration, about: &str) -> Run {
    let config = capture.header().config().expect("it was checked");
    let mut judged = Judged::new(&config);
    let run = play(capture, entries, company, after, &mut judged);
    let (violations, _) = judged.finish(run.replay.summary().end);
    assert_eq!(violations, Vec::<String>::new(), "{}, {about}", capture.name);
    run
}

/// What all connections, viewers too, were sent.
fn sent(run: &Run) -> BTreeMap<ConnNo, Vec<u8>> {
    run.talks.iter().map(|(conn_no, talk)| (*conn_no, talk.bytes())).collect()
}

/// Where two runs part: which connection, at which byte.
fn parting(one: &BTreeMap<ConnNo, Vec<u8>>, other: &BTreeMap<ConnNo, Vec<u8>>) -> Option<String> {
    for (conn_no, bytes) in one {
        let against = other.get(conn_no).map_or(&[][..], Vec::as_slice);
        if bytes != against {
            let at = bytes.iter().zip(against).take_while(|(a, b)| a == b).count();
            return Some(format!("{conn_no} from byte {at} of {} and {}", bytes.len(), against.len()));
        }
    }
    None
}

/// I31: how the network cuts what is said changes no byte of what is answered.
#[test]
fn answers_do_not_depend_on_how_words_are_cut() {
    for capture in captures() {
        let mut rng = Rng::new(31);
        let play = |entries: &[Entry]| sent(&play(&capture, entries, Company::Alone, MOMENT, &mut ()));
        let as_recorded = play(&capture.entries);
        let check = |how: &str, entries: &[Entry]| {
            let parting = parting(&as_recorded, &play(entries));
            assert_eq!(parting, None, "{}, {how}", capture.name);
        };
        check("whole", &vary::whole(&capture.entries));
        check("byte by byte", &vary::bytewise(&capture.entries));
        let _ = judged(&capture, &vary::split(&capture.entries, &mut rng), Company::Viewers, MOMENT, "split");
        for number in 0..50 {
            check(&format!("split {number}"), &vary::split(&capture.entries, &mut rng));
        }
    }
}

/// I26: that others watch changes no byte of what the capture's own clients get.
#[test]
fn viewers_change_nothing_for_others() {
    for capture in captures() {
        let run = |company| play(&capture, &capture.entries, company, MOMENT, &mut ()).own();
        let parting = parting(&run(Company::Alone), &run(Company::Viewers));
        assert_eq!(parting, None, "{}", capture.name);
    }
}

/// Places at which the words of a connection are cut short: those around the parts of a handshake, and some
/// that the generator names; where little follows the handshake, all of that.
fn places(len: usize, rng: &mut Rng) -> BTreeSet<usize> {
    let mut places: BTreeSet<usize> = [0, 1, 2, 9, 1536, 1537, 1538, 3072, 3073, 3074, len].into();
    places.extend((0..12).map(|_| rng.below(len + 1)));
    places.extend((0..6).map(|_| rng.below(len.min(5000) + 1)));
    if len < SHORT {
        places.extend(3074..len);
    }
    places.retain(|place| *place <= len);
    places
}

/// I32: wherever what a peer says is cut short, no connection is left within the time that a
/// handshake may take, and no stream once what was published is disposed of.
#[test]
fn every_beginning_ends_well_when_all_hang_up() {
    let mut tried = 0;
    for capture in captures() {
        let mut rng = Rng::new(32);
        let config = capture.header().config().expect("it was checked");
        let handshake = Duration::from_millis(config.rtmp.handshake_timeout_ms);
        for conn_no in vary::conns(&capture.entries) {
            for place in places(vary::said(&capture.entries, conn_no).len(), &mut rng) {
                let entries = vary::prefix(&capture.entries, conn_no, place);
                let about = format!("{}, {place} bytes of {conn_no}", capture.name);
                let mut run = judged(&capture, &entries, Company::Alone, handshake, &about);
                assert_eq!(left_over(&mut run).0, 0, "{about}: a connection is left");
                let end = run.replay.summary().end + REST;
                run.replay.pass(end, &mut ());
                assert_eq!(left_over(&mut run), (0, 0), "{about}: something is left");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried} beginnings");
}

/// L3: a peer that falls silent in the middle of a word is gone in time, too.
#[test]
fn every_beginning_ends_well_when_all_fall_silent() {
    for capture in captures() {
        let mut rng = Rng::new(33);
        for conn_no in vary::conns(&capture.entries) {
            let len = vary::said(&capture.entries, conn_no).len();
            for place in [rng.below(len.min(3200) + 1), rng.below(len + 1)] {
                let mut entries = vary::prefix(&capture.entries, conn_no, place);
                entries.retain(|entry| !matches!(entry.event, Event::Ended { .. }));
                let about = format!("{place} bytes of {conn_no}");
                let mut run = judged(&capture, &entries, Company::Viewers, REST, &about);
                // A stream that was published until its publisher timed out is disposed of later.
                let end = run.replay.summary().end + REST;
                run.replay.pass(end, &mut ());
                assert_eq!(left_over(&mut run), (0, 0), "{}, {about}: something is left", capture.name);
            }
        }
    }
}

/// What each connection was shown, without times: the frames in order.
fn frames(capture: &Capture, factor: u64) -> BTreeMap<ConnNo, Vec<String>> {
    let entries = vary::stretched(&capture.entries, factor);
    // HLS numbers follow from the wall time at which a stream begins: that stays as it was.
    let begins = first_publish(&capture.entries).map_or(0, Instant::as_micros);
    let mut capture = capture.clone();
    capture.about.epoch_us = capture.about.epoch_us + begins - begins * factor / 1000;
    let mut run = judged(&capture, &entries, Company::Viewers, REST, &format!("{factor} thousandths"));
    let shown = transcript::shown(&run);
    assert_eq!(left_over(&mut run), (0, 0), "{} at {factor} thousandths: something is left", capture.name);
    shown
}

/// Time three times as slow or ten times as fast shows every player the same frames. What timed out as
/// recorded, or came too late for a live playlist, is no measure.
#[test]
fn time_may_go_faster_or_slower() {
    let mut same = 0;
    let mut others = Vec::new();
    for capture in captures() {
        let as_recorded = frames(&capture, 1000);
        for factor in [3000, 100] {
            for (conn_no, shown) in frames(&capture, factor) {
                if shown == as_recorded[&conn_no] {
                    same += 1;
                } else {
                    let (now, then) = (shown.len(), as_recorded[&conn_no].len());
                    others.push(format!(
                        "{} {conn_no} in {factor} thousandths: {now} frames, {then} as recorded",
                        capture.name
                    ));
                }
            }
        }
    }
    assert!(same > 600, "{same} connections");
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// What was found by the simulator or by fuzzing, and made small: `fixtures/inputs/<what it was>`. None of it
/// may panic or break a law again.
#[test]
fn what_failed_once_fails_no_more() {
    let folder = capture::fixtures().join("inputs");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("fixtures/inputs").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    files.retain(|file| file.path().extension().is_none_or(|ending| ending != "md"));
    for file in files {
        let contents = capture::recording(&file.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(fault(&contents.header, &contents.entries), Ok(None), "{}", file.path().display());
    }
}

/// Of a refused publisher's capture, shrinking leaves what makes the server refuse: two publishers of one
/// name.
#[test]
fn a_capture_is_made_small_by_what_matters_of_it() {
    let capture = Capture::load(&capture::shelf(), "rtmp/ffmpeg-9.0-publish-busy").expect("it is there");
    let header = capture.header();
    let refused = |entries: &[Entry]| {
        let run = play(&capture, entries, Company::Alone, MOMENT, &mut ());
        run.talks.values().any(|talk| talk.bytes().windows(7).any(|bytes| bytes == b"BadName"))
    };
    let small = shrink::shrink(&header, capture.entries.clone(), refused, 2000);
    let before = (capture.entries.len(), shrink::payload(&capture.entries));
    let after = (small.len(), shrink::payload(&small));
    assert!(refused(&small));
    // Handshakes cannot be made smaller: 3073 bytes each.
    assert!(after.0 <= 24 && after.1 < 2 * 3073 + 1000, "{before:?} became {after:?}");
    assert_eq!(vary::conns(&small).len(), 2);
}
