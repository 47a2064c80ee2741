//! One run with and without company: whether what a stranger, a stalled player or a foreign publisher does
//! changes a single byte that anybody else is sent (I26).
//!
//! In: a number. Out: for each connection of those who are there in both runs what it was sent, twice; but
//! for the API, which tells about others by right. Where peers share by right (limits, file descriptors, the
//! disk), nothing is drawn that lets them share; and the process has endless time, since who is heard a
//! moment later may be sent the same bytes in other pieces.

use crate::campaign::watched;
use crate::canary::Canary;
use crate::fault::Fault;
use crate::options::{Mode, Options, Part};
use crate::peer::Boxed;
use crate::peer::draw::{Cast, Role, draw};
use crate::peer::live::Format;
use crate::peers::{self, stream_name};
use crate::rng::{Draws, fork};
use crate::run::{Outcome, Run};
use crate::world::link::Pace;
use crate::world::tiny::Person;
use conformance::rng::Rng;
use dacapo::record::rolling_hash::RollingHash;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Faults by which one peer is felt by another, and may be.
const SHARED: [Fault; 5] = [Fault::Flood, Fault::Exhausted, Fault::SlowDisk, Fault::FullDisk, Fault::BadDisk];

/// Who comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guest {
    /// Says what no program would.
    Attacker,
    /// Says what a real program once said.
    Recording,
    /// Publishes odd media under a name that nobody plays.
    Publisher,
    /// Plays what others play, and reads nothing of it.
    Stalled,
    /// Plays what others play, and comes and goes.
    Fickle,
    /// Publishes under the name that others play: no fault, and felt by everybody.
    Rival,
}

/// Those whom nobody else may feel.
pub const FAULTY: [Guest; 5] =
    [Guest::Attacker, Guest::Recording, Guest::Publisher, Guest::Stalled, Guest::Fickle];

/// A run that `seed` draws in which nobody shares anything but streams; `None`: it draws one with limits that
/// are reached.
pub fn options(seed: u64, mode: Mode) -> Option<Options> {
    let mut options = Options::draw(seed, mode);
    if options.tight {
        return None;
    }
    options.faults.retain(|fault| !SHARED.contains(fault));
    // An operator is told about everybody, and ends whom it likes. Who says again what a program said plays
    // what another one publishes. Both stand last.
    options.parts.retain(|casting| !matches!(casting.part, Part::Operator { .. } | Part::Attacker));
    options.apart = true;
    // Other budgets are other pieces.
    options.loop_limits = Default::default();
    Some(options)
}

/// The run with these guests.
pub fn play(options: &Options, guests: &[Guest]) -> Outcome {
    let mut people = peers::people(options);
    for guest in guests {
        people.push(person(options, people.len(), *guest));
    }
    watched(Run::among(options, people, Canary::default(), false))
}

/// What each connection of the run's own people was sent.
pub fn heard(options: &Options, outcome: &Outcome) -> BTreeMap<SocketAddr, RollingHash> {
    let own = |peer: &SocketAddr| Person::place(peer).is_some_and(|place| place < options.parts.len());
    outcome.heard.iter().filter(|(peer, _)| own(peer)).map(|(peer, digest)| (*peer, *digest)).collect()
}

fn person(options: &Options, place: usize, guest: Guest) -> Person {
    let mut rng = fork(options.seed, &format!("guest/{place}"));
    let dial_us = rng.between(0, options.hard_us);
    let mut person = Person::new(options.seed, place, peer(&mut rng, guest), dial_us);
    person.traits.latency_us = rng.scale(20, 100_000);
    if guest == Guest::Stalled {
        person.pace = Pace::Stalled;
    }
    person
}

fn peer(rng: &mut Rng, guest: Guest) -> Boxed {
    let played = [format!("live/{}", stream_name(0))];
    let foreign = ["elsewhere/foreign".to_owned()];
    let format = rng.pick(&[Format::Flv, Format::WsFlv, Format::Ts, Format::Aac]);
    let player = rng.pick(&[Role::RtmpPlayer, Role::Live(format), Role::Hls]);
    let (role, streams, tame) = match guest {
        Guest::Attacker => (Role::Attacker, &foreign, false),
        Guest::Recording => (Role::Recording, &foreign, false),
        Guest::Publisher => (Role::Publisher, &foreign, false),
        Guest::Stalled => (player, &played, true),
        Guest::Fickle => (player, &played, false),
        Guest::Rival => (Role::Publisher, &played, true),
    };
    draw(rng, &Cast { role, stream: 0, streams, tame })
}
