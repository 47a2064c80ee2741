//! A part of a server as a server of its own: some streams and their connections.
//!
//! Peers affect each other only through a stream that they share. So the part, given the inputs of its
//! connections, behaves as it does in the whole. A recording of chosen streams begins with such a part.

use crate::base::name::StreamName;
use crate::server::Server;
use crate::server::jobs::Jobs;
use crate::server::peer::{Peer, State};

impl Server {
    /// A copy with the streams for which `keep` is true, their connections, and connections that have no
    /// stream yet and may choose one of these. To be called when [`Server::poll`] returns `None`. Takes time
    /// in proportion to what is kept.
    pub fn subset(&self, keep: impl Fn(&StreamName) -> bool) -> Server {
        let stays = |peer: &Peer| {
            let stream = peer.role.stream().and_then(|key| self.streams.name(key));
            match (stream.or(peer.name.as_ref()), &peer.state) {
                (Some(name), _) => keep(name),
                (None, State::Open(session)) => session.gets_streams(),
                (None, State::Ending { .. }) => false,
            }
        };
        let peers = self.peers.subset(stays);
        let streams = self.streams.subset(&keep);
        let stay = |id| peers.get(id).is_some();
        Server {
            cx: self.cx.clone(),
            services: self.services.clone(),
            queues: self.queues.subset(stay, |key| streams.get(key).is_some()),
            // A recording of chosen streams holds no results of background work.
            jobs: Jobs::default(),
            admission: self.admission.clone(),
            pending: self.pending.iter().filter(|(_, id)| stay(**id)).map(|(a, b)| (*a, *b)).collect(),
            finished: self.finished,
            overload_told: self.overload_told,
            traffic: self.traffic,
            peers,
            streams,
        }
    }
}
