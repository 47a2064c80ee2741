//! The life of a player, and of a peer that fetches a stream's files: it comes, waits, gets, leaves.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::package::hls::Fetch;
use crate::server::Server;
use crate::server::conn::Role;
use crate::session::ask::{Answer, Playing, Refusal};
use crate::status::ClientKind;
use crate::stream::cursor::Next;
use crate::stream::playback::Readiness;
use crate::stream::registry::StreamKey;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use std::time::Duration;

impl Server {
    /// `id` wants to play `name`.
    pub(super) fn play(&mut self, id: ConnId, name: StreamName, format: Format) -> Result<Playing, Refusal> {
        let settings = self.config.stream(&name);
        let wait = Duration::from_millis(settings.play.wait_ms);
        self.leave_stream(id, &Reason::PeerLeft);
        let key = self.find_or_expect(name, wait)?;
        let hosted = self.streams.get_mut(key).expect("it was just found or added");
        if hosted.players.len() + hosted.waiting.len() >= self.config.limits.players_per_stream {
            reached!("a player was refused by the limit of players");
            self.forget_stream(key);
            return Err(Refusal::Limit(Limit::PlayersPerStream));
        }
        let conn = self.conns.get_mut(id).expect("who asks is there");
        conn.send_timeout = Duration::from_millis(settings.play.send_timeout_ms);
        if hosted.stream.is_live() {
            let stream_info = hosted.stream.info().clone();
            self.start(id, key, format)?;
            return Ok(Playing::Live(stream_info));
        }
        if wait.is_zero() && hosted.stream.publication().is_none() {
            self.forget_stream(key);
            return Err(Refusal::NotFound);
        }
        hosted.waiting.insert(id);
        conn.role = Role::Waiting { stream: key, format, until: self.now + wait };
        log::info!(cid:% = conn.cid; "{} waits for a stream", conn.peer);
        self.arm(id);
        Ok(Playing::Waiting)
    }

    /// The stream of this name; one to wait for if there is none and waiting is allowed.
    fn find_or_expect(&mut self, name: StreamName, wait: Duration) -> Result<StreamKey, Refusal> {
        if !name.is_sound() {
            return Err(Refusal::BadName);
        }
        match self.streams.find(&name) {
            Some(key) => Ok(key),
            None if wait.is_zero() => Err(Refusal::NotFound),
            None if self.streams.len() >= self.config.limits.streams * 2 => {
                Err(Refusal::Limit(Limit::Streams))
            }
            None => Ok(self.add_stream(name)),
        }
    }

    /// The player gets a cursor; its bytes follow its own.
    fn start(&mut self, id: ConnId, key: StreamKey, format: Format) -> Result<(), Refusal> {
        let hosted = self.streams.get_mut(key).expect("the caller found it");
        if !format.suits(hosted.stream.info()) {
            return Err(Refusal::Unsuitable);
        }
        let cursor = hosted.stream.join(format);
        hosted.players.insert(id);
        let conn = self.conns.get_mut(id).expect("the caller found it");
        let kind = conn.introduction.kind.map_or("", ClientKind::name);
        log::info!(cid:% = conn.cid; "{} plays a stream as {kind}", conn.peer);
        conn.role = Role::Playing { stream: key, cursor };
        self.mark_ready(id);
        Ok(())
    }

    /// A stream has begun (again): who waited for it plays, who fetches from it may find something.
    pub(super) fn begin(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        let stream_info = hosted.stream.info().clone();
        for id in std::mem::take(&mut hosted.waiting) {
            let Some(Role::Waiting { format, .. }) = self.conns.get(id).map(|conn| &conn.role) else {
                continue;
            };
            let format = *format;
            if let Some(conn) = self.conns.get_mut(id) {
                conn.role = Role::None;
            }
            // The session's head must stand in the outbox before the stream's bytes can.
            if !self.streams.get(key).is_some_and(|hosted| format.suits(hosted.stream.info())) {
                reached!("a player waited for a stream that does not suit it");
                self.answer(id, Answer::Ended(Refusal::Unsuitable));
                continue;
            }
            reached!("a stream began that somebody waited for");
            self.answer(id, Answer::Began(stream_info.clone()));
            if self.conns.get(id).is_some_and(|conn| conn.ending.is_none()) {
                let started = self.start(id, key, format);
                assert!(started.is_ok(), "the format was just found suitable");
            }
        }
    }

    /// A player has everything there is. If its stream has ended, it is told so.
    pub(super) fn caught_up(&mut self, id: ConnId) {
        let Some(Role::Playing { stream, .. }) = self.conns.get(id).map(|conn| &conn.role) else { return };
        let stream = *stream;
        if !self.streams.get(stream).is_some_and(|hosted| hosted.ended) {
            return;
        }
        if self.conns.get(id).is_some_and(|conn| !conn.offered) && self.readiness(id) == Readiness::CaughtUp {
            self.leave_stream(id, &Reason::StreamEnded);
            self.answer(id, Answer::Ended(Refusal::Ended));
        }
    }

