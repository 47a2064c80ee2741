//! What each peer said, in one piece: what a saved server had of it and what came later.
//!
//! In: a saved server, if there is one, and entries. Out: the same with pseudonyms, back in their places.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::rtmp::Beginning;
use crate::redact::saved::Saved;
use crate::redact::tree::{Group, Node, read};
use crate::redact::{Words, http, rtmp};
use bytes::Bytes;
use dacapo::base::id::ConnId;
use dacapo::config::{Config, Service};
use dacapo::record::{ConnNo, Entry, Event};
use dacapo::wire::rtmp::handshake::{PACKET_LEN, PEER_BYTES};
use std::collections::BTreeMap;

/// What one peer said.
#[derive(Debug)]
struct Transcript {
    language: Language,
    bytes: Vec<u8>,
    /// Lengths of what a saved server holds of it: unfinished messages, and what it has not looked at.
    held: Vec<(u32, usize)>,
    unread: usize,
}

#[derive(Debug)]
enum Language {
    Rtmp(Beginning),
    Http {
        api: bool,
        /// So many bytes in front are the rest of a request's content.
        content: usize,
    },
    /// Says nothing that matters.
    Mute,
}

/// What all peers said.
#[derive(Debug, Default)]
pub struct Transcripts {
    all: Vec<Transcript>,
    conns: BTreeMap<ConnId, usize>,
    numbers: BTreeMap<ConnNo, usize>,
}

impl Transcripts {
    /// Everything that is known of what they said.
    pub fn of(config: &Config, saved: Option<&Saved>, entries: &[Entry]) -> Self {
        let services: Vec<Service> = config.listeners().into_iter().map(|(_, service, _)| service).collect();
        let mut transcripts = Transcripts::default();
        for conn in saved.iter().flat_map(|saved| saved.conns()) {
            transcripts.conns.insert(id(conn), transcripts.all.len());
            transcripts.all.push(Transcript::within(conn));
        }
        for entry in entries {
            match &entry.event {
                Event::Accepted { listener, conn_no: Some(conn_no), .. } => {
                    if let Some(service) = services.get(usize::from(listener.0)) {
                        transcripts.numbers.insert(*conn_no, transcripts.all.len());
                        transcripts.all.push(Transcript::new(*service));
                    }
                }
                Event::Resumed { conn_no, conn } => {
                    if let Some(place) = transcripts.conns.get(conn) {
                        transcripts.numbers.entry(*conn_no).or_insert(*place);
                    }
                }
                Event::Received { conn_no, bytes } => {
                    if let Some(place) = transcripts.numbers.get(conn_no) {
                        transcripts.all[*place].bytes.extend_from_slice(bytes);
                    }
                }
                _ => {}
            }
        }
        transcripts
    }

    /// Replaces words where they are expected.
    pub fn replace(&mut self, pseudonyms: &mut Pseudonyms) {
        for Transcript { language, bytes, .. } in &mut self.all {
            match language {
                Language::Rtmp(begin) => rtmp::replace(pseudonyms, begin.clone(), bytes),
                Language::Http { api, content } => {
                    let content = (*content).min(bytes.len());
                    http::replace(pseudonyms, &mut bytes[content..], *api);
                }
                Language::Mute => {}
            }
        }
    }

    /// Replaces known words everywhere else. Says how often one is left.
    pub fn sweep(&mut self, words: &Words) -> u64 {
        let mut left = 0;
        for Transcript { language, bytes, .. } in &mut self.all {
            match language {
                Language::Rtmp(begin) => rtmp::sweep(&words.telling, begin.clone(), bytes),
                Language::Http { content, .. } => {
                    let content = (*content).min(bytes.len());
                    let (content, rest) = bytes.split_at_mut(content);
                    words.names.replace(content);
                    words.telling.replace(content);
                    http::sweep(&words.telling, &words.names, rest);
                }
                Language::Mute => {}
            }
            left += words.telling.count(bytes);
        }
        left
    }

    /// Gives a saved server what it had of them; the rest, by number.
    pub fn give_back(mut self, saved: Option<&mut Saved>) -> BTreeMap<ConnNo, Bytes> {
        if let Some(saved) = saved {
            saved.each_conn(|conn| {
                if let Some(place) = self.conns.get(&id(conn)) {
                    self.all[*place].give_back(conn);
                }
            });
        }
        let Transcripts { mut all, numbers, .. } = self;
        let mut said = |place: usize| Bytes::from(std::mem::take(&mut all[place].bytes));
        numbers.into_iter().map(|(conn_no, place)| (conn_no, said(place))).collect()
    }
}

