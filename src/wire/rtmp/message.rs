//! The content of RTMP messages (RTMP 1.0, sections 5.4 and 7).
//!
//! In: messages of the chunk layer. Out: protocol control, commands, and media payloads, which `wire::flv`
//! parses. The other way round for what a server sends.
//!
//! A message in AMF3 (types 15 and 17) is AMF0 after one byte, in which single values may switch to AMF3; no
//! client sends anything else.

pub use super::chunk::type_id;

use super::chunk::Message;
use crate::wire::amf_reader::AmfError;
use crate::wire::amf0::{self, Value};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The content of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Protocol control: about the connection or a message stream.
    Control(Control),
    /// A command: a call, or the answer to one.
    Command(Command),
    /// The body of an FLV tag; the tag's type is 8 (audio), 9 (video) or 18 (data).
    Media {
        /// Type of the tag.
        tag: u8,
        /// Body of the tag.
        body: Bytes,
    },
    /// FLV tags, for [`super::aggregate::Aggregate`].
    Aggregate,
    /// A type that a server does not use, such as shared objects.
    Other(u8),
}

/// Why the content of a message cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// A control message that is shorter than its fields.
    #[error("control message of type {0} is too short")]
    ShortControl(u8),
    /// A command whose values cannot be read.
    #[error("command: {0}")]
    Amf(#[from] AmfError),
    /// A command that does not begin with its name.
    #[error("command without a name")]
    NoName,
}

impl Content {
    /// Parses a message.
    ///
    /// # Errors
    ///
    /// If a control message is too short or a command malformed.
    pub fn parse(message: &Message) -> Result<Content, MessageError> {
        let payload = &message.payload;
        Ok(match message.type_id {
            type_id::SET_CHUNK_SIZE..=type_id::SET_PEER_BANDWIDTH => {
                Content::Control(Control::parse(message.type_id, payload)?)
            }
            type_id::COMMAND => Content::Command(Command::parse(payload)?),
            type_id::COMMAND_AMF3 => Content::Command(Command::parse(&without_amf3_mark(payload))?),
            tag @ (type_id::AUDIO | type_id::VIDEO | type_id::DATA) => {
                Content::Media { tag, body: payload.clone() }
            }
            type_id::DATA_AMF3 => Content::Media { tag: type_id::DATA, body: without_amf3_mark(payload) },
            type_id::AGGREGATE => Content::Aggregate,
            other => Content::Other(other),
        })
    }
}

/// Skips the byte before the values of an AMF3 message. It is 0, the marker of a number, with which neither a
/// command nor data can begin; some senders leave it out.
fn without_amf3_mark(payload: &Bytes) -> Bytes {
    match payload.first() {
        Some(0) => payload.slice(1..),
        _ => payload.clone(),
    }
}

/// Protocol control: about the connection or a message stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// New chunk size of the sender, in payload bytes (5.4.1).
    SetChunkSize(u32),
    /// The unfinished message of this chunk stream is abandoned (5.4.2).
    Abort(u32),
    /// Number of bytes received, modulo 2^32 (5.4.3).
    Acknowledgement(u32),
    /// The receiver should acknowledge at least every so many bytes (5.4.4).
    WindowAckSize(u32),
    /// The receiver may have this much unacknowledged (5.4.5).
    SetPeerBandwidth {
        /// Window in bytes.
        size: u32,
        /// 0 hard, 1 soft, 2 dynamic.
        limit: u8,
    },
    /// A user control message (7.1.7).
    Event(Event),
}

/// A user control message (7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The message stream can be used, or its playback begins.
    StreamBegin(u32),
    /// The playback of the message stream is over.
    StreamEof(u32),
    /// The message stream has nothing to play at the moment.
    StreamDry(u32),
    /// The client buffers the message stream.
    SetBufferLength {
        /// The message stream.
        stream_id: u32,
        /// Length of the buffer, in milliseconds.
        ms: u32,
    },
    /// The message stream is a recording.
    StreamIsRecorded(u32),
    /// The receiver should send the number back.
    PingRequest(u32),
    /// Answer to a ping, with its number.
    PingResponse(u32),
    /// Another event (SWF verification, buffer states), by its number, without its data.
    Other(u16),
}

impl Control {
    /// Parses a control message. Bytes after its fields are ignored.
    ///
    /// # Errors
    ///
    /// If it is shorter than its fields.
    pub fn parse(type_id: u8, payload: &[u8]) -> Result<Control, MessageError> {
        let short = MessageError::ShortControl(type_id);
        if type_id == type_id::USER_CONTROL {
            return Event::parse(payload).map(Control::Event).ok_or(short);
        }
        let Some((field, rest)) = payload.split_first_chunk() else { return Err(short) };
        let field = u32::from_be_bytes(*field);
        Ok(match type_id {
            type_id::SET_CHUNK_SIZE => Control::SetChunkSize(field),
            type_id::ABORT => Control::Abort(field),
            type_id::ACKNOWLEDGEMENT => Control::Acknowledgement(field),
            type_id::WINDOW_ACK_SIZE => Control::WindowAckSize(field),
            type_id::SET_PEER_BANDWIDTH => {
                Control::SetPeerBandwidth { size: field, limit: *rest.first().ok_or(short)? }
            }
            _ => return Err(short),
        })
    }

