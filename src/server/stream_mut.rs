//! A view of one stream, its peers, and what a change of them may touch.
//!
//! In: frames of the publisher, players that come and go, the stream's timer. Out: queued writes for players,
//! frames and work for consumers, answers to sessions.

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

/// A view of a stream.
pub struct StreamMut<'a> {
    /// Key of the stream.
    pub key: StreamKey,
    /// The stream, its consumers and players.
    pub hosted: &'a mut Hosted,
    /// All peers.
    pub peers: &'a mut Peers,
    /// The queues of the server.
    pub queues: &'a mut Queues,
    /// Background work of consumers.
    pub jobs: &'a mut Jobs,
    /// Configuration and time.
    pub cx: &'a Context,
}

// Frames.
impl StreamMut<'_> {
    /// Appends a frame of the publisher `id`, and the frames that follow it in the queue of requests. Players
    /// and consumers are handled once for all of them.
    pub fn frames(&mut self, id: ConnId, cid: Cid, first: Frame) {
        let mark = self.hosted.stream.flushed();
        let mut next = Some(first);
        while let Some(frame) = next.take() {
            if !self.frame(id, cid, frame) {
                break;
            }
            // Only the front of the queue, so that the order of requests stays.
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

    /// Appends one frame. False if the publisher must be closed.
    fn frame(&mut self, id: ConnId, cid: Cid, frame: Frame) -> bool {
        let StreamMut { hosted, cx, .. } = self;
        let was_live = hosted.stream.is_live();
        match hosted.stream.append(frame, cx.now) {
            Appended::Accepted => {
                log_frame(cid, hosted);
                let at = self.moment();
                self.hosted.feed(at);
            }
            Appended::Ignored => log::trace!(cid:%; "ignored a frame"),
            Appended::TooLarge => {
                // First in the queue: no frame behind it may be appended.
                self.queues.asks.push_front((id, Ask::Bye(Reason::Limit(Limit::RingBytes))));
                return false;
            }
        }
        if !was_live && self.hosted.stream.is_live() {
            log::debug!(cid:%; "the tracks are known: players can begin");
            self.begin();
        }
        true
    }

    /// The time of this call.
    pub fn moment(&self) -> Moment {
        Moment { now: self.cx.now, wall_ms: self.cx.wall_ms() }
    }

    /// After consumers were called: starts their effects, removes those that have finished, and answers
    /// fetches if files have changed.
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
        // Without a change no fetch that waits can have another result.
        if changed {
            self.retry_fetches();
        }
    }

    /// Answers the peers that wait for files which exist now.
    fn retry_fetches(&mut self) {
        // A copy, since the list changes while peers are answered.
        for id in self.hosted.fetching.iter().copied().collect::<Vec<ConnId>>() {
            let Some(Role::Fetching { file, .. }) = self.peers.get(id).map(|peer| &peer.role) else {
                continue;
            };
            if let Fetch::Ready(fetched) = self.hosted.fetch(*file) {
                reached!("a file became available for a waiting peer");
                self.hosted.fetching.remove(&id);
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.role = Role::None;
                }
                self.answer(id, Answer::Fetch(Ok(fetched)));
            }
        }
    }

    /// Queues every player whose socket has room, after a flush; behind the players that wait for the next
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

    /// Sets the stream's timer no later than its deadline.
    pub fn arm(&mut self) {
        let wanted = self.hosted.deadline().map(|(at, _)| at);
        self.queues.arm(Timer::Stream(self.key), &mut self.hosted.armed, wanted);
    }
}

