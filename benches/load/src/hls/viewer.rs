//! One viewer of HLS: a connection, what it asked for last, and what it has seen.

use super::response::Response;
use super::{Counts, Library};
use crate::clock;
use crate::fault::Fault;
use mio::event::Event;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

/// Segments from the end of the playlist at which a viewer begins (RFC 8216, 6.3.3).
const BEHIND: usize = 3;

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// `None`: not connected yet, or failed.
    pub(super) socket: Option<TcpStream>,
    /// When it connects, or asks for the playlist again.
    pub(super) due: u64,
    /// Segments in the playlist that it saw last.
    pub(super) listed: usize,
    started: Option<u64>,
    host: String,
    path: String,
    out: Vec<u8>,
    /// What it waits for: since when, and what comes.
    asked: Option<(Request, u64, Response)>,
    requests: VecDeque<Request>,
    /// The number of the segment that it wants next.
    next: Option<u64>,
    playlist: Vec<u8>,
    differs: bool,
    has_segment: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Playlist,
    Segment(String),
}

impl Viewer {
    /// A viewer that connects at `due`.
    pub(super) fn new(due: u64) -> Self {
        Viewer {
            socket: None,
            due,
            listed: 0,
            started: None,
            host: String::new(),
            path: String::new(),
            out: Vec::new(),
            asked: None,
            requests: VecDeque::new(),
            next: None,
            playlist: Vec::new(),
            differs: false,
            has_segment: false,
        }
    }

    /// True if it has not come yet.
    pub(super) fn is_new(&self) -> bool {
        self.started.is_none()
    }

    /// It comes, for the playlist at `path`.
    pub(super) fn connect(&mut self, socket: TcpStream, host: &str, path: &str) {
        // A setting that can only make it slower if it fails.
        let _nagle = socket.set_nodelay(true);
        self.socket = Some(socket);
        self.started = Some(clock::now());
        (self.host, self.path) = (host.to_owned(), path.to_owned());
        self.ask_for_playlist();
    }

    /// Asks for the playlist, once it has what it asked for before.
    pub(super) fn ask_for_playlist(&mut self) {
        if self.socket.is_some() && !self.requests.contains(&Request::Playlist) {
            self.requests.push_back(Request::Playlist);
            self.ask();
        }
    }

    fn ask(&mut self) {
        if self.asked.is_some() {
            return;
        }
        let Some(request) = self.requests.pop_front() else { return };
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = match &request {
            Request::Playlist => self.path.clone(),
            Request::Segment(name) if name.starts_with('/') => name.clone(),
            Request::Segment(name) => format!("{folder}/{name}"),
        };
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: load\r\n\r\n", self.host);
        self.out.extend_from_slice(head.as_bytes());
        self.asked = Some((request, clock::now(), Response::new()));
        self.differs = false;
        self.flush();
    }

    fn flush(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        // Not connected yet, or full: an event will come. A request fits into an empty socket.
        if let Ok(len) = socket.write(&self.out) {
            self.out.drain(..len);
        }
    }

