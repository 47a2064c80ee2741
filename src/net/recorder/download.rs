//! Downloads of finished parts.
//!
//! In: a file, and a stream to write to. Out: the bytes of the file. A part may be larger than the memory of
//! the server. Bounded: a few downloads at a time, each with one buffer. The stream bounds the time that a
//! peer takes.

use crate::net::recorder::slot::Slot;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Most downloads at a time.
pub const DOWNLOADS_MAX: usize = 4;

/// Bytes of one read from the file.
const BUFFER_BYTES: usize = 64 << 10;

/// The downloads in progress.
#[derive(Debug, Default)]
pub struct Downloads(Arc<AtomicUsize>);

impl Downloads {
    /// Begins a download; `None` if there are too many. It ends when the slot is dropped.
    pub fn begin(&self) -> Option<Slot> {
        Slot::take(&self.0, DOWNLOADS_MAX)
    }
}

/// Opens the part at `path`. Returns the number of bytes to send: at most `bytes`, the listed length.
///
/// # Errors
/// If it cannot be opened: it may have been deleted since it was listed.
pub fn open(path: &Path, bytes: u64) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, bytes.min(len)))
}

/// Sends `bytes` of `file`.
///
/// # Errors
/// If the peer takes no more bytes, or the file ends early. The peer notices by the `Content-Length`.
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
