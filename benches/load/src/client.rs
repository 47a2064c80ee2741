//! One client of any protocol: bytes in, bytes out, frames seen. Knows no socket.

use crate::fault::Fault;
use crate::rtmp::Role;
use crate::source::{AUDIO_CONFIG, Frame, VIDEO_CONFIG};
use crate::stamp::{Kind, Seen};
use crate::{flv, http, rtmp};
use clap::ValueEnum;
use std::net::SocketAddr;

/// How players receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// RTMP.
    Rtmp,
    /// HTTP-FLV.
    Flv,
    /// FLV over a WebSocket.
    Ws,
    /// MPEG-TS over HTTP, of which the bytes are taken and nothing is read: for measurements without players.
    #[value(skip)]
    Ts,
    /// FLV without any protocol around it, spoken by the bare loop only (see [`crate::bare`]).
    Bare,
}

impl Protocol {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Rtmp => "rtmp",
            Protocol::Flv => "flv",
            Protocol::Ws => "ws",
            Protocol::Ts => "ts",
            Protocol::Bare => "bare",
        }
    }
}

/// Where a client connects, and what for.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it speaks.
    pub protocol: Protocol,
    /// To whom.
    pub addr: SocketAddr,
    /// Application, the first part of the path.
    pub app: String,
    /// Names of streams begin so; their number follows.
    pub name: String,
}

/// One client.
#[derive(Debug)]
pub enum Client {
    /// RTMP, publisher or player.
    Rtmp(Box<rtmp::Client>),
    /// HTTP or WebSocket, a player.
    Http(Box<http::Client>),
    /// Bare loop, a player.
    BarePlay(u16, flv::Reader),
    /// Bare loop, a publisher; holds the length of the last tag.
    BarePublish(u16, usize),
    /// HTTP: one request, then the connection is kept open; true with the answer.
    HttpIdle(String, bool),
}

impl Client {
    /// A client for stream number `stream`. HTTP-FLV only plays.
    pub fn new(target: &Target, role: Role, stream: u16) -> Self {
        let host = target.addr.to_string();
        let (app, name) = (&target.app, format!("{}{stream}", target.name));
        match (target.protocol, role) {
            (Protocol::Rtmp, role) => Client::Rtmp(Box::new(rtmp::Client::new(role, &host, app, &name))),
            (Protocol::Flv | Protocol::Ws | Protocol::Ts, Role::Idle) => Client::HttpIdle(host, false),
            (Protocol::Flv, _) => Client::http(http::Client::new(&host, &format!("/{app}/{name}.flv"))),
            (Protocol::Ts, _) => Client::http(http::Client::new(&host, &format!("/{app}/{name}.ts"))),
            (Protocol::Ws, _) => Client::http(http::Client::websocket(&host, &format!("/{app}/{name}.flv"))),
            (Protocol::Bare, Role::Play | Role::Idle) => Client::BarePlay(stream, flv::Reader::default()),
            (Protocol::Bare, Role::Publish) => Client::BarePublish(stream, 0),
        }
    }

    fn http(client: http::Client) -> Self {
        Client::Http(Box::new(client))
    }

    /// The first words, once connected.
    pub fn hello(&mut self, out: &mut Vec<u8>) {
        match self {
            Client::Rtmp(client) => client.hello(out),
            Client::Http(client) => client.hello(out),
            Client::HttpIdle(host, _) => {
                let head = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load\r\n\r\n");
                out.extend_from_slice(head.as_bytes());
            }
            Client::BarePlay(stream, _) => {
                out.push(b'G');
                out.extend_from_slice(&stream.to_be_bytes());
            }
            Client::BarePublish(stream, last) => {
                out.push(b'P');
                out.extend_from_slice(&stream.to_be_bytes());
                *last = flv::write_tag(out, *last, Kind::Video, 0, VIDEO_CONFIG);
                *last = flv::write_tag(out, *last, Kind::Audio, 0, AUDIO_CONFIG);
            }
        }
    }

    /// Takes what the server sent, answers into `out`, tells of frames.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        seen: &mut dyn FnMut(Seen),
    ) -> Result<(), Fault> {
        match self {
            Client::Rtmp(client) => client.receive(bytes, out, seen),
            Client::Http(client) => client.receive(bytes, seen),
            Client::BarePlay(_, reader) => reader.receive(bytes, seen),
            Client::BarePublish(..) => Ok(()),
            Client::HttpIdle(_, answered) => {
                *answered = true;
                Ok(())
            }
        }
    }

    /// True once it has asked for its stream.
    pub fn has_asked(&self) -> bool {
        match self {
            Client::Rtmp(client) => client.has_asked(),
            // They ask with their first words.
            Client::Http(_) | Client::BarePlay(..) | Client::BarePublish(..) | Client::HttpIdle(..) => true,
        }
    }

    /// True once the server has agreed: a publisher may write frames now.
    pub fn is_running(&self) -> bool {
        match self {
            Client::Rtmp(client) => client.is_running(),
            Client::Http(client) => client.is_running(),
            Client::BarePlay(..) | Client::BarePublish(..) => true,
            Client::HttpIdle(..) => false,
        }
    }

    /// True if the server has answered, and nothing more is wished.
    pub fn is_idle(&self) -> bool {
        match self {
            Client::Rtmp(client) => client.is_idle(),
            Client::HttpIdle(_, answered) => *answered,
            Client::Http(_) | Client::BarePlay(..) | Client::BarePublish(..) => false,
        }
    }

    /// Writes a frame of the stream that is being published.
    pub fn write_frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        match self {
            Client::Rtmp(client) => client.write_frame(frame, out),
            Client::BarePublish(_, last) => {
                *last = flv::write_tag(out, *last, frame.kind, frame.timestamp, frame.body);
            }
            Client::Http(_) | Client::BarePlay(..) | Client::HttpIdle(..) => {
                unreachable!("only publishers publish")
            }
        }
    }
}
