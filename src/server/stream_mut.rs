//! One stream and the peers around it, with what a change of them may touch. A frame of a publisher goes
//! through here: into the stream, to its consumers, and to its players as something to write.

use crate::base::id::{Cid, ConnId};
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::config::StreamSettings;
use crate::media::frame::{Frame, FrameKind};
use crate::package::hls::Fetch;
use crate::package::{self, Consumer, Effect, Moment};
use crate::server::context::Context;
use crate::server::hosted::Hosted;
use crate::server::jobs::Jobs;
use crate::server::output::{Job, Output};
use crate::server::peer::{Link, Peers, Role, WriteState};
use crate::server::peer_mut::PeerMut;
use crate::server::queues::{Queues, Timer};
use crate::session::ask::{Answer, Ask, Refusal};
use crate::status::ClientKind;
use crate::stream::cursor::Cursor;
use crate::stream::ingest::Appended;
use crate::stream::playback::Readiness;
use crate::stream::registry::StreamKey;
use crate::wire::format::Format;
use std::time::Duration;

/// A stream, the peers, the queues, and what everything may look at.
pub struct StreamMut<'a> {
    /// Which stream.
    pub key: StreamKey,
    /// The stream and what hangs on it.
    pub hosted: &'a mut Hosted,
    /// All peers.
    pub peers: &'a mut Peers,
    /// What is still to be done.
    pub queues: &'a mut Queues,
    /// Background work of consumers.
    pub jobs: &'a mut Jobs,
    /// Configuration and time.
    pub cx: &'a Context,
}

// Frames.
impl StreamMut<'_> {
    /// A frame of the publisher `id`, and the frames that it has asked to append behind that.
    pub fn frames(&mut self, id: ConnId, cid: Cid, first: Frame) {
        let mark = self.hosted.stream.flushed();
        let mut next = Some(first);
        while let Some(frame) = next.take() {
            if !self.frame(id, cid, frame) {
                break;
            }
            let follows = |(asker, ask): &mut (ConnId, Ask)| *asker == id && matches!(ask, Ask::Frame(_));
            if let Some((_, Ask::Frame(frame))) = self.queues.asks.pop_front_if(follows) {
                next = Some(frame);
            }
        }
        if self.hosted.stream.has_flushed_since(mark) {
            self.pump();
        }
        self.after_consumers();
        self.arm();
    }

    /// False if the publisher has to go.
    fn frame(&mut self, id: ConnId, cid: Cid, frame: Frame) -> bool {
        let StreamMut { hosted, cx, .. } = self;
        let was_live = hosted.stream.is_live();
        match hosted.stream.append(frame, cx.now) {
            Appended::Accepted => {
                log_frame(cid, hosted);
                let at = self.moment();
                self.hosted.feed(at);
            }
            Appended::Ignored => log::trace!(cid:%; "a frame is left out"),
            Appended::TooLarge => {
                self.queues.asks.push_front((id, Ask::Bye(Reason::Limit(Limit::RingBytes))));
                return false;
            }
        }
        if !was_live && self.hosted.stream.is_live() {
            log::debug!(cid:%; "its tracks are known, players may begin");
            self.begin();
        }
        true
    }

    /// The time of this call.
    pub fn moment(&self) -> Moment {
        Moment { now: self.cx.now, wall_ms: self.cx.wall_ms() }
    }

    /// The consumers have moved on: effects to start, fetches to answer, consumers that have finished.
    pub fn after_consumers(&mut self) {
        let StreamMut { key, hosted, queues, jobs, .. } = self;
        let mut changed = false;
        for consumed in &mut hosted.consumers {
            while let Some(effect) = consumed.consumer.poll() {
                match effect {
                    Effect::Store(op) => {
                        let ticket = queues.ticket();
                        jobs.started(ticket, *key, consumed.number);
                        queues.outputs.push_back(Output::Start(Job::Store { ticket, op }));
                    }
                }
            }
            let version = consumed.consumer.version();
            changed |= version != std::mem::replace(&mut consumed.version, version);
        }
        hosted.consumers.retain(|consumed| !consumed.consumer.is_finished());
        if changed {
            self.retry_fetches();
        }
    }

    /// The files that peers wait for may be there now.
    fn retry_fetches(&mut self) {
        for id in self.hosted.fetching.iter().copied().collect::<Vec<ConnId>>() {
            let Some(Role::Fetching { file, .. }) = self.peers.get(id).map(|peer| &peer.role) else {
                continue;
            };
            if let Fetch::Ready(fetched) = self.hosted.fetch(*file) {
                reached!("a file came that somebody waited for");
                self.hosted.fetching.remove(&id);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.role = Role::None;
                }
                self.answer(id, Answer::Fetch(Ok(fetched)));
            }
        }
    }

    /// The stream has flushed: every player that has room is queued, behind those that wait for the next
    /// pass.
    pub fn pump(&mut self) {
        let Hosted { players, budget, .. } = &mut *self.hosted;
        for id in &*players {
            if let Some(peer) = self.peers.get_mut(*id) {
                let Link::Stream(link) = &mut peer.link;
                budget.line_up(*id, link, &mut self.queues.ready);
            }
        }
    }

    /// Keeps the stream's timer no later than its deadline.
    pub fn arm(&mut self) {
        let wanted = self.hosted.deadline().map(|(at, _)| at);
        self.queues.arm(Timer::Stream(self.key), &mut self.hosted.armed, wanted);
    }
}

