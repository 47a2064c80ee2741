//! Lines on standard output, whose reader may have seen enough: a pipe that was closed is no error.

use crate::command::{Failure, system};
use std::io::{self, BufWriter, ErrorKind, Write};

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

    /// True if nobody reads any more.
    pub fn is_over(&self) -> bool {
        self.error.is_some()
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
