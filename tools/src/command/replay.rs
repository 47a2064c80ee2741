//! `dacapo replay`: a recording is played again, and what happened is told.
//!
//! Exit codes: 0, everything is as it was recorded; 2, it is not a recording; 3, something is not as it was.

use crate::command::files::Folder;
use crate::command::log_capture;
use crate::command::parts::{self, Part};
use crate::command::stdout::Stdout;
use crate::command::{Failure, settings, system};
use crate::dump::{Dump, Part as DumpPart};
use crate::timeline::{Choice, Timeline};
use dacapo::base::id::ConnId;
use dacapo::base::name::StreamName;
use dacapo::base::time::Instant;
use dacapo::config::{Levels, Pattern};
use dacapo::record::{
    BUILD, ConnNo, Difference, Entry, Event, Fault, Observer, Replay, Scope, Start, Summary,
};
use dacapo::server::{Output, Server};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

/// Longer tables of connections are left out.
const TABLE_ROWS_MAX: usize = 100;

/// What to play, and what to tell of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0, everything is as it was recorded; 1, the system refused something; \
2, it is not a recording; 3, something is not as it was. A recording that was cut off is played up to there, \
which is told and is no difference. A timeline is as secret as its recording: it shows names and addresses.")]
pub struct Args {
    /// A recording, the parts of one, or a directory with them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Stops at this time of the server, in seconds.
    #[arg(long, value_name = "T", value_parser = seconds)]
    until: Option<Instant>,
    /// How much is told: off, error, warn, info, debug or trace; per module too: info,rtmp=trace.
    #[arg(long, value_name = "LEVEL", default_value = "debug", value_parser = levels)]
    log: Levels,
    /// Tells only about this connection: its number in the timeline or its word in logs. May be repeated.
    #[arg(long, value_name = "ID")]
    conn: Vec<String>,
    /// Tells only about streams that fit this pattern, such as 'live/*'. May be repeated.
    #[arg(long, value_name = "NAME", value_parser = Pattern::new)]
    stream: Vec<Pattern>,
    /// Writes what each player was sent to this directory, as files that play (.flv, .ts, .mp4, .aac, .mp3).
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
}

/// How a replay went.
#[derive(Debug)]
pub enum Played {
    /// As it was recorded.
    Same,
    /// Otherwise.
    Differs,
}

/// Plays and tells. `now` is the time, to say how long that took.
pub fn run(args: &Args, now: impl Fn() -> Instant) -> Result<Played, Failure> {
    let parts = parts::read(&args.files).map_err(settings)?;
    let config = parts[0].contents.header.config().map_err(|fault| refuse(&parts[0], &fault))?;
    let mut run = Run::begin(&parts[0])?;
    log_capture::start(&args.log);
    let choice = Choice { level: args.log.default, conns: args.conn.clone(), streams: args.stream.clone() };
    let mut teller = Teller {
        timeline: Timeline::new(&config, choice),
        out: Stdout::default(),
        dump: None,
        error: None,
        over: &Cell::new(false),
    };
    if let Some(folder) = &args.dump {
        let opened =
            Folder::open(folder).map_err(|error| system(format!("{}: {error}", folder.display())))?;
        teller.dump = Some((Dump::new(&config), opened));
    }
    introduce(&parts).iter().for_each(|line| teller.out.line(line));
    teller.out.line(&Timeline::head());
    let notes = endings(&parts);
    let bytes: usize = parts.iter().map(|part| part.bytes).sum();
    let start = parts[0].contents.header.start_at();
    let began = now();
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            run.go_on(&part)?;
        }
        run.play(part, args.until, &mut teller);
    }
    let took = now().since(began);
    teller.finish(&notes, &run.summary(), start, bytes, took)
}

fn refuse(part: &Part, fault: &Fault) -> Failure {
    settings(format!("{}: {fault}", part.path.display()))
}

/// A replay of several parts.
struct Run {
    replay: Replay,
    /// The part that was played last.
    part: u32,
    /// What was done before this replay began.
    before: Summary,
}

