//! Isolation (I26): the same run with and without an additional peer, such as an attacker, a stalled player
//! or another publisher. No byte to any other peer may change.
//!
//! In: a seed. Out: for each connection of both runs the bytes that it was sent, twice. API clients are left
//! out, since answers report on other peers. Options are drawn so that peers share no limits, file
//! descriptors or disk. The process never lacks time, since a peer that is read later may be sent the same
//! bytes in other pieces.

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

/// Faults through which one peer may affect another.
const SHARED: [Fault; 5] = [Fault::Flood, Fault::Exhausted, Fault::SlowDisk, Fault::FullDisk, Fault::BadDisk];

/// The additional peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guest {
    /// Sends bytes that no program would send.
    Attacker,
    /// Repeats the bytes of a real program.
    Recording,
    /// Publishes unusual media under a name that no peer plays.
    Publisher,
    /// Plays the same stream as others, and reads nothing.
    Stalled,
    /// Plays the same stream as others, and leaves and returns.
    Fickle,
    /// Publishes under the name that others play: legal, and it affects all of them.
    Rival,
}

/// The kinds that must not affect other peers.
pub const FAULTY: [Guest; 5] =
    [Guest::Attacker, Guest::Recording, Guest::Publisher, Guest::Stalled, Guest::Fickle];

/// The run of `seed` with options by which peers share nothing but streams. `None` if its limits are reached.
pub fn options(seed: u64, mode: Mode) -> Option<Options> {
    let mut options = Options::draw(seed, mode);
    if options.tight {
        return None;
    }
    options.faults.retain(|fault| !SHARED.contains(fault));
    // API clients see and end other connections, and peers that repeat a program play what another one
    // publishes. Both stand last.
    options.parts.retain(|casting| !matches!(casting.part, Part::Operator { .. } | Part::Attacker));
    options.apart = true;
    // With other budgets the same bytes come in other pieces.
    options.loop_limits = Default::default();
    Some(options)
}

/// The run with these additional peers.
pub fn play(options: &Options, guests: &[Guest]) -> Outcome {
    let mut people = peers::people(options);
    for guest in guests {
        people.push(person(options, people.len(), *guest));
    }
    watched(Run::among(options, people, Canary::default(), false))
}

/// The bytes that each connection of the run's own peers was sent.
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
