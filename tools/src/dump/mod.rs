//! What each player was sent, as files that play.
//!
//! In: the bytes of both directions of every connection of a replay. Out: pieces of files: FLV for players of
//! RTMP, HTTP-FLV and WebSocket-FLV, TS for HTTP-TS and HLS, MP4 for HLS in fragments, AAC and MP3 as they
//! are. The frames are not touched, only what lies around them is undone.
//!
//! A file belongs to one connection; segments that a player fetched on several make several files.

mod hls;
mod http;
mod rtmp;

use dacapo::base::id::ListenerId;
use dacapo::config::{Config, Service};
use dacapo::record::ConnNo;
use dacapo::wire::format::Container;
use dacapo::wire::m3u8::{HlsFile, Layout};
use hls::{Packages, Seen};
use http::{Http, Piece};
use rtmp::Rtmp;
use std::collections::BTreeMap;

/// More bytes than these should not wait to be written.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What the stream of a connection is called.
type Names<'a> = &'a dyn Fn(ConnNo) -> Option<String>;

/// Bytes that join a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name: letters, digits, `.`, `-` and `_`.
    pub file: String,
    /// What joins it.
    pub bytes: Vec<u8>,
}

/// The files of a replay.
#[derive(Debug)]
pub struct Dump {
    services: Vec<Service>,
    conns: BTreeMap<ConnNo, Conn>,
    packages: Packages,
    files: Vec<File>,
    waiting: usize,
    /// Segments that could not be decrypted.
    locked: u64,
}

#[derive(Debug)]
enum Conn {
    Rtmp(Box<Rtmp>, Option<usize>),
    Http(Box<Http>, Answer, Seen),
}

/// What becomes of the response at hand.
#[derive(Debug)]
enum Answer {
    /// It is no media.
    Nothing,
    /// It goes into the file of this place.
    File(usize),
    /// It is a file of HLS, and is looked at when it is whole.
    Hls { folder: String, file: HlsFile, bytes: Vec<u8> },
}

#[derive(Debug)]
struct File {
    conn_no: ConnNo,
    /// What it is of, as far as its request tells.
    about: String,
    extension: &'static str,
    /// Its name, once bytes have left under it.
    name: Option<String>,
    bytes: Vec<u8>,
}

impl Dump {
    /// No files yet, of a run under `config`.
    pub fn new(config: &Config) -> Self {
        Dump {
            services: config.listeners().into_iter().map(|(_, service, _)| service).collect(),
            conns: BTreeMap::new(),
            packages: Packages::default(),
            files: Vec::new(),
            waiting: 0,
            locked: 0,
        }
    }

    /// A connection has come to a listener.
    pub fn came(&mut self, conn_no: ConnNo, listener: ListenerId) {
        let conn = match self.services.get(usize::from(listener.0)) {
            Some(Service::Rtmp) => Conn::Rtmp(Box::new(Rtmp::new()), None),
            Some(Service::Http) => Conn::Http(Box::default(), Answer::Nothing, Seen::default()),
            _ => return,
        };
        self.conns.insert(conn_no, conn);
    }

    /// The peer sent these bytes.
    pub fn received(&mut self, conn_no: ConnNo, bytes: &[u8]) {
        if let Some(Conn::Http(http, ..)) = self.conns.get_mut(&conn_no) {
            http.asked(bytes);
        }
    }

    /// The server sent these bytes.
    pub fn sent(&mut self, conn_no: ConnNo, bytes: &[u8]) {
        let Some(mut conn) = self.conns.remove(&conn_no) else { return };
        match &mut conn {
            Conn::Rtmp(rtmp, place) => {
                let bytes = rtmp.sent(bytes);
                self.add_rtmp(conn_no, place, &bytes);
            }
            Conn::Http(http, answer, seen) => {
                http.answered(bytes, &mut |piece| self.piece(conn_no, piece, answer, seen))
            }
        }
        self.conns.insert(conn_no, conn);
    }

    fn add_rtmp(&mut self, conn_no: ConnNo, place: &mut Option<usize>, bytes: &[u8]) {
        if !bytes.is_empty() {
            let place = *place.get_or_insert_with(|| self.open(conn_no, String::new(), "flv"));
            self.add(place, bytes);
        }
    }

    fn piece(&mut self, conn_no: ConnNo, piece: Piece<'_>, answer: &mut Answer, seen: &mut Seen) {
        match piece {
            Piece::Begin { target, status, kind } => *answer = self.begin(conn_no, &target, status, &kind),
            Piece::Content(bytes) => match answer {
                Answer::Nothing => {}
                Answer::File(place) => self.add(*place, bytes),
                Answer::Hls { bytes: so_far, .. } => so_far.extend_from_slice(bytes),
            },
            Piece::End => {
                if let Answer::Hls { folder, file, bytes } = std::mem::replace(answer, Answer::Nothing) {
                    self.hls(conn_no, &folder, file, bytes, seen);
                }
            }
        }
    }

