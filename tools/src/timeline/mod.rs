//! A replay as lines for people: when, which connection, which stream, what came, what was decided and why.
//!
//! In: what a replay tells its observer, and what the server logs meanwhile ([`Timeline::logged`]): the code
//! that decides logs its decisions. Out: lines of fixed columns, repeated lines folded into one, and a table
//! of all connections.
//!
//! ```text
//!   time (s)   conn   cid       stream           what
//!     2.040000    #3  k3f9a2b1  live/cam         - keyframe frame=51 dts_us=2000000 bytes=5123
//! ```
//!
//! Marks: `>` it came from outside, `-` it was decided, `!` a connection was refused or closed, `<` it is
//! wished of the world, `#` it is not as it was recorded. A recording is secret, and so is its timeline:
//! names stand in full.

mod choice;
mod connections;
mod fold;
mod line;
mod log_record;

pub use choice::Choice;
pub use log_record::LogRecord;

use connections::Connections;
use dacapo::base::id::ConnId;
use dacapo::base::name::StreamName;
use dacapo::base::store::StoreOp;
use dacapo::base::time::Instant;
use dacapo::config::Config;
use dacapo::record::{ConnNo, Difference, Event, Observer};
use dacapo::server::{End, Job, Output, Server};
use fold::Folds;
use line::{Line, Mark};
use log::Level;

/// The lines of a replay.
#[derive(Debug)]
pub struct Timeline {
    choice: Choice,
    now: Instant,
    connections: Connections,
    /// Lines of the input at hand: whose stream they are about is known when it has been taken in.
    step: Vec<Line>,
    folds: Folds,
    ready: Vec<String>,
}

impl Timeline {
    /// A timeline of a run under `config`.
    pub fn new(config: &Config, choice: Choice) -> Self {
        Timeline {
            choice,
            now: Instant::ZERO,
            connections: Connections::new(config),
            step: Vec::new(),
            folds: Folds::default(),
            ready: Vec::new(),
        }
    }

    /// The head of the columns.
    pub fn head() -> String {
        line::head()
    }

    /// The server has logged something; to be told before the next call to the observer.
    pub fn logged(&mut self, record: LogRecord) {
        let conn_no = record.cid.as_deref().and_then(|cid| self.connections.by_cid(cid));
        let mark = if record.level <= Level::Warn { Mark::Refused } else { Mark::Decided };
        let line = Line {
            at: self.now,
            conn_no,
            mark,
            level: record.level,
            words: record.words,
            pairs: record.pairs,
        };
        self.step.push(line);
    }

    /// Lines that are ready.
    pub fn take(&mut self) -> Vec<String> {
        self.close_step();
        std::mem::take(&mut self.ready)
    }

    /// The replay is over: the last lines.
    pub fn finish(&mut self) -> Vec<String> {
        self.close_step();
        for line in self.folds.flush_all() {
            self.print(&line);
        }
        std::mem::take(&mut self.ready)
    }

    /// A table of the chosen connections.
    pub fn table(&self) -> Vec<String> {
        self.connections.table(&self.choice)
    }

    /// The stream that a connection is or was about.
    pub fn stream(&self, conn_no: ConnNo) -> Option<&StreamName> {
        self.connections.get(conn_no)?.stream.as_ref()
    }

    fn event(&mut self, level: Level, mark: Mark, conn_no: Option<ConnNo>, words: impl Into<String>) {
        if level <= self.choice.level {
            let line = Line { at: self.now, conn_no, mark, level, words: words.into(), pairs: Vec::new() };
            self.step.push(line);
        }
    }

    fn close_step(&mut self) {
        for line in std::mem::take(&mut self.step) {
            self.choose(line);
        }
    }

    /// Lines of a connection that has not said what it is about wait, if streams were chosen.
    fn choose(&mut self, line: Line) {
        let told = match line.conn_no {
            _ if line.mark == Mark::Differs => true,
            None => self.choice.is_everything(),
            Some(conn_no) => match self.connections.is_chosen(conn_no, &self.choice) {
                Some(chosen) => {
                    for line in self.connections.release(conn_no).into_iter().filter(|_| chosen) {
                        self.fold(line);
                    }
                    chosen
                }
                None => return self.connections.hold(conn_no, line),
            },
        };
        if told {
            self.fold(line);
        }
    }

