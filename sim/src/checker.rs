//! The checker of a run: checks of the server's state, and the judge of its bytes.
//!
//! In: inputs and outputs of the server, and the bytes of both directions. Out: failures, each with the
//! number of its invariant. Never: changes a run.

use conformance::judge::hls::HlsRules;
use conformance::judge::{Judge, Rules};
use conformance::replaying::judged::rules;
use dacapo::base::id::ConnId;
use dacapo::base::time::Instant;
use dacapo::config::{Config, Service};
use dacapo::server::usage::Activity;
use dacapo::server::{Input, Output, Server};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most outputs of one input that are neither writes nor closes (I19).
const REQUESTS_MAX: u64 = 10_000;

/// Most ticks at the same time (I28).
const TICKS_MAX: u64 = 1_000;

/// How often all connections are checked, in time and in passes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Most time that sending a final response may take, with a margin.
const FINAL_RESPONSE: Duration = Duration::from_millis(5_100);

/// How late the shell may call the server: an epoll rounds up to whole milliseconds.
pub const LATE: Duration = Duration::from_micros(1_100);

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its number: `I3`, `L2`.
    pub invariant: String,
    /// Time of the server in microseconds.
    pub at_us: u64,
    /// Number of the connection, if the failure concerns one.
    pub conn_no: Option<u32>,
    /// What is wrong, as a sentence.
    pub words: String,
}

impl Failure {
    /// A failure from the words of a peer or an assertion, which name the invariant at the beginning or in
    /// brackets. Without a name it is a violation of the protocol.
    pub fn told(at_us: u64, words: String) -> Self {
        let invariant = invariant(&words).unwrap_or_else(|| "TALK".to_owned());
        Failure { invariant, at_us, conn_no: None, words }
    }
}

/// The invariant that a text names: `I21: …` or `… (I13)`.
pub fn invariant(words: &str) -> Option<String> {
    let number = |text: &str| {
        let digits = text.strip_prefix('I')?;
        let end = digits.find(|letter: char| !letter.is_ascii_digit())?;
        (end > 0).then(|| format!("I{}", &digits[..end]))
    };
    number(words).or_else(|| number(&words[words.rfind("(I")? + 1..]))
}

/// The longest timeouts of all configurations of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// For peers that neither publish nor play.
    pub idle: Duration,
    /// For publishers that send nothing.
    pub publisher: Duration,
    /// For peers that take no bytes.
    pub send: Duration,
    /// For peers that wait for a stream.
    pub wait: Duration,
    /// For all peers, during a drain.
    pub drain: Duration,
}

impl Patience {
    /// Raises the timeouts to those of another configuration.
    pub fn widen(&mut self, config: &Config) {
        let ms = Duration::from_millis;
        let (rtmp, http, stream) = (&config.rtmp, &config.http, &config.stream);
        let idle = [
            rtmp.handshake_timeout_ms,
            rtmp.idle_timeout_ms,
            http.head_timeout_ms,
            http.keep_alive_timeout_ms,
        ];
        self.idle = self.idle.max(ms(idle.into_iter().max().unwrap_or(0)));
        let publish = &stream.publish;
        self.publisher = self.publisher.max(ms(publish.first_frame_timeout_ms.max(publish.frame_timeout_ms)));
        self.send = self.send.max(ms(stream.play.send_timeout_ms));
        self.wait = self.wait.max(ms(stream.play.wait_ms));
        self.drain = self.drain.max(ms(config.drain_timeout_ms));
    }
}

/// A connection.
#[derive(Debug)]
struct Watched {
    conn: ConnId,
    /// When it last sent bytes or changed its activity.
    heard: Instant,
    activity: Activity,
    /// Since when its socket is full.
    stuck: Option<Instant>,
}

/// The checker.
#[derive(Debug)]
pub struct Checker {
    /// The timeouts.
    pub patience: Patience,
    /// How late a wake-up may be, beyond the usual.
    pause: Duration,
    config: Config,
    failures: Vec<Failure>,
    /// The judge of the bytes.
    judge: Judge,
    /// Violations of the judge that are among the failures.
    judged: usize,
    /// True if the bytes are judged.
    pub judges: bool,
    now: Instant,
    conns: BTreeMap<u32, Watched>,
    /// The latest time of the next call of the server.
    due: Option<Instant>,
    ticks: u64,
    requests: u64,
    looked: Instant,
    /// Most payload bytes that the server held.
    pub bytes_max: u64,
}

impl Checker {
    /// Sets how long passes of the shell may take, beyond the usual.
    pub fn pauses(&mut self, pause: Duration) {
        self.pause = pause;
        let rules = rules(&self.config);
        let pause_us = pause.as_micros() as u64;
        self.judge.ruled(Rules { patience_us: rules.patience_us + pause_us, ..rules });
    }