    /// Type of its message.
    pub fn type_id(self) -> u8 {
        match self {
            Control::SetChunkSize(_) => type_id::SET_CHUNK_SIZE,
            Control::Abort(_) => type_id::ABORT,
            Control::Acknowledgement(_) => type_id::ACKNOWLEDGEMENT,
            Control::WindowAckSize(_) => type_id::WINDOW_ACK_SIZE,
            Control::SetPeerBandwidth { .. } => type_id::SET_PEER_BANDWIDTH,
            Control::Event(_) => type_id::USER_CONTROL,
        }
    }

    /// Appends the payload of its message to `out`, at most ten bytes.
    pub fn encode(self, out: &mut impl BufMut) {
        match self {
            Control::SetChunkSize(field)
            | Control::Abort(field)
            | Control::Acknowledgement(field)
            | Control::WindowAckSize(field) => out.put_u32(field),
            Control::SetPeerBandwidth { size, limit } => {
                out.put_u32(size);
                out.put_u8(limit);
            }
            Control::Event(event) => event.encode(out),
        }
    }
}

impl Event {
    fn parse(mut payload: &[u8]) -> Option<Event> {
        let kind = payload.try_get_u16().ok()?;
        let mut field = || payload.try_get_u32().ok();
        Some(match kind {
            0 => Event::StreamBegin(field()?),
            1 => Event::StreamEof(field()?),
            2 => Event::StreamDry(field()?),
            3 => Event::SetBufferLength { stream_id: field()?, ms: field()? },
            4 => Event::StreamIsRecorded(field()?),
            6 => Event::PingRequest(field()?),
            7 => Event::PingResponse(field()?),
            other => Event::Other(other),
        })
    }

    fn encode(self, out: &mut impl BufMut) {
        let (kind, field) = match self {
            Event::StreamBegin(stream_id) => (0, stream_id),
            Event::StreamEof(stream_id) => (1, stream_id),
            Event::StreamDry(stream_id) => (2, stream_id),
            Event::SetBufferLength { stream_id, .. } => (3, stream_id),
            Event::StreamIsRecorded(stream_id) => (4, stream_id),
            Event::PingRequest(number) => (6, number),
            Event::PingResponse(number) => (7, number),
            Event::Other(kind) => return out.put_u16(kind),
        };
        out.put_u16(kind);
        out.put_u32(field);
        if let Event::SetBufferLength { ms, .. } = self {
            out.put_u32(ms);
        }
    }
}

/// A call, or the answer to one (section 7.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Name: `connect`, `publish`, `_result`, `onStatus`, ...
    pub name: String,
    /// Number of the call, which the answer repeats; 0: no answer is expected.
    pub transaction: f64,
    /// The command object; null for most commands.
    pub object: Value,
    /// The arguments.
    pub args: Vec<Value>,
}

impl Command {
    /// Parses the payload of a command message. A missing transaction counts as 0, a missing object as null.
    ///
    /// # Errors
    ///
    /// If it does not begin with a name, or a value is malformed.
    pub fn parse(payload: &[u8]) -> Result<Command, MessageError> {
        let mut values = amf0::decode_all(payload)?.into_iter();
        let name = values.next().as_ref().and_then(Value::as_str).ok_or(MessageError::NoName)?.to_owned();
        let transaction = values.next().as_ref().and_then(Value::as_number).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        Ok(Command { name, transaction, object, args: values.collect() })
    }