    /// Something happened to its socket.
    pub(super) fn handle(
        &mut self,
        event: &Event,
        buffer: &mut [u8],
        library: &mut Library,
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        if event.is_writable() {
            if let Some(error) = self.socket.as_ref().map(TcpStream::take_error).transpose()?.flatten() {
                return Err(error.into());
            }
            if !self.out.is_empty() {
                self.flush();
            }
        }
        while event.is_readable()
            && let Some(socket) = &mut self.socket
        {
            match socket.read(buffer) {
                Ok(0) => return Err(Fault::new("closed by the server")),
                Ok(len) => self.receive(&buffer[..len], library, counts)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, mut bytes: &[u8], library: &mut Library, counts: &mut Counts) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let Some((request, since, response)) = &mut self.asked else {
                return Err(Fault::new("an answer without a question"));
            };
            let (at, piece) = response.take(&mut bytes)?;
            match request {
                Request::Playlist => self.playlist.extend_from_slice(piece),
                Request::Segment(name) => {
                    counts.bytes += piece.len() as u64;
                    self.differs |= !compare(library, name, at, piece);
                }
            }
            if !response.is_whole() {
                continue;
            }
            let took = clock::now() - *since;
            match std::mem::replace(request, Request::Playlist) {
                Request::Playlist => {
                    counts.playlists += 1;
                    counts.playlist_times.add(took);
                    self.read_playlist(counts)?;
                }
                Request::Segment(_) => {
                    counts.segments += 1;
                    counts.segment_times.add(took);
                    counts.differing += u64::from(self.differs);
                    if !std::mem::replace(&mut self.has_segment, true) {
                        counts.first_times.add(clock::now() - self.started.unwrap_or_default());
                    }
                }
            }
            self.asked = None;
            self.ask();
        }
        Ok(())
    }

    /// Requests every segment that is new.
    fn read_playlist(&mut self, counts: &mut Counts) -> Result<(), Fault> {
        let playlist = std::mem::take(&mut self.playlist);
        let text = std::str::from_utf8(&playlist).map_err(|_| Fault::new("a playlist that is not UTF-8"))?;
        let tag = "#EXT-X-MEDIA-SEQUENCE:";
        let first: u64 =
            text.lines().find_map(|line| line.strip_prefix(tag)?.trim().parse().ok()).unwrap_or_default();
        let names: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        self.listed = names.len();
        let end = first + names.len() as u64;
        let next = self.next.unwrap_or_else(|| end.saturating_sub(BEHIND as u64).max(first));
        counts.missed += first.saturating_sub(next);
        for (number, name) in (first..).zip(names) {
            if number >= next {
                self.requests.push_back(Request::Segment(name.to_owned()));
            }
        }
        self.next = Some(end.max(next));
        Ok(())
    }
}

/// Compares a piece with what is known of a segment, and adds it where nothing is known yet; true if equal.
fn compare(library: &mut Library, name: &str, at: usize, piece: &[u8]) -> bool {
    if !library.contains_key(name) {
        library.insert(name.to_owned(), Vec::new());
    }
    let Some(known) = library.get_mut(name) else { return false };
    let Some(rest) = known.get(at..) else { return false };
    let common = rest.len().min(piece.len());
    let equal = rest[..common] == piece[..common];
    known.extend_from_slice(&piece[common..]);
    equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_begins_near_the_end_and_wants_each_segment_once() {
        let mut viewer = Viewer::new(0);
        let mut counts = Counts::default();
        let mut wanted = |playlist: &str| {
            viewer.playlist = playlist.as_bytes().to_vec();
            viewer.read_playlist(&mut counts).expect("sound");
            let requests = std::mem::take(&mut viewer.requests);
            requests
                .into_iter()
                .filter_map(|request| match request {
                    Request::Segment(name) => Some(name),
                    Request::Playlist => None,
                })
                .collect::<Vec<_>>()
        };
        let playlist = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,\na\n#EXTINF:2,\nb\nc\nd\n";
        assert_eq!(wanted(playlist), ["b", "c", "d"]);
        assert_eq!(wanted(playlist), [""; 0]);
        assert_eq!(wanted("#EXT-X-MEDIA-SEQUENCE:12\nf\ng\n"), ["f", "g"]);
        assert_eq!(counts.missed, 1);
    }

    #[test]
    fn pieces_are_compared_where_something_is_known() {
        let mut library = Library::new();
        assert!(compare(&mut library, "a", 0, b"abcd"));
        assert!(compare(&mut library, "a", 0, b"ab"));
        assert!(compare(&mut library, "a", 2, b"cdef"));
        assert!(!compare(&mut library, "a", 4, b"xf"));
        assert!(compare(&mut library, "a", 4, b"ef"));
    }
}
