//! The judge: observes both directions of every connection and the clock, and reports violations of
//! invariants.
//!
//! ```text
//! from_client ──▶ what publishers sent      (model)  ─┐
//! to_client   ──▶ what the server granted             ├──▶ violations, and a report in numbers
//!                 what players got          (play)   ─┘
//! ```
//!
//! In: bytes, in the order in which the server received them and sent them. Out: violations.
//! Never: knows the inside of the server, waits, or changes a run.

use super::api::{Client, Question, Stream, Sums, Topic, Totals};
use super::byte_counts::{ByteCounts, Page, Span};
use super::expected_role::ExpectedRole;
use super::hls::{HlsJudge, HlsRules};
use super::http::{ApiAnswer, HttpConn};
use super::model::Model;
use super::report::{JudgeReport, StreamReport};
use super::rtmp::{Cx, RtmpConn};
use super::rules::Rules;
use super::verdict::{Verdict, Violation};
use std::collections::BTreeMap;

/// For how long a publisher may stay that another one has replaced: as long as its final response takes to
/// leave.
const RIVAL_US: u64 = 6_000_000;

/// What a connection was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// RTMP.
    Rtmp,
    /// Streams and pages over HTTP.
    Http,
    /// The HTTP API.
    Api,
}

/// The judge of one run of one server.
#[derive(Debug)]
pub struct Judge {
    model: Model,
    verdict: Verdict,
    conns: BTreeMap<u32, Conn>,
    byte_counts: ByteCounts,
    /// How many answers of the API were held against the books.
    api_judged: u64,
    /// How many violations of the judge of HLS are among ours already.
    hls_told: usize,
}

/// A connection.
#[derive(Debug)]
struct Conn {
    talk: Talk,
    page: Page,
    closed: bool,
}

#[derive(Debug)]
enum Talk {
    Rtmp(Box<RtmpConn>),
    Http(Box<HttpConn>),
}

