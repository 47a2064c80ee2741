//! `dacapo record redact`: a recording is made fit to be given away.

use crate::command::files;
use crate::command::parts;
use crate::command::{Failure, settings, system};
use crate::redact::redact;
use dacapo::base::rng::Seed;
use std::io::Write;
use std::path::PathBuf;

/// What to do with a recording.
#[derive(Debug, clap::Subcommand)]
pub enum Record {
    /// Writes a copy in which streams, tokens, hosts and addresses are replaced, and which still replays.
    #[command(
        after_help = "The same word is replaced by the same other word everywhere. Not hidden are the first \
step of a path (the application), what is in pictures and sound, when things happened, how much was sent and \
what programs say of themselves (User-Agent, flashVer). The copy never replaces a file."
    )]
    Redact {
        /// The recording.
        #[arg(value_name = "IN")]
        from: PathBuf,
        /// The copy; there must be no such file yet.
        #[arg(value_name = "OUT")]
        to: PathBuf,
    },
}

/// Does it, and says how much was replaced. `key` must be random and is not needed again.
pub fn run(record: &Record, key: Seed) -> Result<String, Failure> {
    let Record::Redact { from, to } = record;
    let parts = parts::read(std::slice::from_ref(from)).map_err(settings)?;
    let contents = parts::join(parts).map_err(settings)?;
    let complaint = |path: &PathBuf, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let redacted = redact(&contents, key).map_err(|error| settings(complaint(from, &error)))?;
    let written = files::create(to).and_then(|mut file| file.write_all(&redacted.bytes));
    written.map_err(|error| system(complaint(to, &error)))?;
    let mut told = format!(
        "{}: {} words and addresses were replaced; it replays with nothing different\n",
        to.display(),
        redacted.replaced
    );
    if redacted.left > 0 {
        told += &format!(
            "{} times a replaced word still stands in pictures, sound or bytes that make no sense: look \
             before you give it away\n",
            redacted.left
        );
    }
    Ok(told)
}
