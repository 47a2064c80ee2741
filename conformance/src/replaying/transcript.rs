//! A run as text: the messages of each connection, and every frame that each player got.
//!
//! The frames of a stream are listed once, as an RTMP player that waits from the beginning gets them. For
//! other players the text refers to that list: `v1..v40 +0 ms` are its video frames 1 to 40 with the same
//! times. So a text stays small, and its diff shows which format and which frame have changed.

use super::frames::{Frame, Shown, Tags};
use super::viewers::FIRST_VIEWER;
use super::{Run, Talk, message_lines};
use crate::capture::Capture;
use crate::reader::chunk::ChunkReader;
use crate::reader::flv::{self, Tag};
use crate::reader::rtmp::Message;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::ConnNo;
use std::collections::BTreeMap;
use std::fmt::Write;

mod http;
mod list;

use list::{List, Places};

/// What stands in a text: a line, or frames.
pub(super) enum Line {
    /// As it is.
    Text(String),
    /// Told by the list.
    Frame(Frame),
}

/// Lines with their times: `>` from the client, `<` from the server.
#[derive(Default)]
pub(super) struct Story {
    lines: Vec<(Instant, char, Line)>,
}

impl Story {
    fn say(&mut self, at: Instant, way: char, text: impl Into<String>) {
        self.lines.push((at, way, Line::Text(text.into())));
    }

    fn show(&mut self, at: Instant, way: char, shown: Vec<Shown>) {
        for shown in shown {
            self.lines.push(match shown {
                Shown::Frame(frame) => (at, way, Line::Frame(frame)),
                Shown::Head(text) => (at, way, Line::Text(text)),
            });
        }
    }

    /// The frames that went this way, in order.
    fn frames(&self, way: char) -> Vec<Frame> {
        let frame = |(_, other, line): &(Instant, char, Line)| match line {
            Line::Frame(frame) if *other == way => Some(frame.clone()),
            _ => None,
        };
        self.lines.iter().filter_map(frame).collect()
    }
}

/// The whole text of a run.
pub fn tell(capture: &Capture, run: &Run) -> String {
    let mut stories = Vec::new();
    let mut inits = http::Inits::default();
    // A segment may be fetched on one connection and what it needs on a later one: so everything is read
    // twice.
    for talk in run.talks.values().filter(|talk| talk.service == Service::Http) {
        let _ = http::story(talk, &mut inits);
    }
    for (conn_no, talk) in &run.talks {
        stories.push((conn_no, talk, story(talk, &mut inits)));
    }
    let about = &capture.about;
    let mut text = format!("{} {}: {}\n", about.peer, about.version, about.what);
    // What is published first is what most captures are about; its RTMP player is the first viewer.
    let first = stories.iter().filter(|(conn_no, ..)| conn_no.0 >= FIRST_VIEWER);
    let mut lists = Vec::new();
    for (place, (_, _, story)) in first.step_by(5).enumerate() {
        let name = run.streams[place].clone();
        lists.push((name, List::of(story.frames('<'))));
    }
    for (conn_no, talk, story) in &stories {
        let who = run.viewers.get(conn_no);
        let title = who.map_or_else(
            || format!("{conn_no} speaks {:?}", talk.service),
            |name| format!("{conn_no} {name}"),
        );
        let _ = writeln!(text, "\n== {title}");
        // A viewer's list is that of its stream; the capture's own are told by the first, which nearly all
        // have.
        let list = match who {
            Some(_) => lists.get((conn_no.0 - FIRST_VIEWER) as usize / 5),
            None => lists.first(),
        };
        let empty = List::default();
        tell_story(&mut text, talk, story, list.map_or(&empty, |(_, list)| list));
    }
    for (name, list) in &lists {
        let _ = writeln!(
            text,
            "\n== frames of {name}: dts, later, bytes, fingerprint; K: decoding may begin\n{list}"
        );
    }
    text
}

/// What each connection was shown, without times: kind and fingerprint of each frame.
pub fn shown(run: &Run) -> BTreeMap<ConnNo, Vec<String>> {
    let mut inits = http::Inits::default();
    let mut frames = BTreeMap::new();
    for _ in 0..2 {
        for (conn_no, talk) in &run.talks {
            let word = |frame: Frame| {
                let kind = if frame.video { 'v' } else { 'a' };
                format!("{kind} {} {:08x}", frame.size, frame.hash)
            };
            let shown = story(talk, &mut inits).frames('<').into_iter().map(word).collect();
            frames.insert(*conn_no, shown);
        }
    }
    frames
}