    fn fold(&mut self, line: Line) {
        if line.level <= Level::Info {
            for folded in self.folds.flush(line.conn_no) {
                self.print(&folded);
            }
            self.print(&line);
        } else if let Some(line) = self.folds.add(line) {
            self.print(&line);
        }
    }

    fn print(&mut self, line: &Line) {
        let about = line.conn_no.and_then(|conn_no| self.connections.get(conn_no));
        let (cid, stream) = about.map_or(("", None), |about| (about.cid.as_str(), about.stream.as_ref()));
        self.ready.push(line.text(cid, stream));
    }
}

impl Observer for Timeline {
    fn happened(&mut self, at: Instant, event: &Event) {
        // What the kernel takes belongs to the input before it.
        if !matches!(event, Event::Sent { .. }) {
            self.close_step();
        }
        self.now = at;
        for line in self.folds.flush_old(at) {
            self.print(&line);
        }
        self.connections.happened(at, event);
        let conn_no = event.conn_no();
        match event {
            Event::Received { bytes, .. } => {
                self.event(Level::Trace, Mark::Came, conn_no, format!("{} bytes", bytes.len()));
            }
            Event::Sent { len, room, .. } => {
                let full = if *room { "" } else { ", and no more" };
                self.event(Level::Trace, Mark::Came, conn_no, format!("the kernel takes {len} bytes{full}"));
            }
            Event::Ended { end: End::Eof, .. } => {
                self.event(Level::Debug, Mark::Came, conn_no, "the peer has closed its side");
            }
            Event::Ended { end: End::Broken(how), .. } => {
                self.event(Level::Debug, Mark::Came, conn_no, format!("the connection broke: {how}"));
            }
            Event::Reload { .. } => {
                self.event(Level::Info, Mark::Came, None, "the operator wants another configuration");
            }
            Event::Drain => self.event(Level::Info, Mark::Came, None, "the operator wants an end"),
            Event::Stored { result: Err(error), .. } => {
                self.event(Level::Debug, Mark::Came, None, format!("a file was not written: {error}"));
            }
            Event::Accepted { peer, conn_no: None, .. } => {
                self.event(Level::Info, Mark::Came, None, format!("{peer} has come and is turned away"));
            }
            Event::Tick | Event::Accepted { .. } | Event::Writable { .. } => {}
            other => self.event(Level::Trace, Mark::Came, conn_no, format!("{other:?}")),
        }
    }

    fn opened(&mut self, at: Instant, conn_no: ConnNo, conn: ConnId, server: &Server) {
        self.connections.opened(at, conn_no, conn, server);
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        match output {
            Output::Close { linger, .. } => {
                if let Some(conn_no) = conn_no {
                    self.connections.left(at, conn_no);
                }
                let how = if *linger { "is closed after its last words" } else { "is dropped at once" };
                self.event(Level::Trace, Mark::Wished, conn_no, how);
            }
            Output::Finished => {
                self.event(
                    Level::Info,
                    Mark::Wished,
                    None,
                    "all connections are closed, the process may end",
                );
            }
            Output::Read { .. } | Output::Write { .. } => {}
            Output::Start(Job::Store { op, .. }) => {
                let words = match op {
                    StoreOp::Write { path, .. } => format!("{path} is to be written"),
                    other => format!("{other:?}"),
                };
                self.event(Level::Trace, Mark::Wished, None, words);
            }
            other => self.event(Level::Trace, Mark::Wished, conn_no, format!("{other:?}")),
        }
    }

    fn after_input(&mut self, _: Instant, server: &Server) {
        self.connections.after_input(server);
        self.close_step();
    }

    fn differs(&mut self, difference: &Difference) {
        let line = Line {
            at: difference.at,
            conn_no: difference.conn_no,
            mark: Mark::Differs,
            level: Level::Error,
            words: difference.what.clone(),
            pairs: Vec::new(),
        };
        self.step.push(line);
    }
}
