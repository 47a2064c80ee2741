//! Makes a peer for a role, with options drawn from a random generator.

use super::api::{self, Api};
use super::attacker::Attacker;
use super::hls::{self, Hls};
use super::live::{self, Format, Live};
use super::player::{self, Player};
use super::publisher::{self, Publisher};
use super::recording::Recording;
use super::{Boxed, Peer};
use conformance::rng::Rng;

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Publishes with RTMP.
    Publisher,
    /// Plays with RTMP.
    RtmpPlayer,
    /// Plays an endless response.
    Live(Format),
    /// Plays with HLS.
    Hls,
    /// Breaks things.
    Attacker,
    /// Says what a real program said.
    Recording,
    /// Asks the HTTP API.
    Api,
}

/// All roles.
pub const ROLES: [Role; 10] = [
    Role::Publisher,
    Role::RtmpPlayer,
    Role::Live(Format::Flv),
    Role::Live(Format::WsFlv),
    Role::Live(Format::Ts),
    Role::Live(Format::Aac),
    Role::Hls,
    Role::Attacker,
    Role::Recording,
    Role::Api,
];

/// What a peer is to be.
#[derive(Clone, Debug)]
pub struct Cast<'a> {
    /// Its role.
    pub role: Role,
    /// Which of `streams` it is about.
    pub stream: usize,
    /// The names of all streams of this run, each as "app/name"; one at least.
    pub streams: &'a [String],
    /// It behaves as healthy programs do, stays, and comes back when it loses its connection. Tame publishers
    /// send pictures (H.264) and sound (AAC), with a keyframe every two seconds or more often.
    pub tame: bool,
}

/// Makes a peer.
pub fn draw(rng: &mut Rng, cast: &Cast<'_>) -> Boxed {
    let path = cast.streams[cast.stream].as_str();
    let (app, name) = path.rsplit_once('/').expect("a stream is named app/name");
    match (cast.role, cast.tame) {
        (Role::Publisher, true) => boxed(Publisher::new(publisher::Script::tame(rng, app, name))),
        (Role::Publisher, false) => boxed(Publisher::new(publisher::Script::wild(rng, app, name))),
        (Role::RtmpPlayer, true) => boxed(Player::new(player::Script::tame(rng, app, name))),
        (Role::RtmpPlayer, false) => boxed(Player::new(player::Script::wild(rng, app, name))),
        (Role::Live(format), true) => boxed(Live::new(live::Script::tame(path, format))),
        (Role::Live(format), false) => boxed(Live::new(live::Script::wild(rng, path, format))),
        (Role::Hls, true) => boxed(Hls::new(hls::Script::tame(rng, path))),
        (Role::Hls, false) => boxed(Hls::new(hls::Script::wild(rng, path))),
        (Role::Api, true) => boxed(Api::new(api::Script::tame(rng))),
        (Role::Api, false) => boxed(Api::new(api::Script::wild(rng))),
        (Role::Recording, _) => match Recording::draw(rng) {
            Some(recording) => boxed(recording),
            None => boxed(Attacker::new(rng, cast.streams)),
        },
        (Role::Attacker, _) => boxed(Attacker::new(rng, cast.streams)),
    }
}

fn boxed(peer: impl Peer + 'static) -> Boxed {
    Box::new(peer)
}
