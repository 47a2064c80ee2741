//! The judge: sees both directions of every connection and the clock, and says what is broken.
//!
//! ```text
//! from_client ──▶ what publishers sent      (model)  ─┐
//! to_client   ──▶ what the server granted             ├──▶ violations, and a report in numbers
//!                 what players got          (play)   ─┘
//! ```
//!
//! In: bytes, in the order in which the server was given them and the kernel took them. Out: violations.
//! Never: knows what the server is made of, waits, or changes anything.

use super::Violation;
use super::hls::{HlsJudge, HlsRules};
use super::http::{ApiAnswer, HttpSeat};
use super::model::Model;
use super::report::{JudgeReport, StreamReport};
use super::rtmp::{Cx, RtmpSeat};
use super::rules::Rules;
use super::verdict::Verdict;
use std::collections::BTreeMap;

/// For how long a publisher may stay that another one has replaced: as long as its last words take to leave.
const RIVAL_US: u64 = 6_000_000;

/// Most answers of the API that are kept.
const API_ANSWERS_MAX: usize = 10_000;

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
    seats: BTreeMap<u32, Seat>,
    api: Vec<ApiAnswer>,
    /// How many violations of the judge of HLS are among ours already.
    hls_told: usize,
}

/// A connection.
#[derive(Debug)]
struct Seat {
    talk: Talk,
    closed: bool,
}

#[derive(Debug)]
enum Talk {
    Rtmp(Box<RtmpSeat>),
    Http(Box<HttpSeat>),
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
        Judge { model, verdict, seats: BTreeMap::new(), api: Vec::new(), hls_told: 0 }
    }

    /// Other rules hold from now on.
    pub fn ruled(&mut self, rules: Rules) {
        self.model.rules = rules;
    }

    /// Other rules hold for HLS from now on.
    pub fn hls_ruled(&mut self, rules: HlsRules) {
        self.model.hls.rules = rules;
    }

    /// Somebody was let in. Seats are never used again.
    pub fn opened(&mut self, at_us: u64, seat: u32, service: Service) {
        self.verdict.at_us = at_us;
        let talk = match service {
            Service::Rtmp => Talk::Rtmp(Box::new(RtmpSeat::new(seat))),
            Service::Http | Service::Api => {
                Talk::Http(Box::new(HttpSeat::new(seat, service == Service::Api)))
            }
        };
        if self.seats.insert(seat, Seat { talk, closed: false }).is_some() {
            self.verdict.add("I23", seat, "it was opened twice".to_owned());
        }
    }

    /// The server is given these bytes. To be called before anything that the server does about them.
    pub fn from_client(&mut self, at_us: u64, seat: u32, bytes: &[u8]) {
        self.verdict.at_us = at_us;
        let Some(Seat { talk, closed: false }) = self.seats.get_mut(&seat) else { return };
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        match talk {
            Talk::Rtmp(talk) => talk.client_said(&mut cx, bytes),
            Talk::Http(talk) => talk.client_said(&mut cx, bytes),
        }
    }

    /// The kernel took these bytes of the server.
    pub fn to_client(&mut self, at_us: u64, seat: u32, bytes: &[u8]) {
        self.verdict.at_us = at_us;
        if bytes.is_empty() {
            return;
        }
        let Some(Seat { talk, closed: false }) = self.seats.get_mut(&seat) else {
            return self.verdict.add("I23", seat, format!("{} bytes after the end", bytes.len()));
        };
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        match talk {
            Talk::Rtmp(talk) => talk.client_got(&mut cx, bytes),
            Talk::Http(talk) => {
                let answers = talk.client_got(&mut cx, bytes);
                self.api.extend(answers);
                self.api.truncate(API_ANSWERS_MAX);
            }
        }
        self.look();
    }

    /// The connection is over. `by_server`: the server closed it, and not the peer or the network.
    pub fn closed(&mut self, at_us: u64, seat: u32, by_server: bool) {
        self.verdict.at_us = at_us;
        let Some(Seat { talk, closed }) = self.seats.get_mut(&seat) else {
            return self.verdict.add("I23", seat, "it was closed and never opened".to_owned());
        };
        if std::mem::replace(closed, true) {
            return self.verdict.add("I23", seat, "it was closed twice".to_owned());
        }
        let mut cx = Cx { model: &mut self.model, verdict: &mut self.verdict };
        match talk {
            Talk::Rtmp(talk) => talk.closed(&mut cx, by_server),
            Talk::Http(talk) => self.api.extend(talk.closed(&mut cx)),
        }
        self.model.rivals.retain(|(_, first, second, _)| *first != seat && *second != seat);
        self.look();
    }

    /// A write was not taken whole: from here on frames may be missing.
    pub fn stalled(&mut self, at_us: u64, seat: u32) {
        self.verdict.at_us = at_us;
        match self.seats.get_mut(&seat).map(|seat| &mut seat.talk) {
            Some(Talk::Rtmp(talk)) => talk.stalled(),
            Some(Talk::Http(talk)) => talk.stalled(),
            None => {}
        }
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
                verdict.add("I24", *second, format!("seats {first} and {second} both publish {stream}"));
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

    /// What the API answered, in order.
    pub fn api_answers(&self) -> &[ApiAnswer] {
        &self.api
    }

    /// What was seen.
    pub fn report(&self) -> JudgeReport {
        let publishers = self.model.publishers().into_iter();
        let streams = publishers.map(|(name, publishers)| (name, StreamReport { publishers })).collect();
        let plays = self.seats.values().flat_map(|seat| match &seat.talk {
            Talk::Rtmp(talk) => talk.plays(),
            Talk::Http(talk) => talk.plays(),
        });
        JudgeReport { streams, plays: plays.collect() }
    }
}
