//! The part that all RTMP clients share: handshake, chunks, acknowledgements, pings, commands.
//!
//! ```text
//! C0 C1 ──▶   ◀── S0 S1 S2   C2 ──▶   then messages in both directions
//! ```
//!
//! In: the server's bytes. Out: its messages, and automatic answers.

use super::PeerCx;
use super::chunks::{ChunkWriter, Habits};
use conformance::reader::Wrong;
use conformance::reader::amf::Amf;
use conformance::reader::chunk::{ChunkReader, HANDSHAKE_BYTES};
use conformance::reader::rtmp::{Message, kind};
use conformance::rng::Rng;

/// The client side of one RTMP connection.
#[derive(Clone, Debug)]
pub struct RtmpClient {
    reader: ChunkReader,
    /// For peers that write messages of their own.
    pub writer: ChunkWriter,
    /// S0 and S1, which C2 answers.
    greeting: Vec<u8>,
    shaken: bool,
    received: u64,
    acknowledged: u64,
    window: u64,
    transaction: f64,
}

/// What the server said, as far as the client has to think about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The handshake is done: commands may follow.
    Shaken,
    /// A command, and its values from the name on.
    Command(Vec<Amf>),
    /// Pictures, sound or data.
    Media(Message),
    /// `StreamBegin`, `StreamEOF` and their kin.
    Event(u16),
}

impl RtmpClient {
    /// Nothing said yet.
    pub fn new(habits: Habits) -> Self {
        RtmpClient {
            reader: ChunkReader::with_handshake(),
            writer: ChunkWriter::new(habits),
            greeting: Vec::new(),
            shaken: false,
            received: 0,
            acknowledged: 0,
            window: 2_500_000,
            transaction: 0.0,
        }
    }

    /// Says C0 and C1.
    pub fn hello(&self, cx: &mut PeerCx<'_>) {
        cx.out.extend(hello(cx.rng));
    }

    /// Takes what came.
    ///
    /// # Errors
    /// If it is no RTMP, which is the server's fault.
    pub fn push(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) -> Result<Vec<Heard>, Wrong> {
        self.received += bytes.len() as u64;
        let mut heard = Vec::new();
        let missing = GREETING_BYTES - self.greeting.len();
        self.greeting.extend(&bytes[..missing.min(bytes.len())]);
        if missing > 0 && self.greeting.len() == GREETING_BYTES {
            if self.greeting[0] != 3 {
                return Err(Wrong(format!("S0 is {}", self.greeting[0])));
            }
            cx.out.extend(&self.greeting[1..]);
        }
        let messages = self.reader.push(bytes)?;
        if !self.shaken && self.reader.handshake_left() == 0 {
            self.shaken = true;
            heard.push(Heard::Shaken);
        }
        for message in messages {
            heard.extend(self.hear(cx, message)?);
        }
        if self.received - self.acknowledged > self.window / 2 {
            self.acknowledged = self.received;
            self.writer.write(&[Message::acknowledgement(self.received)], &mut cx.out);
        }
        Ok(heard)
    }

    fn hear(&mut self, cx: &mut PeerCx<'_>, message: Message) -> Result<Option<Heard>, Wrong> {
        match message.kind {
            kind::WINDOW_SIZE => self.window = u64::from(field(&message.body)?),
            kind::USER_CONTROL => {
                let event = message.body.first_chunk().map(|code| u16::from_be_bytes(*code));
                let event = event.ok_or_else(|| Wrong::new("an event without a code"))?;
                if event == PING {
                    let mut body = message.body;
                    body[1] = PONG;
                    let pong = Message { kind: kind::USER_CONTROL, stream: 0, timestamp: 0, body };
                    self.writer.write(&[pong], &mut cx.out);
                }
                return Ok(Some(Heard::Event(event)));
            }
            kind::COMMAND => return Ok(Some(Heard::Command(Amf::try_read_all(&message.body)?))),
            8 | 9 | 18 => return Ok(Some(Heard::Media(message))),
            _ => {}
        }
        Ok(None)
    }

    /// Asks a command on message stream `stream` with what follows its transaction number.
    pub fn ask(&mut self, cx: &mut PeerCx<'_>, stream: u32, name: &str, values: &[Amf]) {
        self.transaction += 1.0;
        let head = [Amf::text(name), Amf::Number(self.transaction)];
        self.say(cx, Message::command(stream, &[&head[..], values].concat()));
    }

    /// Says a message.
    pub fn say(&mut self, cx: &mut PeerCx<'_>, message: Message) {
        self.writer.write(&[message], &mut cx.out);
    }

    /// `connect` to `app`.
    pub fn connect(&mut self, cx: &mut PeerCx<'_>, app: &str) {
        let object = [
            ("app", Amf::text(app)),
            ("flashVer", Amf::text("FMLE/3.0 (compatible; sim)")),
            ("tcUrl", Amf::String(format!("rtmp://192.0.2.1/{app}"))),
        ];
        let object = object.map(|(name, value)| (name.to_owned(), value)).to_vec();
        self.ask(cx, 0, "connect", &[Amf::Object(object)]);
    }
}

/// The code of an `onStatus`, or "" if these values are none.
pub fn status(values: &[Amf]) -> &str {
    let named = values.first().and_then(Amf::as_str) == Some("onStatus");
    let info = values.get(3).filter(|_| named);
    info.and_then(|info| info.member("code")).and_then(Amf::as_str).unwrap_or_default()
}

/// C0 and C1 of the simple handshake.
pub fn hello(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.extend([0; 8]);
    bytes.extend(rng.bytes(1528));
    bytes
}

fn field(body: &[u8]) -> Result<u32, Wrong> {
    let field = body.first_chunk().ok_or_else(|| Wrong::new("a control message that is too short"))?;
    Ok(u32::from_be_bytes(*field))
}

/// S0 and S1.
const GREETING_BYTES: usize = 1 + 1536;
/// The event that wants to be answered.
const PING: u16 = 6;
/// Its answer.
const PONG: u8 = 7;

const _: () = assert!(GREETING_BYTES < HANDSHAKE_BYTES);
