//! The life of a stream: a publisher comes, sends, drops, comes back or leaves for good.

use crate::base::id::{Cid, ConnId};
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::config::Second;
use crate::media::frame::{Frame, FrameKind};
use crate::package::hls::Hls;
use crate::server::Server;
use crate::server::conn::Role;
use crate::server::hosted::Hosted;
use crate::server::output::{Job, Output};
use crate::session::ask::Refusal;
use crate::stream::ingest::{Appended, Stream};
use crate::stream::registry::StreamKey;
use std::time::Duration;

impl Server {
    /// `id` wants to publish under `name`.
    pub(super) fn publish(&mut self, id: ConnId, name: StreamName) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::Draining);
        }
        if !name.is_sound() {
            return Err(Refusal::BadName);
        }
        let settings = self.config.stream(&name);
        let key = self.streams.find(&name);
        let publisher = key.and_then(|key| self.streams.get(key)?.stream.publication()).map(|by| by.conn);
        if let Some(before) = publisher {
            if settings.publish.second == Second::Refuse {
                reached!("a second publisher was refused");
                return Err(Refusal::Busy);
            }
            reached!("a publisher was replaced");
            self.replace(before);
        }
        let known = key.and_then(|key| self.streams.get(key)).is_some_and(Hosted::is_published);
        let published = || self.streams.iter().filter(|(_, _, hosted)| hosted.is_published()).count();
        if !known && published() >= self.config.limits.streams {
            reached!("a publisher was refused by the limit of streams");
            return Err(Refusal::Limit(Limit::Streams));
        }
        self.leave_stream(id, &Reason::PeerLeft);
        let key = match key.filter(|key| self.streams.get(*key).is_some()) {
            Some(key) => key,
            None => self.add_stream(name.clone()),
        };
        let wall_ms = self.epoch.unix_millis(self.now);
        let hosted = self.streams.get_mut(key).expect("it was just found or added");
        hosted.stream.publish(id, self.now);
        if hosted.linger.is_some() {
            reached!("a publisher came back in time");
        }
        hosted.linger = None;
        hosted.ended = false;
        hosted.dispose = None;
        hosted.live_ms = wall_ms;
        match &mut hosted.hls {
            Some(hls) => hls.discontinuity(self.now),
            None if settings.hls.enabled => {
                // A package that comes after another one of the same name has keys of its own.
                let rng = self.seed.fork(format!("hls/{}/{wall_ms}", name.path()).as_bytes());
                let hls = Hls::new(&settings.hls, &name, rng, wall_ms);
                hosted.hls_version = hls.version();
                hosted.hls = Some(hls);
            }
            None => {}
        }
        let conn = self.conns.get_mut(id).expect("who asks is there");
        hosted.tc_url.clone_from(&conn.introduction.tc_url);
        conn.role = Role::Publishing(key);
        log::info!(cid:% = conn.cid; "{} publishes {name}", conn.peer);
        Ok(())
    }

    /// The publisher `before` has to go: another one takes its stream over, and the players stay.
    fn replace(&mut self, before: ConnId) {
        if let Some(conn) = self.conns.get_mut(before) {
            // Its stream is not its own any more, so that its end does not end the stream.
            conn.role = Role::None;
        }
        self.farewell(before, Reason::Replaced);
    }

    /// A stream that nobody publishes yet.
    pub(super) fn add_stream(&mut self, name: StreamName) -> StreamKey {
        let limits = &self.config.limits;
        let stream = Stream::new(self.config.stream(&name), limits.pinned_bytes, limits.tracks);
        self.streams.add(name, Hosted::new(stream, self.now))
    }

    /// A frame of the stream that `id` publishes.
    pub(super) fn frame(&mut self, id: ConnId, frame: Frame) {
        let Some(Role::Publishing(key)) = self.conns.get(id).map(|conn| &conn.role) else { return };
        let key = *key;
        let Some(hosted) = self.streams.get_mut(key) else { return };
        let (was_live, mark) = (hosted.stream.is_live(), hosted.stream.flushed());
        match hosted.stream.append(frame, self.now) {
            Appended::Accepted(frame, stream_info) => {
                if let Some(conn) = self.conns.get(id) {
                    log_frame(conn.cid, &frame, hosted.stream.head() - 1);
                }
                if let Some(hls) = &mut hosted.hls {
                    hls.frame(self.now, self.epoch.unix_millis(self.now), &frame, &stream_info);
                }
            }
            Appended::Ignored => {
                if let Some(conn) = self.conns.get(id) {
                    log::trace!(cid:% = conn.cid; "a frame is left out");
                }
                return;
            }
            Appended::TooLarge => {
                self.finish(id, Reason::Limit(Limit::RingBytes));
                return;
            }
        }
        let began = !was_live && hosted.stream.is_live();
        let flushed = hosted.stream.has_flushed_since(mark);
        if began {
            if let Some(conn) = self.conns.get(id) {
                log::debug!(cid:% = conn.cid; "its tracks are known, players may begin");
            }
            self.begin(key);
        }
        if flushed {
            self.pump(key);
        }
        self.after_package(key);
        self.arm_stream(key);
    }

    /// The package has moved on: files to write, fetches to answer.
    pub(super) fn after_package(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        let Some(hls) = &mut hosted.hls else { return };
        let mut ops = Vec::new();
        while let Some(op) = hls.poll_store() {
            ops.push(op);
        }
        // What waits is a playlist, and there is one when the package says that the playlists have changed.
        let changed = hls.version() != std::mem::replace(&mut hosted.hls_version, hls.version());
        let waiting = hosted.fetching.iter().copied().filter(|_| changed).collect::<Vec<ConnId>>();
        for op in ops {
            let ticket = self.ticket();
            self.outputs.push_back(Output::Start(Job::Store { ticket, op }));
        }
        for id in waiting {
            self.fetch_again(id);
        }
    }

    /// The publisher says that it is done: its stream ends at once.
    pub(super) fn unpublish(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Role::Publishing(key) = conn.role else { return };
        conn.role = Role::None;
        log::info!(cid:% = conn.cid; "the publisher has finished");
        self.publisher_is_gone(key);
        self.end_stream(key);
    }

    /// The publisher's connection is over without a word: it may come back.
    pub(super) fn publisher_dropped(&mut self, key: StreamKey) {
        self.publisher_is_gone(key);
        let now = self.now;
        let Some(hosted) = self.streams.get_mut(key) else { return };
        let linger = Duration::from_millis(hosted.stream.settings().publish.linger_ms);
        if linger.is_zero() || self.draining.is_some() {
            self.end_stream(key);
        } else {
            hosted.linger = Some(now + linger);
            if let Some(name) = self.streams.name(key) {
                log::debug!(stream:% = name, linger_ms = linger.as_millis(); "a publisher may come back");
            }
            self.arm_stream(key);
        }
    }

    fn publisher_is_gone(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        hosted.stream.unpublish(self.now);
        let dispose = Duration::from_millis(hosted.stream.settings().hls.dispose_ms);
        if let Some(hls) = &mut hosted.hls {
            hls.discontinuity(self.now);
            hosted.dispose = Some(self.now + dispose);
        }
        self.after_package(key);
        self.pump(key);
        self.arm_stream(key);
    }

    /// The stream has ended for good: players are told when they have got all of it.
    fn end_stream(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        hosted.linger = None;
        hosted.ended = true;
        let players: Vec<ConnId> = hosted.players.iter().copied().collect();
        for id in players {
            self.caught_up(id);
        }
        self.forget_stream(key);
    }

    /// Removes a stream that nothing holds any more.
    pub(super) fn forget_stream(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        if hosted.is_forgotten() {
            self.timers.set(crate::server::Timer::Stream(key), None);
            self.streams.remove(key);
        } else if hosted.players.is_empty() && hosted.ended {
            hosted.stream.clear(self.now);
        }
    }

    /// A stream's timer has fired.
    pub(super) fn fire_stream(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(hosted) = self.streams.get_mut(key) else { return };
        hosted.armed = None;
        if hosted.budget.is_empty() {
            hosted.stream.note_pass(now);
        }
        while let Some(id) = hosted.budget.next() {
            self.ready.push_again(id);
        }
        let due = |at: Option<crate::base::time::Instant>| at.is_some_and(|at| at <= now);
        if due(hosted.stream.flusher().flush_at()) {
            reached!("a flush came by the clock");
            hosted.stream.flush(now);
            self.pump(key);
        }
        let Some(hosted) = self.streams.get_mut(key) else { return };
        if due(hosted.dispose) {
            reached!("the HLS files of a stream were let go of");
            hosted.dispose = None;
            log::debug!("the HLS files of a stream that has ended are let go of");
            if let Some(hls) = &mut hosted.hls {
                hls.dispose();
            }
            self.after_package(key);
            if let Some(hosted) = self.streams.get_mut(key) {
                hosted.hls = None;
            }
        }
        if self.streams.get(key).is_some_and(|hosted| due(hosted.linger)) {
            reached!("a publisher did not come back");
            log::info!("the publisher of {} did not come back", self.streams.name(key).expect("it exists"));
            self.end_stream(key);
        }
        self.forget_stream(key);
        self.arm_stream(key);
    }
}

/// Says what a publisher sent: what players may need to begin or to go on, or anything.
fn log_frame(cid: Cid, frame: &Frame, number: u64) {
    let (bytes, dts_us) = (frame.payload.len(), frame.dts.0);
    if frame.kind == FrameKind::Config {
        log::debug!(cid:%, codec:? = frame.codec, frame = number, bytes; "headers of a track");
    } else if frame.is_video_key() {
        log::debug!(cid:%, frame = number, dts_us, bytes; "keyframe");
    } else {
        log::trace!(cid:%, track:? = frame.track, frame = number, dts_us, bytes; "frame");
    }
}
