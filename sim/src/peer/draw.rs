//! Casts the parts of a run: makes a peer for a role, with habits drawn.

use super::api::{self, Api};
use super::hls::{self, Hls};
use super::live::{self, Format, Live};
use super::player::{self, Player};
use super::publisher::{self, Publisher};
use super::recording::Recording;
use super::stranger::Stranger;
use super::{Boxed, Peer};
use conformance::dice::Dice;

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
    Stranger,
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
    Role::Stranger,
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
pub fn draw(dice: &mut Dice, cast: &Cast<'_>) -> Boxed {
    let path = cast.streams[cast.stream].as_str();
    let (app, name) = path.rsplit_once('/').expect("a stream is named app/name");
    match (cast.role, cast.tame) {
        (Role::Publisher, true) => boxed(Publisher::new(publisher::Script::tame(dice, app, name))),
        (Role::Publisher, false) => boxed(Publisher::new(publisher::Script::wild(dice, app, name))),
        (Role::RtmpPlayer, true) => boxed(Player::new(player::Script::tame(dice, app, name))),
        (Role::RtmpPlayer, false) => boxed(Player::new(player::Script::wild(dice, app, name))),
        (Role::Live(format), true) => boxed(Live::new(live::Script::tame(path, format))),
        (Role::Live(format), false) => boxed(Live::new(live::Script::wild(dice, path, format))),
        (Role::Hls, true) => boxed(Hls::new(hls::Script::tame(dice, path))),
        (Role::Hls, false) => boxed(Hls::new(hls::Script::wild(dice, path))),
        (Role::Api, true) => boxed(Api::new(api::Script::tame(dice))),
        (Role::Api, false) => boxed(Api::new(api::Script::wild(dice))),
        (Role::Recording, _) => match Recording::draw(dice) {
            Some(recording) => boxed(recording),
            None => boxed(Stranger::new(dice, cast.streams)),
        },
        (Role::Stranger, _) => boxed(Stranger::new(dice, cast.streams)),
    }
}

fn boxed(peer: impl Peer + 'static) -> Boxed {
    Box::new(peer)
}