fn tell_story(text: &mut String, talk: &Talk, story: &Story, list: &List) {
    let mut at = 0;
    let mut places = [Places::default(), Places::default()];
    while let Some((when, way, line)) = story.lines.get(at) {
        let time = seconds(*when);
        match line {
            Line::Text(line) => {
                let mut rows = line.lines();
                let _ = writeln!(text, "{time} {way} {}", rows.next().unwrap_or_default());
                for row in rows {
                    let _ = writeln!(text, "{:12}{row}", "");
                }
                at += 1;
            }
            Line::Frame(_) => {
                let mut frames = Vec::new();
                while let Some((_, other, Line::Frame(frame))) = story.lines.get(at)
                    && other == way
                {
                    frames.push(frame.clone());
                    at += 1;
                }
                for row in list.runs(&frames, &mut places[usize::from(*way == '<')]) {
                    let _ = writeln!(text, "{time} {way} {row}");
                }
            }
        }
    }
    if let Some(left) = talk.left {
        let _ = writeln!(text, "{} . hangs up", seconds(left));
    }
    if let Some(closed) = talk.closed {
        let _ = writeln!(text, "{} . the server closes", seconds(closed));
    }
}

/// `   1.234`.
fn seconds(at: Instant) -> String {
    format!("{:>9.3}", at.as_micros() as f64 / 1e6)
}

fn story(talk: &Talk, inits: &mut http::Inits) -> Story {
    match talk.service {
        Service::Rtmp => rtmp(talk),
        Service::Http | Service::Api => http::story(talk, inits),
    }
}

fn rtmp(talk: &Talk) -> Story {
    let client = ChunkReader::with_handshake().lenient();
    let mut sides = [
        Side { way: '>', reader: client, tags: Tags::default(), silent: false },
        Side { way: '<', reader: ChunkReader::with_handshake(), tags: Tags::default(), silent: false },
    ];
    let mut story = Story::default();
    for (at, from_client, bytes) in in_turn(talk) {
        sides[usize::from(!from_client)].hear(at, bytes, &mut story);
    }
    story
}

/// The pieces of both directions in the order of time; at one moment the client's come first, since an answer
/// follows what it answers.
pub(super) fn in_turn(talk: &Talk) -> Vec<(Instant, bool, &[u8])> {
    let said = talk.said.iter().map(|(at, bytes)| (*at, true, bytes.as_slice()));
    let heard = talk.heard.iter().map(|(at, bytes)| (*at, false, bytes.as_slice()));
    let mut all: Vec<_> = said.chain(heard).collect();
    all.sort_by_key(|(at, from_client, _)| (*at, !from_client));
    all
}

/// One direction of RTMP.
struct Side {
    way: char,
    reader: ChunkReader,
    tags: Tags,
    /// Something was malformed and told.
    silent: bool,
}

impl Side {
    fn hear(&mut self, at: Instant, bytes: &[u8], story: &mut Story) {
        if self.silent {
            return;
        }
        match self.reader.push(bytes) {
            Ok(messages) => messages.iter().for_each(|message| self.message(at, message, story)),
            Err(wrong) => {
                story.say(at, self.way, format!("malformed: {wrong}"));
                self.silent = true;
            }
        }
    }

    fn message(&mut self, at: Instant, message: &Message, story: &mut Story) {
        if ![flv::AUDIO, flv::VIDEO].contains(&message.kind) {
            return story.say(at, self.way, message_lines::message(message));
        }
        tag(&mut self.tags, &message.tag(), at, self.way, story);
    }
}

/// A tag, of a message or a file.
pub(super) fn tag(tags: &mut Tags, tag: &Tag, at: Instant, way: char, story: &mut Story) {
    match tags.tag(tag) {
        Ok(shown) => story.show(at, way, shown),
        Err(wrong) => {
            let hash = super::hash::hash(&tag.body);
            story.say(at, way, format!("tag of type {}, malformed: {wrong}, {hash:08x}", tag.kind));
        }
    }
}
