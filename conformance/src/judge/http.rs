//! One HTTP connection, both ways: requests, and the answers that belong to them.
//!
//! A body is a stream without end (FLV, FLV in WebSocket messages, a transport stream), a file of HLS, or an
//! answer of the API.

use super::hls::Answer;
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

/// An answer of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer {
    /// Who asked.
    pub seat: u32,
    /// When the server had the request whole, in microseconds.
    pub asked_us: u64,
    /// When the client had the answer whole, in microseconds.
    pub at_us: u64,
    /// As in the request.
    pub method: String,
    /// As in the request.
    pub target: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Most bytes of a body that is kept to be looked at as a whole.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct HttpSeat {
    seat: u32,
    api: bool,
    client: RequestReader,
    server: ResponseReader,
    asked: VecDeque<(u64, HttpRequest)>,
    body: Body,
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

impl HttpSeat {
    /// A client that has said nothing yet.
    pub fn new(seat: u32, api: bool) -> Self {
        HttpSeat {
            seat,
            api,
            client: RequestReader::new(),
            server: ResponseReader::new(),
            asked: VecDeque::new(),
            body: Body::Other,
            malformed: false,
            stalled: false,
            over: Vec::new(),
        }
    }

    /// The client has said these bytes.
    pub fn client_said(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        if matches!(self.body, Body::Flv { ws: Some(_), .. }) {
            return;
        }
        let events = self.client.push(bytes).unwrap_or_default();
        let heads = events.into_iter().filter_map(|event| match event {
            RequestEvent::Head(request) => Some((cx.verdict.at_us, request)),
            _ => None,
        });
        self.asked.extend(heads);
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
            cx.verdict.add("W1", self.seat, format!("the server's bytes are malformed: {wrong}"));
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
        let named = name::of_http(&request.target).filter(|_| !self.api && request.method == "GET");
        let play =
            |stream: &str, format| Box::new(Play::new(self.seat, stream, format, asked_us, self.stalled));
        self.body = match (named, status) {
            (Some((stream, extension)), 200 | 101) if extension == "flv" => {
                let ws = (status == 101).then(WsReader::new);
                let format = if ws.is_some() { "ws-flv" } else { "flv" };
                Body::Flv { play: play(&stream, format), tags: TagReader::new(), ws }
            }
            (Some((stream, extension)), 200) if extension == "ts" && !is_segment(&stream) => {
                Body::Ts(Box::new(TsPlay::new(self.seat, &stream, self.stalled)))
            }
            (Some((_, extension)), _) if extension == "aac" || extension == "mp3" => Body::Other,
            _ if request.method == "HEAD" || coding.is_some() => Body::Other,
            _ => Body::Kept { asked_us, request, status, bytes: Vec::new() },
        };
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
                let mut court = Court { model: cx.model, verdict: cx.verdict, seat: self.seat };
                if let Err(wrong) = flv(&mut court, play, tags, ws.as_mut(), piece) {
                    self.wrong(cx, &wrong);
                }
            }
            Body::Ts(play) => {
                let mut court = Court { model: cx.model, verdict: cx.verdict, seat: self.seat };
                if let Err(wrong) = play.push(&mut court, piece) {
                    self.wrong(cx, &wrong);
                }
            }
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>) -> Option<ApiAnswer> {
        match std::mem::replace(&mut self.body, Body::Other) {
            Body::Other => {}
            Body::Flv { play, .. } => self.over.push(play.report),
            Body::Ts(play) => self.over.push(play.report()),
            Body::Kept { asked_us, request, status, bytes } => {
                let (seat, at_us) = (self.seat, cx.verdict.at_us);
                if self.api {
                    let HttpRequest { method, target, .. } = request;
                    return Some(ApiAnswer { seat, asked_us, at_us, method, target, status, body: bytes });
                }
                let path = &request.target;
                cx.model.answered(Answer { seat, asked_us, at_us, path, status, body: &bytes });
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
