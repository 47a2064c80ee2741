//! A whole server as bytes, and back: so that a recording can begin in the middle of a run.
//!
//! A loaded server goes on like the one that was saved: the same calls bring the same outputs and bytes. What
//! is not the same is memory: payloads that were shared (a frame in the ring and in an open HLS segment) are
//! held once for each place. Saving looks at everything that is held, so it is for a thread that has a clone.
//!
//! ```text
//! saved = line "dacapo server 1 …\n", CRC-32 u32 of the rest, build, schema, state    (postcard)
//! ```
//!
//! A build reads what another one saved if the states of both have the same [`mod@schema`]; else it says
//! which part is another one. Damage is found by the checksum. Bytes that somebody made up may become a
//! server that never was; they never make loading panic, or take more than some times their own length.

use crate::base::schema::{Schema, schema};
use crate::server::Server;
use crate::server::peer::Role;
use serde::Serialize;
use thiserror::Error;

/// How every saved server begins.
const LINE: &[u8] = b"dacapo server 1 SECRET\n";

/// Length of [`LINE`].
#[cfg(test)]
pub(super) const LINE_BYTES: usize = LINE.len();

/// What [`LINE`] must begin with to be ours at all.
const MAGIC: &[u8] = b"dacapo server ";

/// Why bytes are not a server that this build can go on with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unloadable {
    /// Something else.
    #[error("this is no saved server")]
    Stranger,
    /// From the future.
    #[error("this server was saved in another format than 1, which is what this build reads")]
    Format,
    /// Not the bytes that were saved.
    #[error("the saved server is damaged")]
    Damaged,
    /// A build whose servers are made of other parts.
    #[error("this server was saved by {build}, and in this build {part} is another one")]
    OtherBuild {
        /// Which build saved it.
        build: String,
        /// A part that is not the same.
        part: String,
    },
    /// Something in it is about something that is not in it.
    #[error("the saved server contradicts itself: {0}")]
    Unsound(&'static str),
}

impl Server {
    /// The whole state as bytes. As secret as the server's seed, which is in it. Takes time in proportion to
    /// all that the server holds.
    pub fn save(&self) -> Vec<u8> {
        saved(self)
    }

    /// The server that was saved.
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
        // Whole, and yet not understood: it was never meant for this build.
        let whole = || other_build("something".to_owned());
        let (mut server, rest) = postcard::take_from_bytes::<Server>(rest).map_err(|_| whole())?;
        if let Some((part, _)) = saved.symmetric_difference(&schema(&server)).next() {
            return Err(other_build(format!("`{part}`")));
        }
        if !rest.is_empty() {
            return Err(whole());
        }
        server.is_sound().map_err(Unloadable::Unsound)?;
        server.introduce();
        Ok(server)
    }

    /// Everybody refers only to who is there, or what contradicts that.
    fn is_sound(&self) -> Result<(), &'static str> {
        if !self.peers.is_sound() {
            return Err("a connection sits in another's place");
        }
        for peer in self.peers.iter() {
            let Some(key) = peer.role.stream() else { continue };
            let hosted = self.streams.get(key).ok_or("a connection is about a stream that is not there")?;
            let listed = match &peer.role {
                Role::Publishing(_) => hosted.stream.publication().is_some_and(|by| by.conn == peer.id),
                Role::Waiting { .. } => hosted.waiting.contains(&peer.id),
                Role::Playing { cursor, .. } => {
                    hosted.players.contains(&peer.id) && hosted.stream.can_follow(cursor)
                }
                Role::Fetching { .. } => hosted.fetching.contains(&peer.id),
                Role::None | Role::Admitting { .. } => true,
            };
            if !listed {
                return Err("a stream knows nothing of a connection that is about it");
            }
        }
        for (_, key, hosted) in self.streams.iter() {
            let around = hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching);
            let around = around.chain(hosted.stream.publication().map(|by| &by.conn));
            let about = |id| self.peers.get(id).is_some_and(|peer| peer.role.stream() == Some(key));
            if !around.copied().all(about) {
                return Err("a stream knows connections that are not about it");
            }
        }
        Ok(())
    }
}

/// What [`Server::save`] gives of this state: a server, or what is serialized like one.
pub fn saved(state: &impl Serialize) -> Vec<u8> {
    let mut bytes = LINE.to_vec();
    bytes.extend([0; 4]);
    for part in [postcard::to_allocvec(&(BUILD, schema(state))), postcard::to_allocvec(state)] {
        bytes.extend(part.expect("the state is plain data"));
    }
    seal(&mut bytes);
    bytes
}

/// Which build saves.
const BUILD: &str = concat!("dacapo ", env!("BUILD_OF_DACAPO"));

/// Writes the checksum.
pub(super) fn seal(bytes: &mut [u8]) {
    let Some(rest) = bytes.get(LINE.len() + 4..) else { return };
    let sum = crc32fast::hash(rest);
    bytes[LINE.len()..][..4].copy_from_slice(&sum.to_le_bytes());
}