impl Judge {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        Judge::with_hls(rules, HlsRules::default())
    }

    /// The same, with rules for HLS.
    pub fn with_hls(rules: Rules, hls: HlsRules) -> Self {
        let model = Model::new(rules, HlsJudge::new(hls));
        let verdict = Verdict::default();
        let (conns, byte_counts) = (BTreeMap::new(), ByteCounts::default());
        Judge { model, verdict, conns, byte_counts, api_judged: 0, hls_told: 0 }
    }

    /// Other rules hold from now on.
    pub fn ruled(&mut self, rules: Rules) {
        self.model.rules = rules;
    }

    /// Other rules hold for HLS from now on.
    pub fn hls_ruled(&mut self, rules: HlsRules) {
        self.model.hls.rules = rules;
    }

    /// A connection was accepted. Its number is never used again.
    pub fn opened(&mut self, at_us: u64, conn_no: u32, service: Service) {
        self.verdict.at_us = at_us;
        let talk = match service {
            Service::Rtmp => Talk::Rtmp(Box::new(RtmpConn::new(conn_no))),
            Service::Http | Service::Api => {
                Talk::Http(Box::new(HttpConn::new(conn_no, service == Service::Api)))
            }
        };
        self.byte_counts.conns.0 += 1;
        if self.conns.insert(conn_no, Conn { talk, page: Page::default(), closed: false }).is_some() {
            self.verdict.add("I23", conn_no, "it was opened twice".to_owned());
        }
    }

    /// The server is given these bytes. To be called before anything that the server does about them.
    pub fn from_client(&mut self, at_us: u64, conn_no: u32, bytes: &[u8]) {
        self.verdict.at_us = at_us;
        self.byte_counts.quiet();
        let session = self.model.next_session();
        let Some(Conn { talk, page, closed: false }) = self.conns.get_mut(&conn_no) else { return };
        self.byte_counts.received(page, bytes.len() as u64);
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        let topic = match talk {
            Talk::Rtmp(talk) => {
                talk.client_said(&mut cx, bytes);
                None
            }
            Talk::Http(talk) => talk.client_said(&mut cx, bytes),
        };
        self.note(conn_no, session, true);
        if let Some(topic) = topic.filter(|_| self.model.rules.api) {
            let question = self.question(topic);
            if let Some(Conn { talk: Talk::Http(talk), .. }) = self.conns.get_mut(&conn_no) {
                talk.expects(question);
            }
        }
    }

    /// The kernel took these bytes of the server.
    pub fn to_client(&mut self, at_us: u64, conn_no: u32, bytes: &[u8]) {
        self.verdict.at_us = at_us;
        if bytes.is_empty() {
            return;
        }
        let session = self.model.next_session();
        let totals = self.totals();
        let Some(Conn { talk, page, closed: false }) = self.conns.get_mut(&conn_no) else {
            return self.verdict.add("I23", conn_no, format!("{} bytes after the end", bytes.len()));
        };
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        match talk {
            Talk::Rtmp(talk) => talk.client_got(&mut cx, bytes),
            Talk::Http(talk) => {
                if let Some(question) = talk.question() {
                    question.answered.get_or_insert(totals);
                }
                let answers = talk.client_got(&mut cx, bytes);
                for answer in answers {
                    self.api_judged += 1;
                    judge_answer(&mut self.verdict, conn_no, &answer);
                }
            }
        }
        self.byte_counts.sent(page, bytes.len() as u64, &talk.role());
        page.blocked = false;
        self.note(conn_no, session, false);
        self.look();
    }

    /// The connection is over. `by_server`: the server closed it, and not the peer or the network.
    pub fn closed(&mut self, at_us: u64, conn_no: u32, by_server: bool) {
        self.verdict.at_us = at_us;
        let Some(Conn { talk, page, closed }) = self.conns.get_mut(&conn_no) else {
            return self.verdict.add("I23", conn_no, "it was closed and never opened".to_owned());
        };
        if std::mem::replace(closed, true) {
            return self.verdict.add("I23", conn_no, "it was closed twice".to_owned());
        }
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        match talk {
            Talk::Rtmp(talk) => talk.closed(&mut cx, by_server),
            Talk::Http(talk) => {
                if let Some(answer) = talk.closed(&mut cx) {
                    judge_answer(&mut self.verdict, conn_no, &answer);
                }
            }
        }
        self.byte_counts.conns.1 += 1;
        page.role = ExpectedRole::default();
        self.model.rivals.retain(|(_, first, second, _)| *first != conn_no && *second != conn_no);
        self.look();
    }

    /// A write was not taken whole: from here on frames may be missing.
    pub fn stalled(&mut self, at_us: u64, conn_no: u32) {
        self.verdict.at_us = at_us;
        let Some(Conn { talk, page, .. }) = self.conns.get_mut(&conn_no) else { return };
        page.blocked = true;
        self.model.blocked(conn_no);
        match talk {
            Talk::Rtmp(talk) => talk.stalled(),
            Talk::Http(talk) => talk.stalled(),
        }
    }

    /// Notes down how a peer stands after something was said, by itself or to it. Publishing sessions from
    /// `session` on have not begun before.
    fn note(&mut self, number: u32, session: u32, by_itself: bool) {
        let Some(Conn { talk, page, .. }) = self.conns.get_mut(&number) else { return };
        let now = talk.role();
        if now == page.role {
            return;
        }
        let mut page = std::mem::take(page);
        let held = |stream: &str| {
            self.conns.values().any(|conn| {
                let page = &conn.page;
                let about = page.role.sure().filter(|_| !page.blocked);
                about.is_some_and(|about| about.holds() && about.stream == stream)
            })
        };
        let sessions = (session, self.model.next_session() - 1);
        self.byte_counts.stands(&mut page, (now, by_itself), sessions, held);
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.page = page;
        }
    }

    fn totals(&self) -> Totals {
        let ByteCounts { recv, sent, conns, .. } = self.byte_counts;
        Totals { recv, sent, conns }
    }

    /// How everything stands.
    fn question(&mut self, topic: Topic) -> Question {
        let mut clients = Vec::new();
        for (number, Conn { talk, page, .. }) in self.conns.iter_mut().filter(|(_, conn)| !conn.closed) {
            self.byte_counts.confirm(page);
            if !page.blocked {
                self.model.unblocked(*number);
            }
            if page.role == ExpectedRole::default() {
                continue;
            }
            let dropped = match talk {
                Talk::Rtmp(talk) => talk.dropped(&self.model),
                Talk::Http(talk) => talk.dropped(&self.model),
            };
            clients.push(Client {
                conn_no: *number,
                role: page.role.clone(),
                blocked: page.blocked,
                recv: page.recv,
                sent: page.sent,
                dropped,
            });
        }
        let streams = self.byte_counts.streams.keys().map(|name| self.stream(name)).collect();
        Question { topic, asked: self.totals(), answered: None, clients, streams }
    }

    /// Bounds for the numbers of a stream: an unknown number of its last stretches count.
    fn stream(&self, name: &str) -> Stream {
        let mut sums: Vec<Sums> = Vec::new();
        for stretch in self.byte_counts.streams[name].iter().rev() {
            let after = sums.last().copied().unwrap_or_default();
            let counted = self.model.streams.get(name).map(|stream| stream.counted(stretch.session));
            let (audio, video) = counted.unwrap_or((Span::default(), Span::default()));
            let (recv, sent) = (stretch.recv.plus(after.recv), stretch.sent.plus(after.sent));
            sums.push(Sums { recv, sent, audio, video });
        }
        Stream { name: name.to_owned(), sums }
    }

    /// The run is over. Connections may still be open.
    pub fn finish(&mut self, at_us: u64) {
        self.verdict.at_us = at_us;
        self.look();
    }

    /// I24, and what the judge of HLS has found.
    fn look(&mut self) {
        let now = self.verdict.at_us;
        let (verdict, rules) = (&mut self.verdict, &self.model.rules);
        self.model.rivals.retain(|(since, first, second, stream)| {
            let both = now > since + RIVAL_US;
            if both && rules.settings_hold {
                verdict.add("I24", *second, format!("conns {first} and {second} both publish {stream}"));
            }
            !both
        });
        let told = self.model.hls.violations();
        if self.model.rules.hls {
            self.verdict.violations.extend_from_slice(&told[self.hls_told..]);
        }
        self.hls_told = told.len();
    }

    /// What was wrong so far, the first first.
    pub fn violations(&self) -> &[Violation] {
        &self.verdict.violations
    }

    /// How many answers of the API were held against the books.
    pub fn api_judged(&self) -> u64 {
        self.api_judged
    }

    /// What was seen.
    pub fn report(&self) -> JudgeReport {
        let publishers = self.model.publishers().into_iter();
        let streams = publishers.map(|(name, publishers)| (name, StreamReport { publishers })).collect();
        let plays = self.conns.values().flat_map(|conn| match &conn.talk {
            Talk::Rtmp(talk) => talk.plays(),
            Talk::Http(talk) => talk.plays(),
        });
        JudgeReport { streams, plays: plays.collect() }
    }
}

impl Talk {
    fn role(&self) -> ExpectedRole {
        match self {
            Talk::Rtmp(talk) => talk.role(),
            Talk::Http(talk) => talk.role(),
        }
    }
}

/// I38.
fn judge_answer(verdict: &mut Verdict, conn_no: u32, answer: &ApiAnswer) {
    if let Err(words) = answer.question.judged(answer.status, &answer.body) {
        verdict.add("I38", conn_no, words);
    }
}
