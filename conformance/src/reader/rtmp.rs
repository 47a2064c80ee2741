//! A plain RTMP client (Adobe RTMP 1.0) with control of every byte, for tests that no real program can play.
//!
//! [`session`] encodes a valid publisher that does not wait for answers; [`Peer`] is an interactive client.

pub use super::chunk::{Message, kind};

use super::amf::Amf;
use super::chunk::ChunkReader;
use super::flv::{self, Tag};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// C0, C1 and C2 of the simple handshake; the server's S1 is not echoed, and no server minds.
pub fn handshake() -> Vec<u8> {
    let noise = (0..1528 * 2).map(|at: usize| u8::try_from(at * at % 251).expect("below 251"));
    let mut bytes = vec![3, 0, 0, 0, 0, 0, 0, 0, 0];
    for (at, byte) in noise.enumerate() {
        if at == 1528 {
            bytes.extend([0; 8]);
        }
        bytes.push(byte);
    }
    bytes
}

/// `connect` to `app`.
pub fn connect(app: &str) -> Message {
    let object = [
        ("app", Amf::text(app)),
        ("type", Amf::text("nonprivate")),
        ("flashVer", Amf::text("FMLE/3.0 (compatible; conformance)")),
        ("tcUrl", Amf::String(format!("rtmp://127.0.0.1/{app}"))),
    ];
    let object = object.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Message::command(0, &[Amf::text("connect"), Amf::Number(1.0), Amf::Object(object)])
}

/// `createStream`.
pub fn create_stream() -> Message {
    Message::command(0, &[Amf::text("createStream"), Amf::Number(2.0), Amf::Null])
}

/// `publish` of `stream`.
pub fn publish(stream: &str) -> Message {
    Message::command(
        1,
        &[Amf::text("publish"), Amf::Number(3.0), Amf::Null, Amf::text(stream), Amf::text("live")],
    )
}

/// `play` of `stream`.
pub fn play(stream: &str) -> Message {
    Message::command(1, &[Amf::text("play"), Amf::Number(3.0), Amf::Null, Amf::text(stream)])
}

/// All bytes of a publisher's good session, from the handshake to the last of `tags`.
pub fn session(app: &str, stream: &str, tags: &[Tag]) -> Vec<u8> {
    let mut bytes = handshake();
    for message in [connect(app), create_stream(), publish(stream)] {
        bytes.extend(message.chunks(128));
    }
    bytes.extend(Message::set_chunk_size(4096).chunks(128));
    bytes.extend(tags.iter().flat_map(|tag| Message::media(tag).chunks(4096)));
    bytes
}

/// A client that has shaken hands.
pub struct Peer {
    /// The connection, for tests that send other bytes.
    pub socket: TcpStream,
    reader: ChunkReader,
    /// Read from the socket and not yet asked for.
    messages: VecDeque<Message>,
    chunk_size_out: usize,
    received: u64,
    acknowledged: u64,
}

impl Peer {
    /// Connects and shakes hands.
    ///
    /// # Panics
    /// If the server does not do its part within ten seconds.
    #[track_caller]
    pub fn new(server: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(server).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        socket.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        socket.set_nodelay(true).expect("no delay");
        socket.write_all(&handshake()).expect("the server takes a handshake");
        let mut answer = vec![0; 1 + 1536 * 2];
        socket.read_exact(&mut answer).expect("the server answers a handshake");
        assert_eq!(answer[0], 3, "S0 says version 3");
        Peer {
            socket,
            reader: ChunkReader::new(),
            messages: VecDeque::new(),
            chunk_size_out: 128,
            received: 0,
            acknowledged: 0,
        }
    }

    /// Connects to `app` and opens message stream 1.
    ///
    /// # Panics
    /// If the server refuses.
    #[track_caller]
    pub fn connected(server: SocketAddr, app: &str) -> Self {
        let mut peer = Peer::new(server);
        peer.send(&connect(app));
        let connected = peer.answer();
        assert_eq!(connected[0], Amf::text("_result"), "the answer to connect: {connected:?}");
        peer.send(&create_stream());
        let created = peer.answer();
        assert_eq!((&created[0], &created[3]), (&Amf::text("_result"), &Amf::Number(1.0)), "{created:?}");
        peer.send(&Message::set_chunk_size(4096));
        peer.chunk_size_out = 4096;
        peer
    }

    /// Publishes; the server has agreed when this returns.
    ///
    /// # Panics
    /// If the server refuses.
    #[track_caller]
    pub fn publisher(server: SocketAddr, app: &str, stream: &str) -> Self {
        let mut peer = Peer::connected(server, app);
        peer.send(&publish(stream));
        assert_eq!(peer.status(), "NetStream.Publish.Start");
        peer
    }

    /// Asks to play; what the server says to that is still to be read.
    #[track_caller]
    pub fn player(server: SocketAddr, app: &str, stream: &str) -> Self {
        let mut peer = Peer::connected(server, app);
        peer.send(&play(stream));
        peer
    }

    /// Sends a message.
    ///
    /// # Panics
    /// If the connection is gone.
    #[track_caller]
    pub fn send(&mut self, message: &Message) {
        self.try_send(message).expect("the server takes a message");
    }

    /// Sends a message, if the connection still is.
    ///
    /// # Errors
    /// What the socket says.
    pub fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        self.socket.write_all(&message.chunks(self.chunk_size_out))
    }

    /// Sends `tags` as fast as they are taken.
    #[track_caller]
    pub fn send_tags<'a>(&mut self, tags: impl IntoIterator<Item = &'a Tag>) {
        for tag in tags {
            self.send(&Message::media(tag));
        }
    }

    /// The values of the next `_result` or `_error`.
    #[track_caller]
    pub fn answer(&mut self) -> Vec<Amf> {
        self.command(|name| name == "_result" || name == "_error")
    }

    /// The code of the next `onStatus`.
    #[track_caller]
    pub fn status(&mut self) -> String {
        let values = self.command(|name| name == "onStatus");
        let code = values.get(3).and_then(|info| info.member("code")).and_then(Amf::as_str);
        code.unwrap_or_else(|| panic!("onStatus has a code: {values:?}")).to_owned()
    }

    #[track_caller]
    fn command(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Amf> {
        while let Some(message) = self.receive() {
            if message.kind == kind::COMMAND {
                let values = message.values();
                if values.first().and_then(Amf::as_str).is_some_and(&wanted) {
                    return values;
                }
            }
        }
        panic!("the server closed instead of answering");
    }

    /// The next coded picture, sound, configuration or data; `None` when the server closed.
    #[track_caller]
    pub fn tag(&mut self) -> Option<Tag> {
        loop {
            let message = self.receive()?;
            if [flv::AUDIO, flv::VIDEO, flv::DATA].contains(&message.kind) {
                return Some(message.tag());
            }
        }
    }

    /// The next message of any kind; `None` when the server closed. Acknowledges as a good client does.
    ///
    /// # Panics
    /// If the server breaks the rules of chunking, or stops in the middle of a message.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Message> {
        while self.messages.is_empty() {
            let mut heap = [0; 16384];
            match self.socket.read(&mut heap) {
                Ok(0) => {
                    assert!(self.reader.is_between(), "the server closed in the middle of a message");
                    return None;
                }
                Ok(count) => {
                    self.received += count as u64;
                    self.messages.extend(self.reader.push(&heap[..count]).expect("well-formed chunks"));
                }
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("no message came: {e}"),
            }
            if self.received - self.acknowledged > 500_000 {
                self.acknowledged = self.received;
                let _ = self.try_send(&Message::acknowledgement(self.received));
            }
        }
        self.messages.pop_front()
    }
}
