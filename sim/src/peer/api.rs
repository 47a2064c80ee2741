//! A client of the HTTP API: requests reports and, from time to time, ends a connection. The judge, which
//! sees both ends of every connection, checks the answers (I38).

use super::{HangUp, Peer, PeerCx};
use conformance::reader::http::{HttpEvent, ResponseReader};
use conformance::rng::Rng;
use dacapo::config::Service;

/// What a script does.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// From an answer to the next question, in microseconds.
    pub pause_us: u64,
    /// One question in so many ends a client; 0: none.
    pub kicks: usize,
    /// Each request has its own connection.
    pub closes: bool,
}

/// An operator's script at work.
pub struct Api {
    script: Script,
    http: ResponseReader,
    connected: bool,
    asked: Option<String>,
    status: u16,
    body: Vec<u8>,
    not_before_us: u64,
    /// Clients of which the last list told.
    clients: Vec<String>,
    answered_us: Option<u64>,
    grievance: Option<String>,
}

impl Api {
    /// A script that has asked nothing yet.
    pub fn new(script: Script) -> Self {
        Api {
            script,
            http: ResponseReader::new(),
            connected: false,
            asked: None,
            status: 0,
            body: Vec::new(),
            not_before_us: 0,
            clients: Vec::new(),
            answered_us: None,
            grievance: None,
        }
    }

    fn go_on(&mut self, cx: &mut PeerCx<'_>) {
        if !self.connected || self.asked.is_some() {
            return;
        }
        if cx.now_us < self.not_before_us {
            cx.wake_at_us = Some(self.not_before_us);
            return;
        }
        let kick = self.script.kicks > 0 && !self.clients.is_empty() && cx.rng.one_in(self.script.kicks);
        let (method, path) = if kick {
            let id = self.clients.swap_remove(cx.rng.below(self.clients.len()));
            ("DELETE", format!("/api/v1/clients/{id}"))
        } else {
            ("GET", cx.rng.pick(&QUESTIONS).to_owned())
        };
        let close = if self.script.closes { "Connection: close\r\n" } else { "" };
        cx.out.extend(format!("{method} {path} HTTP/1.1\r\nHost: sim\r\n{close}\r\n").bytes());
        self.asked = Some(format!("{method} {path}"));
        self.body.clear();
    }

    fn answered(&mut self, cx: &mut PeerCx<'_>, question: String) {
        let body = String::from_utf8_lossy(&self.body).into_owned();
        if self.status == 408 {
            // The question has come too late, or not whole; the connection is over.
            return;
        }
        if self.status != 200 || !body.starts_with('{') {
            self.grievance.get_or_insert(format!("{question} is answered by {} {body:?}", self.status));
        }
        if question.contains("/clients/?") {
            let ids = body.split("\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next());
            self.clients = ids.map(str::to_owned).collect();
        }
        self.answered_us = Some(cx.now_us);
        self.not_before_us = cx.now_us + self.script.pause_us;
    }
}

impl Peer for Api {
    fn name(&self) -> String {
        "api".to_owned()
    }

    fn service(&self) -> Service {
        Service::Api
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
                    Some(question) => self.answered(cx, question),
                    None => self.grievance = Some("an answer to no question".to_owned()),
                },
            }
        }
        if self.script.closes && self.asked.is_none() {
            cx.hang_up = Some(HangUp::Fin);
        } else {
            self.go_on(cx);
        }
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        self.go_on(cx);
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.connected = false;
        self.asked = None;
        cx.dial_at_us = Some((cx.now_us + 10_000).max(self.not_before_us));
    }

    fn pending(&self, since_us: u64) -> Option<String> {
        let content = self.answered_us.is_some_and(|at| at >= since_us);
        (!content).then(|| format!("api asks {:?} and got no answer", self.asked))
    }

    fn grievance(&self) -> Option<String> {
        self.grievance.clone()
    }
}

impl Script {
    /// A script that only looks.
    pub fn tame(rng: &mut Rng) -> Self {
        Script { pause_us: rng.pick(&[500_000, 2_000_000]), kicks: 0, closes: rng.one_in(2) }
    }

    /// A script that kicks.
    pub fn wild(rng: &mut Rng) -> Self {
        Script { pause_us: rng.pick(&[10_000, 500_000, 5_000_000]), kicks: 4, closes: rng.one_in(2) }
    }
}

/// What it asks.
const QUESTIONS: [&str; 6] = [
    "/api/v1/streams/?count=1000",
    "/api/v1/clients/?count=1000",
    "/api/v1/clients/?count=1000",
    "/api/v1/summaries",
    "/api/v1/vhosts",
    "/api/v1/versions",
];
