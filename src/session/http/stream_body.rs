//! A live stream over HTTP: FLV, MPEG-TS, AAC and MP3 as endless responses, and FLV in WebSocket messages.
//!
//! ```text
//! GET ──▶ Asked ──Live──▶ Streaming ──Ended──▶ Closing
//!           │               ▲
//!           └──Waiting──────┘ Began
//! ```
//!
//! The session writes the head of the response and nothing else: the server sends the stream's bytes after
//! it, rendered once for all players of the format. The head is written when the stream is live, so that a
//! stream that never begins is a 404. HTTP/1.1 clients get chunks, so that they can tell the end of the
//! stream from a broken connection; for HTTP/1.0 clients the end of the connection is the end of the stream.
//! On a WebSocket the session also answers pings and sends a close frame.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::config::Service;
use crate::session::ask::Ask;
use crate::session::http::response::{Exchange, Reply};
use crate::session::{Cx, Progress};
use crate::wire::format::{Container, Format, Framing};
use crate::wire::http1::{self, Method, Request, ResponseHead, Status, Version};
use crate::wire::websocket::{self, Event, Reader, code};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};

/// How a player receives its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyTransport {
    /// As an endless response body.
    Body {
        /// Container of the body.
        container: Container,
        /// True for HTTP chunks.
        chunked: bool,
    },
    /// As binary messages on a WebSocket.
    WebSocket {
        /// Container of the messages.
        container: Container,
        /// `Sec-WebSocket-Accept` of the handshake.
        accept: String,
    },
}

