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
        if let Err(broken) = self.check_first(LOOK_AT_MAX) {
            panic!("{broken}");
        }
    }

    /// Checks the invariants for the first `count` peers, and for as many of each stream.
    ///
    /// # Errors
    /// The invariant that does not hold; the message begins with its number.
    pub(super) fn check_first(&self, count: usize) -> Result<(), String> {
        for peer in self.peers.iter().take(count) {
            self.check_bounds(peer)?;
            self.check_role(peer)?;
            self.check_wakefulness(peer)?;
        }
        for (name, key, hosted) in self.streams.iter() {
            for id in hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching).take(count) {
                holds(self.peers.get(*id).is_some(), || {
                    format!("I21: {name} refers to {id:?}, which is gone")
                })?;
            }
            if let Some(by) = hosted.stream.publication() {
                let role = self.peers.get(by.conn).map(|peer| &peer.role);
                let publishes = matches!(role, Some(Role::Publishing(of)) if *of == key);
                holds(publishes, || "I24: one publisher, both ways".to_owned())?;
            }
            if let Some((at, why)) = hosted.deadline() {
                let armed = hosted.armed.is_some_and(|armed| armed <= at);
                holds(armed, || format!("I27: {name} would sleep through {why}"))?;
            }
        }
        Ok(())
    }

    fn check_bounds(&self, peer: &Peer) -> Result<(), String> {
        let Link::Stream(link) = &peer.link;
        // The rest of a frame that was sent in part may be added to an outbox that is full.
        let rest_max = self.cx.config.limits.frame_bytes * 2;
        let most = link.outbox.bytes_max().saturating_add(rest_max);
        holds(link.outbox.len() <= most, || format!("I14: {} outbox", peer.cid))?;
        holds(link.inbox.len() <= link.inbox.limit(), || format!("I16: {} inbox", peer.cid))
    }

    fn check_role(&self, peer: &Peer) -> Result<(), String> {
        let Some(key) = peer.role.stream() else { return Ok(()) };
        let hosted = self.streams.get(key);
        let hosted = hosted.ok_or_else(|| "I21: a stream lives as long as a peer refers to it".to_owned())?;
        let listed = match &peer.role {
            Role::None | Role::Admitting { .. } => true,
            Role::Publishing(_) => hosted.stream.publication().is_some_and(|by| by.conn == peer.id),
            Role::Waiting { .. } => hosted.waiting.contains(&peer.id),
            Role::Playing { .. } => hosted.players.contains(&peer.id),
            Role::Fetching { .. } => hosted.fetching.contains(&peer.id),
        };
        holds(listed, || format!("I21: {} and its stream disagree about {:?}", peer.cid, peer.role))?;
        holds(matches!(peer.state, State::Open(_)), || {
            format!("I21: {} has ended and holds a stream", peer.cid)
        })
    }

    /// A connection with bytes and room is queued (I29), and so is one whose session is to go on; a
    /// connection with a deadline has an armed timer (I27).
    fn check_wakefulness(&self, peer: &Peer) -> Result<(), String> {
        let Link::Stream(link) = &peer.link;
        let queued = link.write == WriteState::Queued;
        let listed = || self.queues.ready.contains(peer.id) || self.waits_for_pass(peer.id);
        holds(!queued || listed(), || format!("I29: {} is queued, and in no queue", peer.cid))?;
        let idle = link.write == WriteState::Idle;
        holds(!idle || link.outbox.is_empty(), || format!("I29: {} has bytes and is not queued", peer.cid))?;
        let reads = link.read != ReadState::Idle;
        holds(!reads || self.queues.sessions.contains(&peer.id), || {
            format!("I30: the session of {} waits", peer.cid)
        })?;
        if let Some((at, why)) = peer.deadline() {
            let timer = self.queues.timers.get(Timer::Peer(peer.id));
            let armed = peer.armed.is_some_and(|armed| armed <= at && timer == Some(armed));
            holds(armed, || format!("I27: {} would sleep through {why}", peer.cid))?;
        }
        Ok(())
    }

    /// True if `id` has bytes and waits for the next pass of the loop (`limits.pass_writes`). Searches all
    /// that wait: for checks only.
    pub fn waits_for_pass(&self, id: ConnId) -> bool {
        let key = self.peers.get(id).and_then(|peer| peer.role.stream());
        key.and_then(|key| self.streams.get(key)).is_some_and(|hosted| hosted.budget.contains(id))
    }
}

fn holds(invariant: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if invariant { Ok(()) } else { Err(broken()) }
}
