//! How a finished part leaves: from its file to a peer that takes it.
//!
//! In: a file, and a stream to write to. Out: the file's bytes. A part may be larger than anything that the
//! server holds. Bounded: few at a time, each with a buffer of its own; the stream bounds how long a peer may
//! take nothing.

use crate::net::recorder::control::Slot;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Most parts that are sent at a time.
pub const DOWNLOADS_MAX: usize = 4;

/// Bytes that are read from the file at once.
const BUFFER_BYTES: usize = 64 << 10;

/// The parts that are being sent.
#[derive(Debug, Default)]
pub struct Downloads(Arc<AtomicUsize>);

impl Downloads {
    /// A place for one more, if there is one.
    pub fn begin(&self) -> Option<Slot> {
        Slot::take(&self.0, DOWNLOADS_MAX)
    }
}

/// Opens the part at `path`. Returns how many bytes there are to send: at most `bytes`, as it was listed.
///
/// # Errors
/// It cannot be opened: it may have been deleted since it was listed.
pub fn open(path: &Path, bytes: u64) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, bytes.min(len)))
}

/// Sends `bytes` of `file`.
///
/// # Errors
/// The peer takes no more, or the file ends early. The peer was told how many bytes there are, and notices.
pub fn send(to: &mut impl Write, file: File, bytes: u64) -> io::Result<()> {
    let mut file = file.take(bytes);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 if file.limit() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => return Ok(()),
            len => to.write_all(&buffer[..len])?,
        }
    }
}
