//! The saved server that a recording begins with, as a tree whose parts can be replaced.
//!
//! In: a saved server. Out: its connections, its names, and the server again.

use crate::tree::{Group, Node};
use dacapo::base::id::ConnId;
use dacapo::base::name::StreamName;
use dacapo::base::secret::mark;
use dacapo::record::Fault;
use dacapo::server::Server;
use dacapo::session::Reads;
use std::collections::BTreeSet;

/// A saved server.
#[derive(Debug)]
pub struct Saved {
    /// All of it.
    pub tree: Node,
    /// Its connections and how their sessions read on, in the order in which they stand in the tree.
    reads: Vec<(ConnId, Reads)>,
}

impl Saved {
    /// The server that these bytes are.
    ///
    /// # Errors
    ///
    /// They are no server of this build.
    pub fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let server = Server::load(bytes).map_err(|unloadable| Fault::Saved(unloadable.to_string()))?;
        let reads = server.connections().filter_map(|id| Some((id, server.reads(id)?))).collect();
        Ok(Saved { tree: Node::of(&server), reads })
    }

    /// The server as it is saved.
    ///
    /// # Errors
    ///
    /// What was put into the tree makes no server.
    pub fn into_bytes(self) -> Result<Vec<u8>, Fault> {
        let server: Option<Server> = self.tree.read();
        let server = server.ok_or_else(|| Fault::Saved("its parts do not fit each other".to_owned()))?;
        Ok(server.save())
    }

    /// All streams that it knows.
    pub fn names(&self) -> BTreeSet<StreamName> {
        let mut names = BTreeSet::new();
        self.tree.each(mark::STREAM_NAME, &mut |name| {
            names.extend(Node::Group(Box::new(name.clone())).read::<StreamName>());
        });
        names
    }

    /// Its connections, and how their sessions read on.
    pub fn connections(&self) -> Vec<(ConnId, &Reads, &Group)> {
        let mut connections = Vec::new();
        let mut reads = self.reads.iter();
        self.tree.each(mark::CONNECTION, &mut |connection| {
            connections.extend(reads.next().map(|(id, reads)| (*id, reads, connection)));
        });
        connections
    }

    /// Shows each connection, to be changed.
    pub fn each_connection(&mut self, mut show: impl FnMut(ConnId, &mut Group)) {
        let mut reads = self.reads.iter();
        self.tree.each_mut(mark::CONNECTION, &mut |connection| {
            if let Some((id, _)) = reads.next() {
                show(*id, connection);
            }
        });
    }
}