// Players.
impl StreamMut<'_> {
    /// The stream has begun (again): the peers that wait for it play.
    fn begin(&mut self) {
        for id in std::mem::take(&mut self.hosted.waiting) {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let Role::Waiting { format, .. } = peer.role else { continue };
            peer.role = Role::None;
            if !format.suits(self.hosted.stream.info()) {
                reached!("a player waited for a stream that does not suit it");
                self.answer(id, Answer::Ended(Refusal::Unsuitable));
                continue;
            }
            reached!("a stream began that somebody waited for");
            // The session's head must stand in the outbox before the stream's bytes can.
            self.answer(id, Answer::Began(self.hosted.stream.info().clone()));
            self.start(id, format);
        }
    }

    /// `id` gets a cursor; the stream's bytes follow its own. The format suits the stream.
    pub fn start(&mut self, id: ConnId, format: Format) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| !peer.is_ending()) else { return };
        let kind = peer.introduction.kind.map_or("", ClientKind::name);
        log::info!(cid:% = peer.cid; "{} plays a stream as {kind}", peer.addr);
        peer.role = Role::Playing { stream: self.key, cursor: self.hosted.stream.join(format) };
        self.hosted.players.insert(id);
        self.queue_write(id);
    }

    /// A player may have something to write.
    pub fn queue_write(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Link::Stream(link) = &mut peer.link;
        self.hosted.budget.line_up(id, link, &mut self.queues.ready);
    }

    /// A player has everything there is. If the stream has ended, the player leaves it and is told so.
    pub fn caught_up(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id).filter(|_| self.hosted.ended) else { return };
        let (Role::Playing { cursor, .. }, Link::Stream(link)) = (&mut peer.role, &mut peer.link) else {
            return;
        };
        if link.write == WriteState::Offered
            || self.hosted.stream.advance(cursor, &mut link.outbox) != Readiness::CaughtUp
        {
            return;
        }
        if let Role::Playing { cursor, .. } = std::mem::replace(&mut peer.role, Role::None) {
            self.player_left(id, &cursor);
        }
        self.answer(id, Answer::Ended(Refusal::Ended));
    }

    /// A player with this cursor does not play any more.
    pub fn player_left(&mut self, id: ConnId, cursor: &Cursor) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(rest) = self.hosted.stream.rest(cursor) {
            reached!("a player left in the middle of a frame");
            // What is said from here on comes after the frame that it is in the middle of.
            let Link::Stream(link) = &mut peer.link;
            link.outbox.push_front(rest);
        }
        if cursor.dropped > 0 {
            let dropped = cursor.dropped;
            log::info!(cid:% = peer.cid, dropped; "frames were skipped: the player was too slow");
        }
        self.hosted.stream.leave(cursor);
        self.hosted.players.remove(&id);
        if self.hosted.budget.leave(id) {
            self.queues.ready.push(id);
        }
    }

    fn answer(&mut self, id: ConnId, answer: Answer) {
        if let Some(peer) = self.peers.get_mut(id) {
            PeerMut { peer, queues: self.queues, cx: self.cx }.answer(answer);
        }
    }
}

