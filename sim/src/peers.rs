//! The peers of a run: one for each part that was drawn.

use crate::fault;
use crate::options::{Form, Mode, Options, Part};
use crate::peer::Boxed;
use crate::peer::draw::{Cast, Role, draw};
use crate::peer::live::Format;
use crate::rng::fork;
use crate::world::tiny::Person;

/// The peers, in the order of the options.
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

fn peer(options: &Options, place: usize) -> Boxed {
    let mut rng = fork(options.seed, &format!("peer/{place}"));
    let (role, stream, wild) = match options.parts[place].part {
        Part::Publisher { stream, wild } => (Role::Publisher, stream, wild),
        Part::Player { stream, form, wild } => (role(form), stream, wild),
        Part::Operator { wild } => (Role::Api, 0, wild),
        Part::Attacker if rng.one_in(3) => (Role::Recording, 0, true),
        Part::Attacker => (Role::Attacker, 0, true),
    };
    let known = options.parts.iter().map(|casting| match casting.part {
        Part::Publisher { stream, .. } | Part::Player { stream, .. } => stream,
        Part::Operator { .. } | Part::Attacker => 0,
    });
    let streams: Vec<String> =
        (0..=known.max().unwrap_or(0)).map(|stream| format!("live/{}", stream_name(stream))).collect();
    draw(&mut rng, &Cast { role, stream, streams: &streams, tame: !wild })
}

fn role(form: Form) -> Role {
    match form {
        Form::Rtmp => Role::RtmpPlayer,
        Form::Flv => Role::Live(Format::Flv),
        Form::WsFlv => Role::Live(Format::WsFlv),
        Form::Ts => Role::Live(Format::Ts),
        Form::Aac => Role::Live(Format::Aac),
        Form::Hls => Role::Hls,
    }
}