    fn begin(&mut self, conn_no: ConnNo, target: &str, status: u16, kind: &str) -> Answer {
        if let Some((folder, file)) = hls::file(target).filter(|_| status == 200) {
            return Answer::Hls { folder, file, bytes: Vec::new() };
        }
        let container = match status {
            101 if kind == "websocket" => Some(Container::Flv),
            200 => Container::of_content_type(kind),
            _ => None,
        };
        let Some(extension) = container.map(Container::extension) else { return Answer::Nothing };
        let path = target.split('?').next().unwrap_or_default();
        let about = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        Answer::File(self.open(conn_no, about.to_owned(), extension))
    }

    fn hls(&mut self, conn_no: ConnNo, folder: &str, file: HlsFile, bytes: Vec<u8>, seen: &mut Seen) {
        let extension = match file {
            HlsFile::Master | HlsFile::Media => {
                return self.packages.playlist(folder, &String::from_utf8_lossy(&bytes));
            }
            HlsFile::Key(_) => return self.packages.key(folder, file, &bytes),
            HlsFile::Segment { layout: Layout::Ts, .. } => "ts",
            HlsFile::Init(_) | HlsFile::Segment { layout: Layout::Fmp4, .. } => "mp4",
        };
        if !seen.is_news(folder, file) {
            return;
        }
        let Some(bytes) = self.packages.segment(folder, file, bytes) else {
            self.locked += 1;
            return;
        };
        let about = format!("{folder}-hls");
        let is_it =
            |other: &File| other.conn_no == conn_no && other.about == about && other.extension == extension;
        let place = self.files.iter().rposition(is_it).filter(|_| !matches!(file, HlsFile::Init(_)));
        let place = place.unwrap_or_else(|| self.open(conn_no, about, extension));
        self.add(place, &bytes);
    }

    fn open(&mut self, conn_no: ConnNo, about: String, extension: &'static str) -> usize {
        self.files.push(File { conn_no, about, extension, name: None, bytes: Vec::new() });
        self.files.len() - 1
    }

    fn add(&mut self, place: usize, bytes: &[u8]) {
        self.files[place].bytes.extend_from_slice(bytes);
        self.waiting += bytes.len();
    }

    /// What should be written now, if that is worth it; `names` tells what a connection is about.
    pub fn take(&mut self, names: Names<'_>) -> Vec<Part> {
        if self.waiting < WAITING_BYTES_MAX { Vec::new() } else { self.write(names) }
    }

    /// The replay is over: what was not written so far.
    pub fn finish(&mut self, names: Names<'_>) -> Vec<Part> {
        for (conn_no, mut conn) in std::mem::take(&mut self.conns) {
            if let Conn::Rtmp(rtmp, place) = &mut conn {
                let bytes = rtmp.take();
                self.add_rtmp(conn_no, place, &bytes);
            }
        }
        self.write(names)
    }

    /// Segments that were left out since their key was never fetched.
    pub fn locked(&self) -> u64 {
        self.locked
    }

    fn write(&mut self, names: Names<'_>) -> Vec<Part> {
        self.waiting = 0;
        let mut parts = Vec::new();
        for place in 0..self.files.len() {
            let bytes = std::mem::take(&mut self.files[place].bytes);
            if bytes.is_empty() {
                continue;
            }
            let file = &self.files[place];
            let name = file.name.clone().unwrap_or_else(|| self.name(file, names(file.conn_no)));
            self.files[place].name = Some(name.clone());
            parts.push(Part { file: name, bytes });
        }
        parts
    }

    /// `3-live_cam.flv`; a second one of the kind is `3-live_cam-2.flv`.
    fn name(&self, file: &File, name: Option<String>) -> String {
        let about = if file.about.is_empty() { name.unwrap_or_default() } else { file.about.clone() };
        let about = plain(about.trim_matches('/'));
        let stem =
            if about.is_empty() { file.conn_no.0.to_string() } else { format!("{}-{about}", file.conn_no.0) };
        let taken = |name: &String| self.files.iter().any(|other| other.name.as_ref() == Some(name));
        let first = format!("{stem}.{}", file.extension);
        let more = (2..).map(|count| format!("{stem}-{count}.{}", file.extension));
        std::iter::once(first).chain(more).find(|name| !taken(name)).expect("numbers do not end")
    }
}

/// A name that is fit for every file system and cannot lead elsewhere.
fn plain(name: &str) -> String {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.chars().take(100).map(|c| if fit(c) { c } else { '_' }).collect()
}
