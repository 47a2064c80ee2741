//! An RTMP client: publishes or plays one stream.
//!
//! ```text
//! hello       C0 C1                                        after connecting
//! Handshake   S0 S1 S2            -> C2, connect
//! Connecting  _result             -> createStream
//! Creating    _result(stream)     -> publish | play
//! Starting    onStatus(…Start)    -> (publish) chunk size, metadata, decoder configurations
//! Running     frames
//! ```
//!
//! Step by step, as real clients do it, so that the time to the first frame means something.

use crate::amf::{self, Value};
use crate::chunk::{self, CHUNK_SIZE_DEFAULT, Incoming, Outgoing, Reader};
use crate::fault::Fault;
use crate::flv::tag_type;
use crate::source::{AUDIO_CONFIG, Frame, VIDEO_CONFIG};
use crate::stamp::{Kind, Seen, filler};

/// Payload bytes per chunk of a publisher, as FFmpeg and many encoders set it.
const PUBLISH_CHUNK_SIZE: usize = 60_000;

/// Length of C1, C2, S1 and S2.
const HANDSHAKE_LEN: usize = 1536;

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To send a stream.
    Publish,
    /// To receive one.
    Play,
    /// Neither: to be connected.
    Idle,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    role: Role,
    /// `host:port`, for the tcUrl.
    host: String,
    app: String,
    name: String,
    phase: Phase,
    reader: Reader,
    /// The message stream that the server created.
    msid: u32,
    received: u32,
    acknowledged: u32,
    /// Acknowledge after so many bytes; 0 until the server asks for it.
    window: u32,
}

#[derive(Debug)]
enum Phase {
    Handshake(Vec<u8>),
    Connecting,
    Creating,
    Starting,
    Running,
    /// Known to the server, and without a wish.
    Idle,
}

impl Client {
    /// A client for `app/name` on `host` (`host:port`).
    pub fn new(role: Role, host: &str, app: &str, name: &str) -> Self {
        Client {
            role,
            host: host.to_owned(),
            app: app.to_owned(),
            name: name.to_owned(),
            phase: Phase::Handshake(Vec::new()),
            reader: Reader::default(),
            msid: 0,
            received: 0,
            acknowledged: 0,
            window: 0,
        }
    }

    /// True once the server has said that publishing or playing starts.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// True once it has asked to publish or play.
    pub fn has_asked(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
    }

    /// True if the server knows it, and it waits for nothing.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// The first words.
    pub fn hello(&mut self, out: &mut Vec<u8>) {
        out.push(3);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(filler(0, 0, HANDSHAKE_LEN - 8));
    }

