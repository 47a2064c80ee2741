//! Saves a server as bytes and loads it, so that a recording can begin in the middle of a run.
//!
//! A loaded server behaves as the one that was saved: the same calls give the same outputs and bytes. It may
//! need more memory: payloads that were shared (a frame in the ring and in an open HLS segment) are no
//! longer. Saving takes time in proportion to the whole state, so a thread should do it with a clone.
//!
//! ```text
//! saved = line "dacapo server 1 …\n", CRC-32 u32 of the rest, build, schema, state    (postcard)
//! ```
//!
//! A build loads the state of another build if both have the same [schema](mod@crate::base::schema); else the
//! error names a type that differs. The checksum finds damage. Forged input may load as a state that no run
//! can reach; loading never panics, and allocates at most a small multiple of the input's length.

use crate::base::schema::{Schema, schema};
use crate::base::walk::{Head, Leaf, Visit, walk};
use crate::package::Consumer;
use crate::server::Server;
use crate::server::hosted::Consumed;
use crate::server::peer::{Link, Role};
use crate::server::queues::Timer;
use crate::session::Reads;
use crate::stream::cursor::Cursor;
use serde::Serialize;
use thiserror::Error;

/// The first line of every saved server.
const LINE: &[u8] = b"dacapo server 1 SECRET\n";

/// Length of [`LINE`].
#[cfg(test)]
pub(super) const LINE_BYTES: usize = LINE.len();

/// The part of [`LINE`] that is the same in every version of the format.
const MAGIC: &[u8] = b"dacapo server ";

/// Why bytes cannot be loaded as a server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unloadable {
    /// They do not begin as a saved server does.
    #[error("not a saved server")]
    Stranger,
    /// Another version of the format.
    #[error("the saved server has a format that this build does not read; it reads format 1")]
    Format,
    /// The checksum does not match, or bytes are missing.
    #[error("the saved server is damaged")]
    Damaged,
    /// The state of the build that saved it has another schema.
    #[error("the server was saved by {build}, and {part} differs in this build")]
    OtherBuild {
        /// The build that saved it.
        build: String,
        /// A type that differs.
        part: String,
    },
    /// The state refers to something that it does not hold.
    #[error("the saved server contradicts itself: {0}")]
    Unsound(String),
}

impl Server {
    /// The whole state as bytes. Holds the server's seed and is as secret. Takes time in proportion to the
    /// state.
    pub fn save(&self) -> Vec<u8> {
        saved(self)
    }

    /// Loads a saved server.
    ///
    /// # Errors
    /// If the bytes are not a saved server, are damaged, were saved by a build with another state, or
    /// describe a state that contradicts itself.
    pub fn load(bytes: &[u8]) -> Result<Server, Unloadable> {
        if !bytes.starts_with(MAGIC) {
            return Err(Unloadable::Stranger);
        }
        let rest = bytes.strip_prefix(LINE).ok_or(Unloadable::Format)?;
        let (sum, rest) = rest.split_first_chunk().ok_or(Unloadable::Damaged)?;
        if u32::from_le_bytes(*sum) != crc32fast::hash(rest) {
            return Err(Unloadable::Damaged);
        }
        let head = postcard::take_from_bytes::<(String, Schema)>(rest);
        let ((build, saved), rest) = head.map_err(|_| Unloadable::Damaged)?;
        let other_build = |part: String| Unloadable::OtherBuild { build: build.clone(), part };
        // The checksum matches, so bytes that cannot be parsed are those of another build.
        let whole = || other_build("something".to_owned());
        let (mut server, rest) = postcard::take_from_bytes::<Server>(rest).map_err(|_| whole())?;
        if let Some((part, _)) = saved.symmetric_difference(&schema(&server)).next() {
            // Some types carry a mark of `base::secret` as their name.
            return Err(other_build(format!("`{}`", part.trim_start_matches('$'))));
        }
        if !rest.is_empty() {
            return Err(whole());
        }
        server.is_sound().map_err(Unloadable::Unsound)?;
        // Not saved, since it follows from the rest.
        server.introduce();
        Ok(server)
    }