    /// A checker of a server that is made with `config`.
    pub fn new(config: &Config) -> Self {
        let mut checker = Checker {
            patience: Patience { send: Duration::from_secs(20), ..Patience::default() },
            pause: Duration::ZERO,
            config: config.clone(),
            failures: Vec::new(),
            judge: Judge::with_hls(rules(config), hls_rules(config)),
            judged: 0,
            judges: true,
            now: Instant::ZERO,
            conns: BTreeMap::new(),
            due: None,
            ticks: 0,
            requests: 0,
            looked: Instant::ZERO,
            bytes_max: 0,
        };
        checker.patience.widen(config);
        checker
    }

    /// The failures, in the order of time.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Adds a failure.
    pub fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    fn wrong(&mut self, invariant: &str, conn_no: Option<u32>, words: String) {
        let (invariant, at_us) = (invariant.to_owned(), self.now.as_micros());
        self.fail(Failure { invariant, at_us, conn_no, words });
    }

    /// A connection was accepted (as `conn`) or refused.
    pub fn accepted(&mut self, now: Instant, conn_no: Option<u32>, service: Service, conn: Option<ConnId>) {
        self.now = now;
        let (Some(conn_no), Some(conn)) = (conn_no, conn) else { return };
        self.conns.insert(conn_no, Watched { conn, heard: now, activity: Activity::Nothing, stuck: None });
        let service = match service {
            Service::Rtmp => conformance::judge::Service::Rtmp,
            Service::Http => conformance::judge::Service::Http,
            Service::Api => conformance::judge::Service::Api,
        };
        self.judge.opened(now.as_micros(), conn_no, service);
    }

    /// The server is about to receive bytes.
    pub fn from_client(&mut self, now: Instant, conn_no: Option<u32>, bytes: &[u8]) {
        if let Some(conn_no) = conn_no.filter(|_| self.judges) {
            self.judge.from_client(now.as_micros(), conn_no, bytes);
        }
        if let Some(conn) = conn_no.and_then(|conn_no| self.conns.get_mut(&conn_no)) {
            conn.heard = now;
        }
    }

    /// Bytes were sent.
    pub fn to_client(&mut self, now: Instant, conn_no: u32, bytes: &[u8]) {
        if self.judges {
            self.judge.to_client(now.as_micros(), conn_no, bytes);
        }
        if let Some(conn) = self.conns.get_mut(&conn_no).filter(|_| !bytes.is_empty()) {
            conn.stuck = None;
            if conn.activity == Activity::Waiting {
                // It was answered, and waits for the answer to its next request.
                conn.heard = now;
            }
        }
    }

    /// A write was not taken whole.
    pub fn stalled(&mut self, now: Instant, conn_no: u32) {
        if let Some(conn) = self.conns.get_mut(&conn_no) {
            conn.stuck.get_or_insert(now);
        }
        self.judge.stalled(now.as_micros(), conn_no);
    }

    /// The server closed a connection.
    pub fn closed(&mut self, now: Instant, conn_no: Option<u32>) {
        self.now = now;
        if conn_no.and_then(|conn_no| self.conns.remove(&conn_no)).is_none() {
            self.wrong("I23", conn_no, "the server closed a connection that is closed already".to_owned());
        }
        if let Some(conn_no) = conn_no {
            self.judge.closed(now.as_micros(), conn_no, true);
        }
    }

