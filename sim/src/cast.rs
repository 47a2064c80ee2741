//! Who comes, in flesh and blood: peers for the parts that were drawn.

use crate::dice::fork;
use crate::fault;
use crate::options::{Mode, Options, Part};
use crate::peer::Peer;
use crate::peer::player::{Player, Script as PlayerScript};
use crate::peer::publisher::{Publisher, Script as PublisherScript};
use crate::world::tiny::Person;

/// Everybody.
pub fn people(options: &Options) -> Vec<Person> {
    let person = |place: usize| {
        let casting = &options.parts[place];
        let mut person = Person::new(options.seed, place, peer(options, place), casting.dial_us);
        if options.mode != Mode::Perf {
            person.traits = fault::traits(options.seed, place, &options.faults);
            person.fates = fault::fates(options.seed, place, &options.faults);
        }
        person
    };
    (0..options.parts.len()).map(person).collect()
}

/// The name of a stream below the application `live`.
pub fn stream_name(stream: usize) -> String {
    format!("s{stream}")
}

fn peer(options: &Options, place: usize) -> Box<dyn Peer> {
    let mut dice = fork(options.seed, &format!("peer/{place}"));
    match options.parts[place].part {
        Part::Publisher { stream, wild } => {
            let name = stream_name(stream);
            Box::new(Publisher::new(if wild {
                PublisherScript::wild(&mut dice, "live", &name)
            } else {
                PublisherScript::tame(&mut dice, "live", &name)
            }))
        }
        Part::Player { stream, wild, .. } => {
            let name = stream_name(stream);
            Box::new(Player::new(if wild {
                PlayerScript::wild(&mut dice, "live", &name)
            } else {
                PlayerScript::tame(&mut dice, "live", &name)
            }))
        }
        Part::Operator { .. } | Part::Stranger => {
            Box::new(Player::new(PlayerScript::wild(&mut dice, "live", "nothing")))
        }
    }
}
