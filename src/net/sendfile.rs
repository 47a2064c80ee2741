//! Zero-copy sending of large buffers that many connections are sent, with `sendfile`.
//!
//! In: slices of a write. Out: the same bytes on the socket. `writev` copies a buffer for each connection;
//! for HLS segments that takes a quarter of the processor time, measured on loopback (`benches/README.md`).
//! So a buffer that was written several times (a piece, below) is copied once into a file in memory
//! (`memfd_create`), and from there `sendfile` passes its pages to the network. Peers see no difference.
//! Frames are always written: all players are sent a frame at the same time, and copying is cheap while the
//! processor's caches hold it.

use crate::base::slices::Slices;
use crate::base::time::Instant;
use bytes::Bytes;
use kernel::{Memory, more, nothing_follows, send_pages, try_out};
use mio::net::TcpStream;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

/// Shorter pieces are written: `sendfile` saves little and costs another system call. Measured with segments
/// of 276 KB; the break-even is somewhere below.
const PIECE_BYTES_MIN: usize = 64 << 10;

/// Number of writes of a piece before a file is made for it, which costs a copy and several system calls.
const WRITES_MIN: u32 = 4;

/// Most files; each is an open descriptor.
pub const FILES_MAX: usize = 512;

/// Number of counters of writes. A piece whose counter is taken by another one is written a few times more.
const COUNTED: usize = 256;

/// A piece that was not sent for this long is evicted.
const IDLE: Duration = Duration::from_secs(1);

/// Time between two looks for pieces to evict.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// Pause of making files after the system refused one.
const REST: Duration = Duration::from_secs(10);

/// The pieces that are held in files.
pub struct Pages {
    /// By the address of the first byte. The address is not used again while the piece is held here.
    pieces: BTreeMap<usize, Piece>,
    /// Bytes of all pieces.
    bytes: usize,
    bytes_max: usize,
    /// Address of a piece, and number of its writes. Another piece may have the address by now; then its file
    /// is made a little early.
    counts: [(usize, u32); COUNTED],
    sweep_at: Option<Instant>,
    /// No files are made before this time.
    rests_until: Instant,
}

struct Piece {
    bytes: Bytes,
    memory: Memory,
    sent_at: Instant,
}

impl Pages {
    /// Holds at most `bytes_max` bytes of pieces, and as many in files. With 0, or if the system refuses such
    /// files, all bytes are written.
    pub fn new(bytes_max: usize) -> Self {
        let works = bytes_max > 0 && try_out().inspect_err(refused).is_ok();
        Pages {
            pieces: BTreeMap::new(),
            bytes: 0,
            bytes_max: if works { bytes_max } else { 0 },
            counts: [(0, 0); COUNTED],
            sweep_at: None,
            rests_until: Instant::ZERO,
        }
    }

    /// Sends `slices` if one of them is a piece that is held in a file. Returns the number of bytes that the
    /// socket took, or `None` if there is no such piece and nothing was sent.
    pub fn send(
        &mut self,
        stream: &TcpStream,
        slices: &Slices<'_>,
        now: Instant,
    ) -> Option<io::Result<usize>> {
        if slices.len() < PIECE_BYTES_MIN || self.bytes_max == 0 {
            return None;
        }
        let list = slices.as_io_slices();
        // The slices before `from` were sent.
        let (mut from, mut taken) = (0, 0);
        for (at, (slice, whole)) in slices.iter().take(slices.own_count()).enumerate() {
            let Some((memory, offset)) = self.look_up(slice, whole, now) else { continue };
            let result = send_before(stream, &list[from..at]).and_then(|(sent, all)| {
                taken += sent;
                Ok(all && {
                    let sent = send_pages(stream, memory, offset, slice.len())?;
                    taken += sent;
                    sent == slice.len()
                })
            });
            match result {
                Ok(true) => from = at + 1,
                Ok(false) => return Some(Ok(taken)),
                Err(error) => return Some(so_far(taken, error)),
            }
        }
        match &list[from..] {
            _ if from == 0 => None,
            [] => Some(Ok(taken)),
            rest => Some(match nothing_follows(stream, rest) {
                Ok(sent) => Ok(taken + sent),
                Err(error) => so_far(taken, error),
            }),
        }
    }

    /// The file and the offset in it that hold `slice`. Makes the file of `whole`, if that was written often
    /// and there is room.
    fn look_up(&mut self, slice: &[u8], whole: Option<&Bytes>, now: Instant) -> Option<(&Memory, usize)> {
        if slice.len() < PIECE_BYTES_MIN {
            return None;
        }
        let address = slice.as_ptr().addr();
        if self.holder(slice).is_none() {
            let whole = whole.filter(|whole| self.is_popular(address) && self.has_room(whole, now))?;
            self.keep(whole, now);
        }
        let start = self.holder(slice)?;
        let piece = self.pieces.get_mut(&start)?;
        piece.sent_at = now;
        Some((&piece.memory, address - start))
    }

    /// The address of the piece that holds `slice`.
    fn holder(&self, slice: &[u8]) -> Option<usize> {
        let address = slice.as_ptr().addr();
        let (start, piece) = self.pieces.range(..=address).next_back()?;
        (address - start + slice.len() <= piece.bytes.len()).then_some(*start)
    }

