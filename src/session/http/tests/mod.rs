//! Transcripts of HTTP sessions: what a peer sends, what the server answers, what the peer hears.

mod api;
mod files;
mod requests;
mod split;
mod stream_body;

use crate::base::fetched::Fetched;
use crate::base::id::Cid;
use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::outbox::Outbox;
use crate::base::reason::Reason;
use crate::base::rng::{Rng, Seed};
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, Service};
use crate::session::ask::{Answer, Ask};
use crate::session::http::HttpSession;
use crate::session::{Cx, Progress, Session};
use crate::status::{Identity, Report};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// A session and all that it is given; the other end of its connection, and its server.
struct Peer {
    session: HttpSession,
    config: Config,
    now: Instant,
    inbox: Inbox,
    out: Outbox,
    rng: Rng,
    asks: VecDeque<Ask>,
    /// How the session ended, if it did.
    end: Option<Reason>,
}

impl Peer {
    fn on(service: Service) -> Peer {
        Peer::with(service, Config::default())
    }

    fn with(service: Service, config: Config) -> Peer {
        let mut rng = Seed::from_u64(1).fork(b"peer");
        let (mut out, mut asks) =
            (Outbox::new(config.limits.response_bytes, Limit::ResponseBytes), VecDeque::new());
        let mut cx = Cx {
            now: Instant::ZERO,
            epoch: EPOCH,
            config: &config,
            cid: CID,
            peer: ([192, 0, 2, 1], 4711).into(),
            identity: &identity(),
            rng: &mut rng,
            out: &mut out,
            asks: &mut asks,
        };
        let session = HttpSession::new(&mut cx, service);
        let inbox = Inbox::new(config.limits.unproven_bytes);
        Peer { session, config, now: Instant::ZERO, inbox, out, rng, asks, end: None }
    }

    /// Calls the session the way the server does, and keeps how it ended.
    fn call<T>(
        &mut self,
        f: impl FnOnce(&mut HttpSession, &mut Cx<'_>, &mut Inbox) -> Result<T, Reason>,
    ) -> Option<T> {
        assert_eq!(self.end, None, "a session that ended is not called again");
        let mut cx = Cx {
            now: self.now,
            epoch: EPOCH,
            config: &self.config,
            cid: CID,
            peer: ([192, 0, 2, 1], 4711).into(),
            identity: &identity(),
            rng: &mut self.rng,
            out: &mut self.out,
            asks: &mut self.asks,
        };
        match f(&mut self.session, &mut cx, &mut self.inbox) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.end = Some(reason);
                None
            }
        }
    }

    fn receive(&mut self) {
        while !self.inbox.is_empty()
            && self.call(|session, cx, inbox| session.receive(cx, inbox)) == Some(Progress::More)
        {}
    }

    /// The peer sends.
    fn says(&mut self, bytes: impl AsRef<[u8]>) -> &mut Peer {
        assert!(self.inbox.receive(bytes.as_ref()), "the inbox is full");
        self.receive();
        self
    }

    /// The peer sends a request for `target` with these header lines besides `Host`.
    fn requests(&mut self, method: &str, target: &str, lines: &[&str]) -> &mut Peer {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.says(format!("{method} {target} HTTP/1.1\r\nHost: media.example\r\n{lines}\r\n"))
    }

    /// The server answers.
    fn answers(&mut self, answer: Answer) -> &mut Peer {
        self.call(|session, cx, _| session.answer(cx, answer));
        if self.end.is_none() {
            self.receive();
        }
        self
    }

    /// Everything that was written leaves; the session is told.
    fn hears_bytes(&mut self) -> Vec<u8> {
        let bytes = self.out.slices().collect::<Vec<_>>().concat();
        assert!(self.out.overflowed().is_none());
        self.out.advance(bytes.len());
        if self.end.is_none() && !bytes.is_empty() {
            self.call(|session, cx, _| session.outbox_emptied(cx));
            self.receive();
        }
        bytes
    }

    fn hears(&mut self) -> String {
        String::from_utf8(self.hears_bytes()).expect("text")
    }

    /// What the session asks of the server, the oldest first.
    fn asks(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    /// As [`Peer::asks`], for comparison.
    fn asks_text(&mut self) -> String {
        let Some(ask) = self.asks() else { return String::new() };
        let text = format!("{ask:?}");
        match &ask {
            Ask::Publish { query, .. } | Ask::Play { query, .. } | Ask::Fetch { query, .. } => {
                text.replace(&format!("{query:?}"), &format!("{:?}", &**query))
            }
            _ => text,
        }
    }

    /// Time passes, and the session is woken if it wanted to be.
    fn waits(&mut self, ms: u64) -> &mut Peer {
        self.now = self.now + Duration::from_millis(ms);
        if self.session.deadline().is_some_and(|(at, _)| at <= self.now) {
            self.call(|session, cx, _| session.tick(cx));
        }
        self
    }

    fn deadline_ms(&self) -> Option<(u64, &'static str)> {
        self.session.deadline().map(|(at, why)| (at.as_millis(), why))
    }

    /// Asserts that the session ended without a fault of either side.
    fn is_done(&mut self) {
        assert!(matches!(self.asks.pop_front(), Some(Ask::Bye(Reason::LastResponse))), "{:?}", self.end);
    }
}

/// A response taken apart.
#[derive(Debug)]
struct Heard {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Heard {
    fn parse(bytes: &[u8]) -> Heard {
        let mut lines = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut lines);
        let Ok(httparse::Status::Complete(len)) = parsed.parse(bytes) else {
            panic!("no response: {:?}", String::from_utf8_lossy(bytes));
        };
        let headers = parsed.headers.iter();
        Heard {
            status: parsed.code.unwrap(),
            headers: headers
                .map(|line| (line.name.to_owned(), String::from_utf8(line.value.to_vec()).unwrap()))
                .collect(),
            body: bytes[len..].to_vec(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn report(report: Report) -> Answer {
    Answer::Report(Some(Box::new(report)))
}

fn identity() -> Identity {
    Identity { server: "vid-0a1b2c3".into(), service: "s5v7x9z1".into(), pid: 4242 }
}

fn segment() -> Fetched {
    Fetched {
        content_type: "video/mp2t",
        max_age_secs: None,
        etag: "\"17-a\"".into(),
        text: false,
        body: vec![Bytes::from_static(b"0123"), Bytes::from_static(b"456789")],
    }
}

/// Sun, 06 Nov 1994 08:49:37 GMT.
const EPOCH: Epoch = Epoch(784_111_777_000_000);
const CID: Cid = Cid(*b"abcdefgh");