impl BodyTransport {
    /// The transport that `request` asks for at a path of `container`. An upgrade to WebSocket is accepted
    /// where the container is offered so; all other upgrades are ignored (RFC 9110, 7.8).
    ///
    /// # Errors
    ///
    /// The refusal to send, if the WebSocket handshake breaks RFC 6455, 4.2.1.
    pub fn of(request: &Request, container: Container) -> Result<BodyTransport, Reply> {
        let offers = request.method == Method::Get && request.upgrades_to("websocket");
        if !offers || !container.has_web_socket() {
            // HTTP/1.0 has no chunks.
            return Ok(BodyTransport::Body { container, chunked: request.version == Version::Http11 });
        }
        if request.headers.get("sec-websocket-version") != Some("13") {
            return Err(Reply::sentence(Status::UPGRADE_REQUIRED, "only WebSocket version 13 is supported")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13"));
        }
        match request.headers.get("sec-websocket-key").and_then(websocket::accept_key) {
            Some(accept) => Ok(BodyTransport::WebSocket { container, accept }),
            None => Err(Reply::sentence(Status::BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64")),
        }
    }

    /// The format to play.
    pub fn format(&self) -> Format {
        match *self {
            BodyTransport::Body { container, chunked: true } => container.framed(Framing::HttpChunks),
            BodyTransport::Body { container, chunked: false } => container.bare(),
            BodyTransport::WebSocket { container, .. } => container.framed(Framing::WebSocket),
        }
    }

    /// Head of the response that carries the stream.
    pub fn head(&self, cx: &Cx<'_>, exchange: &Exchange) -> Vec<u8> {
        match self {
            BodyTransport::Body { container, chunked } => {
                let head = exchange
                    .head(cx, Status::OK)
                    .header("Content-Type", container.content_type())
                    .header("Cache-Control", "no-store")
                    // Tells nginx not to buffer the stream.
                    .header("X-Accel-Buffering", "no");
                match chunked {
                    true => head.header("Transfer-Encoding", "chunked").finish(),
                    false => head.finish(),
                }
            }
            BodyTransport::WebSocket { accept, .. } => {
                ResponseHead::new(Status::SWITCHING_PROTOCOLS, cx.epoch.unix_millis(cx.now) / 1000)
                    .header("Upgrade", "websocket")
                    .header("Connection", "Upgrade")
                    .header("Sec-WebSocket-Accept", accept)
                    .finish()
            }
        }
    }
}

/// A streaming response, from its head on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StreamBody {
    /// An endless response body.
    Body {
        /// Bytes that the client sent after its request.
        input_bytes: usize,
        /// Whether the body is in HTTP chunks and needs a last, empty one.
        chunked: bool,
    },
    /// An open WebSocket.
    WebSocket(Reader),
}

impl StreamBody {
    /// Writes the head; the stream's bytes follow.
    pub fn begin(cx: &mut Cx<'_>, transport: &BodyTransport) -> StreamBody {
        let head = transport.head(cx, &Exchange::last(Service::Http));
        cx.out.write(&head);
        match transport {
            BodyTransport::Body { chunked, .. } => StreamBody::Body { input_bytes: 0, chunked: *chunked },
            BodyTransport::WebSocket { .. } => StreamBody::WebSocket(Reader::new(MESSAGE_BYTES_MAX)),
        }
    }

    /// Handles one piece of input.
    ///
    /// # Errors
    ///
    /// If the client sends too much, breaks the WebSocket protocol or closes it.
    pub fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        match self {
            // Some clients pipeline a request that can never be answered; none has a reason to send much.
            StreamBody::Body { input_bytes, .. } => {
                *input_bytes += inbox.len();
                inbox.consume(inbox.len());
                if *input_bytes > INPUT_BYTES_MAX {
                    return Err(Reason::Protocol("a player sent data instead of reading".to_owned()));
                }
                Ok(Progress::Idle)
            }
            StreamBody::WebSocket(reader) => match reader.next(inbox) {
                Ok(Some(event)) => heard(cx, event).map(|()| Progress::More),
                Ok(None) => Ok(Progress::Idle),
                Err(error) => {
                    close(cx, error.close_code(), "");
                    Err(Reason::Protocol(error.to_string()))
                }
            },
        }
    }

    /// The stream has ended: ends the response and the connection.
    pub fn ended(&mut self, cx: &mut Cx<'_>) {
        match self {
            StreamBody::WebSocket(_) => close(cx, code::NORMAL, "the stream ended"),
            StreamBody::Body { chunked: true, .. } => cx.out.write(http1::LAST_CHUNK),
            StreamBody::Body { chunked: false, .. } => {}
        }
        cx.ask(Ask::Bye(Reason::StreamEnded));
    }

    /// Ends the body before the server ends the connection. A body is completed if the server ended it on
    /// purpose; without its last chunk a body counts as cut off.
    pub fn farewell(&mut self, cx: &mut Cx<'_>, reason: &Reason) {
        let code = match (&self, reason) {
            (StreamBody::Body { chunked: true, .. }, Reason::StreamEnded | Reason::Drained) => {
                return cx.out.write(http1::LAST_CHUNK);
            }
            (StreamBody::Body { .. }, _) => return,
            (_, Reason::StreamEnded) => code::NORMAL,
            (_, Reason::Kicked | Reason::Refused(_) | Reason::Limit(_) | Reason::Timeout(_)) => code::POLICY,
            (_, Reason::Protocol(_)) => code::PROTOCOL,
            _ => code::GOING_AWAY,
        };
        close(cx, code, "");
    }
}

/// Players need not send anything; some send text as a heartbeat.
fn heard(cx: &mut Cx<'_>, event: Event) -> Result<(), Reason> {
    match event {
        Event::Ping(payload) => {
            let mut pong = BytesMut::new();
            websocket::put_pong(&mut pong, &payload);
            cx.out.write(&pong);
            Ok(())
        }
        // The peer waits for a close frame in return before it closes the socket (RFC 6455, 5.5.1).
        Event::Close(code) => {
            close(cx, code, "");
            Err(Reason::PeerLeft)
        }
        Event::Text(_) | Event::Binary(_) | Event::Pong => Ok(()),
    }
}

fn close(cx: &mut Cx<'_>, code: u16, reason: &str) {
    let mut frame = BytesMut::new();
    websocket::put_close(&mut frame, code, reason);
    cx.out.write(&frame);
}

/// Most bytes that a client may send after its request where no protocol gives them a meaning.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Longest message that a player may send on a WebSocket, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
