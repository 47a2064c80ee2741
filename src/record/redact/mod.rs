//! Makes a recording fit to be given away: names, tokens and addresses are replaced, and it still replays.
//!
//! In: a recording, and a secret key that is thrown away. Out: a recording of the same length in which each
//! stream, token, host and address has a cover, the same one everywhere. The seed is another one too. Since
//! the server's answers hold what was covered, they are others now: the covered inputs are played with what
//! the kernel said then, and the checks are written anew.
//!
//! What stays: the applications of streams, media and what stands inside it, times and sizes, what programs
//! say of themselves (`User-Agent`, `flashVer`), ports. Words that stand in media are counted.
//!
//! ```text
//! recording ─▶ names from a first replay ─▶ covers in all peers' bytes ─▶ replay, checks anew ─▶ compared
//! ```

mod again;
mod cover;
mod http;
mod rtmp;
#[cfg(test)]
mod tests;
mod text;

use crate::base::id::ConnId;
use crate::base::name::{DEFAULT_VHOST, StreamName};
use crate::base::rng::Seed;
use crate::base::time::Instant;
use crate::config::{self, Config, Pattern, Recorder, Secret, Service, StreamRule};
use crate::record::file::{BUILD, Contents, Fault, Header, Kernel, Scope, Start, write};
use crate::record::list::{Entry, Event, Seat};
use crate::record::replay::{Replay, Witness};
use crate::server::{self, End, Server};
use crate::status::{RecorderAnswer, RecorderRefusal};
use bytes::Bytes;
use cover::{Class, Covers};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A recording that was made fit to be given away.
#[derive(Debug)]
pub struct Redacted {
    /// The recording, as a file.
    pub bytes: Vec<u8>,
    /// How many words and addresses have a cover.
    pub covered: usize,
    /// How often a covered word of some length still stands in peers' bytes: in media, where nothing is
    /// changed.
    pub left: u64,
}

/// Why a recording cannot be covered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedactError {
    /// It cannot be played.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// It begins with a saved server.
    #[error(
        "this recording begins with a saved server, in which names cannot be covered: record from the start \
         of the server"
    )]
    Saved,
    /// The outcome does not replay. A bug.
    #[error("the covered recording does not replay as it should: {0}")]
    Unfaithful(String),
}

/// Covers what a recording tells of people. `key` must be random and is not needed again.
pub fn redact(contents: &Contents, key: Seed) -> Result<Redacted, RedactError> {
    if contents.header.start != Start::Birth {
        return Err(RedactError::Saved);
    }
    let header = &contents.header;
    let config = header.config()?;
    let mut covers = Covers::new(key);
    let names = names(header, &contents.entries)?;
    let seed = Seed::new(random_bytes(&key));
    note_ids(&mut covers, header.seed()?, &seed, &names, &contents.entries);
    let (entries, left) = cover_entries(&mut covers, &config, &names, &contents.entries);
    let config = cover_config(&mut covers, config, &names);
    let scope = match &header.scope {
        Scope::All => Scope::All,
        Scope::Streams(patterns) => Scope::Streams(cover_patterns(&mut covers, patterns, &names)),
    };
    let header = Header {
        build: BUILD.to_owned(),
        scope,
        name: covers.text(Class::Shape, &header.name),
        kernel: header.kernel,
        start: header.start,
        start_us: header.start_us,
        part: header.part,
        ..Header::new(&config, &seed, crate::base::time::Epoch(header.epoch_us))
    };
    let entries = if header.kernel == Kernel::Recorded { again::play(&header, entries)? } else { entries };
    verify(&header, &entries)?;
    Ok(Redacted { bytes: write(&header, &entries), covered: covers.count(), left })
}

fn random_bytes(key: &Seed) -> [u8; 32] {
    let mut bytes = [0; 32];
    key.fork(b"seed").fill(&mut bytes);
    bytes
}

/// The streams that connections are about, as the server understands them.
fn names(header: &Header, entries: &[Entry]) -> Result<BTreeSet<StreamName>, Fault> {
    #[derive(Default)]
    struct Names {
        conns: BTreeMap<Seat, ConnId>,
        at_hand: Option<Seat>,
        names: BTreeSet<StreamName>,
    }
    impl Witness for Names {
        fn happened(&mut self, _: Instant, event: &Event) {
            self.at_hand = event.seat();
        }
        fn seated(&mut self, _: Instant, seat: Seat, conn: ConnId, _: &Server) {
            self.conns.insert(seat, conn);
        }
        fn settled(&mut self, _: Instant, server: &Server) {
            let conn = self.at_hand.and_then(|seat| self.conns.get(&seat));
            if let Some(name) = conn.and_then(|conn| server.about(*conn))
                && !self.names.contains(name)
            {
                self.names.insert(name.clone());
            }
        }
    }
    let mut found = Names::default();
    Replay::new(header)?.run(entries.iter().cloned(), &mut found);
    Ok(found.names)
}

