//! Players, and peers that fetch files of a stream: how they start, wait and leave.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::package;
use crate::package::hls::Fetch;
use crate::server::Server;
use crate::server::peer::{Link, Role};
use crate::session::ask::{Answer, Playing, Refusal};
use crate::stream::registry::StreamKey;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use std::time::Duration;

impl Server {
    /// Lets `id`, which is admitted, play `name`, now or when the stream begins.
    pub(super) fn play(&mut self, id: ConnId, name: &StreamName, format: Format) -> Result<Playing, Refusal> {
        let settings = self.cx.stream(name);
        let wait = Duration::from_millis(settings.play.wait_ms);
        // A peer has one role at a time.
        self.leave_stream(id, &Reason::PeerLeft);
        let key = self.find_or_expect(name, wait)?;
        let playing = self.play_stream(id, key, format, wait);
        // The stream may have been added for this request.
        if playing.is_err() {
            self.forget_stream(key);
        }
        if let Some(peer) = self.peers.get_mut(id) {
            let Link::Stream(link) = &mut peer.link;
            link.send_timeout = Duration::from_millis(settings.play.send_timeout_ms);
        }
        playing
    }

    fn play_stream(
        &mut self,
        id: ConnId,
        key: StreamKey,
        format: Format,
        wait: Duration,
    ) -> Result<Playing, Refusal> {
        let players_max = self.cx.config.limits.players_per_stream;
        let until = self.cx.now + wait;
        let Some(mut stream) = self.stream(key) else { return Err(Refusal::NotFound) };
        let hosted = &mut *stream.hosted;
        // Peers that wait will play, so they count.
        if hosted.players.len() + hosted.waiting.len() >= players_max {
            reached!("a player was refused by the limit of players");
            return Err(Refusal::Limit(Limit::PlayersPerStream));
        }
        if hosted.stream.is_live() {
            let stream_info = hosted.stream.info().clone();
            // Refused now: frames that no player of this format can decode are not worth a rendition.
            if !format.suits(&stream_info) {
                return Err(Refusal::Unsuitable);
            }
            stream.start(id, format);
            return Ok(Playing::Live(stream_info));
        }
        // A stream that is published but not live yet is worth waiting for: its tracks are known soon.
        if wait.is_zero() && hosted.stream.publication().is_none() {
            return Err(Refusal::NotFound);
        }
        hosted.waiting.insert(id);
        if let Some(mut peer) = self.peer(id) {
            peer.peer.role = Role::Waiting { stream: key, format, until };
            log::info!(cid:% = peer.peer.cid; "{} waits for a stream", peer.peer.addr);
            peer.arm();
        }
        Ok(Playing::Waiting)
    }

    /// The stream of this name. If there is none and waiting is allowed, adds one to wait for.
    fn find_or_expect(&mut self, name: &StreamName, wait: Duration) -> Result<StreamKey, Refusal> {
        if !name.is_sound() {
            return Err(Refusal::BadName);
        }
        match self.streams.find(name) {
            Some(key) => Ok(key),
            None if wait.is_zero() => Err(Refusal::NotFound),
            // Streams without a publisher have a limit of their own: requests for names that do not exist
            // must not keep publishers out.
            None if self.streams.len() >= self.cx.config.limits.streams * 2 => {
                Err(Refusal::Limit(Limit::Streams))
            }
            None => Ok(self.find_or_add(name)),
        }
    }

    /// Changes the kinds of tracks that a player is sent.
    pub(super) fn select_tracks(&mut self, id: ConnId, audio: bool, video: bool) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Role::Playing { stream, cursor } = &mut peer.role else { return };
        let key = *stream;
        if let Some(hosted) = self.streams.get(key) {
            hosted.stream.select_tracks(cursor, audio, video);
        }
        // After a pause, frames may be there to send.
        if let Some(mut stream) = self.stream(key) {
            stream.queue_write(id);
        }
    }

    /// Ends the role of `id`, whatever it is.
    pub(super) fn leave_stream(&mut self, id: ConnId, reason: &Reason) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let cid = peer.cid;
        let role = std::mem::replace(&mut peer.role, Role::None);
        let Some(key) = role.stream() else { return };
        if let Some(mut stream) = self.stream(key) {
            match &role {
                Role::Playing { cursor, .. } => stream.player_left(id, cursor),
                Role::Waiting { .. } => _ = stream.hosted.waiting.remove(&id),
                Role::Fetching { .. } => _ = stream.hosted.fetching.remove(&id),
                Role::Publishing(_) => {
                    log::debug!(cid:%; "the publisher dropped: {reason}");
                    // Decides whether the stream is kept, so nothing is left to do here.
                    return self.publisher_dropped(key);
                }
                Role::None | Role::Admitting { .. } => {}
            }
        }
        self.forget_stream(key);
    }

    /// Answers `id`, which is admitted, with a file of a stream, now or when it exists.
    pub(super) fn fetch(&mut self, id: ConnId, name: &StreamName, file: HlsFile) {
        let settings = self.cx.stream(name);
        if let Err(setting) = package::offers(&settings, file) {
            return self.answer(id, Answer::Fetch(Err(Refusal::Disabled(setting))));
        }
        // All other files are named in a playlist, which exists only after they do.
        let wait = if file.is_playlist() { settings.play.wait_ms } else { 0 };
        let wait = Duration::from_millis(wait);
        match self.find_or_expect(name, wait) {
            Ok(key) => self.fetch_from(id, key, file, wait),
            Err(refusal) => self.answer(id, Answer::Fetch(Err(refusal))),
        }
    }

    fn fetch_from(&mut self, id: ConnId, key: StreamKey, file: HlsFile, wait: Duration) {
        let until = self.cx.now + wait;
        let Some(hosted) = self.streams.get_mut(key) else { return };
        match hosted.fetch(file) {
            Fetch::Ready(fetched) => self.answer(id, Answer::Fetch(Ok(fetched))),
            Fetch::NotYet if !wait.is_zero() => {
                hosted.fetching.insert(id);
                if let Some(mut peer) = self.peer(id) {
                    peer.peer.role = Role::Fetching { stream: key, file, until };
                    peer.arm();
                }
            }
            Fetch::NotYet | Fetch::Never => {
                self.forget_stream(key);
                self.answer(id, Answer::Fetch(Err(Refusal::NotFound)));
            }
        }
    }

    /// Answers `id` if the time of its waiting is over. True if so.
    pub(super) fn wait_is_over(&mut self, id: ConnId) -> bool {
        let now = self.cx.now;
        let answer = match self.peers.get(id).map(|peer| &peer.role) {
            Some(Role::Waiting { until, .. }) if *until <= now => Answer::Ended(Refusal::NotFound),
            Some(Role::Fetching { until, .. }) if *until <= now => Answer::Fetch(Err(Refusal::NotFound)),
            Some(Role::Admitting { until, .. }) if *until <= now => {
                self.admitted(id, Err(Refusal::NotAdmitted));
                return true;
            }
            _ => return false,
        };
        reached!("a wait ended by its timeout");
        self.leave_stream(id, &Reason::Timeout(Limit::Wait));
        self.answer(id, answer);
        true
    }
}