    /// The player wants something else delivered.
    pub(super) fn select_tracks(&mut self, id: ConnId, audio: bool, video: bool) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Role::Playing { stream, cursor } = &mut conn.role
            && let Some(hosted) = self.streams.get(*stream)
        {
            hosted.stream.select_tracks(cursor, audio, video);
            self.mark_ready(id);
        }
    }

    /// `id` is done with whatever it did with a stream.
    pub(super) fn leave_stream(&mut self, id: ConnId, reason: &Reason) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match std::mem::replace(&mut conn.role, Role::None) {
            Role::None => {}
            Role::Publishing(key) => {
                log::debug!(cid:% = conn.cid; "the publisher dropped: {reason}");
                self.publisher_dropped(key);
            }
            Role::Playing { stream, mut cursor } => {
                let Some(hosted) = self.streams.get_mut(stream) else { return };
                if let Some(rest) = hosted.stream.rest(&cursor) {
                    reached!("a player left in the middle of a frame");
                    // What is said from here on comes after the frame that it is in the middle of.
                    conn.outbox.push_front(rest);
                }
                cursor.next = Next::Hold(0);
                if cursor.dropped > 0 {
                    let dropped = cursor.dropped;
                    log::info!(cid:% = conn.cid, dropped; "frames were skipped: the player was too slow");
                }
                hosted.stream.leave(&cursor);
                hosted.players.remove(&id);
                if hosted.budget.leave(id) {
                    self.ready.push_again(id);
                }
                self.forget_stream(stream);
            }
            Role::Waiting { stream, .. } => {
                if let Some(hosted) = self.streams.get_mut(stream) {
                    hosted.waiting.remove(&id);
                }
                self.forget_stream(stream);
            }
            Role::Fetching { stream, .. } => {
                if let Some(hosted) = self.streams.get_mut(stream) {
                    hosted.fetching.remove(&id);
                }
                self.forget_stream(stream);
            }
        }
    }

    /// `id` wants a file of a packaged stream.
    pub(super) fn fetch(&mut self, id: ConnId, name: StreamName, file: HlsFile) {
        let settings = self.config.stream(&name);
        if !settings.hls.enabled {
            self.answer(id, Answer::Fetch(Err(Refusal::Disabled("stream.hls.enabled"))));
            return;
        }
        // Only a playlist is worth waiting for: whatever else there is was named in one.
        let wait = if file.is_playlist() { settings.play.wait_ms } else { 0 };
        let wait = Duration::from_millis(wait);
        match self.find_or_expect(name, wait) {
            Ok(key) => self.fetch_from(id, key, file, wait),
            Err(refusal) => self.answer(id, Answer::Fetch(Err(refusal))),
        }
    }

    fn fetch_from(&mut self, id: ConnId, key: StreamKey, file: HlsFile, wait: Duration) {
        let hosted = self.streams.get_mut(key).expect("the caller found it");
        let found = match &hosted.hls {
            Some(hls) => hls.fetch(file),
            None => Fetch::NotYet,
        };
        match found {
            Fetch::Ready(fetched) => self.answer(id, Answer::Fetch(Ok(fetched))),
            Fetch::NotYet if !wait.is_zero() => {
                hosted.fetching.insert(id);
                let conn = self.conns.get_mut(id).expect("who asks is there");
                conn.role = Role::Fetching { stream: key, file, until: self.now + wait };
                self.arm(id);
            }
            Fetch::NotYet | Fetch::Never => {
                self.forget_stream(key);
                self.answer(id, Answer::Fetch(Err(Refusal::NotFound)));
            }
        }
    }

    /// The package has moved on: `id` may find its file now.
    pub(super) fn fetch_again(&mut self, id: ConnId) {
        let Some(Role::Fetching { stream, file, .. }) = self.conns.get(id).map(|conn| &conn.role) else {
            return;
        };
        let Some(Fetch::Ready(fetched)) =
            self.streams.get(*stream).and_then(|hosted| hosted.hls.as_ref()).map(|hls| hls.fetch(*file))
        else {
            return;
        };
        reached!("a file came that somebody waited for");
        self.leave_stream(id, &Reason::PeerLeft);
        self.answer(id, Answer::Fetch(Ok(fetched)));
    }

    /// True if `id` waited for a stream and does not any more: it is told so.
    pub(super) fn patience_is_over(&mut self, id: ConnId) -> bool {
        let answer = match self.conns.get(id).map(|conn| &conn.role) {
            Some(Role::Waiting { until, .. }) if *until <= self.now => Answer::Ended(Refusal::NotFound),
            Some(Role::Fetching { until, .. }) if *until <= self.now => Answer::Fetch(Err(Refusal::NotFound)),
            _ => return false,
        };
        reached!("somebody waited in vain");
        self.leave_stream(id, &Reason::Timeout(Limit::Wait));
        self.answer(id, answer);
        true
    }
}