    /// Appends the payload of its message, in AMF0, to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        Value::from(self.name.as_str()).encode(out);
        Value::from(self.transaction).encode(out);
        self.object.encode(out);
        amf0::encode_all(&self.args, out);
    }

    /// The argument at `index`, if it is text.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.args.get(index).and_then(Value::as_str)
    }

    /// The argument at `index`, if it is a number.
    pub fn number(&self, index: usize) -> Option<f64> {
        self.args.get(index).and_then(Value::as_number)
    }

    /// The argument at `index`, if it is true or false.
    pub fn flag(&self, index: usize) -> Option<bool> {
        self.args.get(index).and_then(Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_create_stream_command_reads_as_the_wire_has_it() {
        let payload = b"\x02\x00\x0ccreateStream\x00\x40\x10\0\0\0\0\0\0\x05";
        let command =
            Command { name: "createStream".into(), transaction: 4.0, object: Value::Null, args: vec![] };
        assert_eq!(parse(20, payload), Ok(Content::Command(command.clone())));
        let mut out = BytesMut::new();
        command.encode(&mut out);
        assert_eq!(out, payload[..]);
    }

    #[test]
    fn a_command_in_amf3_is_one_in_amf0_behind_a_byte() {
        let payload = b"\x00\x02\x00\x07publish\x00\0\0\0\0\0\0\0\0\x05\x11\x06\x07cam\x02\x00\x04live";
        let Ok(Content::Command(command)) = parse(17, payload) else { panic!("a command") };
        assert_eq!(command.name, "publish");
        assert_eq!((command.text(0), command.text(1)), (Some("cam"), Some("live")));
        assert_eq!(parse(17, &payload[1..]), parse(17, payload));
    }

    #[test]
    fn data_in_amf3_is_data_in_amf0_behind_a_byte() {
        let body = Bytes::from_static(b"\x02\x00\x01x");
        assert_eq!(parse(15, b"\x00\x02\x00\x01x"), Ok(Content::Media { tag: 18, body }));
    }

    #[test]
    fn a_command_without_transaction_wants_no_answer() {
        let Ok(Content::Command(command)) = parse(20, b"\x02\x00\x01x") else { panic!("a command") };
        assert_eq!((command.transaction, command.object), (0.0, Value::Null));
    }

    #[test]
    fn a_command_begins_with_its_name() {
        assert_eq!(parse(20, b""), Err(MessageError::NoName));
        assert_eq!(parse(20, b"\x05"), Err(MessageError::NoName));
        assert_eq!(parse(20, b"\x02\x00\x05x"), Err(MessageError::Amf(AmfError::Truncated)));
    }

    #[test]
    fn control_messages_are_as_long_as_their_fields() {
        assert_eq!(parse(5, &[0, 0, 1]), Err(MessageError::ShortControl(5)));
        assert_eq!(parse(6, &[0, 0, 1, 0]), Err(MessageError::ShortControl(6)));
        assert_eq!(parse(4, &[0, 3, 0, 0, 0, 1, 0, 0]), Err(MessageError::ShortControl(4)));
        let event = Event::SetBufferLength { stream_id: 1, ms: 3000 };
        assert_eq!(
            parse(4, &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8]),
            Ok(Content::Control(Control::Event(event)))
        );
        assert_eq!(parse(4, &[0, 31, 0, 0]), Ok(Content::Control(Control::Event(Event::Other(31)))));
    }

    #[test]
    fn shared_objects_are_left_alone() {
        assert_eq!(parse(19, b"anything"), Ok(Content::Other(19)));
        assert_eq!(parse(0, b""), Ok(Content::Other(0)));
    }

    proptest! {
        #[test]
        fn every_control_message_comes_back(control in control()) {
            let mut payload = Vec::new();
            control.encode(&mut payload);
            prop_assert!(payload.len() <= 10);
            prop_assert_eq!(Control::parse(control.type_id(), &payload), Ok(control));
        }

        #[test]
        fn every_command_comes_back(name in ".{0,20}", transaction: u32, arg in ".{0,20}", flag: bool) {
            let object = Value::object([("key", arg.as_str().into())]);
            let args = vec![arg.as_str().into(), flag.into(), Value::Null];
            let command = Command { name, transaction: transaction.into(), object, args };
            let mut payload = BytesMut::new();
            command.encode(&mut payload);
            prop_assert_eq!(Command::parse(&payload), Ok(command));
        }

        #[test]
        fn no_payload_is_too_strange(type_id: u8, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(type_id, &payload);
        }
    }

    fn control() -> impl Strategy<Value = Control> {
        prop_oneof![
            any::<u32>().prop_map(Control::SetChunkSize),
            any::<u32>().prop_map(Control::Abort),
            any::<u32>().prop_map(Control::Acknowledgement),
            any::<u32>().prop_map(Control::WindowAckSize),
            any::<(u32, u8)>().prop_map(|(size, limit)| Control::SetPeerBandwidth { size, limit }),
            any::<u32>().prop_map(|id| Control::Event(Event::StreamBegin(id))),
            any::<u32>().prop_map(|id| Control::Event(Event::StreamEof(id))),
            any::<u32>().prop_map(|id| Control::Event(Event::StreamDry(id))),
            any::<(u32, u32)>()
                .prop_map(|(stream_id, ms)| Control::Event(Event::SetBufferLength { stream_id, ms })),
            any::<u32>().prop_map(|id| Control::Event(Event::StreamIsRecorded(id))),
            any::<u32>().prop_map(|number| Control::Event(Event::PingRequest(number))),
            any::<u32>().prop_map(|number| Control::Event(Event::PingResponse(number))),
            (8u16..).prop_map(|kind| Control::Event(Event::Other(kind))),
        ]
    }

    fn parse(type_id: u8, payload: &[u8]) -> Result<Content, MessageError> {
        let payload = Bytes::copy_from_slice(payload);
        Content::parse(&Message { timestamp: 0, type_id, stream_id: 0, payload })
    }
}
