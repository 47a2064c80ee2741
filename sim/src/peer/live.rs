//! A player of an endless response: HTTP-FLV, FLV over WebSocket, a transport stream, or audio alone.
//!
//! In: the server's bytes and the time. Out: one request; over WebSocket also pongs, heartbeats and a close
//! frame; and failures by its own model of what it may be sent, as far as the format shows.

use super::player::View;
use super::progress::Progress;
use super::{HangUp, Peer, PeerCx};
use conformance::reader::Wrong;
use conformance::reader::flv::TagReader;
use conformance::reader::http::{HttpEvent, ResponseReader};
use conformance::reader::ts::{TsReader, Unit};
use conformance::reader::ws::{WsMessage, WsReader, frame, opcode};
use conformance::rng::Rng;
use dacapo::config::Service;

/// What a stream is asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// HTTP-FLV.
    Flv,
    /// FLV on a WebSocket.
    WsFlv,
    /// MPEG-TS.
    Ts,
    /// AAC with ADTS heads.
    Aac,
}

/// What a player does.
#[derive(Clone, Debug)]
pub struct Script {
    /// Application and stream: "live/a".
    pub path: String,
    /// In which form.
    pub format: Format,
    /// HTTP/1.0: no chunks.
    pub old: bool,
    /// On a WebSocket: says something every so many microseconds; 0: never.
    pub heartbeat_us: u64,
    /// It leaves after so many microseconds.
    pub stay_us: u64,
    /// How it leaves.
    pub leave: HangUp,
    /// From the end of a connection to the next, in microseconds.
    pub pause_us: u64,
    /// Connections after which it stays away.
    pub dials_max: u32,
}

/// A player.
pub struct Live {
    script: Script,
    http: ResponseReader,
    status: u16,
    body: Body,
    view: View,
    progress: Progress,
    since_us: u64,
    dials: u32,
    connected: bool,
    grievance: Option<String>,
    /// The body that an FLV player got on this connection, if it is kept.
    kept: Option<Vec<u8>>,
}

/// What is read behind the head.
enum Body {
    Flv(TagReader),
    WsFlv(WsReader, TagReader),
    Ts(Box<TsReader>),
    Aac(Vec<u8>),
}

impl Body {
    fn new(format: Format) -> Self {
        match format {
            Format::Flv => Body::Flv(TagReader::new()),
            Format::WsFlv => Body::WsFlv(WsReader::new(), TagReader::new()),
            Format::Ts => Body::Ts(Box::new(TsReader::with_gaps())),
            Format::Aac => Body::Aac(Vec::new()),
        }
    }
}

impl Live {
    /// A player with a script.
    pub fn new(script: Script) -> Self {
        Live {
            http: ResponseReader::new(),
            status: 0,
            body: Body::new(script.format),
            view: View::default(),
            progress: Progress::default(),
            since_us: 0,
            dials: 0,
            connected: false,
            grievance: None,
            kept: None,
            script,
        }
    }

    /// The same, but it keeps the body of its last response.
    pub fn keeping(script: Script) -> Self {
        Live { kept: Some(Vec::new()), ..Live::new(script) }
    }

    /// The body of its last response, if it keeps that.
    pub fn kept(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// What it has got on all connections.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    fn request(&self, cx: &mut PeerCx<'_>) {
        let extension = match self.script.format {
            Format::Flv | Format::WsFlv => "flv",
            Format::Ts => "ts",
            Format::Aac => "aac",
        };
        let version = if self.script.old { "1.0" } else { "1.1" };
        let head = format!("GET /{}.{extension} HTTP/{version}\r\nHost: sim\r\n", self.script.path);
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = if self.script.format == Format::WsFlv { upgrade } else { "" };
        cx.out.extend(format!("{head}{upgrade}\r\n").bytes());
    }

