//! Publishers: how they begin, are replaced, drop, come back, and end a stream.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::config::Second;
use crate::media::frame::Frame;
use crate::server::Server;
use crate::server::hosted::Hosted;
use crate::server::peer::Role;
use crate::server::queues::Timer;
use crate::session::ask::Refusal;
use crate::stream::ingest::Stream;
use crate::stream::registry::StreamKey;
use std::time::Duration;

impl Server {
    /// Lets `id`, which is admitted, publish under `name`.
    pub(super) fn publish(&mut self, id: ConnId, name: &StreamName) -> Result<(), Refusal> {
        // The stream would be cut off within the drain timeout.
        if self.cx.draining.is_some() {
            return Err(Refusal::Draining);
        }
        if !name.is_sound() {
            return Err(Refusal::BadName);
        }
        let settings = self.cx.stream(name);
        let known = self.streams.find(name).and_then(|key| self.streams.get(key));
        let (published, publisher) = match known {
            Some(hosted) => (hosted.is_published(), hosted.stream.publication().map(|by| by.conn)),
            None => (false, None),
        };
        // A connection that publishes the same name again is not a second publisher.
        if let Some(before) = publisher.filter(|before| *before != id) {
            if settings.publish.second == Second::Refuse {
                reached!("a second publisher was refused");
                return Err(Refusal::Busy);
            }
            reached!("a publisher was replaced");
            self.replace(before);
        }
        // A stream that is or lately was published has its place already.
        let count = || self.streams.iter().filter(|(_, _, hosted)| hosted.is_published()).count();
        if !published && count() >= self.cx.config.limits.streams {
            reached!("a publisher was refused by the limit of streams");
            return Err(Refusal::Limit(Limit::Streams));
        }
        // After all checks: a peer that is refused keeps its role.
        self.leave_stream(id, &Reason::PeerLeft);
        let key = self.find_or_add(name);
        if let Some(mut stream) = self.stream(key) {
            stream.publish(id, name, &settings);
        }
        Ok(())
    }

    /// Ends the publisher `before`: another one takes over its stream, and the players stay.
    fn replace(&mut self, before: ConnId) {
        if let Some(peer) = self.peers.get_mut(before) {
            // Without a role, so that its end does not end the stream.
            peer.role = Role::None;
        }
        self.farewell(before, Reason::Replaced);
    }

    /// The stream of this name. Adds one without a publisher if there is none.
    pub(super) fn find_or_add(&mut self, name: &StreamName) -> StreamKey {
        if let Some(key) = self.streams.find(name) {
            return key;
        }
        let limits = &self.cx.config.limits;
        let stream = Stream::new(self.cx.stream(name), limits.pinned_bytes, limits.tracks);
        self.streams.add(name.clone(), Hosted::new(stream, self.cx.now))
    }

    /// Appends a frame to the stream that `id` publishes. Ignored if it publishes none.
    pub(super) fn frame(&mut self, id: ConnId, frame: Frame) {
        let Some(peer) = self.peers.get(id) else { return };
        let (Role::Publishing(key), cid) = (&peer.role, peer.cid) else { return };
        let key = *key;
        if let Some(mut stream) = self.stream(key) {
            stream.frames(id, cid, frame);
        }
    }

    /// The publisher has announced its end: the stream ends at once.
    pub(super) fn unpublish(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Role::Publishing(key) = peer.role else { return };
        peer.role = Role::None;
        log::info!(cid:% = peer.cid; "the publisher has finished");
        if let Some(mut stream) = self.stream(key) {
            stream.publisher_gone();
            stream.end();
        }
        self.forget_stream(key);
    }

    /// The publisher's connection ended without that: the stream is kept for `publish.linger_ms`.
    pub(super) fn publisher_dropped(&mut self, key: StreamKey) {
        let draining = self.cx.draining.is_some();
        let Some(name) = self.streams.name(key).cloned() else { return };
        let Some(mut stream) = self.stream(key) else { return };
        stream.publisher_gone();
        let linger = Duration::from_millis(stream.hosted.stream.settings().publish.linger_ms);
        // During a drain no publisher can come back.
        if linger.is_zero() || draining {
            stream.end();
        } else {
            stream.linger(linger, &name);
        }
        self.forget_stream(key);
    }

    /// Removes a stream that nothing holds; releases the frames of one that has ended and has no players.
    pub(super) fn forget_stream(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        if hosted.is_forgotten() {
            self.queues.timers.set(Timer::Stream(key), None);
            self.streams.remove(key);
        } else if hosted.players.is_empty() && hosted.ended && hosted.is_consumed() {
            // Consumers may still hold the stream; its frames are of no use any more.
            hosted.stream.clear(self.cx.now);
        }
    }

    /// Handles a stream's timer.
    pub(super) fn fire_stream(&mut self, key: StreamKey) {
        let Some(mut stream) = self.stream(key) else { return };
        if stream.fire() {
            reached!("a publisher did not come back");
            if let Some(name) = self.streams.name(key) {
                log::info!("the publisher of {name} did not come back");
            }
            if let Some(mut stream) = self.stream(key) {
                stream.end();
            }
        }
        self.forget_stream(key);
        if let Some(mut stream) = self.stream(key) {
            stream.arm();
        }
    }
}
