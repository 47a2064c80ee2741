//! Lines on standard output. That its reader has closed the pipe is no error.

use crate::command::{Failure, system};
use std::io::{self, BufWriter, ErrorKind, Write};

/// Standard output, with a buffer. After the first error nothing more is written.
#[derive(Debug)]
pub struct Stdout {
    out: BufWriter<io::Stdout>,
    /// The first error, after which nothing is written.
    error: Option<io::Error>,
}

impl Default for Stdout {
    fn default() -> Self {
        Stdout { out: BufWriter::with_capacity(64 << 10, io::stdout()), error: None }
    }
}

impl Stdout {
    /// Writes a line.
    pub fn line(&mut self, line: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{line}").err();
        }
    }

    /// True if nothing more is written.
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