impl Run {
    fn begin(part: &Part) -> Result<Self, Failure> {
        let replay = Replay::begin(&part.contents).map_err(|fault| refuse(part, &fault))?;
        Ok(Run { replay, part: part.contents.header.part, before: Summary::default() })
    }

    /// The server goes on into the next part. Where a part is missing, and where the recording is of chosen
    /// streams, whose connections may have said their first words in the part before, it begins anew from the
    /// saved one.
    fn go_on(&mut self, part: &Part) -> Result<(), Failure> {
        let header = &part.contents.header;
        let follows = header.part == self.part + 1;
        if !follows || header.start == Start::Saved && header.scope != Scope::All {
            let before = self.summary();
            *self = Run { before, ..Run::begin(part)? };
        } else {
            self.replay.next_part();
        }
        self.part = header.part;
        Ok(())
    }

    fn play(&mut self, part: Part, until: Option<Instant>, teller: &mut Teller<'_>) {
        let over = teller.over;
        let wanted = |entry: &Entry| until.is_none_or(|until| entry.at <= until) && !over.get();
        self.replay.run(part.contents.entries.into_iter().take_while(wanted), teller);
    }

    fn summary(&self) -> Summary {
        let (before, now) = (self.before, self.replay.summary());
        Summary {
            inputs: before.inputs + now.inputs,
            outputs: before.outputs + now.outputs,
            conns: before.conns + now.conns,
            received_bytes: before.received_bytes + now.received_bytes,
            sent_bytes: before.sent_bytes + now.sent_bytes,
            differences: before.differences + now.differences,
            end: now.end,
        }
    }
}

/// What was recorded, and by which build.
fn introduce(parts: &[Part]) -> Vec<String> {
    let header = &parts[0].contents.header;
    let mut lines = vec![format!("recorded by dacapo {}, scope {:?}", header.build, header.scope)];
    if header.build != BUILD {
        lines.push(format!("played by dacapo {BUILD}, another build: differences may be its doing"));
    }
    if parts.len() > 1 {
        let (first, last) = (parts[0].contents.header.part, parts[parts.len() - 1].contents.header.part);
        lines.push(format!("{} parts, from {first} to {last}", parts.len()));
    }
    lines
}

/// What is missing at the ends of the parts.
fn endings(parts: &[Part]) -> Vec<String> {
    let ending = |part: &Part| {
        let name = part.path.display();
        match part.contents.torn {
            Some(torn) => Some(format!(
                "{name} is cut off at byte {}: the {} bytes behind it are not whole and were left out",
                torn.at, torn.lost
            )),
            None if !part.contents.ended => {
                Some(format!("{name} has no end: its recorder was killed, or records still"))
            }
            None => None,
        }
    };
    parts.iter().filter_map(ending).collect()
}

/// Takes files out of a dump, given what connections are about.
type Take = fn(&mut Dump, &dyn Fn(ConnNo) -> Option<String>) -> Vec<DumpPart>;

/// Watches a replay and prints what there is to tell.
struct Teller<'a> {
    timeline: Timeline,
    out: Stdout,
    dump: Option<(Dump, Folder)>,
    /// Why the dump could not be written.
    error: Option<String>,
    /// Set once standard output is closed: then the replay stops.
    over: &'a Cell<bool>,
}

