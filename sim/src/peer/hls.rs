//! An HLS player: fetches the playlists, then the segments that they name, then the playlist again.
//!
//! ```text
//! master ──▶ media playlist ──▶ what it needs (init, key) ──▶ segment … ──┐
//!                  ▲                                                      │ waits half a target duration
//!                  └──────────────────────────────────────────────────────┘
//! ```
//!
//! In: responses and the time. Out: one request at a time, on one connection or on a new one for each. The
//! judge checks the playlists; the player only follows them.

use super::{HangUp, Peer, PeerCx};
use conformance::reader::http::{HttpEvent, ResponseReader};
use conformance::rng::Rng;
use dacapo::config::Service;
use std::collections::VecDeque;

/// What a player does.
#[derive(Clone, Debug)]
pub struct Script {
    /// Application and stream: "live/a".
    pub path: String,
    /// Each request has its own connection.
    pub closes: bool,
    /// Asks for the head of a file before it fetches it, now and then.
    pub peeks: bool,
    /// Waits up to so many microseconds before each segment.
    pub idles_us: u64,
    /// From a lost connection to the next, in microseconds.
    pub pause_us: u64,
    /// Requests after which it goes away.
    pub requests_max: u64,
}

/// An HLS player.
pub struct Hls {
    script: Script,
    http: ResponseReader,
    connected: bool,
    /// What has been asked and is not answered in full.
    asked: Option<Request>,
    status: u16,
    body: Vec<u8>,
    /// What is to be fetched next, in order.
    queue: VecDeque<Request>,
    /// When it may go on.
    not_before_us: u64,
    index: Option<String>,
    /// The last segment that it knows of.
    newest: String,
    target_us: u64,
    segment_us: Option<u64>,
    requests: u64,
    segments: u64,
    grievance: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Master,
    Index(String),
    Segment(String),
    /// An init segment or a key.
    Part(String),
    /// The head of a file.
    Peek(String),
}

impl Hls {
    /// A player with a script.
    pub fn new(script: Script) -> Self {
        Hls {
            script,
            http: ResponseReader::new(),
            connected: false,
            asked: None,
            status: 0,
            body: Vec::new(),
            queue: VecDeque::new(),
            not_before_us: 0,
            index: None,
            newest: String::new(),
            target_us: 2_000_000,
            segment_us: None,
            requests: 0,
            segments: 0,
            grievance: None,
        }
    }

    /// How many segments it has got.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Asks the next thing, if its time has come and nothing is under way.
    fn go_on(&mut self, cx: &mut PeerCx<'_>) {
        if !self.connected || self.asked.is_some() {
            return;
        }
        if self.requests >= self.script.requests_max {
            cx.hang_up = Some(HangUp::Fin);
            return;
        }
        if cx.now_us < self.not_before_us {
            cx.wake_at_us = Some(self.not_before_us);
            return;
        }
        let request = self.queue.pop_front().unwrap_or_else(|| match &self.index {
            Some(index) => Request::Index(index.clone()),
            None => Request::Master,
        });
        let (method, path) = match &request {
            Request::Master => ("GET", format!("/{}.m3u8", self.script.path)),
            Request::Peek(path) => ("HEAD", path.clone()),
            Request::Index(path) | Request::Segment(path) | Request::Part(path) => ("GET", path.clone()),
        };
        if method == "HEAD" {
            self.http.expect_no_body();
        }
        let close = if self.script.closes { "Connection: close\r\n" } else { "" };
        cx.out.extend(format!("{method} {path} HTTP/1.1\r\nHost: sim\r\n{close}\r\n").bytes());
        self.requests += 1;
        self.asked = Some(request);
        self.body.clear();
    }

    fn answered(&mut self, cx: &mut PeerCx<'_>, request: Request) {
        let found = self.status == 200;
        match request {
            Request::Master if found => {
                let text = String::from_utf8_lossy(&self.body).into_owned();
                let master = format!("/{}.m3u8", self.script.path);
                self.index = uris(&text).next().map(|uri| resolve(&master, uri));
            }
            Request::Index(path) if found => self.playlist(cx, &path),
            Request::Segment(_) if found => {
                self.segments += 1;
                self.segment_us = Some(cx.now_us);
            }
            Request::Part(_) | Request::Peek(_) if found => {}
            // There is nothing here now: begins anew later.
            _ => {
                self.queue.clear();
                self.index = None;
                self.not_before_us = cx.now_us + 1_000_000;
            }
        }
        if matches!(self.queue.front(), Some(Request::Segment(_))) && self.script.idles_us > 0 {
            self.not_before_us = cx.now_us + cx.rng.between(0, self.script.idles_us);
        }
    }