    fn hear(&mut self, cx: &mut PeerCx<'_>, event: HttpEvent) -> Result<(), Wrong> {
        match event {
            HttpEvent::Head { status, headers } => {
                self.status = status;
                let proof = ("sec-websocket-accept".to_owned(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
                if status == 101 && !headers.contains(&proof) {
                    return Err(Wrong::new("a WebSocket without its proof"));
                }
                Ok(())
            }
            HttpEvent::Body(bytes) if matches!(self.status, 101 | 200) => self.take(cx, &bytes),
            HttpEvent::Body(_) => Ok(()),
            HttpEvent::End => {
                cx.hang_up = Some(HangUp::Fin);
                Ok(())
            }
        }
    }

    fn take(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) -> Result<(), Wrong> {
        if let Some(kept) = &mut self.kept {
            kept.extend(bytes);
        }
        let now_us = cx.now_us;
        let tags = match &mut self.body {
            Body::Flv(reader) => reader.push(bytes)?,
            Body::WsFlv(frames, reader) => {
                let mut tags = Vec::new();
                for message in frames.push(bytes)? {
                    match message.kind {
                        opcode::BINARY => tags.extend(reader.push(&message.body)?),
                        _ => answer(cx, &message),
                    }
                }
                tags
            }
            Body::Ts(reader) => {
                for unit in reader.push(bytes)? {
                    match unit {
                        Unit::Pes(pes) if pes.kind == 0x0f => self.progress.audio(now_us),
                        Unit::Pes(pes) if pes.kind != 0x06 => self.progress.video(now_us, pes.random_access),
                        _ => {}
                    }
                }
                return Ok(());
            }
            Body::Aac(held) => {
                held.extend(bytes);
                while let Some(length) = adts(held)? {
                    held.drain(..length);
                    self.progress.audio(now_us);
                }
                return Ok(());
            }
        };
        tags.iter().try_for_each(|tag| self.view.take(tag, &mut self.progress, now_us)).map_err(Wrong)
    }

    fn say(&self, cx: &mut PeerCx<'_>, kind: u8, body: &[u8]) {
        if self.script.format == Format::WsFlv && self.status == 101 {
            let mask = masking(cx.rng);
            cx.out.extend(frame(kind, body, Some(mask)));
        }
    }
}

/// What a good client answers to a frame that carries no stream.
fn answer(cx: &mut PeerCx<'_>, message: &WsMessage) {
    let mask = Some(masking(cx.rng));
    match message.kind {
        opcode::PING => cx.out.extend(frame(opcode::PONG, &message.body, mask)),
        opcode::CLOSE => {
            cx.out.extend(frame(opcode::CLOSE, &message.body, mask));
            cx.hang_up = Some(HangUp::Fin);
        }
        _ => {}
    }
}

fn masking(rng: &mut Rng) -> [u8; 4] {
    let [a, b, c, d, ..] = rng.number().to_be_bytes();
    [a, b, c, d]
}

/// The length of the ADTS frame at the beginning of `bytes`, if it is whole.
fn adts(bytes: &[u8]) -> Result<Option<usize>, Wrong> {
    let Some(head) = bytes.first_chunk::<7>() else { return Ok(None) };
    let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    if head[0] != 0xff || head[1] & 0xf6 != 0xf0 || length < 7 {
        return Err(Wrong(format!("no ADTS frame: {head:02x?}")));
    }
    Ok((length <= bytes.len()).then_some(length))
}

impl Peer for Live {
    fn name(&self) -> String {
        format!("{:?}-player {}", self.script.format, self.script.path).to_lowercase()
    }

    fn service(&self) -> Service {
        Service::Http
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.http = ResponseReader::new();
        self.body = Body::new(self.script.format);
        self.view = View::default();
        self.status = 0;
        self.connected = true;
        self.since_us = cx.now_us;
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
        self.request(cx);
        self.woken(cx);
    }

    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) {
        let result = self.http.push(bytes);
        let result = result.and_then(|events| events.into_iter().try_for_each(|event| self.hear(cx, event)));
        if let Err(wrong) = result {
            self.grievance.get_or_insert(wrong.to_string());
        }
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        let end_us = self.since_us.saturating_add(self.script.stay_us);
        if cx.now_us >= end_us {
            let goodbye = 1000_u16.to_be_bytes();
            self.say(cx, opcode::CLOSE, &goodbye);
            cx.hang_up = Some(self.script.leave);
            return;
        }
        cx.wake_by(end_us);
        if self.script.heartbeat_us > 0 {
            let kind = cx.rng.pick(&[opcode::TEXT, opcode::PING]);
            self.say(cx, kind, b"beat");
            cx.wake_by(cx.now_us + self.script.heartbeat_us);
        }
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.connected = false;
        self.dials += 1;
        if self.dials < self.script.dials_max {
            cx.dial_at_us = Some(cx.now_us + self.script.pause_us);
        }
    }

    fn pending(&self, since_us: u64) -> Option<String> {
        if self.dials >= self.script.dials_max {
            return None;
        }
        let missing = self.progress.missing(since_us)?;
        let state = if self.connected { "connected" } else { "away" };
        Some(format!("{} is {state}, status {}, and got {missing}", self.name(), self.status))
    }

    fn grievance(&self) -> Option<String> {
        self.grievance.clone()
    }
}

impl Script {
    /// A player that never leaves, and connects again a second after it lost its connection.
    pub fn tame(path: &str, format: Format) -> Self {
        Script {
            path: path.to_owned(),
            format,
            old: false,
            heartbeat_us: 0,
            stay_us: u64::MAX / 2,
            leave: HangUp::Fin,
            pause_us: 1_000_000,
            dials_max: u32::MAX,
        }
    }

    /// Any player: it may leave and come back.
    pub fn wild(rng: &mut Rng, path: &str, format: Format) -> Self {
        Script {
            old: rng.one_in(5) && format != Format::WsFlv,
            heartbeat_us: rng.pick(&[0, 0, 1_000_000]),
            stay_us: rng.pick(&[100_000, 2_000_000, 20_000_000, u64::MAX / 2]),
            leave: rng.pick(&[HangUp::Fin, HangUp::Reset]),
            pause_us: rng.pick(&[0, 1_000_000, 10_000_000]),
            dials_max: u32::try_from(rng.between(1, 8)).expect("small"),
            ..Script::tame(path, format)
        }
    }
}
