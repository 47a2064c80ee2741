//! One HTTP connection in both directions: requests, and the responses that belong to them.
//!
//! A body is a stream without end (FLV, FLV in WebSocket messages, a transport stream), a file of HLS, or an
//! answer of the API.

use super::api::{Question, Topic};
use super::byte_counts::Span;
use super::expected_role::{About, Deed, ExpectedRole};
use super::hls::Answer;
use super::model::Model;
use super::name;
use super::play::{Court, Play};
use super::report::PlayReport;
use super::rtmp::Cx;
use super::ts::TsPlay;
use crate::reader::Wrong;
use crate::reader::flv::TagReader;
use crate::reader::http::{HttpEvent, HttpRequest, RequestEvent, RequestReader, ResponseReader, header};
use crate::reader::ws::{WsReader, opcode};
use std::collections::VecDeque;

/// An answer of the API to a question that was noted down.
#[derive(Debug)]
pub(super) struct ApiAnswer {
    /// What must be in it.
    pub question: Box<Question>,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Most bytes of a body that is kept to be looked at as a whole.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct HttpConn {
    conn_no: u32,
    api: bool,
    client: RequestReader,
    server: ResponseReader,
    asked: VecDeque<(u64, HttpRequest)>,
    body: Body,
    /// The last request has a body that is not whole.
    half: bool,
    /// What was asked of the API, if the answer can be judged.
    question: Option<Box<Question>>,
    /// What it gets without end.
    playing: Option<About>,
    /// What the last request that was answered is about.
    introduced: Option<About>,
    malformed: bool,
    stalled: bool,
    over: Vec<PlayReport>,
}

/// What the body of the answer that is under way is.
#[derive(Debug)]
enum Body {
    /// Nothing that is looked at.
    Other,
    /// To be looked at when it is whole.
    Kept {
        asked_us: u64,
        request: HttpRequest,
        status: u16,
        bytes: Vec<u8>,
    },
    Flv {
        play: Box<Play>,
        tags: TagReader,
        ws: Option<WsReader>,
    },
    Ts(Box<TsPlay>),
}

impl HttpConn {
    /// A client that has said nothing yet.
    pub fn new(conn_no: u32, api: bool) -> Self {
        HttpConn {
            conn_no,
            api,
            client: RequestReader::new(),
            server: ResponseReader::new(),
            asked: VecDeque::new(),
            body: Body::Other,
            half: false,
            question: None,
            playing: None,
            introduced: None,
            malformed: false,
            stalled: false,
            over: Vec::new(),
        }
    }

