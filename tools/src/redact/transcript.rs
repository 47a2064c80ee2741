//! What each peer sent, in one piece: what a saved server holds of it, and what comes later.
//!
//! In: a saved server, if there is one, and entries. Out: the same with pseudonyms, back in their places.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::rtmp::Beginning;
use crate::redact::saved::Saved;
use crate::redact::sweep::Words;
use crate::redact::word_search::WordSearch;
use crate::redact::{http, rtmp};
use crate::tree::{Group, Node};
use dacapo::base::id::ConnId;
use dacapo::base::secret::mark;
use dacapo::record::{ConnNo, Entry, Event};
use dacapo::session::Reads;
use dacapo::wire::http1::BodySkip;
use std::collections::BTreeMap;

/// What one peer sent.
#[derive(Debug)]
struct Transcript {
    language: Language,
    bytes: Vec<u8>,
    /// Lengths of what a saved server holds of it: the beginnings of messages, and what is unread.
    partial: Vec<usize>,
    unread: usize,
}

#[derive(Debug)]
enum Language {
    /// RTMP, from here on.
    Rtmp(Box<Beginning>),
    /// Requests, the first one behind the rest of a body.
    Http(Option<BodySkip>),
    /// WebSocket messages, in which no name stands.
    Messages,
    /// Nothing reads it.
    Ignored,
}

/// What all peers sent.
#[derive(Debug, Default)]
pub struct Transcripts {
    all: Vec<Transcript>,
    /// Of the connections of the saved server.
    conns: BTreeMap<ConnId, usize>,
    numbers: BTreeMap<ConnNo, usize>,
}

