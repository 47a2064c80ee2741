//! The two directions of a connection after the handshake: messages in, replies out.
//!
//! Replies go to the connection's outbox, each as one message with a full header. Everything about streams
//! uses message stream 1, because the frames of a stream are rendered once for all players.

use crate::base::reason::Reason;
use crate::config::Config;
use crate::session::Cx;
use crate::wire::amf0::{self, Value};
use crate::wire::rtmp::chunk::{self, Limits, Reader, cid};
use crate::wire::rtmp::handshake;
use crate::wire::rtmp::message::{Command, Control, type_id};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};

/// The message stream that answers every `createStream`.
pub(super) const STREAM_ID: u32 = 1;

/// Reads the peer's messages and writes ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Link {
    /// Reassembles messages.
    pub reader: Reader,
    /// The chunk size that we announced; the stream's frames are rendered for it too.
    pub chunk_size: u32,
}

impl Link {
    /// The link of a peer before `connect`, with the smallest limits.
    pub fn new(config: &Config) -> Self {
        let reader =
            Reader::new(Trust::Unproven.limits(config), handshake::PEER_BYTES as u64, config.rtmp.ack_window);
        Link { reader, chunk_size: chunk::CHUNK_SIZE_DEFAULT }
    }

    /// Changes how much the peer may make the server hold.
    ///
    /// # Errors
    ///
    /// If it makes the server hold more than that already.
    pub fn trust(&mut self, config: &Config, trust: Trust) -> Result<(), Reason> {
        self.reader.set_limits(trust.limits(config)).map_err(protocol)
    }

    /// Announces the chunk size of everything that follows.
    pub fn announce_chunk_size(&mut self, cx: &mut Cx<'_>, chunk_size: u32) {
        self.control(cx, Control::SetChunkSize(chunk_size));
        self.chunk_size = chunk_size;
    }

    /// Sends a control message.
    pub fn control(&self, cx: &mut Cx<'_>, control: Control) {
        let mut payload = BytesMut::new();
        control.encode(&mut payload);
        self.send(cx, cid::CONTROL, control.type_id(), 0, &payload);
    }

    /// Sends a command: about the connection on stream 0, about a stream on [`STREAM_ID`].
    pub fn command(&self, cx: &mut Cx<'_>, stream_id: u32, command: &Command) {
        let mut payload = BytesMut::new();
        command.encode(&mut payload);
        let cid = if stream_id == 0 { cid::COMMAND } else { cid::STATUS };
        self.send(cx, cid, type_id::COMMAND, stream_id, &payload);
    }

    /// Answers a call with `value`. Calls with transaction 0 expect no answer.
    pub fn result(&self, cx: &mut Cx<'_>, call: &Command, value: Value) {
        if call.transaction != 0.0 {
            let name = "_result".to_owned();
            let transaction = call.transaction;
            self.command(cx, 0, &Command { name, transaction, object: Value::Null, args: vec![value] });
        }
    }

    /// Sends the status of a stream, or with stream 0 of the connection.
    pub fn status(&self, cx: &mut Cx<'_>, stream_id: u32, status: &Status<'_>) {
        let args = vec![status.info(cx)];
        self.command(cx, stream_id, &call("onStatus", args));
    }

    /// Sends data to a player: a name and values.
    pub fn data(&self, cx: &mut Cx<'_>, values: &[Value]) {
        let mut payload = BytesMut::new();
        amf0::encode_all(values, &mut payload);
        self.send(cx, cid::DATA, type_id::DATA, STREAM_ID, &payload);
    }

    fn send(&self, cx: &mut Cx<'_>, cid: u32, type_id: u8, stream_id: u32, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(chunk::message_len(self.chunk_size, cid, 0, payload.len()));
        chunk::write_message(&mut bytes, self.chunk_size, cid, 0, type_id, stream_id, payload);
        cx.out.write(&bytes);
    }
}

/// How much a peer may make the server hold in unfinished messages. The memory bound follows from it: each
/// connection `limits.unproven_bytes`, the publisher of each stream `limits.frame_bytes` more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust {
    /// Before `connect`. Half of the limit is left for unread and unsent bytes.
    Unproven,
    /// After `connect`: commands.
    Connected,
    /// While publishing: frames.
    Publisher,
}

impl Trust {
    fn limits(self, config: &Config) -> Limits {
        let unproven_bytes = config.limits.unproven_bytes;
        let frame_bytes = config.limits.frame_bytes;
        let (message_bytes_max, partial_bytes_max) = match self {
            Trust::Unproven => (unproven_bytes / 2, unproven_bytes / 2),
            Trust::Connected => (unproven_bytes, unproven_bytes),
            Trust::Publisher => (frame_bytes, frame_bytes + unproven_bytes),
        };
        Limits { chunk_size_max: config.rtmp.chunk_size_in_max, message_bytes_max, partial_bytes_max }
    }
}

/// A command of ours that expects no answer.
pub(super) fn call(name: &str, args: Vec<Value>) -> Command {
    Command { name: name.to_owned(), transaction: 0.0, object: Value::Null, args }
}

/// Status of a stream or connection (RTMP 1.0, section 7.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Status<'a> {
    /// `status` or `error`.
    level: &'static str,
    /// For programs: `NetStream.Publish.Start`.
    code: &'a str,
    /// For people.
    description: &'a str,
}

impl<'a> Status<'a> {
    /// A status that is no error.
    pub fn notice(code: &'a str, description: &'a str) -> Self {
        Status { level: "status", code, description }
    }

    /// An error.
    pub fn error(code: &'a str, description: &'a str) -> Self {
        Status { level: "error", code, description }
    }

    /// The information object of `onStatus`.
    pub fn info(&self, cx: &Cx<'_>) -> Value {
        Value::object([
            ("level", self.level.into()),
            ("code", self.code.into()),
            ("description", self.description.into()),
            ("clientid", cx.cid.as_str().into()),
        ])
    }
}

/// Ends a connection whose bytes break the protocol.
pub(super) fn protocol(error: impl ToString) -> Reason {
    Reason::Protocol(error.to_string())
}
