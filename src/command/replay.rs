//! `dacapo replay`: a recording is played again, and what happened is told.
//!
//! Exit codes: 0, everything is as it was recorded; 2, this is no recording; 3, something is not as it was.

use crate::command::parts::{self, Part};
use crate::{Failure, settings, system};
use dacapo::base::time::Instant;
use dacapo::net::clock::Clock;
use dacapo::record::{BUILD, Difference, Replay, Witness};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

/// What to play, and what to tell of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0, everything is as it was recorded; 1, the system refused something; \
2, this is no recording; 3, something is not as it was. A recording that was cut off is played up to there.")]
pub struct Args {
    /// A recording, the parts of one, or a directory with them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Stops at this time of the server, in seconds.
    #[arg(long, value_name = "T", value_parser = seconds)]
    until: Option<Instant>,
}

/// How a replay went.
#[derive(Debug)]
pub enum Played {
    /// As it was recorded.
    Same,
    /// Otherwise.
    Differs,
}

/// Plays and tells.
pub fn run(args: &Args) -> Result<Played, Failure> {
    let parts = parts::read(&args.files).map_err(settings)?;
    let mut out = Pager::new();
    let mut teller = Teller { out: &mut out };
    let clock = Clock::start();
    let first = &parts[0].contents.header;
    let mut replay = Replay::new(first).map_err(|fault| settings(format!("{}: {fault}", name(&parts[0]))))?;
    if first.build != BUILD {
        teller.line(&format!("recorded by dacapo {}, played by dacapo {BUILD}", first.build));
    }
    let bytes: usize = parts.iter().map(|part| part.bytes).sum();
    let mut torn = Vec::new();
    let mut entries = Vec::new();
    for part in parts {
        if let Some(tear) = part.contents.torn {
            let (name, at, lost) = (name(&part), tear.at, tear.lost);
            torn.push(format!("{name} is cut off at byte {at}: {lost} bytes behind it are not whole"));
        } else if !part.contents.ended {
            torn.push(format!("{} was not ended: its recorder was killed, or records still", name(&part)));
        }
        entries.extend(part.contents.entries);
    }
    let until = args.until;
    replay.run(entries.into_iter().take_while(|e| until.is_none_or(|until| e.at <= until)), &mut teller);
    let took = clock.now().since(Instant::ZERO);
    let summary = replay.summary();
    for line in torn {
        teller.line(&line);
    }
    let virtual_time = summary.end.since(Instant::ZERO);
    let faster = virtual_time.as_secs_f64() / took.as_secs_f64().max(1e-6);
    teller.line(&format!(
        "{bytes} bytes recorded: {} inputs, {} connections, {} bytes in, {} bytes out; {:.3} s in {:.3} s ({faster:.0} times faster)",
        summary.inputs,
        summary.conns,
        summary.received_bytes,
        summary.sent_bytes,
        virtual_time.as_secs_f64(),
        took.as_secs_f64(),
    ));
    let played = if summary.differences == 0 { Played::Same } else { Played::Differs };
    teller.line(&match summary.differences {
        0 => "the same, to the byte".to_owned(),
        count => format!("{count} differences"),
    });
    out.finish()?;
    Ok(played)
}

fn name(part: &Part) -> String {
    part.path.display().to_string()
}

/// Prints what is not as it was.
struct Teller<'a> {
    out: &'a mut Pager,
}

impl Teller<'_> {
    fn line(&mut self, line: &str) {
        self.out.line(line);
    }
}

impl Witness for Teller<'_> {
    fn differs(&mut self, difference: &Difference) {
        self.line(&format!("DIFFERS {difference}"));
    }
}

/// Standard output, whose reader may have seen enough.
#[derive(Debug)]
pub struct Pager {
    out: BufWriter<io::Stdout>,
    /// The first error, after which nothing is written.
    error: Option<io::Error>,
}

impl Pager {
    /// Standard output.
    pub fn new() -> Self {
        Pager { out: BufWriter::with_capacity(64 << 10, io::stdout()), error: None }
    }

    /// Writes a line.
    pub fn line(&mut self, line: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{line}").err();
        }
    }

    /// Writes what waits. That the reader has closed the pipe is no error.
    pub fn finish(mut self) -> Result<(), Failure> {
        let result = self.error.map_or_else(|| self.out.flush(), Err);
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(system),
        }
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
