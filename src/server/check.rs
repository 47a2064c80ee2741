//! Checks of the invariants that hold whenever `handle` returns. Debug builds check after every call, the
//! simulator at times of its choice.

use crate::base::id::ConnId;
use crate::server::Server;
use crate::server::peer::{Link, Peer, ReadState, Role, State, WriteState};
use crate::server::queues::Timer;

/// Most connections that one check looks at: a check after every call must not take time in proportion to
/// all.
const LOOK_AT_MAX: usize = 64;

impl Server {
    /// Checks the invariants.
    ///
    /// # Panics
    /// If one does not hold; the message begins with its number.
    pub fn check(&self) {
        let look_at = self.peers.iter().take(LOOK_AT_MAX);
        for peer in look_at {
            self.check_bounds(peer);
            self.check_role(peer);
            self.check_wakefulness(peer);
        }
        for (name, key, hosted) in self.streams.iter() {
            for id in hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching).take(LOOK_AT_MAX) {
                assert!(self.peers.get(*id).is_some(), "I21: {name} refers to {id:?}, which is gone");
            }
            if let Some(by) = hosted.stream.publication() {
                let role = self.peers.get(by.conn).map(|peer| &peer.role);
                assert!(
                    matches!(role, Some(Role::Publishing(of)) if *of == key),
                    "I24: one publisher, both ways"
                );
            }
            if let Some((at, why)) = hosted.deadline() {
                assert!(
                    hosted.armed.is_some_and(|armed| armed <= at),
                    "I27: {name} would sleep through {why}"
                );
            }
        }
    }

    fn check_bounds(&self, peer: &Peer) {
        let Link::Stream(link) = &peer.link;
        // The rest of a frame that was sent in part may be added to an outbox that is full.
        let rest_max = self.cx.config.limits.frame_bytes * 2;
        assert!(link.outbox.len() <= link.outbox.bytes_max() + rest_max, "I14: {} outbox", peer.cid);
        assert!(link.inbox.len() <= link.inbox.limit(), "I16: {} inbox", peer.cid);
    }

    fn check_role(&self, peer: &Peer) {
        let Some(hosted) = peer.role.stream().map(|key| self.streams.get(key)) else { return };
        let hosted = hosted.expect("I21: a stream lives as long as a peer refers to it");
        let listed = match &peer.role {
            Role::None | Role::Admitting { .. } => true,
            Role::Publishing(_) => hosted.stream.publication().is_some_and(|by| by.conn == peer.id),
            Role::Waiting { .. } => hosted.waiting.contains(&peer.id),
            Role::Playing { .. } => hosted.players.contains(&peer.id),
            Role::Fetching { .. } => hosted.fetching.contains(&peer.id),
        };
        assert!(listed, "I21: {} and its stream disagree about {:?}", peer.cid, peer.role);
        assert!(matches!(peer.state, State::Open(_)), "I21: {} has ended and holds a stream", peer.cid);
    }

    /// A connection with bytes and room is queued (I29), and so is one whose session is to go on; a
    /// connection with a deadline has an armed timer (I27).
    fn check_wakefulness(&self, peer: &Peer) {
        let Link::Stream(link) = &peer.link;
        let queued = link.write == WriteState::Queued;
        let listed = || self.queues.ready.contains(peer.id) || self.waits_for_pass(peer.id);
        assert!(!queued || listed(), "I29: {} is queued, and in no queue", peer.cid);
        let idle = link.write == WriteState::Idle;
        assert!(!idle || link.outbox.is_empty(), "I29: {} has bytes and is not queued", peer.cid);
        let reads = link.read != ReadState::Idle;
        assert!(!reads || self.queues.sessions.contains(&peer.id), "I30: the session of {} waits", peer.cid);
        if let Some((at, why)) = peer.deadline() {
            let timer = self.queues.timers.get(Timer::Peer(peer.id));
            let armed = peer.armed.is_some_and(|armed| armed <= at && timer == Some(armed));
            assert!(armed, "I27: {} would sleep through {why}", peer.cid);
        }
    }

    /// True if `id` has bytes and waits for the next pass of the loop (`limits.pass_writes`). Searches all
    /// that wait: for checks only.
    pub fn waits_for_pass(&self, id: ConnId) -> bool {
        let key = self.peers.get(id).and_then(|peer| peer.role.stream());
        key.and_then(|key| self.streams.get(key)).is_some_and(|hosted| hosted.budget.contains(id))
    }
}
