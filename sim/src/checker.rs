//! The checker of a run: the checks of the server's own value, and the judge of its bytes.
//!
//! In: everything that the shell tells the server and does for it. Out: what does not hold, with the number
//! of the invariant. Never: changes anything.

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

/// Most outputs of one input that are no writes and no closes of somebody (I19).
const REQUESTS_MAX: u64 = 10_000;

/// Most ticks in one moment (I28).
const TICKS_MAX: u64 = 1_000;

/// How often everybody is looked at, in time and in passes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a final response may take to leave, and a margin.
const FINAL_RESPONSE: Duration = Duration::from_millis(5_100);

/// How late the shell may wake the server up: an epoll rounds up to whole milliseconds.
pub const LATE: Duration = Duration::from_micros(1_100);

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which: `I3`, `L2`.
    pub invariant: String,
    /// When, in microseconds of the server's time.
    pub at_us: u64,
    /// For whom.
    pub conn_no: Option<u32>,
    /// What, as a sentence.
    pub words: String,
}

impl Failure {
    /// What a peer or an assertion says, which names its invariant in brackets (or at its beginning); if it
    /// names none, the talk itself is wrong.
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

/// What the timeouts are, at most, of all configurations of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// For who neither publishes nor plays.
    pub idle: Duration,
    /// For a publisher that says nothing.
    pub publisher: Duration,
    /// For who takes no bytes.
    pub send: Duration,
    /// For who waits for a stream.
    pub wait: Duration,
    /// For everybody, once the server drains.
    pub drain: Duration,
}

impl Patience {
    /// The longest of those of both.
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
    /// When it last said something, or changed what it does.
    heard: Instant,
    activity: Activity,
    /// Since when the kernel takes nothing of it.
    stuck: Option<Instant>,
}

/// The watchers.
#[derive(Debug)]
pub struct Checker {
    /// The timeouts.
    pub patience: Patience,
    /// How late a wake-up may be beyond the usual.
    pause: Duration,
    config: Config,
    failures: Vec<Failure>,
    /// The judge of the bytes.
    judge: Judge,
    /// Violations of the judge that are among the failures.
    judged: usize,
    /// False: nobody judges the bytes.
    pub judges: bool,
    now: Instant,
    conns: BTreeMap<u32, Watched>,
    /// When the server must be told something at the latest.
    due: Option<Instant>,
    ticks: u64,
    requests: u64,
    looked: Instant,
    /// Most payload bytes that the server held.
    pub bytes_max: u64,
}

impl Checker {
    /// How long passes of the shell may take, at most, beyond what is usual.
    pub fn pauses(&mut self, pause: Duration) {
        self.pause = pause;
        let rules = rules(&self.config);
        let pause_us = pause.as_micros() as u64;
        self.judge.ruled(Rules { patience_us: rules.patience_us + pause_us, ..rules });
    }

    /// Watchers of a server that is born with `config`.
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

    /// What does not hold, the first first.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Something does not hold.
    pub fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    fn wrong(&mut self, invariant: &str, conn_no: Option<u32>, words: String) {
        let (invariant, at_us) = (invariant.to_owned(), self.now.as_micros());
        self.fail(Failure { invariant, at_us, conn_no, words });
    }

    /// A peer was let in (as `conn`) or turned away.
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

    /// The server is given these bytes.
    pub fn from_client(&mut self, now: Instant, conn_no: Option<u32>, bytes: &[u8]) {
        if let Some(conn_no) = conn_no.filter(|_| self.judges) {
            self.judge.from_client(now.as_micros(), conn_no, bytes);
        }
        if let Some(conn) = conn_no.and_then(|conn_no| self.conns.get_mut(&conn_no)) {
            conn.heard = now;
        }
    }

    /// The kernel took these bytes of the server.
    pub fn to_client(&mut self, now: Instant, conn_no: u32, bytes: &[u8]) {
        if self.judges {
            self.judge.to_client(now.as_micros(), conn_no, bytes);
        }
        if let Some(conn) = self.conns.get_mut(&conn_no).filter(|_| !bytes.is_empty()) {
            conn.stuck = None;
            if conn.activity == Activity::Waiting {
                // It was answered, and waits for what it asked behind that.
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

    /// The server closed it.
    pub fn closed(&mut self, now: Instant, conn_no: Option<u32>) {
        self.now = now;
        if conn_no.and_then(|conn_no| self.conns.remove(&conn_no)).is_none() {
            self.wrong("I23", conn_no, "the server closed a connection that is closed already".to_owned());
        }
        if let Some(conn_no) = conn_no {
            self.judge.closed(now.as_micros(), conn_no, true);
        }
    }

    /// The server wants something.
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

    /// The server is about to be told something.
    pub fn about_to_hear(&mut self, now: Instant, server: &Server, input: &Input<'_>) {
        self.requests = 0;
        if now < self.now {
            self.wrong("I13", None, format!("the clock went back from {:?} to {now:?}", self.now));
        }
        if let Some(due) = self.due
            && due + LATE + self.pause < now
        {
            let why = server.deadline().map_or("nobody", |deadline| deadline.why);
            let late = now - due;
            self.wrong("I28", None, format!("the server was woken up {late:?} late, on behalf of {why}"));
        }
        self.ticks = if now == self.now && matches!(input, Input::Tick) { self.ticks + 1 } else { 0 };
        if self.ticks > TICKS_MAX {
            let why = server.deadline().map_or("nobody", |deadline| deadline.why);
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

    /// A pass is over, and all that the server wanted was done.
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

    /// Looks at everybody.
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

    /// A connection has bytes, its socket has room, and nobody writes.
    pub fn forgotten(&mut self, conn_no: u32) {
        self.wrong("I29", Some(conn_no), "it has bytes and room, and no write is wanted".to_owned());
    }

    /// The run is over: nobody is connected, and enough time has passed for everything to be forgotten.
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
            self.wrong("I22", None, format!("everybody has gone and this is left: {usage:?}"));
        }
        if let Some(deadline) = server.deadline() {
            self.wrong("L6", None, format!("everybody has gone and it wakes up for {}", deadline.why));
        }
    }
}

/// Where files go at once when a stream ends, or memory is scarce, a playlist's promise cannot be kept.
fn hls_rules(config: &Config) -> HlsRules {
    let hls = &config.stream.hls;
    let usual = Config::default().stream.hls;
    HlsRules { stays: hls.dispose_ms >= 20_000 && hls.segment_bytes_max >= usual.segment_bytes_max }
}
