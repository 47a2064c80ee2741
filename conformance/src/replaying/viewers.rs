//! Viewers: players of every format for the streams that a capture publishes.
//!
//! For each stream: an RTMP, an FLV and a TS player that wait from the beginning, an RTMP player that comes
//! in the middle, and an HLS player that requests the playlist twice a second and fetches each segment once.
//! Their bytes are fixed, or follow from the answers by independent parsers.

use super::Ear;
use crate::capture::listener;
use crate::reader::amf::Amf;
use crate::reader::chunk::ChunkReader;
use crate::reader::http::{HttpEvent, ResponseReader};
use crate::reader::m3u8;
use crate::reader::rtmp::{self, Message, kind};
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{ConnNo, Entry, Event, Replay};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// The number of the first viewer.
pub const FIRST_VIEWER: u32 = 1000;

/// How often a player of HLS asks for the playlist.
const POLL: Duration = Duration::from_millis(500);

/// How long it goes on without news.
const PATIENCE: Duration = Duration::from_secs(12);

/// The streams that are published, as `app/name`, in the order in which they begin.
pub fn published(entries: &[Entry]) -> Vec<String> {
    publishes(entries).into_iter().map(|(_, name)| name).collect()
}

/// Time of the first `publish`.
pub fn first_publish(entries: &[Entry]) -> Option<Instant> {
    publishes(entries).first().map(|(at, _)| *at)
}