/// What the server will call connections, streams and vhosts in its API.
fn note_ids(
    covers: &mut Covers,
    before: Seed,
    after: &Seed,
    names: &BTreeSet<StreamName>,
    entries: &[Entry],
) {
    for entry in entries {
        if let Event::Accepted { listener, peer, .. } = &entry.event {
            let mut covered = *peer;
            covered.set_ip(covers.address(peer.ip()));
            let id = |seed: &Seed, peer| server::cid(seed, *listener, peer).1.to_string();
            covers.note_id(id(&before, *peer), id(after, covered));
        }
    }
    for name in names {
        let covered = cover_name(covers, name);
        covers.note_id(server::stream_vid(name), server::stream_vid(&covered));
        covers.note_id(server::vid(&name.vhost), server::vid(&covered.vhost));
    }
}

/// A stream's name as it will be understood.
fn cover_name(covers: &mut Covers, name: &StreamName) -> StreamName {
    let mut steps = name.app.split('/');
    let app = steps.next().unwrap_or_default().to_owned();
    let app = steps.fold(app, |app, step| format!("{app}/{}", covers.text(Class::Name, step)));
    let vhost =
        if name.vhost == DEFAULT_VHOST { name.vhost.clone() } else { text::authority(covers, &name.vhost) };
    StreamName { vhost, app, stream: covers.text(Class::Name, &name.stream) }
}

