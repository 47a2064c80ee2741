//! Replays a capture to the server, with viewers: additional players of every format for each published
//! stream.
//!
//! In: entries and a header. Out: for each connection all bytes that it was sent, with times, and how it
//! ended. The server is driven by `dacapo::record`; its bytes are parsed by independent parsers.

pub mod fault;
pub mod frames;
pub mod hash;
pub mod judged;
pub mod leftovers;
pub mod message_lines;
pub mod transcript;
pub mod vary;
mod viewers;

pub use viewers::{FIRST_VIEWER, first_publish, published};

use crate::capture::Capture;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{ConnNo, Entry, Event, Header, Observer, Replay};
use dacapo::server::{End, Output, Server};
use std::collections::BTreeMap;
use std::time::Duration;
use viewers::Viewers;

/// Longer than any timeout of the server with its defaults: after this all connections are closed.
pub const REST: Duration = Duration::from_secs(200);

/// Whether viewers come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// The capture's own clients alone.
    Alone,
    /// A player of each format for everything that is published.
    Viewers,
}

/// What one connection said and was told.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What is spoken on it.
    pub service: Service,
    /// When it came.
    pub came: Instant,
    /// What its client said, in pieces.
    pub said: Vec<(Instant, Vec<u8>)>,
    /// What it was sent, in pieces.
    pub heard: Vec<(Instant, Vec<u8>)>,
    /// When the server closed it, if it did.
    pub closed: Option<Instant>,
    /// When it ended from outside, if it did first.
    pub left: Option<Instant>,
}

impl Talk {
    /// All that it was sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.heard.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Run {
    /// By connection.
    pub talks: BTreeMap<ConnNo, Talk>,
    /// The server at the end.
    pub replay: Replay,
    /// What viewers are there for, by name: `live/film`.
    pub streams: Vec<String>,
    /// The viewers.
    pub viewers: BTreeMap<ConnNo, String>,
}

impl Run {
    /// What was sent to the capture's own clients.
    pub fn own(&self) -> BTreeMap<ConnNo, Vec<u8>> {
        let own = self.talks.iter().filter(|(conn_no, _)| conn_no.0 < FIRST_VIEWER);
        own.map(|(conn_no, talk)| (*conn_no, talk.bytes())).collect()
    }

    /// Connections that the server still has.
    pub fn open(&self) -> Vec<ConnNo> {
        let open = self.talks.iter().filter(|(_, talk)| talk.closed.is_none() && talk.left.is_none());
        open.map(|(conn_no, _)| *conn_no).collect()
    }
}

/// Plays `entries` to a server born as `capture` says, lets `after` pass, and hears.
///
/// # Panics
/// If the capture's configuration is not one; captures are checked when they are loaded.
pub fn play(
    capture: &Capture,
    entries: &[Entry],
    company: Company,
    after: Duration,
    listener: &mut dyn Observer,
) -> Run {
    play_with(&capture.header(), entries, company, after, listener)
}

/// The same with a header at hand.
///
/// # Panics
/// If its configuration is not one.
pub fn play_with(
    header: &Header,
    entries: &[Entry],
    company: Company,
    after: Duration,
    listener: &mut dyn Observer,
) -> Run {
    let mut replay = Replay::new(header).expect("the header was checked when it was read");
    let services = header.config().expect("it was just used").listeners();
    let services = services.into_iter().map(|(_, service, _)| service).collect();
    let mut ear = Ear { talks: BTreeMap::new(), services, listener };
    let streams = published(entries);
    let mut viewers = Viewers::new(if company == Company::Viewers { &streams } else { &[] }, entries);
    let end = entries.last().map_or(header.start_at(), |entry| entry.at) + after;
    let mut rest = entries;
    while let Some(first) = rest.first() {
        viewers.pass(first.at, &mut replay, &mut ear);
        let now = rest.iter().take_while(|entry| entry.at == first.at).count();
        replay.run(rest[..now].iter().cloned(), &mut ear);
        rest = &rest[now..];
    }
    viewers.pass(end, &mut replay, &mut ear);
    replay.pass(end, &mut ear);
    Run { talks: ear.talks, replay, streams, viewers: viewers.names() }
}

/// Writes down what happens on each connection.
struct Ear<'a> {
    talks: BTreeMap<ConnNo, Talk>,
    /// By listener.
    services: Vec<Service>,
    listener: &'a mut dyn Observer,
}

impl Observer for Ear<'_> {
    fn happened(&mut self, at: Instant, event: &Event) {
        match event {
            Event::Accepted { listener, conn_no: Some(conn_no), .. } => {
                let service = self.services[usize::from(listener.0)];
                let talk = Talk { service, came: at, said: vec![], heard: vec![], closed: None, left: None };
                self.talks.insert(*conn_no, talk);
            }
            Event::Received { conn_no, bytes } => {
                if let Some(talk) = self.talks.get_mut(conn_no) {
                    talk.said.push((at, bytes.to_vec()));
                }
            }
            Event::Ended { conn_no, end: End::Eof | End::Broken(_) } => {
                if let Some(talk) = self.talks.get_mut(conn_no)
                    && talk.closed.is_none()
                {
                    talk.left = Some(at);
                }
            }
            _ => {}
        }
        self.listener.happened(at, event);
    }

    fn sent(&mut self, at: Instant, conn_no: ConnNo, bytes: &[u8]) {
        if let Some(talk) = self.talks.get_mut(&conn_no) {
            match talk.heard.last_mut() {
                Some((last, piece)) if *last == at => piece.extend_from_slice(bytes),
                _ => talk.heard.push((at, bytes.to_vec())),
            }
        }
        self.listener.sent(at, conn_no, bytes);
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        if let (Some(conn_no), Output::Close { .. }) = (conn_no, output)
            && let Some(talk) = self.talks.get_mut(&conn_no)
        {
            talk.closed = talk.closed.or(Some(at));
        }
        self.listener.requested(at, conn_no, output);
    }

    fn after_input(&mut self, at: Instant, server: &Server) {
        self.listener.after_input(at, server);
    }
}