    /// Queues what is new in a playlist; of the first that it sees, the last three, as players do.
    fn playlist(&mut self, cx: &mut PeerCx<'_>, path: &str) {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        for line in text.lines() {
            let target = line.strip_prefix("#EXT-X-TARGETDURATION:").and_then(|value| value.parse().ok());
            self.target_us = target.map_or(self.target_us, |seconds: u64| seconds * 1_000_000);
        }
        let all: Vec<String> = uris(&text).map(|uri| resolve(path, uri)).collect();
        let from = match all.iter().position(|uri| *uri == self.newest) {
            Some(at) => at + 1,
            None => all.len().saturating_sub(3),
        };
        for uri in &all[from..] {
            if self.script.peeks && cx.rng.one_in(4) {
                self.queue.push_back(Request::Peek(uri.clone()));
            }
            self.queue.push_back(Request::Segment(uri.clone()));
        }
        if from < all.len() {
            let parts = text
                .lines()
                .filter(|line| ["#EXT-X-MAP", "#EXT-X-KEY"].iter().any(|tag| line.starts_with(tag)));
            let mut named = parts.filter_map(|line| line.split("URI=\"").nth(1)?.split('"').next());
            let last = named.next_back().map(|uri| resolve(path, uri));
            last.into_iter().for_each(|uri| self.queue.push_front(Request::Part(uri)));
            self.newest.clone_from(&all[all.len() - 1]);
        } else {
            self.not_before_us = cx.now_us + self.target_us / 2;
        }
        if text.contains("#EXT-X-ENDLIST") && self.queue.is_empty() {
            // The stream may be published again.
            self.not_before_us = cx.now_us + 2_000_000;
            self.index = None;
        }
    }
}

/// The lines of a playlist that are no tags.
fn uris(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A reference as it is meant in the file at `base`; the query of a playlist is not for its segments.
fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let folder = base.split('?').next().and_then(|path| path.rfind('/').map(|end| &path[..=end]));
    format!("{}{uri}", folder.unwrap_or("/"))
}

impl Peer for Hls {
    fn name(&self) -> String {
        format!("hls-player {}", self.script.path)
    }

    fn service(&self) -> Service {
        Service::Http
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.http = ResponseReader::new();
        self.connected = true;
        self.go_on(cx);
    }

    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) {
        let events = match self.http.push(bytes) {
            Ok(events) => events,
            Err(wrong) => {
                self.grievance.get_or_insert(wrong.to_string());
                return;
            }
        };
        for event in events {
            match event {
                HttpEvent::Head { status, .. } => self.status = status,
                HttpEvent::Body(bytes) => self.body.extend(bytes),
                HttpEvent::End => match self.asked.take() {
                    Some(request) => self.answered(cx, request),
                    None => self.grievance = Some("an answer to no question".to_owned()),
                },
            }
        }
        if !self.script.closes {
            self.go_on(cx);
        }
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        self.go_on(cx);
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.connected = false;
        // What was not answered in full is asked again; an answer that says 408 is none.
        if let Some(request) = self.asked.take() {
            self.queue.push_front(request);
        }
        if self.requests < self.script.requests_max {
            let soon = if self.script.closes { 1_000 } else { self.script.pause_us };
            cx.dial_at_us = Some((cx.now_us + soon).max(self.not_before_us));
        }
    }

    fn pending(&self, since_us: u64) -> Option<String> {
        // 403 means that HLS is turned off: there is nothing to wait for.
        let content = self.segment_us.is_some_and(|at| at >= since_us) || self.status == 403;
        if content || self.requests >= self.script.requests_max {
            return None;
        }
        let asked = self.asked.as_ref().map_or("nothing".to_owned(), |request| format!("{request:?}"));
        let state = if self.connected { "connected" } else { "away" };
        Some(format!(
            "{} is {state}, asks for {asked}, status {}, and got no segment",
            self.name(),
            self.status
        ))
    }

    fn grievance(&self) -> Option<String> {
        self.grievance.clone()
    }
}

impl Script {
    /// A player that never leaves, and connects again a second after it lost its connection.
    pub fn tame(rng: &mut Rng, path: &str) -> Self {
        Script {
            path: path.to_owned(),
            closes: rng.one_in(3),
            peeks: false,
            idles_us: 0,
            pause_us: 1_000_000,
            requests_max: u64::MAX,
        }
    }

    /// Any player: slow, curious, or soon gone.
    pub fn wild(rng: &mut Rng, path: &str) -> Self {
        Script {
            peeks: rng.one_in(3),
            idles_us: rng.pick(&[0, 0, 500_000, 5_000_000, 30_000_000]),
            pause_us: rng.pick(&[0, 1_000_000, 10_000_000]),
            requests_max: rng.pick(&[3, 20, u64::MAX]),
            ..Script::tame(rng, path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_are_resolved_as_browsers_do() {
        assert_eq!(resolve("/live/a.m3u8?x=y/z", "a/index.m3u8"), "/live/a/index.m3u8");
        assert_eq!(resolve("/live/a/index.m3u8", "seg-1.ts"), "/live/a/seg-1.ts");
        assert_eq!(resolve("/live/a/index.m3u8", "/x/seg-1.ts"), "/x/seg-1.ts");
    }
}