impl Transcripts {
    /// All that is known of what they sent.
    /// `reads`: how the session of a connection read when the connection got its number.
    pub fn of(reads: &BTreeMap<ConnNo, Reads>, saved: Option<&Saved>, entries: &[Entry]) -> Self {
        let mut transcripts = Transcripts::default();
        for (id, reads, connection) in saved.iter().flat_map(|saved| saved.connections()) {
            transcripts.conns.insert(id, transcripts.all.len());
            transcripts.all.push(Transcript::within(reads, connection));
        }
        for entry in entries {
            match &entry.event {
                Event::Accepted { conn_no: Some(conn_no), .. } => {
                    if let Some(reads) = reads.get(conn_no) {
                        transcripts.numbers.insert(*conn_no, transcripts.all.len());
                        transcripts.all.push(Transcript::new(reads));
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

    /// Replaces what stands where names, tokens and hosts are expected.
    pub fn replace(&mut self, pseudonyms: &mut Pseudonyms) {
        for Transcript { language, bytes, .. } in &mut self.all {
            match language {
                Language::Rtmp(begin) => {
                    rtmp::replace_handshake(pseudonyms, begin, bytes);
                    rtmp::replace(pseudonyms, begin, bytes);
                }
                Language::Http(body) => http::replace(pseudonyms, body.clone(), bytes),
                Language::Messages => {}
                Language::Ignored => bytes.fill(b'x'),
            }
        }
    }

    /// Replaces known words everywhere else. Returns how often one is left.
    pub fn sweep(&mut self, words: &Words) -> u64 {
        let mut left = 0;
        for Transcript { language, bytes, .. } in &mut self.all {
            match language {
                Language::Rtmp(begin) => rtmp::sweep(&words.telling, begin, bytes),
                Language::Http(body) => http::sweep(words, body.clone(), bytes),
                Language::Messages | Language::Ignored => {}
            }
            left += words.telling.count(bytes);
        }
        left
    }

    /// Replaces ids in requests. Returns whether there was one.
    pub fn replace_ids(&mut self, ids: &WordSearch) -> bool {
        let mut found = false;
        for Transcript { language, bytes, .. } in &mut self.all {
            if matches!(language, Language::Http(_)) && ids.count(bytes) > 0 {
                ids.replace(bytes);
                found = true;
            }
        }
        found
    }

    /// Puts what a saved server holds of its peers back into its connections.
    pub fn give_back(&self, saved: &mut Saved) {
        saved.each_connection(|id, connection| {
            if let Some(place) = self.conns.get(&id) {
                self.all[*place].give_back(connection);
            }
        });
    }

    /// The entries with what was received since. What came for a connection that never was is left out: a
    /// replay passes it over.
    pub fn entries(&self, entries: &[Entry]) -> Vec<Entry> {
        let mut ahead: BTreeMap<ConnNo, &[u8]> = BTreeMap::new();
        for (conn_no, place) in &self.numbers {
            let Transcript { bytes, partial, unread, .. } = &self.all[*place];
            let held = partial.iter().sum::<usize>() + unread;
            ahead.insert(*conn_no, bytes.get(held..).unwrap_or_default());
        }
        let one = |entry: &Entry| match &entry.event {
            Event::Received { conn_no, bytes } => {
                let ahead = ahead.get_mut(conn_no)?;
                let (bytes, rest) = ahead.split_at(bytes.len().min(ahead.len()));
                *ahead = rest;
                let event = Event::Received { conn_no: *conn_no, bytes: bytes.to_vec().into() };
                Some(Entry { at: entry.at, event })
            }
            _ => Some(entry.clone()),
        };
        entries.iter().filter_map(one).collect()
    }
}

impl Language {
    /// What a session reads so. `partial`: lengths of the beginnings of messages that it holds.
    fn of(reads: &Reads, partial: &[usize]) -> Self {
        match reads {
            Reads::Handshake(handshake) => Language::Rtmp(Box::new(Beginning::of(*handshake))),
            Reads::Chunks(reader) => Language::Rtmp(Box::new(Beginning::within(reader.clone(), partial))),
            Reads::Requests(body) => Language::Http(body.clone()),
            Reads::Messages => Language::Messages,
            Reads::Nothing => Language::Ignored,
        }
    }
}

impl Transcript {
    /// Nothing was sent yet.
    fn new(reads: &Reads) -> Self {
        Transcript { language: Language::of(reads, &[]), bytes: Vec::new(), partial: Vec::new(), unread: 0 }
    }

    /// As a saved connection has it, whose session reads so.
    fn within(reads: &Reads, connection: &Group) -> Self {
        let mut bytes = Vec::new();
        let mut partial = Vec::new();
        each(connection, mark::PARTIAL, |part| {
            partial.push(part.len());
            bytes.extend_from_slice(part);
        });
        let mut unread = 0;
        each(connection, mark::UNREAD, |part| {
            unread += part.len();
            bytes.extend_from_slice(part);
        });
        Transcript { language: Language::of(reads, &partial), bytes, partial, unread }
    }

    fn give_back(&self, connection: &mut Group) {
        let mut rest = &self.bytes[..];
        let mut take = |len: usize| {
            let (taken, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            taken.to_vec()
        };
        let mut lens = self.partial.iter();
        each_mut(connection, mark::PARTIAL, |node| node.set_octets(take(*lens.next().unwrap_or(&0))));
        each_mut(connection, mark::UNREAD, |node| {
            let len = node.octets().len();
            node.set_octets(take(len));
        });
    }
}

/// Shows the bytes of each part of a connection that has this mark.
fn each<'a>(connection: &'a Group, mark: &str, mut show: impl FnMut(&'a [u8])) {
    let mut one = |group: &'a Group| show(group.parts.first().map(Node::octets).unwrap_or_default());
    connection.parts.iter().for_each(|part| part.each(mark, &mut one));
}

/// The same, to be changed.
fn each_mut(connection: &mut Group, mark: &str, mut show: impl FnMut(&mut Node)) {
    let mut one = |group: &mut Group| group.parts.iter_mut().take(1).for_each(&mut show);
    connection.parts.iter_mut().for_each(|part| part.each_mut(mark, &mut one));
}