    /// The client has said these bytes. What it asks the API with them, if that is all it asks.
    pub fn client_said(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Option<Topic> {
        if matches!(self.body, Body::Flv { ws: Some(_), .. }) {
            return None;
        }
        let alone = self.asked.len() == usize::from(self.half) && self.server.is_between();
        let before = self.asked.len();
        for event in self.client.push(bytes).unwrap_or_default() {
            match event {
                RequestEvent::Head(request) => {
                    self.half = true;
                    self.asked.push_back((cx.verdict.at_us, request));
                }
                RequestEvent::Body(_) => {}
                RequestEvent::End => self.half = false,
            }
        }
        if self.asked.len() > 1 || !alone {
            self.question = None;
            return None;
        }
        let (_, request) = self.asked.back().filter(|_| self.api && !self.half && before == 0)?;
        Topic::of(&request.method, &request.target)
    }

    /// Notes down what the answer must say.
    pub fn expects(&mut self, question: Question) {
        self.question = Some(Box::new(question));
    }

    /// What was noted down, if the answer has not begun.
    pub fn question(&mut self) -> Option<&mut Question> {
        self.question.as_deref_mut().filter(|_| self.server.is_between())
    }

    /// These bytes have reached the client.
    pub fn client_got(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Vec<ApiAnswer> {
        if self.asked.front().is_some_and(|(_, request)| request.method == "HEAD") && self.server.is_between()
        {
            self.server.expect_no_body();
        }
        let events = self.server.push(bytes);
        if let Some(wrong) = self.server.wrong().cloned() {
            self.wrong(cx, &wrong);
        }
        let mut answers = Vec::new();
        for event in events.unwrap_or_default() {
            answers.extend(self.said(cx, event));
        }
        answers
    }

    fn wrong(&mut self, cx: &mut Cx<'_>, wrong: &Wrong) {
        if !std::mem::replace(&mut self.malformed, true) {
            cx.verdict.add("W1", self.conn_no, format!("the server's bytes are malformed: {wrong}"));
        }
    }

    fn said(&mut self, cx: &mut Cx<'_>, event: HttpEvent) -> Option<ApiAnswer> {
        match event {
            HttpEvent::Head { status: 100, .. } => {}
            HttpEvent::Head { status, headers } => self.begin(status, header(&headers, "content-encoding")),
            HttpEvent::Body(piece) => self.piece(cx, &piece),
            HttpEvent::End => return self.end(cx),
        }
        None
    }

    /// An answer begins. One in a coding of its own is not looked at.
    fn begin(&mut self, status: u16, coding: Option<&str>) {
        let Some((asked_us, request)) = self.asked.pop_front() else {
            self.body = Body::Other;
            return;
        };
        self.introduce(status, &request);
        let named = name::of_http(&request.target).filter(|_| !self.api && request.method == "GET");
        let play =
            |stream: &str, format| Box::new(Play::new(self.conn_no, stream, format, asked_us, self.stalled));
        self.body = match (named, status) {
            (Some((stream, extension)), 200 | 101) if extension == "flv" => {
                let ws = (status == 101).then(WsReader::new);
                let format = if ws.is_some() { "ws-flv" } else { "flv" };
                Body::Flv { play: play(&stream, format), tags: TagReader::new(), ws }
            }
            (Some((stream, extension)), 200) if extension == "ts" && !is_segment(&stream) => {
                Body::Ts(Box::new(TsPlay::new(self.conn_no, &stream, self.stalled)))
            }
            (Some((_, extension)), _) if extension == "aac" || extension == "mp3" => Body::Other,
            _ if request.method == "HEAD" || coding.is_some() => Body::Other,
            _ => Body::Kept { asked_us, request, status, bytes: Vec::new() },
        };
    }

    /// What the server knows of the client by a request that it answers.
    fn introduce(&mut self, status: u16, request: &HttpRequest) {
        let Some(about) = about(request).filter(|_| !matches!(status, 400 | 405 | 426)) else { return };
        if about.deed == Deed::Waits && matches!(status, 200 | 101) {
            self.playing = Some(About { deed: Deed::Plays, ..about.clone() });
        }
        self.introduced = Some(about);
    }

    /// What it is about.
    pub fn role(&self) -> ExpectedRole {
        if self.api {
            return ExpectedRole::default();
        }
        if let Some(playing) = &self.playing {
            return ExpectedRole::of(playing.clone());
        }
        let known = self.introduced.as_ref().filter(|about| about.deed != Deed::Waits);
        let known = known.map(|about| About { deed: Deed::Fetches, ..about.clone() });
        let whole = self.asked.len() - usize::from(self.half && !self.asked.is_empty());
        let asked = self.asked.iter().take(whole).filter_map(|(_, request)| about(request));
        let dark = self.client.wrong().is_some();
        match whole {
            0 => ExpectedRole { abouts: known.into_iter().collect(), unsure: false, dark },
            1 => {
                let abouts: Vec<About> = asked.collect();
                let waits = |about: &About| about.deed != Deed::Fetches;
                let unsure = !abouts.first().is_some_and(waits);
                ExpectedRole {
                    abouts: abouts.into_iter().chain(known.filter(|_| unsure)).collect(),
                    unsure,
                    dark,
                }
            }
            _ => ExpectedRole { abouts: known.into_iter().chain(asked).collect(), unsure: true, dark },
        }
    }

    /// How many frames it may have been denied, if it plays.
    pub fn dropped(&self, model: &Model) -> Option<Span> {
        match &self.body {
            Body::Flv { play, .. } => Some(play.dropped(model)),
            _ => None,
        }
    }

    fn piece(&mut self, cx: &mut Cx<'_>, piece: &[u8]) {
        match &mut self.body {
            Body::Other => {}
            Body::Kept { bytes, .. } => {
                if bytes.len() + piece.len() <= KEPT_BYTES_MAX {
                    bytes.extend_from_slice(piece);
                }
            }
            Body::Flv { play, tags, ws } => {
                let mut court = Court { model: cx.model, verdict: cx.verdict, conn_no: self.conn_no };
                if let Err(wrong) = flv(&mut court, play, tags, ws.as_mut(), piece) {
                    self.wrong(cx, &wrong);
                }
            }
            Body::Ts(play) => {
                let mut court = Court { model: cx.model, verdict: cx.verdict, conn_no: self.conn_no };
                if let Err(wrong) = play.push(&mut court, piece) {
                    self.wrong(cx, &wrong);
                }
            }
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>) -> Option<ApiAnswer> {
        self.playing = None;
        match std::mem::replace(&mut self.body, Body::Other) {
            Body::Other => {}
            Body::Flv { play, .. } => self.over.push(play.report),
            Body::Ts(play) => self.over.push(play.report()),
            Body::Kept { asked_us, request, status, bytes } => {
                let (conn_no, at_us) = (self.conn_no, cx.verdict.at_us);
                if self.api {
                    let question = self.question.take()?;
                    return Some(ApiAnswer { question, status, body: bytes });
                }
                let path = &request.target;
                cx.model.answered(Answer { conn_no, asked_us, at_us, path, status, body: &bytes });
            }
        }
        None
    }

    /// The client does not take everything.
    pub fn stalled(&mut self) {
        self.stalled = true;
        match &mut self.body {
            Body::Flv { play, .. } => play.report.stalled = true,
            Body::Ts(play) => play.stalled(),
            _ => {}
        }
    }

    /// The connection is over.
    pub fn closed(&mut self, cx: &mut Cx<'_>) -> Option<ApiAnswer> {
        let whole = matches!(self.server.finish().as_deref(), Ok([HttpEvent::End]));
        match &self.body {
            // Cut short: what came is not looked at.
            Body::Kept { .. } if !whole => None,
            _ => self.end(cx),
        }
    }

    /// What it played.
    pub fn plays(&self) -> Vec<PlayReport> {
        let now = match &self.body {
            Body::Flv { play, .. } => Some(play.report.clone()),
            Body::Ts(play) => Some(play.report()),
            _ => None,
        };
        self.over.iter().cloned().chain(now).collect()
    }
}

/// What a request is about, as the server reads it.
fn about(request: &HttpRequest) -> Option<About> {
    let ws = request.header("upgrade").is_some_and(|to| to.to_ascii_lowercase().contains("websocket"));
    let (stream, kind) = name::role_of_http(&request.target, ws && request.method == "GET")?;
    let deed = match kind {
        "hls-play" if request.path().ends_with(".m3u8") => Deed::Awaits,
        "hls-play" => Deed::Fetches,
        _ => Deed::Waits,
    };
    let means = request.method == "GET" || (request.method == "HEAD" && kind == "hls-play");
    means.then_some(About { stream, kind, deed })
}

/// `live/cam/seg-3`: a segment, which is no stream.
fn is_segment(stream: &str) -> bool {
    stream.rsplit_once('/').is_some_and(|(app, file)| {
        app.contains('/') && file.strip_prefix("seg-").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// A piece of an FLV stream, in WebSocket messages where `ws` is there.
fn flv(
    court: &mut Court<'_>,
    play: &mut Play,
    tags: &mut TagReader,
    ws: Option<&mut WsReader>,
    piece: &[u8],
) -> Result<(), Wrong> {
    let mut bodies = Vec::new();
    match ws {
        None => bodies.extend(tags.push(piece)?),
        Some(ws) => {
            for message in ws.push(piece)? {
                if message.kind == opcode::BINARY {
                    bodies.extend(tags.push(&message.body)?);
                }
            }
        }
    }
    for tag in bodies {
        play.media(court, tag.kind, tag.timestamp, &tag.body);
    }
    Ok(())
}
