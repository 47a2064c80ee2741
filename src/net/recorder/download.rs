//! How a finished part leaves: behind the head that the server wrote, from a thread of its own.
//!
//! In: a socket that is the loop's no more, and a file. Out: the file's bytes on the socket, then its end. A
//! part may be larger than anything that the server holds, and must not stand in the next recording; so the
//! server writes the head alone and closes, and this is what closing means then. Bounded: few at a time, each
//! with a buffer of its own and a peer that must take something now and then.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Most parts that leave at a time.
pub const DOWNLOADS_MAX: usize = 4;

/// How long a peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most bytes that are thrown away of what the peer still says.
const DISCARD_BYTES_MAX: u64 = 1 << 20;

/// The parts that are leaving.
#[derive(Debug, Default)]
pub struct Downloads {
    running: Arc<AtomicUsize>,
}

impl Downloads {
    /// True if another one must wait.
    pub fn is_full(&self) -> bool {
        self.running.load(Ordering::Relaxed) >= DOWNLOADS_MAX
    }

    /// Sends `bytes` of the file at `path`, then the end. What goes wrong is the peer's to notice: it was
    /// told how many bytes there are.
    pub fn start(&self, stream: mio::net::TcpStream, path: PathBuf, bytes: u64) {
        if self.running.fetch_add(1, Ordering::Relaxed) >= DOWNLOADS_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let running = Arc::clone(&self.running);
        let hand = move || {
            if let Err(error) = send(TcpStream::from(stream), &path, bytes) {
                log::warn!("a part of a recording did not reach who asked for it: {error}");
            }
            running.fetch_sub(1, Ordering::Relaxed);
        };
        if let Err(error) = thread::Builder::new().name("download".to_owned()).spawn(hand) {
            self.running.fetch_sub(1, Ordering::Relaxed);
            log::warn!("a part of a recording cannot be sent: {error}");
        }
    }
}

fn send(mut stream: TcpStream, path: &Path, bytes: u64) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut file = File::open(path)?.take(bytes);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let len = file.read(&mut buffer)?;
        if len == 0 {
            break;
        }
        stream.write_all(&buffer[..len])?;
    }
    stream.shutdown(Shutdown::Write)?;
    // A socket that is closed with unread bytes is reset, and the peer may lose the end.
    let discarded = io::copy(&mut stream.take(DISCARD_BYTES_MAX), &mut io::sink());
    log::debug!("a part of a recording was sent: {discarded:?} bytes came behind the request");
    Ok(())
}
