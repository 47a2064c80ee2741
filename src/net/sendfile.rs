//! Large pieces that many connections are sent, as pages of memory that the kernel sends without copying.
//!
//! In: what leaves, piece by piece. Out: the same bytes on the socket. `writev` copies each piece for each
//! connection. For a segment of HLS that copy is the largest part of all that is done: a quarter of the
//! processor time, measured on loopback (`benches/README.md`). So a piece that has left often is copied
//! once more, into a file in memory, and from there `sendfile` hands the pages themselves to the network.
//! Whether it does changes nothing but the cost. Frames are written, however large they are: all players
//! are sent them at once, while the processor's caches hold them, and copying is cheaper then.

use crate::base::slices::Slices;
use crate::base::time::Instant;
use bytes::Bytes;
use kernel::{Memory, more, nothing_follows, send_pages, try_out};
use mio::net::TcpStream;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

/// Shorter pieces are written: there is little to save, and a further system call to make. What was measured
/// is segments of 276 KB; where it begins to pay is somewhere below.
const PIECE_BYTES_MIN: usize = 64 << 10;

/// How often a piece is written before it is worth a file, which costs a copy of its own, and making and
/// dropping it.
const WRITES_MIN: u32 = 4;

/// Most files, each of which is an open descriptor.
pub const FILES_MAX: usize = 512;

/// Pieces whose writes are counted at a time; what they forget is written a few times more.
const COUNTED: usize = 256;

/// A piece that was not sent for so long is nobody's favourite any more.
const IDLE: Duration = Duration::from_secs(1);

/// How often to look for pieces that may go.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How long to make no file after the system refused one.
const REST: Duration = Duration::from_secs(10);

/// The pieces that are there as pages.
pub struct Pages {
    /// By the address of the piece's first byte. It stays that piece's as long as it is kept here.
    pieces: BTreeMap<usize, Piece>,
    /// Bytes of them all.
    bytes: usize,
    bytes_max: usize,
    /// Address of a piece that was written, and how often. Another piece may have got the address since
    /// then: it gets its file a little early.
    counts: [(usize, u32); COUNTED],
    sweep_at: Option<Instant>,
    /// When to make files again.
    rests_until: Instant,
}

struct Piece {
    bytes: Bytes,
    memory: Memory,
    sent_at: Instant,
}

impl Pages {
    /// Keeps at most `bytes_max` bytes of pieces, and as many of pages; none: everything is written.
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

    /// Sends `slices`, if there is a piece among them that is there as pages; else `None`, and nothing was
    /// sent. Like a write it takes as many bytes as there is room for.
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
        // The slices before `from` have been sent.
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

    /// Where a piece is there as pages. `whole`: what may be kept for that, if it is not yet.
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

    /// The address of the piece that `slice` is a part of.
    fn holder(&self, slice: &[u8]) -> Option<usize> {
        let address = slice.as_ptr().addr();
        let (start, piece) = self.pieces.range(..=address).next_back()?;
        (address - start + slice.len() <= piece.bytes.len()).then_some(*start)
    }

    /// Counts a write.
    fn is_popular(&mut self, address: usize) -> bool {
        // Fibonacci hashing: addresses differ in their middle bits.
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
                // A shorter piece with the same beginning.
                self.bytes -= before.map_or(0, |piece| piece.bytes.len());
                self.sweep_at.get_or_insert(now + SWEEP_EVERY);
            }
            Err(error) => {
                refused(&error);
                self.rests_until = now + REST;
            }
        }
    }

    /// When to sweep next.
    pub fn deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Lets go of pieces that nobody else has any more, or that nobody asks for.
    pub fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        self.pieces.retain(|_, piece| !piece.bytes.is_unique() && now.since(piece.sent_at) < IDLE);
        self.bytes = self.pieces.values().map(|piece| piece.bytes.len()).sum();
        self.sweep_at = (!self.pieces.is_empty()).then_some(now + SWEEP_EVERY);
    }
}

/// Tells that there are no pages, where there could be some.
fn refused(error: &io::Error) {
    if error.kind() != ErrorKind::Unsupported {
        log::warn!(
            "segments are copied for each viewer, which costs a little more: the system refuses files in \
             memory (memfd_create, sendfile): {error}"
        );
    }
}

/// Sends what stands before a piece, so that it leaves in one packet with the piece's beginning. Returns how
/// many bytes were taken, and whether that was all.
fn send_before(stream: &TcpStream, list: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
    if list.is_empty() {
        return Ok((0, true));
    }
    let all: usize = list.iter().map(|slice| slice.len()).sum();
    let sent = more(stream, list)?;
    Ok((sent, sent == all))
}

/// What was taken before there was no more room counts. An error that stays comes again with the next write.
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
        /// With these bytes in it.
        pub fn holding(bytes: &[u8]) -> io::Result<Memory> {
            let mut file = File::from(memfd_create("dacapo", MemfdFlags::CLOEXEC)?);
            file.write_all(bytes)?;
            Ok(Memory(file))
        }
    }

    /// Whether the system lets us: sandboxes may not.
    pub fn try_out() -> io::Result<()> {
        let (near, _far) = UnixStream::pair()?;
        sendfile(near, Memory::holding(b"a")?.0, Some(&mut 0), 1)?;
        Ok(())
    }

    /// Sends `len` bytes of the file, from `offset` on, as far as there is room. That it stopped for another
    /// reason, a signal perhaps, must not look like that: nobody would tell of room.
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

    /// Sends slices that more follows at once.
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

    /// There is none: everything is written.
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