// Publishers.
impl StreamMut<'_> {
    /// `id` publishes from now on.
    pub fn publish(&mut self, id: ConnId, name: &StreamName, settings: &StreamSettings) {
        let at = self.moment();
        let StreamMut { hosted, cx, peers, key, .. } = self;
        hosted.stream.publish(id, cx.now);
        if hosted.linger.take().is_some() {
            reached!("a publisher came back in time");
        }
        hosted.ended = false;
        hosted.live_ms = at.wall_ms;
        for consumed in &mut hosted.consumers {
            consumed.consumer.publishing(at, true);
        }
        let present = hosted.consumers.iter().map(|consumed| &consumed.consumer);
        let rng = |label: &str| cx.seed.fork(label.as_bytes());
        for consumer in package::missing(settings, name, present, rng, at.wall_ms) {
            hosted.add_consumer(consumer);
        }
        let Some(peer) = peers.get_mut(id) else { return };
        hosted.tc_url.clone_from(&peer.introduction.tc_url);
        peer.role = Role::Publishing(*key);
        log::info!(cid:% = peer.cid; "{} publishes {name}", peer.addr);
    }

    /// The publisher has gone: players get what has not left yet.
    pub fn publisher_gone(&mut self) {
        let at = self.moment();
        self.hosted.stream.unpublish(at.now);
        for consumed in &mut self.hosted.consumers {
            consumed.consumer.publishing(at, false);
        }
        self.after_consumers();
        self.pump();
        self.arm();
    }

    /// The publisher may come back for a while.
    pub fn linger(&mut self, linger: Duration, name: &StreamName) {
        log::debug!(stream:% = name, linger_ms = linger.as_millis(); "a publisher may come back");
        self.hosted.linger = Some(self.cx.now + linger);
        self.arm();
    }

    /// The stream has ended for good: players are told when they have got all of it.
    pub fn end(&mut self) {
        self.hosted.linger = None;
        self.hosted.ended = true;
        for id in self.hosted.players.iter().copied().collect::<Vec<ConnId>>() {
            self.caught_up(id);
        }
    }
}

// Time.
impl StreamMut<'_> {
    /// The stream's timer has fired. True if a publisher that might have come back has not.
    pub fn fire(&mut self) -> bool {
        let at = self.moment();
        let now = at.now;
        let StreamMut { hosted, queues, .. } = self;
        hosted.armed = None;
        if hosted.budget.is_empty() {
            hosted.stream.note_pass(now);
        }
        while let Some(id) = hosted.budget.next() {
            queues.ready.push(id);
        }
        if hosted.stream.flusher().flush_at().is_some_and(|flush_at| flush_at <= now) {
            reached!("a flush came by the clock");
            hosted.stream.flush(now);
            self.pump();
        }
        for consumed in &mut self.hosted.consumers {
            if consumed.consumer.deadline().is_some_and(|(deadline, _)| deadline <= now) {
                consumed.consumer.tick(at);
            }
        }
        self.hosted.feed(at);
        self.after_consumers();
        self.hosted.linger.is_some_and(|linger| linger <= now)
    }

    /// An effect of a consumer is done, or why not.
    pub fn stored(&mut self, consumer: u32, result: Result<(), String>) {
        let at = self.moment();
        let Some(consumed) = self.hosted.consumers.iter_mut().find(|consumed| consumed.number == consumer)
        else {
            return;
        };
        consumed.consumer.stored(at, result);
        self.hosted.feed(at);
        self.after_consumers();
        self.arm();
    }
}

/// Logs what a publisher sent: what players may need to begin or to go on, or anything.
fn log_frame(cid: Cid, hosted: &Hosted) {
    let number = hosted.stream.head() - 1;
    let Some(frame) = hosted.stream.entry(number).map(|entry| &entry.frame) else { return };
    let (bytes, dts_us) = (frame.payload.len(), frame.dts.0);
    if frame.kind == FrameKind::Config {
        log::debug!(cid:%, codec:? = frame.codec, frame = number, bytes; "headers of a track");
    } else if frame.is_video_key() {
        log::debug!(cid:%, frame = number, dts_us, bytes; "keyframe");
    } else {
        log::trace!(cid:%, track:? = frame.track, frame = number, dts_us, bytes; "frame");
    }
}