/// The streams that are published, with the time of the first `publish` of each.
fn publishes(entries: &[Entry]) -> Vec<(Instant, String)> {
    let mut readers: BTreeMap<ConnNo, (ChunkReader, String)> = BTreeMap::new();
    let mut found: Vec<(Instant, String)> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::Accepted { listener: at, conn_no: Some(conn_no), .. }
                if *at == listener(Service::Rtmp) =>
            {
                readers.insert(*conn_no, (ChunkReader::with_handshake().lenient(), String::new()));
            }
            Event::Received { conn_no, bytes } => {
                let Some((reader, app)) = readers.get_mut(conn_no) else { continue };
                for message in reader.push(bytes).unwrap_or_default() {
                    let values = command(&message);
                    match values.first().and_then(Amf::as_str) {
                        Some("connect") => {
                            let member = values.get(2).and_then(|object| object.member("app"));
                            *app = member.and_then(Amf::as_str).unwrap_or_default().to_owned();
                        }
                        Some("publish") => {
                            let name = values.get(3).and_then(Amf::as_str).unwrap_or_default();
                            let name = name.split('?').next().unwrap_or_default();
                            let name = format!("{app}/{name}");
                            if !found.iter().any(|(_, other)| *other == name) {
                                found.push((entry.at, name));
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The values of a command; none of another message.
pub fn command(message: &Message) -> Vec<Amf> {
    if message.kind == kind::COMMAND {
        Amf::try_read_all(&message.body).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// All viewers.
pub struct Viewers {
    /// The next times of viewers.
    due: BTreeSet<(Instant, u32)>,
    list: Vec<Viewer>,
}

struct Viewer {
    conn_no: ConnNo,
    name: String,
    part: Part,
}

enum Part {
    /// Comes and says this.
    Blind(Service, Vec<u8>),
    Hls(Box<Follower>),
}

impl Viewers {
    /// Viewers for `streams`, which `entries` publish.
    pub fn new(streams: &[String], entries: &[Entry]) -> Self {
        let birth = entries.first().map_or(Instant::ZERO, |entry| entry.at);
        let end = entries.last().map_or(birth, |entry| entry.at);
        let begun: BTreeMap<String, Instant> =
            publishes(entries).into_iter().map(|(at, name)| (name, at)).collect();
        let mut viewers = Viewers { due: BTreeSet::new(), list: Vec::new() };
        for stream in streams {
            let from = begun.get(stream).copied().unwrap_or(birth);
            let middle = from + end.since(from) / 2;
            let (app, name) = stream.split_once('/').unwrap_or(("", stream));
            let rtmp = Part::Blind(Service::Rtmp, rtmp_words(app, name));
            let late = Part::Blind(Service::Rtmp, rtmp_words(app, name));
            let get = |end: &str| Part::Blind(Service::Http, request(&format!("/{stream}{end}")));
            let hls = Part::Hls(Box::new(Follower::new(format!("/{stream}.m3u8"))));
            viewers.add(birth, format!("RTMP player of {stream}"), rtmp);
            viewers.add(birth, format!("FLV player of {stream}"), get(".flv"));
            viewers.add(birth, format!("TS player of {stream}"), get(".ts"));
            viewers.add(from, format!("HLS player of {stream}"), hls);
            viewers.add(middle, format!("RTMP player of {stream} that comes late"), late);
        }
        viewers
    }

    fn add(&mut self, at: Instant, name: String, part: Part) {
        let place = u32::try_from(self.list.len()).expect("few");
        self.list.push(Viewer { conn_no: ConnNo(FIRST_VIEWER + place), name, part });
        self.due.insert((at, place));
    }

    /// Their titles.
    pub fn names(&self) -> BTreeMap<ConnNo, String> {
        self.list.iter().map(|viewer| (viewer.conn_no, viewer.name.clone())).collect()
    }

    /// Lets them do what they do until `until`.
    pub fn pass(&mut self, until: Instant, replay: &mut Replay, ear: &mut Ear<'_>) {
        while let Some((at, place)) = self.due.pop_first() {
            if at > until {
                self.due.insert((at, place));
                return;
            }
            let viewer = &mut self.list[place as usize];
            let conn_no = viewer.conn_no;
            match &mut viewer.part {
                Part::Blind(service, words) => {
                    come(at, *service, conn_no, replay, ear);
                    say(at, conn_no, std::mem::take(words), replay, ear);
                }
                Part::Hls(follower) => {
                    if !ear.talks.contains_key(&conn_no) {
                        come(at, Service::Http, conn_no, replay, ear);
                    }
                    if follower.turn(at, conn_no, replay, ear) {
                        self.due.insert((at + POLL, place));
                    }
                }
            }
        }
    }
}

fn come(at: Instant, service: Service, conn_no: ConnNo, replay: &mut Replay, ear: &mut Ear<'_>) {
    let peer = SocketAddr::from(([198, 51, 100, 1], 40_000 + conn_no.0 as u16));
    let event = Event::Accepted { listener: listener(service), peer, conn_no: Some(conn_no) };
    replay.run([Entry { at, event }], ear);
}

fn say(at: Instant, conn_no: ConnNo, words: Vec<u8>, replay: &mut Replay, ear: &mut Ear<'_>) {
    replay.run([Entry { at, event: Event::Received { conn_no, bytes: words.into() } }], ear);
}

/// What a player of RTMP says, without waiting for answers.
fn rtmp_words(app: &str, name: &str) -> Vec<u8> {
    let mut words = rtmp::handshake();
    for message in [rtmp::connect(app), rtmp::create_stream(), rtmp::play(name)] {
        words.extend(message.chunks(128));
    }
    words
}

fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: conformance\r\n\r\n").into_bytes()
}

/// Follows HLS on one connection.
struct Follower {
    playlist: String,
    reader: ResponseReader,
    /// Bytes of what was heard that were read.
    read: usize,
    /// What is still to be asked for.
    ahead: VecDeque<String>,
    /// What was asked for and is not answered, and the answer so far.
    asked: Option<(String, u16, Vec<u8>)>,
    fetched: BTreeSet<String>,
    /// When there was something new.
    news: Option<Instant>,
    ended: bool,
}

impl Follower {
    fn new(playlist: String) -> Self {
        Follower {
            playlist,
            reader: ResponseReader::new(),
            read: 0,
            ahead: VecDeque::new(),
            asked: None,
            fetched: BTreeSet::new(),
            news: None,
            ended: false,
        }
    }

    /// Asks for the playlist, then for everything in it that is new. False once nothing is new for long.
    fn turn(&mut self, at: Instant, conn_no: ConnNo, replay: &mut Replay, ear: &mut Ear<'_>) -> bool {
        let news = *self.news.get_or_insert(at);
        if self.asked.is_none() {
            self.ahead.push_back(self.playlist.clone());
        }
        loop {
            self.hear(at, conn_no, ear);
            if ear.talks.get(&conn_no).is_none_or(|talk| talk.closed.is_some()) {
                return false;
            }
            // An answer that takes its time is waited for.
            let (None, Some(target)) = (&self.asked, self.ahead.pop_front()) else { break };
            say(at, conn_no, request(&target), replay, ear);
            self.asked = Some((target, 0, Vec::new()));
        }
        !self.ended && at.since(self.news.unwrap_or(news)) < PATIENCE
    }

    /// Reads what came.
    fn hear(&mut self, at: Instant, conn_no: ConnNo, ear: &Ear<'_>) {
        let heard: Vec<u8> = ear.talks.get(&conn_no).map(super::Talk::bytes).unwrap_or_default();
        let events = self.reader.push(&heard[self.read..]).unwrap_or_default();
        self.read = heard.len();
        for event in events {
            let Some((_, status, body)) = &mut self.asked else { return };
            match event {
                HttpEvent::Head { status: given, .. } => *status = given,
                HttpEvent::Body(piece) => body.extend(piece),
                HttpEvent::End => {
                    if let Some((target, 200, body)) = self.asked.take()
                        && target == self.playlist
                    {
                        self.playlist(at, &String::from_utf8_lossy(&body));
                    }
                }
            }
        }
    }

    fn playlist(&mut self, at: Instant, text: &str) {
        let folder = self.playlist.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        if text.contains("#EXT-X-STREAM-INF") {
            let variant = m3u8::variants(text).swap_remove(0).uri;
            self.playlist = format!("{folder}/{variant}");
            self.ahead.push_back(self.playlist.clone());
            self.news = Some(at);
            return;
        }
        let list = m3u8::Playlist::parse(text);
        let maps = list.segments.iter().filter_map(|segment| segment.map.clone());
        for uri in maps.chain(list.segments.iter().map(|segment| segment.uri.clone())) {
            if self.fetched.insert(uri.clone()) {
                self.news = Some(at);
                self.ahead.push_back(format!("{folder}/{uri}"));
            }
        }
        self.ended = list.ended;
    }
}
