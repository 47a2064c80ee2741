//! Gives the bytes of a replay to the judge, in both directions.

use crate::judge::{Judge, JudgeReport, Rules, SecondPublisher, Service, StartAt};
use dacapo::base::time::Instant;
use dacapo::config::{self, Config, Flush, Second, Start};
use dacapo::record::{ConnNo, Event, Observer};
use dacapo::server::Output;
use std::collections::{BTreeMap, BTreeSet};

/// Shows a run to the judge.
#[derive(Debug)]
pub struct Judged {
    judge: Judge,
    /// By listener.
    services: Vec<Service>,
    open: BTreeSet<ConnNo>,
    /// Whose end came from outside, and the server has not closed yet.
    ended: BTreeMap<ConnNo, Instant>,
}

impl Judged {
    /// For a server with this configuration.
    pub fn new(config: &Config) -> Self {
        let service = |service| match service {
            config::Service::Rtmp => Service::Rtmp,
            config::Service::Http => Service::Http,
            config::Service::Api => Service::Api,
        };
        Judged {
            judge: Judge::new(rules(config)),
            services: config.listeners().into_iter().map(|(_, of, _)| service(of)).collect(),
            open: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    /// The run is over: what was wrong, one line each, and what was seen.
    pub fn finish(mut self, at: Instant) -> (Vec<String>, JudgeReport) {
        for (conn_no, at) in std::mem::take(&mut self.ended) {
            self.judge.closed(at.as_micros(), conn_no.0, false);
        }
        self.judge.finish(at.as_micros());
        let violations = self.judge.violations().iter().map(ToString::to_string).collect();
        (violations, self.judge.report())
    }
}

impl Observer for Judged {
    fn happened(&mut self, at: Instant, event: &Event) {
        match event {
            Event::Accepted { listener, conn_no: Some(conn_no), .. } => {
                if let Some(service) = self.services.get(usize::from(listener.0)) {
                    self.open.insert(*conn_no);
                    self.judge.opened(at.as_micros(), conn_no.0, *service);
                }
            }
            Event::Received { conn_no, bytes } if self.open.contains(conn_no) => {
                self.judge.from_client(at.as_micros(), conn_no.0, bytes);
            }
            Event::Sent { conn_no, room: false, .. } if self.open.contains(conn_no) => {
                self.judge.stalled(at.as_micros(), conn_no.0);
            }
            Event::Ended { conn_no, .. } if self.open.contains(conn_no) => {
                self.ended.entry(*conn_no).or_insert(at);
            }
            _ => {}
        }
    }

    fn sent(&mut self, at: Instant, conn_no: ConnNo, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.judge.to_client(at.as_micros(), conn_no.0, bytes);
        }
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        let (Some(conn_no), Output::Close { .. }) = (conn_no, output) else { return };
        let by_server = self.ended.remove(&conn_no).is_none();
        self.open.remove(&conn_no);
        self.judge.closed(at.as_micros(), conn_no.0, by_server);
    }
}

/// What the judge must know of a configuration.
pub fn rules(config: &Config) -> Rules {
    let (stream, limits) = (&config.stream, &config.limits);
    // How long frames may wait for others by the setting; beyond it, what a flush and a write may take.
    let flush_us = match stream.play.flush {
        Flush::Frame => 0,
        Flush::Video => 40_000,
        Flush::Auto => Flush::AUTO_HOLD_MS_MAX * 1000,
        Flush::Ms(ms) => u64::from(ms) * 1000,
    };
    Rules {
        start: match stream.play.start {
            Start::NewestKey => StartAt::NewestKey,
            Start::OldestKey => StartAt::OldestKey,
            Start::NextKey => StartAt::NextKey,
        },
        second: match stream.publish.second {
            Second::Refuse => SecondPublisher::Refused,
            Second::Replace => SecondPublisher::Replaces,
        },
        ring_frames_max: stream.ring.frames_max,
        ring_bytes_max: stream.ring.bytes_max,
        ring_keep_us: stream.ring.keep_ms * 1000,
        patience_us: flush_us + WRITE_US_MAX,
        tracks_max: limits.tracks,
        frame_bytes_max: limits.frame_bytes,
        // A package that was disposed of begins anew under its old name.
        hls: stream.hls.dispose_ms >= 60_000,
        api: true,
        settings_hold: config.streams.is_empty(),
    }
}

/// Longest that a flush and its writes may take, in microseconds, where the network does not hold them back.
const WRITE_US_MAX: u64 = 60_000;
