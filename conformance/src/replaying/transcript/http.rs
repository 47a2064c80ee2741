//! What is said over HTTP: requests, heads of answers, and what the bodies show: FLV and TS as they come,
//! also over WebSocket, playlists as what changed in them, segments as frames.

use super::{Story, in_turn, tag};
use crate::reader::Wrong;
use crate::reader::flv::TagReader;
use crate::reader::fmp4::Movie;
use crate::reader::http::{HttpEvent, HttpRequest, RequestEvent, RequestReader, ResponseReader};
use crate::reader::m3u8::Playlist;
use crate::reader::ws::{WsReader, opcode};
use crate::replaying::frames::{self, Tags};
use crate::replaying::{Talk, message_lines};
use crate::text::difference;
use dacapo::base::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// The initialisation section of each segment, whichever connection fetched them.
#[derive(Default)]
pub struct Inits {
    /// By target.
    movies: BTreeMap<String, Movie>,
    /// The target of the initialisation section, by the segment's.
    of_segment: BTreeMap<String, String>,
}

/// What was said on a connection that speaks HTTP.
pub fn story(talk: &Talk, inits: &mut Inits) -> Story {
    let mut talker = Talker {
        story: Story::default(),
        requests: RequestReader::new(),
        responses: ResponseReader::new(),
        asked: VecDeque::new(),
        open: None,
        playlists: BTreeMap::new(),
        inits,
        wrong: false,
    };
    for (at, from_client, bytes) in in_turn(talk) {
        if from_client { talker.request(at, bytes) } else { talker.response(at, bytes) }
    }
    talker.finish(talk.closed.or(talk.left));
    talker.story
}

struct Talker<'a> {
    story: Story,
    requests: RequestReader,
    responses: ResponseReader,
    /// Requests that wait for their answer.
    asked: VecDeque<HttpRequest>,
    /// The answer that is under way.
    open: Option<Open>,
    /// Playlists as they last were, by target.
    playlists: BTreeMap<String, String>,
    inits: &'a mut Inits,
    wrong: bool,
}

/// An answer under way.
struct Open {
    target: String,
    since: Instant,
    bytes: usize,
    body: Body,
}

enum Body {
    /// FLV, read as it comes.
    Flv(TagReader, Tags),
    /// The same over WebSocket.
    WebSocket(Box<WsReader>, TagReader, Tags),
    /// Read when it is whole.
    Whole(Vec<u8>),
}