    /// Counts a write. True if there were enough for a file.
    fn is_popular(&mut self, address: usize) -> bool {
        // Fibonacci hashing, since addresses differ in their middle bits.
        let place = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let (counted, writes) = &mut self.counts[place as usize % COUNTED];
        if *counted != address {
            (*counted, *writes) = (address, 0);
        }
        *writes += 1;
        *writes > WRITES_MIN
    }

    fn has_room(&self, piece: &Bytes, now: Instant) -> bool {
        let room = self.bytes_max.saturating_sub(self.bytes);
        self.pieces.len() < FILES_MAX && piece.len() <= room && self.rests_until <= now
    }

    fn keep(&mut self, whole: &Bytes, now: Instant) {
        match Memory::holding(whole) {
            Ok(memory) => {
                self.bytes += whole.len();
                let piece = Piece { bytes: whole.clone(), memory, sent_at: now };
                let before = self.pieces.insert(whole.as_ptr().addr(), piece);
                // It replaces a shorter piece with the same address.
                self.bytes -= before.map_or(0, |piece| piece.bytes.len());
                self.sweep_at.get_or_insert(now + SWEEP_EVERY);
            }
            Err(error) => {
                refused(&error);
                self.rests_until = now + REST;
            }
        }
    }

    /// When [`Pages::sweep`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Evicts pieces that have no other owner or were not sent for a while.
    pub fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        self.pieces.retain(|_, piece| !piece.bytes.is_unique() && now.since(piece.sent_at) < IDLE);
        self.bytes = self.pieces.values().map(|piece| piece.bytes.len()).sum();
        self.sweep_at = (!self.pieces.is_empty()).then_some(now + SWEEP_EVERY);
    }
}

/// Warns that the system refuses files in memory, except where it does not have them.
fn refused(error: &io::Error) {
    if error.kind() != ErrorKind::Unsupported {
        log::warn!(
            "HLS segments are copied for each player, which costs more processor time: the system refuses \
            memfd_create or sendfile: {error}"
        );
    }
}

/// Sends the slices before a piece, so that they share a packet with the beginning of the piece. Returns the
/// number of bytes that were taken, and whether that was all.
fn send_before(stream: &TcpStream, list: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
    if list.is_empty() {
        return Ok((0, true));
    }
    let all: usize = list.iter().map(|slice| slice.len()).sum();
    let sent = more(stream, list)?;
    Ok((sent, sent == all))
}

/// An error after some bytes were taken counts as a short write. An error that persists comes again with the
/// next write.
fn so_far(taken: usize, error: io::Error) -> io::Result<usize> {
    if taken > 0 { Ok(taken) } else { Err(error) }
}

#[cfg(target_os = "linux")]
mod kernel {
    use mio::net::TcpStream;
    use rustix::fs::{MemfdFlags, memfd_create, sendfile};
    use rustix::io::{Errno, retry_on_intr};
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use std::fs::File;
    use std::io::{self, ErrorKind, IoSlice, Write};
    use std::os::unix::net::UnixStream;

    /// A file in memory.
    pub struct Memory(File);

    impl Memory {
        /// A file with this content.
        pub fn holding(bytes: &[u8]) -> io::Result<Memory> {
            let mut file = File::from(memfd_create("dacapo", MemfdFlags::CLOEXEC)?);
            file.write_all(bytes)?;
            Ok(Memory(file))
        }
    }

    /// Tries both system calls, which sandboxes may refuse.
    pub fn try_out() -> io::Result<()> {
        let (near, _far) = UnixStream::pair()?;
        sendfile(near, Memory::holding(b"a")?.0, Some(&mut 0), 1)?;
        Ok(())
    }

    /// Sends `len` bytes of the file from `offset` on, until the socket is full. Goes on after a short write
    /// for another reason, such as a signal: the caller would wait for room that readiness never reports.
    pub fn send_pages(stream: &TcpStream, memory: &Memory, offset: usize, len: usize) -> io::Result<usize> {
        let mut sent = 0;
        while sent < len {
            let mut from = (offset + sent) as u64;
            match retry_on_intr(|| sendfile(stream, &memory.0, Some(&mut from), len - sent)) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => sent += more,
                Err(error) if error == Errno::AGAIN && sent > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    /// Sends slices behind which more bytes follow at once.
    pub fn more(stream: &TcpStream, list: &[IoSlice<'_>]) -> io::Result<usize> {
        send(stream, list, SendFlags::MORE)
    }

    /// Sends the last slices.
    pub fn nothing_follows(stream: &TcpStream, list: &[IoSlice<'_>]) -> io::Result<usize> {
        send(stream, list, SendFlags::empty())
    }

    fn send(stream: &TcpStream, list: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        let (mut nothing, flags) = (SendAncillaryBuffer::default(), flags | SendFlags::NOSIGNAL);
        Ok(retry_on_intr(|| sendmsg(stream, list, &mut nothing, flags))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use mio::net::TcpStream;
    use std::convert::Infallible;
    use std::io::{self, ErrorKind, IoSlice};

    /// Never made on this system: all bytes are written.
    pub struct Memory(Infallible);

    impl Memory {
        pub fn holding(_: &[u8]) -> io::Result<Memory> {
            Err(ErrorKind::Unsupported.into())
        }
    }

    pub fn try_out() -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    pub fn send_pages(_: &TcpStream, memory: &Memory, _: usize, _: usize) -> io::Result<usize> {
        match memory.0 {}
    }

    pub fn more(_: &TcpStream, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    pub use more as nothing_follows;
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