/// Covers what happened. Also says how often a word is left in peers' bytes.
fn cover_entries(
    covers: &mut Covers,
    config: &Config,
    names: &BTreeSet<StreamName>,
    entries: &[Entry],
) -> (Vec<Entry>, u64) {
    let services: Vec<Service> = config.listeners().into_iter().map(|(_, service, _)| service).collect();
    let mut said: BTreeMap<Seat, (Service, Vec<u8>)> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::Accepted { listener, seat: Some(seat), .. } => {
                if let Some(service) = services.get(usize::from(listener.0)) {
                    said.insert(*seat, (*service, Vec::new()));
                }
            }
            Event::Received { seat, bytes } => {
                if let Some((_, all)) = said.get_mut(seat) {
                    all.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
    }
    for (service, bytes) in said.values_mut() {
        match service {
            Service::Rtmp => rtmp::cover(covers, bytes),
            Service::Http => http::cover(covers, bytes, false),
            Service::Api => http::cover(covers, bytes, true),
        }
    }
    let (telling, all_names) = (covers.telling(), covers.names());
    let mut left = 0;
    let mut said: BTreeMap<Seat, Bytes> = said
        .into_iter()
        .map(|(seat, (service, mut bytes))| {
            match service {
                Service::Rtmp => rtmp::sweep(&telling, &mut bytes),
                Service::Http | Service::Api => http::sweep(&telling, &all_names, &mut bytes),
            }
            left += occurrences(&telling, &bytes);
            (seat, Bytes::from(bytes))
        })
        .collect();
    let mut cover = |entry: &Entry| {
        let event = cover_event(covers, names, &telling, &mut said, &entry.event)?;
        Some(Entry { at: entry.at, event })
    };
    (entries.iter().filter_map(&mut cover).collect(), left)
}

fn cover_event(
    covers: &mut Covers,
    names: &BTreeSet<StreamName>,
    telling: &[(Vec<u8>, Vec<u8>)],
    said: &mut BTreeMap<Seat, Bytes>,
    event: &Event,
) -> Option<Event> {
    let words = |text: &String| {
        let mut bytes = text.clone().into_bytes();
        blunt(telling, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Some(match event.clone() {
        Event::Accepted { listener, mut peer, seat } => {
            peer.set_ip(covers.address(peer.ip()));
            Event::Accepted { listener, peer, seat }
        }
        Event::Received { seat, bytes } => {
            Event::Received { seat, bytes: said.get_mut(&seat)?.split_to(bytes.len()) }
        }
        Event::Ended { seat, end: End::Broken(how) } => Event::Ended { seat, end: End::Broken(words(&how)) },
        Event::Datagram { listener, mut peer, bytes } => {
            peer.set_ip(covers.address(peer.ip()));
            Event::Datagram { listener, peer, bytes }
        }
        Event::Connected { seat, result } => {
            Event::Connected { seat, result: result.map_err(|error| words(&error)) }
        }
        Event::Resolved { ticket, result } => {
            let result = result.map(|list| list.into_iter().map(|ip| covers.address(ip)).collect());
            Event::Resolved { ticket, result: result.map_err(|error: String| words(&error)) }
        }
        Event::Stored { ticket, result } => {
            Event::Stored { ticket, result: result.map_err(|error| words(&error)) }
        }
        Event::Measured { ticket, mut vitals } => {
            for text in [&mut vitals.argv, &mut vitals.cwd] {
                *text = covers.text(Class::Shape, text);
            }
            Event::Measured { ticket, vitals }
        }
        Event::Recorder { ticket, result } => Event::Recorder {
            ticket,
            result: match result {
                Ok(answer) => Ok(cover_recorder_answer(covers, answer)),
                Err(RecorderRefusal::Disk(why)) => Err(RecorderRefusal::Disk(words(&why))),
                Err(RecorderRefusal::Pattern(why)) => Err(RecorderRefusal::Pattern(words(&why))),
                refused => refused,
            },
        },
        Event::Reload { config } => match config::load(&config, "the recording's configuration", &[]) {
            Ok(config) => Event::Reload { config: config::print(&cover_config(covers, config, names)) },
            // It would be passed over anyway.
            Err(_) => return None,
        },
        other => other,
    })
}

/// A configuration that does the same for covered names, and tells nothing of places on a disk.
fn cover_config(covers: &mut Covers, mut config: Config, names: &BTreeSet<StreamName>) -> Config {
    let listens =
        [&mut config.rtmp.listen, &mut config.http.listen, &mut config.api.listen, &mut config.rtc.listen];
    for addr in listens.into_iter().flatten() {
        addr.set_ip(covers.address(addr.ip()));
    }
    for origin in [&mut config.http.allow_origin, &mut config.api.allow_origin] {
        if origin.as_str() != "*" {
            *origin = text::url(covers, origin, false);
        }
    }
    config.log.file.clear();
    let directory = |directory: &mut String| {
        if !directory.is_empty() {
            *directory = "directory".to_owned();
        }
    };
    directory(&mut config.stream.hls.directory);
    cover_recorder(covers, &mut config.recorder, names);
    let rules = std::mem::take(&mut config.streams);
    for mut rule in rules {
        rule.hls.directory.iter_mut().for_each(directory);
        for pattern in cover_patterns(covers, &[rule.pattern.as_str().to_owned()], names) {
            let pattern = Pattern::new(&pattern).expect("an escaped name is a pattern");
            config.streams.push(StreamRule { pattern, ..rule.clone() });
        }
    }
    config
}

/// Settings of a recorder that lets the same operators in, by the covers of their words.
fn cover_recorder(covers: &mut Covers, settings: &mut Recorder, names: &BTreeSet<StreamName>) {
    if !settings.directory.is_empty() {
        settings.directory = "recordings".to_owned();
    }
    let patterns: Vec<String> = settings.streams.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let patterns = cover_patterns(covers, &patterns, names);
    settings.streams = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
    if settings.api_token.is_set() {
        let token = covers.token(|word| settings.api_token.is(word)).unwrap_or(NOBODYS_TOKEN);
        settings.api_token = Secret::new(token).expect("a cover is as long as the word, and of its kind");
    }
}

/// The token of a recorder that no operator has used.
const NOBODYS_TOKEN: &str = "0000000000000000";

/// What the recorder told, as long as it was.
fn cover_recorder_answer(covers: &mut Covers, answer: RecorderAnswer) -> RecorderAnswer {
    let RecorderAnswer::State(mut status) = answer else { return answer };
    let recording = status.recording.iter_mut().flat_map(|recording| &mut recording.streams);
    for text in recording.chain([&mut status.directory, &mut status.last_drop]) {
        *text = covers.text(Class::Shape, text);
    }
    RecorderAnswer::State(status)
}

/// Patterns that fit the covers of those names that these fit: each name by itself.
fn cover_patterns(covers: &mut Covers, patterns: &[String], names: &BTreeSet<StreamName>) -> Vec<String> {
    let patterns: Vec<Pattern> = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
    let fitting = names.iter().filter(|name| patterns.iter().any(|pattern| pattern.fits(name)));
    fitting
        .map(|name| {
            let StreamName { vhost, app, stream } = cover_name(covers, name);
            escaped(&format!("{vhost}/{app}/{stream}"))
        })
        .collect()
}

/// A pattern that fits this text alone.
fn escaped(text: &str) -> String {
    let one = |c: char| if "*?[]{}".contains(c) { format!("[{c}]") } else { c.to_string() };
    text.chars().map(one).collect()
}

/// Puts covers in the place of all these words, wherever they stand.
fn blunt(telling: &[(Vec<u8>, Vec<u8>)], bytes: &mut [u8]) {
    for (word, cover) in telling {
        let mut from = 0;
        while let Some(at) = bytes[from..].windows(word.len()).position(|window| window == word) {
            bytes[from + at..][..word.len()].copy_from_slice(cover);
            from += at + word.len();
        }
    }
}

fn occurrences(telling: &[(Vec<u8>, Vec<u8>)], bytes: &[u8]) -> u64 {
    // Most places are passed over by their first byte.
    let mut firsts = [false; 256];
    telling.iter().for_each(|(word, _)| firsts[usize::from(word[0])] = true);
    let begins = |at: &usize| telling.iter().any(|(word, _)| bytes[*at..].starts_with(word));
    (0..bytes.len()).filter(|at| firsts[usize::from(bytes[*at])]).filter(begins).count() as u64
}

/// The outcome must replay with nothing different.
fn verify(header: &Header, entries: &[Entry]) -> Result<(), RedactError> {
    #[derive(Default)]
    struct First(Option<String>);
    impl Witness for First {
        fn differs(&mut self, difference: &crate::record::replay::Difference) {
            self.0.get_or_insert_with(|| difference.to_string());
        }
    }
    let mut first = First::default();
    Replay::new(header)?.run(entries.iter().cloned(), &mut first);
    first.0.map_or(Ok(()), |difference| Err(RedactError::Unfaithful(difference)))
}