impl Talker<'_> {
    fn request(&mut self, at: Instant, bytes: &[u8]) {
        for event in self.requests.push(bytes).unwrap_or_default() {
            let RequestEvent::Head(request) = event else { continue };
            let mut line = format!("{} {}", request.method, request.target);
            for name in ["range", "upgrade", "connection", "if-none-match"] {
                if let Some(value) = request.header(name) {
                    line += &format!("; {name}: {value}");
                }
            }
            // Playlists are asked for again and again; only those that say something new are told.
            if !self.playlists.contains_key(&request.target) {
                self.story.say(at, '>', line);
            }
            if request.method == "HEAD" {
                self.responses.expect_no_body();
            }
            self.asked.push_back(request);
        }
    }

    fn response(&mut self, at: Instant, bytes: &[u8]) {
        match self.responses.push(bytes) {
            Ok(events) => events.into_iter().for_each(|event| self.event(at, event)),
            Err(wrong) if !self.wrong => {
                self.story.say(at, '<', format!("malformed: {wrong}"));
                self.wrong = true;
            }
            Err(_) => {}
        }
    }

    fn event(&mut self, at: Instant, event: HttpEvent) {
        match event {
            HttpEvent::Head { status, headers } => {
                let target = self.asked.pop_front().map(|request| request.target).unwrap_or_default();
                let path = target.split('?').next().unwrap_or_default();
                let body = match status {
                    101 => Body::WebSocket(Box::default(), TagReader::new(), Tags::default()),
                    200 if path.ends_with(".flv") => Body::Flv(TagReader::new(), Tags::default()),
                    _ => Body::Whole(Vec::new()),
                };
                if !self.playlists.contains_key(&target) {
                    self.story.say(at, '<', format!("{status} {}", message_lines::headers(&headers)));
                }
                self.open = Some(Open { target, since: at, bytes: 0, body });
            }
            HttpEvent::Body(piece) => self.body(at, &piece),
            HttpEvent::End => self.end(at),
        }
    }

    fn body(&mut self, at: Instant, piece: &[u8]) {
        let Some(open) = &mut self.open else { return };
        open.bytes += piece.len();
        let told = match &mut open.body {
            Body::Whole(whole) => {
                whole.extend_from_slice(piece);
                Ok(())
            }
            Body::Flv(reader, tags) => flv(reader, tags, piece, at, &mut self.story),
            Body::WebSocket(frames, reader, tags) => frames.push(piece).and_then(|messages| {
                for message in messages {
                    match message.kind {
                        opcode::BINARY => flv(reader, tags, &message.body, at, &mut self.story)?,
                        kind => self.story.say(at, '<', format!("WebSocket frame of kind {kind}")),
                    }
                }
                Ok(())
            }),
        };
        if let Err(wrong) = told
            && !std::mem::replace(&mut self.wrong, true)
        {
            self.story.say(at, '<', format!("malformed: {wrong}"));
        }
    }

    fn end(&mut self, at: Instant) {
        let Some(open) = self.open.take() else { return };
        let Body::Whole(whole) = open.body else {
            return self.story.say(at, '<', format!("end of {}", open.target));
        };
        self.whole(open.since, &open.target, &whole, true);
    }

    /// Nothing more comes.
    fn finish(&mut self, ended: Option<Instant>) {
        let ended = ended.is_some() && self.responses.finish().is_ok();
        if let Some(open) = self.open.take()
            && let Body::Whole(whole) = open.body
        {
            self.whole(open.since, &open.target, &whole, ended);
        }
    }

    fn whole(&mut self, at: Instant, target: &str, body: &[u8], ended: bool) {
        let path = target.split('?').next().unwrap_or_default();
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        let shown = match ending {
            "m3u8" if body.starts_with(b"#EXTM3U") => return self.playlist(at, target, body),
            "ts" if body.first() == Some(&0x47) => frames::transport(body, ended),
            "mp4" => Movie::parse(body).map(|movie| {
                let lines = frames::movie(&movie);
                self.inits.movies.insert(path.to_owned(), movie);
                lines.into_iter().map(frames::Shown::Head).collect()
            }),
            "m4s" => match self.inits.of_segment.get(path).and_then(|init| self.inits.movies.get(init)) {
                Some(movie) => frames::fragments(movie, body),
                None => Err(Wrong::new("its initialisation section was not fetched")),
            },
            _ if body.is_empty() => return,
            _ => {
                let hash = crate::replaying::hash::hash(body);
                // What the API and the page say is judged elsewhere; here it is enough that they answer.
                let line = if path.starts_with("/api/") || body.starts_with(b"<!") {
                    "a body".to_owned()
                } else if body.len() < 200 && body.is_ascii() {
                    String::from_utf8_lossy(body).trim().to_owned()
                } else {
                    format!("{} bytes {hash:08x}", body.len())
                };
                return self.story.say(at, '<', line);
            }
        };
        match shown {
            Ok(shown) => self.story.show(at, '<', shown),
            Err(wrong) => self.story.say(at, '<', format!("malformed: {wrong}")),
        }
    }

    /// The first time a playlist is told in full, then what changed.
    fn playlist(&mut self, at: Instant, target: &str, body: &[u8]) {
        let text = String::from_utf8_lossy(body).into_owned();
        let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
        if text.contains("#EXT-X-MAP") {
            for segment in Playlist::parse(&text).segments {
                let init = segment.map.map(|map| format!("{folder}/{map}"));
                let name = format!("{folder}/{}", segment.uri);
                self.inits.of_segment.extend(init.map(|init| (name, init)));
            }
        }
        let last = self.playlists.insert(target.to_owned(), text.clone());
        match last {
            None => self.story.say(at, '<', format!("{target}\n{text}")),
            Some(last) if last == text => {}
            Some(last) => self.story.say(at, '<', format!("{target}\n{}", difference(&last, &text))),
        }
    }
}

fn flv(
    reader: &mut TagReader,
    tags: &mut Tags,
    bytes: &[u8],
    at: Instant,
    story: &mut Story,
) -> Result<(), Wrong> {
    let fresh = reader.flags().is_none();
    let read = reader.push(bytes)?;
    if let Some(flags) = reader.flags().filter(|_| fresh) {
        story.say(at, '<', format!("FLV with flags {flags}"));
    }
    read.iter().for_each(|one| tag(tags, one, at, '<', story));
    Ok(())
}