    /// Checks that peers and streams refer to each other, and only to what exists, that what is counted is as
    /// it is counted, and that no number is so large that no run could reach it.
    ///
    /// # Errors
    /// What does not hold.
    fn is_sound(&self) -> Result<(), String> {
        holds(!has_large_numbers(self), "a number is too large")?;
        holds(self.peers.is_sound(), "a connection stands at the index of another one")?;
        holds(self.streams.is_sound(), "names and streams do not match")?;
        for peer in self.peers.iter() {
            let Link::Stream(link) = &peer.link;
            holds(link.outbox.is_sound(), "bytes that wait to be sent are counted wrong")?;
            if let Reads::Chunks(reader) = peer.state.reads() {
                holds(reader.is_sound(), "the messages of a peer do not match their numbers")?;
            }
            let timer = self.queues.timers.get(Timer::Peer(peer.id));
            holds(peer.armed == timer, "a connection waits for a timer that does not exist")?;
            let Some(key) = peer.role.stream() else { continue };
            let hosted =
                self.streams.get(key).ok_or("a connection refers to a stream that does not exist")?;
            let listed = match &peer.role {
                Role::Publishing(_) => hosted.stream.publication().is_some_and(|by| by.conn == peer.id),
                Role::Waiting { .. } => hosted.waiting.contains(&peer.id),
                Role::Playing { .. } => hosted.players.contains(&peer.id),
                Role::Fetching { .. } => hosted.fetching.contains(&peer.id),
                Role::None | Role::Admitting { .. } => true,
            };
            holds(listed, "a stream does not list a connection that refers to it")?;
        }
        for (_, key, hosted) in self.streams.iter() {
            let around = hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching);
            let around = around.chain(hosted.stream.publication().map(|by| &by.conn));
            let about = |id| self.peers.get(id).is_some_and(|peer| peer.role.stream() == Some(key));
            holds(around.copied().all(about), "a stream lists a connection that does not refer to it")?;
            let players = hosted.players.iter().filter_map(|id| match &self.peers.get(*id)?.role {
                Role::Playing { cursor, .. } => Some(cursor),
                _ => None,
            });
            let players: Vec<&Cursor> = players.collect();
            holds(players.len() == hosted.players.len(), "a stream lists a player that does not play")?;
            holds(hosted.stream.is_sound(&players), "the frames of a stream do not match its numbers")?;
            let sound = |consumed: &Consumed| consumed.consumer.is_sound();
            let timer = self.queues.timers.get(Timer::Stream(key));
            holds(hosted.armed == timer, "a stream waits for a timer that does not exist")?;
            holds(hosted.consumers.iter().all(sound), "the segments of a stream do not match its numbers")?;
        }
        self.check_first(usize::MAX)
    }
}

fn holds(sound: bool, unsound: &'static str) -> Result<(), String> {
    if sound { Ok(()) } else { Err(unsound.to_owned()) }
}

/// True if a number in `state` is larger than [`NUMBER_MAX`]: sums and products of it might overflow.
fn has_large_numbers(state: &Server) -> bool {
    struct Largest(u64);
    impl Visit for Largest {
        fn leaf(&mut self, leaf: Leaf<'_>) {
            let number = match leaf {
                Leaf::Unsigned(number) => number,
                Leaf::Signed(number) => number.unsigned_abs(),
                _ => 0,
            };
            self.0 = self.0.max(number);
        }
        fn open(&mut self, _: Head) {}
        fn field(&mut self, _: &'static str) {}
        fn close(&mut self) {}
    }
    let mut largest = Largest(0);
    walk(state, &mut largest);
    largest.0 > NUMBER_MAX
}

/// The largest number in a saved server: microseconds of more than a hundred years. No count or size comes
/// near.
const NUMBER_MAX: u64 = 1 << 52;

/// A state in the format of [`Server::save`]: a server, or data that serialises like one.
///
/// # Panics
/// If `state` cannot be serialised; plain data always can.
fn saved(state: &impl Serialize) -> Vec<u8> {
    let mut bytes = LINE.to_vec();
    bytes.extend([0; 4]);
    for part in [postcard::to_allocvec(&(BUILD, schema(state))), postcard::to_allocvec(state)] {
        bytes.extend(part.expect("the state is plain data"));
    }
    seal(&mut bytes);
    bytes
}

/// Name of this build.
const BUILD: &str = concat!("dacapo ", env!("BUILD_OF_DACAPO"));

/// Writes the checksum into saved bytes.
pub(super) fn seal(bytes: &mut [u8]) {
    let Some(rest) = bytes.get(LINE.len() + 4..) else { return };
    let sum = crc32fast::hash(rest);
    bytes[LINE.len()..][..4].copy_from_slice(&sum.to_le_bytes());
}
