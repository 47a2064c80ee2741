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
//! A build loads the state of another build if both have the same [`mod@schema`]; else the error names a type
//! that differs. The checksum finds damage. Forged input may load as a state that no run can reach; loading
//! never panics, and allocates at most a small multiple of the input's length.

use crate::base::schema::{Schema, schema};
use crate::server::Server;
use crate::server::peer::Role;
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
    Unsound(&'static str),
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

    /// Checks that peers and streams refer to each other, and only to what exists.
    fn is_sound(&self) -> Result<(), &'static str> {
        if !self.peers.is_sound() {
            return Err("a connection stands at the index of another one");
        }
        for peer in self.peers.iter() {
            let Some(key) = peer.role.stream() else { continue };
            let hosted =
                self.streams.get(key).ok_or("a connection refers to a stream that does not exist")?;
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
                return Err("a stream does not list a connection that refers to it");
            }
        }
        for (_, key, hosted) in self.streams.iter() {
            let around = hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching);
            let around = around.chain(hosted.stream.publication().map(|by| &by.conn));
            let about = |id| self.peers.get(id).is_some_and(|peer| peer.role.stream() == Some(key));
            if !around.copied().all(about) {
                return Err("a stream lists a connection that does not refer to it");
            }
        }
        Ok(())
    }
}

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
