//! A part of a server as a server of its own: some streams and the connections that are about them.
//!
//! What one peer does never changes what another gets, but through the stream that they budget. So the part,
//! told what these connections do, goes on as they do in the whole: this is how a recording of chosen streams
//! can begin in the middle of a run.

use crate::base::name::StreamName;
use crate::server::Server;
use crate::server::jobs::Jobs;
use crate::server::peer::{Peer, State};

impl Server {
    /// A copy with nothing but the streams that `keep` wants and the connections about them; of the others
    /// those may still become such that have not said what they are about. To be called when [`Server::poll`]
    /// has nothing to say. Takes time in proportion to what is kept.
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
            // Their results are not recorded with chosen streams.
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