    /// Takes what the server sent, answers into `out`, tells of frames.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        seen: &mut dyn FnMut(Seen),
    ) -> Result<(), Fault> {
        if let Phase::Handshake(got) = &mut self.phase {
            let (taken, rest) = bytes.split_at(bytes.len().min(1 + 2 * HANDSHAKE_LEN - got.len()));
            got.extend_from_slice(taken);
            bytes = rest;
            if got.len() < 1 + 2 * HANDSHAKE_LEN {
                return Ok(());
            }
            out.extend_from_slice(&got[1..=HANDSHAKE_LEN]);
            self.phase = Phase::Connecting;
            self.write_connect(out);
        }
        self.received = self.received.wrapping_add(u32::try_from(bytes.len()).expect("reads are short"));
        let mut reader = std::mem::take(&mut self.reader);
        let result = reader.receive(bytes, &mut |incoming| match incoming {
            Incoming::Media(frame) => {
                seen(frame);
                Ok(())
            }
            Incoming::Kept(kind, payload) => self.control(kind, &payload, out),
        });
        self.reader = reader;
        self.acknowledge(out);
        result
    }

    /// Writes a frame of the stream that is being published.
    pub fn write_frame(&self, frame: Frame<'_>, out: &mut Vec<u8>) {
        self.write_media(frame.kind, frame.timestamp, frame.body, out);
    }

    fn write_media(&self, kind: Kind, timestamp: u32, payload: &[u8], out: &mut Vec<u8>) {
        let csid = match kind {
            Kind::Audio => 4,
            Kind::Video => 6,
        };
        let kind = tag_type(kind);
        chunk::write(out, PUBLISH_CHUNK_SIZE, Outgoing { csid, kind, msid: self.msid, timestamp, payload });
    }

    fn control(&mut self, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let word = |at: usize| payload.get(at..at + 4).map_or([0; 4], |b| b.try_into().expect("four bytes"));
        match kind {
            // Window Acknowledgement Size
            5 => self.window = u32::from_be_bytes(word(0)),
            // PingRequest is answered by PingResponse.
            4 if payload.starts_with(&[0, 6]) => {
                let [a, b, c, d] = word(2);
                write_control(out, 4, &[0, 7, a, b, c, d]);
            }
            20 => self.command(payload, out)?,
            _ => {}
        }
        Ok(())
    }

    fn command(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some((name, id)) = amf::command(payload) else { return Err(Fault::new("an unreadable command")) };
        let code = amf::status_code(payload).unwrap_or_default();
        match (name, &self.phase) {
            ("_result", Phase::Connecting) if id == 1.0 && self.role == Role::Idle => {
                self.phase = Phase::Idle;
            }
            ("_result", Phase::Connecting) if id == 1.0 => {
                self.write_create(out);
                self.phase = Phase::Creating;
            }
            ("_result", Phase::Creating) if id == 4.0 => {
                self.msid = amf::last_number(payload).map_or(1, |number| number as u32);
                self.write_start(out);
                self.phase = Phase::Starting;
            }
            ("onStatus", Phase::Starting) if code.ends_with(".Start") => {
                self.phase = Phase::Running;
                if self.role == Role::Publish {
                    self.write_headers(out);
                }
            }
            // releaseStream and FCPublish may be answered by an error, which does not matter.
            ("_error", _) if id == 2.0 || id == 3.0 => {}
            ("_error", _) => return Err(Fault(format!("refused: {code}"))),
            ("onStatus", _) if is_refusal(code) => return Err(Fault(format!("refused: {code}"))),
            _ => {}
        }
        Ok(())
    }

    fn write_connect(&self, out: &mut Vec<u8>) {
        let mut payload = command("connect", 1.0);
        let url = format!("rtmp://{}/{}", self.host, self.app);
        let flash_version = match self.role {
            Role::Publish => "FMLE/3.0 (compatible; load)",
            Role::Play | Role::Idle => "LNX 9,0,124,2",
        };
        let mut words = vec![
            ("app", Value::Text(&self.app)),
            ("flashVer", Value::Text(flash_version)),
            ("tcUrl", Value::Text(&url)),
            ("capabilities", Value::Number(239.0)),
            ("audioCodecs", Value::Number(3575.0)),
            ("videoCodecs", Value::Number(252.0)),
            ("videoFunction", Value::Number(1.0)),
        ];
        if self.role == Role::Publish {
            words.insert(1, ("type", Value::Text("nonprivate")));
        }
        amf::object(&mut payload, &words);
        write_command(out, 0, &payload);
    }

    fn write_create(&self, out: &mut Vec<u8>) {
        if self.role == Role::Publish {
            for (name, id) in [("releaseStream", 2.0), ("FCPublish", 3.0)] {
                let mut payload = command(name, id);
                amf::null(&mut payload);
                amf::string(&mut payload, &self.name);
                write_command(out, 0, &payload);
            }
        }
        let mut payload = command("createStream", 4.0);
        amf::null(&mut payload);
        write_command(out, 0, &payload);
    }

    fn write_start(&self, out: &mut Vec<u8>) {
        let (name, id) = match self.role {
            Role::Publish => ("publish", 5.0),
            Role::Play | Role::Idle => ("play", 0.0),
        };
        let mut payload = command(name, id);
        amf::null(&mut payload);
        amf::string(&mut payload, &self.name);
        match self.role {
            Role::Publish => amf::string(&mut payload, "live"),
            Role::Play | Role::Idle => amf::number(&mut payload, -2000.0),
        }
        write_command(out, self.msid, &payload);
        if self.role == Role::Play {
            // SetBufferLength: 100 ms on this stream.
            let [a, b, c, d] = self.msid.to_be_bytes();
            write_control(out, 4, &[0, 3, a, b, c, d, 0, 0, 0, 100]);
        }
    }

    fn write_headers(&self, out: &mut Vec<u8>) {
        let size = u32::try_from(PUBLISH_CHUNK_SIZE).expect("a small number");
        write_control(out, 1, &size.to_be_bytes());
        let mut payload = Vec::new();
        amf::string(&mut payload, "@setDataFrame");
        amf::string(&mut payload, "onMetaData");
        let words = [
            ("width", Value::Number(640.0)),
            ("height", Value::Number(360.0)),
            ("framerate", Value::Number(25.0)),
            ("videocodecid", Value::Number(7.0)),
            ("audiocodecid", Value::Number(10.0)),
            ("audiosamplerate", Value::Number(44_100.0)),
        ];
        amf::object(&mut payload, &words);
        let message = Outgoing { csid: 4, kind: 18, msid: self.msid, timestamp: 0, payload: &payload };
        chunk::write(out, PUBLISH_CHUNK_SIZE, message);
        self.write_media(Kind::Video, 0, VIDEO_CONFIG, out);
        self.write_media(Kind::Audio, 0, AUDIO_CONFIG, out);
    }

    fn acknowledge(&mut self, out: &mut Vec<u8>) {
        if self.window > 0 && self.received.wrapping_sub(self.acknowledged) >= self.window {
            self.acknowledged = self.received;
            write_control(out, 3, &self.received.to_be_bytes());
        }
    }
}

/// True for the words by which servers say that nothing will come, or no more.
fn is_refusal(code: &str) -> bool {
    [".Failed", ".BadName", ".StreamNotFound", ".Rejected", ".Denied", "Play.Stop", "UnpublishNotify"]
        .iter()
        .any(|end| code.ends_with(end))
}

fn command(name: &str, id: f64) -> Vec<u8> {
    let mut payload = Vec::new();
    amf::string(&mut payload, name);
    amf::number(&mut payload, id);
    payload
}

// Commands leave before the chunk size is changed; control messages are shorter than any chunk.
fn write_command(out: &mut Vec<u8>, msid: u32, payload: &[u8]) {
    chunk::write(out, CHUNK_SIZE_DEFAULT, Outgoing { csid: 3, kind: 20, msid, timestamp: 0, payload });
}

fn write_control(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    chunk::write(out, CHUNK_SIZE_DEFAULT, Outgoing { csid: 2, kind, msid: 0, timestamp: 0, payload });
}