    /// The server has an output.
    pub fn requested(&mut self, _: Instant, output: &Output) {
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            self.wrong(
                "I19",
                None,
                format!("one input leads to {REQUESTS_MAX} outputs, the last is {output:?}"),
            );
        }
    }

    /// The server is about to handle an input.
    pub fn about_to_hear(&mut self, now: Instant, server: &Server, input: &Input<'_>) {
        self.requests = 0;
        if now < self.now {
            self.wrong("I13", None, format!("the clock went back from {:?} to {now:?}", self.now));
        }
        if let Some(due) = self.due
            && due + LATE + self.pause < now
        {
            let why = server.deadline().map_or("no timer", |deadline| deadline.why);
            let late = now - due;
            self.wrong("I28", None, format!("the server was woken up {late:?} late, on behalf of {why}"));
        }
        self.ticks = if now == self.now && matches!(input, Input::Tick) { self.ticks + 1 } else { 0 };
        if self.ticks > TICKS_MAX {
            let why = server.deadline().map_or("no timer", |deadline| deadline.why);
            self.wrong("I28", None, format!("{TICKS_MAX} ticks in one moment, on behalf of {why}"));
        }
        if let Input::Reload { config } = input {
            self.patience.widen(config);
            self.judge.ruled(Rules { settings_hold: false, ..rules(config) });
            if !hls_rules(config).stays {
                self.judge.hls_ruled(HlsRules { stays: false });
            }
        }
        self.now = now;
    }

    /// A pass has ended, and all outputs were performed.
    pub fn passed(&mut self, now: Instant, server: &Server) {
        self.now = now;
        self.take_verdicts();
        let overdue = self.due.filter(|due| *due <= now);
        self.due = server.deadline().map(|deadline| match overdue {
            // What was due before this pass and still is was passed over.
            Some(due) if deadline.at <= now => due,
            _ => deadline.at.max(now),
        });
        if now < self.looked + LOOK_EVERY {
            return;
        }
        self.looked = now;
        self.look(server);
    }

    fn take_verdicts(&mut self) {
        let news = self.judge.violations()[self.judged..].iter();
        for violation in news {
            let failure = Failure {
                invariant: violation.invariant.to_owned(),
                at_us: violation.at_us,
                conn_no: violation.conn_no,
                words: violation.words.clone(),
            };
            self.failures.push(failure);
        }
        self.judged = self.judge.violations().len();
    }

    /// The judge of the bytes.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Checks all connections.
    fn look(&mut self, server: &Server) {
        server.check();
        let usage = server.usage();
        self.bytes_max = self.bytes_max.max(usage.bytes);
        // Of pages the server knows nothing: the shell has them.
        let memory = self.config.memory_max();
        let bound = memory.total().saturating_sub(memory.pages);
        if usage.bytes > bound {
            self.wrong("I18", None, format!("{} bytes are held, and {bound} may be", usage.bytes));
        }
        let mut wrong = None;
        let (now, patience) = (self.now, self.patience);
        for (number, conn) in &mut self.conns {
            let activity = server.activity(conn.conn).unwrap_or(Activity::Nothing);
            if activity != conn.activity {
                (conn.activity, conn.heard) = (activity, now);
            }
            let silence = match activity {
                Activity::Nothing => Some(patience.idle),
                Activity::Publishing => Some(patience.publisher),
                Activity::Ending => Some(Duration::ZERO),
                Activity::Waiting => Some(patience.wait),
                Activity::Playing => None,
            };
            let margin = FINAL_RESPONSE + self.pause + LOOK_EVERY;
            if let Some(silence) = silence
                && conn.heard + silence + margin < now
                && conn.stuck.is_none()
            {
                let words = format!("it is {activity:?} and silent since {:?}", conn.heard);
                wrong.get_or_insert(("L3", *number, words));
            }
            if let Some(since) = conn.stuck.filter(|since| *since + patience.send + margin < now) {
                let words = format!("it takes no bytes since {since:?} and is still kept");
                wrong.get_or_insert(("L2", *number, words));
            }
        }
        if let Some((invariant, conn_no, words)) = wrong {
            self.wrong(invariant, Some(conn_no), words);
        }
    }

    /// Reports a connection that has bytes and room, and is not written to.
    pub fn forgotten(&mut self, conn_no: u32) {
        self.wrong("I29", Some(conn_no), "it has bytes and room, and no write is wanted".to_owned());
    }

    /// Checks that nothing is held at the end of a run: no connections are left, and all timeouts have
    /// passed.
    pub fn finish(&mut self, now: Instant, server: &Server, sockets: usize) {
        self.now = now;
        self.judge.finish(now.as_micros());
        self.take_verdicts();
        if let Some((conn_no, _)) = self.conns.first_key_value() {
            let (conn_no, many) = (*conn_no, self.conns.len());
            let words = format!("{many} connections were never closed");
            self.wrong("I23", Some(conn_no), words);
        }
        if sockets > 0 {
            self.wrong("I23", None, format!("{sockets} sockets are still open"));
        }
        let usage = server.usage();
        if !usage.is_nothing() {
            self.wrong("I22", None, format!("all connections are closed and this is left: {usage:?}"));
        }
        if let Some(deadline) = server.deadline() {
            self.wrong(
                "L6",
                None,
                format!("all connections are closed and it wakes up for {}", deadline.why),
            );
        }
    }
}

/// Where files go at once when a stream ends, or memory is scarce, a playlist's promise cannot be kept.
fn hls_rules(config: &Config) -> HlsRules {
    let hls = &config.stream.hls;
    let usual = Config::default().stream.hls;
    HlsRules { stays: hls.dispose_ms >= 20_000 && hls.segment_bytes_max >= usual.segment_bytes_max }
}
