//! A live stream over HTTP: FLV, MPEG-TS, AAC and MP3 without end.
//!
//! ```text
//! GET ──▶ asked ──Live──▶ playing ──Ended──▶ closing
//!           │               ▲
//!           └──Waiting──────┘ Began
//! ```
//!
//! The session writes the response's head and nothing else: what follows are the stream's bytes as
//! rendered for all players of the format, which the server lets follow the session's own. The head is
//! held back until the stream is live, so that a stream that never comes is a 404. There is no length and
//! no chunking, and the end of the connection is the end of the stream, which HTTP/1.0 clients and old
//! players understand as well.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::session::Cx;
use crate::session::ask::Ask;
use crate::session::http::response::Exchange;
use crate::wire::format::Format;
use crate::wire::http1::{ResponseHead, Status};

/// A player, from its head on.
#[derive(Debug)]
pub struct Live {
    /// Bytes that it sent although there is nothing to say.
    input_bytes: usize,
}

impl Live {
    /// Writes the head; frames follow.
    pub fn begin(cx: &mut Cx<'_>, format: Format) -> Live {
        let exchange = Exchange { keep_alive: false, ..Exchange::last() };
        let head = head(cx, &exchange, format).finish();
        cx.out.write(&head);
        Live { input_bytes: 0 }
    }

    /// Drops what the player sends. Some clients pipeline a request that can never be answered; none has
    /// a reason to send much.
    pub fn receive(&mut self, inbox: &mut Inbox) -> Result<(), Reason> {
        self.input_bytes += inbox.len();
        inbox.consume(inbox.len());
        if self.input_bytes > INPUT_BYTES_MAX {
            return Err(Reason::Protocol("a player sends instead of listening".to_owned()));
        }
        Ok(())
    }

    /// The stream ended: so does the response, and with it the connection.
    pub fn ended(&mut self, cx: &mut Cx<'_>) {
        cx.ask(Ask::Bye(Reason::StreamEnded));
    }
}

/// Answers HEAD: what GET would answer if the stream is live. Nobody becomes a player by it.
pub fn answer_head(cx: &mut Cx<'_>, exchange: &Exchange, format: Format) {
    let head = head(cx, exchange, format).finish();
    cx.out.write(&head);
}

/// What a client that plays `format` is called in the API.
pub fn role(format: Format) -> &'static str {
    match format {
        Format::Rtmp { .. } => "rtmp-play",
        Format::Flv => "flv-play",
        Format::WsFlv => "ws-flv-play",
        Format::Ts => "ts-play",
        Format::Aac => "aac-play",
        Format::Mp3 => "mp3-play",
    }
}

fn head(cx: &Cx<'_>, exchange: &Exchange, format: Format) -> ResponseHead {
    exchange
        .head(cx, Status::OK)
        .header("Content-Type", content_type(format))
        .header("Cache-Control", "no-store")
        // Tells nginx not to collect the stream before it passes it on.
        .header("X-Accel-Buffering", "no")
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Flv => "video/x-flv",
        Format::Ts => "video/mp2t",
        Format::Aac => "audio/aac",
        Format::Mp3 => "audio/mpeg",
        Format::Rtmp { .. } | Format::WsFlv => "application/octet-stream",
    }
}

/// Most bytes that a player may send after its request.
const INPUT_BYTES_MAX: usize = 64 << 10;