impl Transcript {
    /// Nothing was said yet.
    fn new(service: Service) -> Self {
        let language = match service {
            Service::Rtmp => Language::Rtmp(Beginning::default()),
            Service::Http | Service::Api => Language::Http { api: service == Service::Api, content: 0 },
        };
        Transcript { language, bytes: Vec::new(), held: Vec::new(), unread: 0 }
    }

    /// As a saved connection has it.
    fn within(conn: &Group) -> Self {
        let session = conn.field("state").expect("a peer has a state");
        let mut bytes = Vec::new();
        let mut held = Vec::new();
        if let Some(reader) = session.find("RtmpSession").and_then(|_| session.find("Reader")) {
            for (chunk_stream, buffer) in buffers(reader) {
                held.push((chunk_stream, buffer.len()));
                bytes.extend_from_slice(buffer);
            }
        }
        let language = language(session, &held);
        let unread =
            conn.field("link").and_then(|link| link.find("Inbox")).and_then(|inbox| inbox.field("bytes"));
        let unread = unread.map(Node::octets).unwrap_or_default();
        bytes.extend_from_slice(unread);
        Transcript { language, bytes, held, unread: unread.len() }
    }

    fn give_back(&mut self, conn: &mut Group) {
        let mut bytes = Bytes::from(std::mem::take(&mut self.bytes));
        if let Some(reader) = conn.field_mut("state").and_then(|state| state.find_mut("Reader"))
            && !self.held.is_empty()
        {
            let mut held = self.held.iter();
            reader.field_mut("streams").expect("a reader has chunk streams").each(
                "ChunkStream",
                &mut |stream| {
                    let Node::Group(stream) = stream else { return };
                    let buffer = stream.field_mut("buffer").expect("a chunk stream has a buffer");
                    let (_, len) = held.next().expect("as many as were taken");
                    buffer.set_octets(&bytes.split_to(*len));
                },
            );
        }
        let inbox = conn.field_mut("link").and_then(|link| link.find_mut("Inbox"));
        if let Some(unread) = inbox.and_then(|inbox| inbox.field_mut("bytes")) {
            unread.set_octets(&bytes.split_to(self.unread));
        }
        self.bytes = bytes.to_vec();
    }
}

/// What a session understands next.
fn language(session: &Node, held: &[(u32, usize)]) -> Language {
    if let Some(rtmp) = session.find("RtmpSession") {
        let variant = rtmp.field("phase").and_then(|phase| phase.find("Phase")).map(|phase| phase.variant);
        return match variant {
            Some("Handshake") => {
                let echo = session.find("Handshake").is_some_and(|handshake| handshake.variant == "Echo");
                Language::Rtmp(Beginning::after(if echo { PACKET_LEN } else { PEER_BYTES }))
            }
            _ => match session.find("Reader") {
                Some(reader) => Language::Rtmp(Beginning::within(read(reader), held)),
                None => Language::Mute,
            },
        };
    }
    let is_web_socket = |name| session.find(name).is_some_and(|group| group.variant == "WebSocket");
    if is_web_socket("StreamBody") || is_web_socket("BodyTransport") {
        return Language::Mute;
    }
    let service = session.find("HttpSession").and_then(|http| http.field("service")).map(read);
    let content = session.find("Step").filter(|step| step.variant == "Content").and_then(|step| {
        let Some(Node::Bool(false)) = step.field("chunked") else { return None };
        step.field("left").map(read)
    });
    Language::Http { api: service == Some(Service::Api), content: content.unwrap_or(0) }
}

/// What has come of the messages of each chunk stream.
fn buffers(reader: &Group) -> impl Iterator<Item = (u32, &[u8])> {
    let streams = reader.field("streams").and_then(|streams| match streams {
        Node::Group(streams) => Some(&streams.parts),
        _ => None,
    });
    streams.into_iter().flatten().filter_map(|stream| stream.find("ChunkStream")).map(|stream| {
        let [cid, buffer] = ["cid", "buffer"].map(|key| stream.field(key).expect("a chunk stream has it"));
        (read(cid), buffer.octets())
    })
}

fn id(conn: &Group) -> ConnId {
    read(conn.field("id").expect("a connection has an id"))
}