impl Teller<'_> {
    /// What the server has said so far belongs to what happened last.
    fn listen(&mut self) {
        log_capture::take().into_iter().for_each(|record| self.timeline.logged(record));
    }

    fn print(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.out.line(line));
        self.over.set(self.over.get() || self.out.is_over());
    }

    /// Writes what `take` gives of the dump.
    fn write_dump(&mut self, take: Take) {
        let Some((dump, folder)) = &mut self.dump else { return };
        let timeline = &self.timeline;
        let parts = take(dump, &|conn_no| timeline.stream(conn_no).map(StreamName::path));
        if let Err(error) = folder.write(parts) {
            self.error.get_or_insert(error);
            self.over.set(true);
        }
    }

    fn finish(
        mut self,
        notes: &[String],
        summary: &Summary,
        start: Instant,
        bytes: usize,
        took: Duration,
    ) -> Result<Played, Failure> {
        self.listen();
        let rest = self.timeline.finish();
        self.print(&rest);
        self.write_dump(Dump::finish);
        let table = self.timeline.table();
        self.out.line("");
        if table.len() <= TABLE_ROWS_MAX {
            self.print(&table);
        } else {
            let all = table.len() - 1;
            self.out.line(&format!("{all} connections: choose some with --conn or --stream to see a table"));
        }
        self.out.line("");
        self.print(notes);
        if let Some((dump, folder)) = &self.dump {
            let files = format!("{} files were written to {}", folder.count(), folder.path().display());
            let locked = match dump.locked() {
                0 => String::new(),
                count => format!("; {count} segments were left out, since their key was not fetched"),
            };
            self.out.line(&(files + &locked));
        }
        let run = summary.end.since(start).as_secs_f64();
        let took = took.as_secs_f64();
        self.out.line(&format!(
            "{bytes} bytes recorded: {} inputs, {} connections, {} bytes in, {} bytes out",
            summary.inputs, summary.conns, summary.received_bytes, summary.sent_bytes,
        ));
        self.out.line(&format!(
            "{run:.3} s were played in {took:.3} s, {:.0} times faster than they were",
            run / took.max(1e-6)
        ));
        let played = if summary.differences == 0 { Played::Same } else { Played::Differs };
        self.out.line(&match summary.differences {
            0 => "the same, bit for bit".to_owned(),
            1 => "1 difference, marked # above".to_owned(),
            count => {
                format!("{count} differences, marked # above; of each connection only the first is told")
            }
        });
        self.out.finish()?;
        self.error.map_or(Ok(played), |error| Err(system(error)))
    }
}

impl Observer for Teller<'_> {
    fn happened(&mut self, at: Instant, event: &Event) {
        self.listen();
        if let Some((dump, _)) = &mut self.dump {
            match event {
                Event::Accepted { listener, conn_no: Some(conn_no), .. } => dump.came(*conn_no, *listener),
                Event::Received { conn_no, bytes } => dump.received(*conn_no, bytes),
                _ => {}
            }
        }
        self.timeline.happened(at, event);
    }

    fn opened(&mut self, at: Instant, conn_no: ConnNo, conn: ConnId, server: &Server) {
        self.timeline.opened(at, conn_no, conn, server);
    }

    fn sent(&mut self, _: Instant, conn_no: ConnNo, bytes: &[u8]) {
        if let Some((dump, _)) = &mut self.dump {
            dump.sent(conn_no, bytes);
        }
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        self.listen();
        self.timeline.requested(at, conn_no, output);
    }

    fn after_input(&mut self, at: Instant, server: &Server) {
        self.listen();
        self.timeline.after_input(at, server);
        let lines = self.timeline.take();
        self.print(&lines);
        self.write_dump(Dump::take);
    }

    fn differs(&mut self, difference: &Difference) {
        self.listen();
        self.timeline.differs(difference);
    }
}

/// `12.5`, `12.5s` or, as differences are told, `t=12.5s`: exact to the microsecond.
fn seconds(text: &str) -> Result<Instant, String> {
    let number = text.strip_prefix("t=").unwrap_or(text);
    let number = number.strip_suffix('s').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let wrong = || format!("`{text}` is no time: write seconds, such as `12.5`");
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let fraction: u64 = format!("{fraction:0<6}").parse().map_err(|_| wrong())?;
    let us = whole.checked_mul(1_000_000).and_then(|us| us.checked_add(fraction)).ok_or_else(wrong)?;
    Ok(Instant::from_micros(us))
}

fn levels(text: &str) -> Result<Levels, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::seconds;
    use dacapo::base::time::Instant;

    #[test]
    fn times_are_read_as_they_are_told() {
        let at = Ok(Instant::from_micros(12_500_000));
        for text in ["12.5", "12.5s", "t=12.500000s"] {
            assert_eq!(seconds(text), at);
        }
        assert_eq!(seconds("3"), Ok(Instant::from_micros(3_000_000)));
        for text in ["", "x", "-1", "1.2.3", "0.1234567", "99999999999999999999"] {
            assert!(seconds(text).expect_err("no time").contains("seconds"), "{text}");
        }
    }
}