// Players.
impl StreamMut<'_> {
    /// Starts the players that wait, when the stream has become live.
    fn begin(&mut self) {
        for id in std::mem::take(&mut self.hosted.waiting) {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let Role::Waiting { format, .. } = peer.role else { continue };
            peer.role = Role::None;
            // The codecs were not known when the player chose its format.
            if !format.suits(self.hosted.stream.info()) {
                reached!("a player waited for a stream that its format does not suit");
                self.answer(id, Answer::Ended(Refusal::Unsuitable));
                continue;
            }
            reached!("a stream began for a waiting player");
            // First the answer: the session writes the head of the response, which goes before all frames.
            self.answer(id, Answer::Began(self.hosted.stream.info().clone()));
            self.start(id, format);
        }
    }

    /// Starts playing for `id`; frames follow the bytes in its outbox. The format must suit the stream.
    pub fn start(&mut self, id: ConnId, format: Format) {
        // The session may have ended while it handled the answer.
        let Some(peer) = self.peers.get_mut(id).filter(|peer| !peer.is_ending()) else { return };
        let kind = peer.introduction.kind.map_or("", ClientKind::name);
        log::info!(cid:% = peer.cid; "{} plays a stream as {kind}", peer.addr);
        peer.role = Role::Playing { stream: self.key, cursor: self.hosted.stream.join(format) };
        self.hosted.players.insert(id);
        self.queue_write(id);
    }

    /// Queues a player for writing.
    pub fn queue_write(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Link::Stream(link) = &mut peer.link;
        self.hosted.budget.line_up(id, link, &mut self.queues.ready);
    }

    /// Ends playing for `id` if the stream has ended and the player has been sent all of it.
    pub fn caught_up(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id).filter(|_| self.hosted.ended) else { return };
        let (Role::Playing { cursor, .. }, Link::Stream(link)) = (&mut peer.role, &mut peer.link) else {
            return;
        };
        // Bytes that are being written, or remain: the count of the next write comes back here.
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

    /// Removes a player that has this cursor.
    pub fn player_left(&mut self, id: ConnId, cursor: &Cursor) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(rest) = self.hosted.stream.rest(cursor) {
            reached!("a player left in the middle of a frame");
            // The rest of a frame that was sent in part goes before everything that the session writes next.
            let Link::Stream(link) = &mut peer.link;
            link.outbox.push_front(rest);
        }
        if cursor.dropped > 0 {
            let dropped = cursor.dropped;
            log::info!(cid:% = peer.cid, dropped; "skipped frames: the player was too slow");
        }
        self.hosted.stream.leave(cursor);
        self.hosted.players.remove(&id);
        // It waited for the next pass in the queue of the stream. What remains in the outbox is its own.
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
    /// Makes `id` the publisher.
    pub fn publish(&mut self, id: ConnId, name: &StreamName, settings: &StreamSettings) {
        let at = self.moment();
        let StreamMut { hosted, cx, peers, key, .. } = self;
        hosted.stream.publish(id, cx.now);
        if hosted.linger.take().is_some() {
            reached!("a publisher came back in time");
        }
        hosted.ended = false;
        hosted.live_ms = at.wall_ms;
        hosted.publishing(at, true);
        // Consumers that are left from the last publisher go on; the others are added.
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

    /// The publisher is gone: flushes frames that were held back.
    pub fn publisher_gone(&mut self) {
        let at = self.moment();
        self.hosted.stream.unpublish(at.now);
        // They complete what they have: the next publisher does not continue it.
        self.hosted.publishing(at, false);
        self.after_consumers();
        self.pump();
        self.arm();
    }

    /// Keeps the stream for `linger`, so that a publisher that has dropped can come back.
    pub fn linger(&mut self, linger: Duration, name: &StreamName) {
        log::debug!(stream:% = name, linger_ms = linger.as_millis(); "the stream is kept for its publisher");
        self.hosted.linger = Some(self.cx.now + linger);
        self.arm();
    }

    /// Ends the stream for good. Each player is told when it has been sent all frames.
    pub fn end(&mut self) {
        self.hosted.linger = None;
        self.hosted.ended = true;
        // Players that have all frames get no further write, whose count would tell them.
        for id in self.hosted.players.iter().copied().collect::<Vec<ConnId>>() {
            self.caught_up(id);
        }
    }
}

// Time.
impl StreamMut<'_> {
    /// Handles the stream's timer. True if the time in which the publisher could come back is over.
    pub fn fire(&mut self) -> bool {
        let at = self.moment();
        let now = at.now;
        let StreamMut { hosted, queues, .. } = self;
        hosted.armed = None;
        // While players wait for the next pass, the pass that is measured has not ended.
        if hosted.budget.is_empty() {
            hosted.stream.note_pass(now);
        }
        // A new pass: the players that waited for it come first.
        while let Some(id) = hosted.budget.next() {
            queues.ready.push(id);
        }
        if hosted.stream.flusher().flush_at().is_some_and(|flush_at| flush_at <= now) {
            reached!("a flush was due by time");
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

    /// Handles the result of an effect of a consumer.
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

/// Logs the frame that was appended last: configurations and keyframes at level debug, others at trace.
fn log_frame(cid: Cid, hosted: &Hosted) {
    let number = hosted.stream.head() - 1;
    let Some(frame) = hosted.stream.entry(number).map(|entry| &entry.frame) else { return };
    let (bytes, dts_us) = (frame.payload.len(), frame.dts.0);
    if frame.kind == FrameKind::Config {
        log::debug!(cid:%, codec:? = frame.codec, frame = number, bytes; "codec configuration");
    } else if frame.is_video_key() {
        log::debug!(cid:%, frame = number, dts_us, bytes; "keyframe");
    } else {
        log::trace!(cid:%, track:? = frame.track, frame = number, dts_us, bytes; "frame");
    }
}
