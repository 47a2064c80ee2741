//! Makes a recording fit to be given away: names, tokens and addresses are replaced, and it still replays.
//!
//! In: a recording, and a secret key that is thrown away. Out: a recording of the same length in which each
//! stream, token, host and address has a pseudonym, the same one everywhere. The seed is another one too.
//! Since the server's answers hold what was replaced, they are others now: the redacted inputs are played
//! with what the kernel said then, and the checks are written anew.
//!
//! A recording that begins in the middle of a run begins with a saved server, which is redacted part by part.
//!
//! What stays: the applications of streams, media and what stands inside it, times and sizes, what programs
//! say of themselves (`User-Agent`, `flashVer`), ports. Words that stand in media are counted.
//!
//! ```text
//! recording ────▶ names from a first replay ▶ pseudonyms in peers' bytes ─┬▶ replay, checks anew ▶ compared
//! saved server ─▶ names in it ──────────────▶ pseudonyms in all its texts ┘
//! ```

#[cfg(test)]
#[path = "../../../src/record/tests/harness.rs"]
mod harness;
mod http;
mod pseudonyms;
mod rerecord;
mod rtmp;
mod saved;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_saved;
mod text;
mod transcript;
mod tree;
mod word_search;

use bytes::Bytes;
use dacapo::base::id::ConnId;
use dacapo::base::name::{DEFAULT_VHOST, StreamName};
use dacapo::base::rng::Seed;
use dacapo::base::time::Instant;
use dacapo::base::vid;
use dacapo::config::{self, Config};
use dacapo::record::{
    BUILD, ConnNo, Contents, Entry, Event, Fault, Header, Kernel, Observer, Replay, Scope, block_saved, head,
    write,
};
use dacapo::server::{self, End, Server};
use pseudonyms::{Class, Pseudonyms};
use saved::Saved;
use settings::{redact_config, redact_patterns};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;
use transcript::Transcripts;
use word_search::WordSearch;

/// A recording that was made fit to be given away.
#[derive(Debug)]
pub struct Redacted {
    /// The recording, as a file.
    pub bytes: Vec<u8>,
    /// How many words and addresses have a pseudonym.
    pub replaced: usize,
    /// How often a replaced word of some length still stands in peers' bytes: in media, where nothing is
    /// changed.
    pub left: u64,
}

/// Why a recording cannot be redacted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedactError {
    /// It cannot be played.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// The outcome does not replay. A bug.
    #[error("the redacted recording does not replay as it should: {0}")]
    Unfaithful(String),
}

/// Replaces what a recording tells of peers and of places. `key` must be random and is not needed again.
pub fn redact(contents: &Contents, key: Seed) -> Result<Redacted, RedactError> {
    let header = &contents.header;
    let config = header.config()?;
    let mut pseudonyms = Pseudonyms::new(key);
    let mut saved = contents.saved.as_ref().map(|bytes| Saved::of(bytes)).transpose()?;
    let mut names = names(contents)?;
    names.extend(saved.iter_mut().flat_map(Saved::names));
    let (before, after) = (header.seed()?, Seed::new(random_bytes(&key)));
    note_ids(&mut pseudonyms, before, &after, &names, &contents.entries);
    if let Some(saved) = &mut saved {
        saved.note_ids(&mut pseudonyms, &key);
        saved.replace(&mut pseudonyms, &key, (&before, &after));
    }
    let (entries, left) = redact_entries(&mut pseudonyms, &config, &names, saved.as_mut(), &contents.entries);
    if let Some(saved) = &mut saved {
        saved.redact_config(&mut pseudonyms, &names);
    }
    let config = redact_config(&mut pseudonyms, config, &names);
    let scope = match &header.scope {
        Scope::All => Scope::All,
        Scope::Streams(patterns) => Scope::Streams(redact_patterns(&mut pseudonyms, patterns, &names)),
    };
    let header = Header {
        build: BUILD.to_owned(),
        scope,
        name: pseudonyms.text(Class::Shape, &header.name),
        kernel: header.kernel,
        start: header.start,
        start_us: header.start_us,
        part: header.part,
        ..Header::new(&config, &after, dacapo::base::time::Epoch(header.epoch_us))
    };
    let saved = saved.map(|saved| Bytes::from(saved.into_bytes()));
    let mut replaced = Contents { header, saved, entries, ended: true, torn: None };
    if replaced.header.kernel == Kernel::Recorded {
        replaced.entries = rerecord::rerecord(&replaced)?;
    }
    verify(&replaced)?;
    Ok(Redacted { bytes: whole(&replaced), replaced: pseudonyms.count(), left })
}

fn random_bytes(key: &Seed) -> [u8; 32] {
    let mut bytes = [0; 32];
    key.fork(b"seed").fill(&mut bytes);
    bytes
}

/// The streams that connections are about, as the server understands them.
fn names(contents: &Contents) -> Result<BTreeSet<StreamName>, Fault> {
    #[derive(Default)]
    struct Names {
        conns: BTreeMap<ConnNo, ConnId>,
        at_hand: Option<ConnNo>,
        names: BTreeSet<StreamName>,
    }
    impl Observer for Names {
        fn happened(&mut self, _: Instant, event: &Event) {
            self.at_hand = event.conn_no();
        }
        fn opened(&mut self, _: Instant, conn_no: ConnNo, conn: ConnId, _: &Server) {
            self.conns.insert(conn_no, conn);
        }
        fn after_input(&mut self, _: Instant, server: &Server) {
            let conn = self.at_hand.and_then(|conn_no| self.conns.get(&conn_no));
            if let Some(name) = conn.and_then(|conn| server.about(*conn))
                && !self.names.contains(name)
            {
                self.names.insert(name.clone());
            }
        }
    }
    let mut found = Names::default();
    Replay::begin(contents)?.run(contents.entries.iter().cloned(), &mut found);
    Ok(found.names)
}

/// What the server will call connections, streams and vhosts in its API.
fn note_ids(
    pseudonyms: &mut Pseudonyms,
    before: Seed,
    after: &Seed,
    names: &BTreeSet<StreamName>,
    entries: &[Entry],
) {
    for entry in entries {
        if let Event::Accepted { listener, peer, .. } = &entry.event {
            let mut replaced = *peer;
            replaced.set_ip(pseudonyms.address(peer.ip()));
            let id = |seed: &Seed, peer| server::cid(seed, *listener, peer).1.to_string();
            pseudonyms.note_id(id(&before, *peer), id(after, replaced));
        }
    }
    for name in names {
        let replaced = redact_name(pseudonyms, name);
        pseudonyms.note_id(vid::stream_vid(name), vid::stream_vid(&replaced));
        pseudonyms.note_id(vid::vid(&name.vhost), vid::vid(&replaced.vhost));
    }
}

/// A stream's name as it will be understood.
fn redact_name(pseudonyms: &mut Pseudonyms, name: &StreamName) -> StreamName {
    let mut steps = name.app.split('/');
    let app = steps.next().unwrap_or_default().to_owned();
    let app = steps.fold(app, |app, step| format!("{app}/{}", pseudonyms.text(Class::Name, step)));
    let vhost = if name.vhost == DEFAULT_VHOST {
        name.vhost.clone()
    } else {
        text::authority(pseudonyms, &name.vhost)
    };
    StreamName { vhost, app, stream: pseudonyms.text(Class::Name, &name.stream) }
}

/// Replaces what happened. Also says how often a word is left in peers' bytes.
fn redact_entries(
    pseudonyms: &mut Pseudonyms,
    config: &Config,
    names: &BTreeSet<StreamName>,
    mut saved: Option<&mut Saved>,
    entries: &[Entry],
) -> (Vec<Entry>, u64) {
    let mut transcripts = Transcripts::of(config, saved.as_deref(), entries);
    transcripts.replace(pseudonyms);
    let [telling, names_known, ids] =
        [pseudonyms.telling(), pseudonyms.names(), pseudonyms.ids()].map(WordSearch::new);
    let words = Words { telling, names: names_known, ids };
    let mut left = transcripts.sweep(&words);
    if let Some(saved) = &mut saved {
        left += saved.sweep(&words);
    }
    let (telling, mut said) = (&words.telling, transcripts.give_back(saved));
    let mut redact_one = |entry: &Entry| {
        let event = redact_event(pseudonyms, names, telling, &mut said, &entry.event)?;
        Some(Entry { at: entry.at, event })
    };
    (entries.iter().filter_map(&mut redact_one).collect(), left)
}

fn redact_event(
    pseudonyms: &mut Pseudonyms,
    names: &BTreeSet<StreamName>,
    telling: &WordSearch,
    said: &mut BTreeMap<ConnNo, Bytes>,
    event: &Event,
) -> Option<Event> {
    let words = |text: &String| {
        let mut bytes = text.clone().into_bytes();
        telling.replace(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Some(match event.clone() {
        Event::Accepted { listener, mut peer, conn_no } => {
            peer.set_ip(pseudonyms.address(peer.ip()));
            Event::Accepted { listener, peer, conn_no }
        }
        Event::Received { conn_no, bytes } => {
            Event::Received { conn_no, bytes: said.get_mut(&conn_no)?.split_to(bytes.len()) }
        }
        Event::Ended { conn_no, end: End::Broken(how) } => {
            Event::Ended { conn_no, end: End::Broken(words(&how)) }
        }
        Event::Stored { ticket, result } => {
            Event::Stored { ticket, result: result.map_err(|error| words(&error)) }
        }
        Event::Measured { ticket, mut vitals } => {
            for text in [&mut vitals.argv, &mut vitals.cwd] {
                *text = pseudonyms.text(Class::Shape, text);
            }
            Event::Measured { ticket, vitals }
        }
        Event::Reload { config } => match config::load(&config, "the recording's configuration", &[]) {
            Ok(config) => Event::Reload { config: config::print(&redact_config(pseudonyms, config, names)) },
            // It would be passed over anyway.
            Err(_) => return None,
        },
        other => other,
    })
}

/// Words and what stands for them.
#[derive(Debug)]
struct Words {
    /// To be replaced wherever they stand.
    telling: WordSearch,
    /// Names of streams, for texts that are all about streams.
    names: WordSearch,
    /// Of the server's own making.
    ids: WordSearch,
}

/// The outcome must replay with nothing different.
fn verify(contents: &Contents) -> Result<(), RedactError> {
    #[derive(Default)]
    struct First(Option<String>);
    impl Observer for First {
        fn differs(&mut self, difference: &dacapo::record::Difference) {
            self.0.get_or_insert_with(|| difference.to_string());
        }
    }
    let mut first = First::default();
    Replay::begin(contents)?.run(contents.entries.iter().cloned(), &mut first);
    first.0.map_or(Ok(()), |difference| Err(RedactError::Unfaithful(difference)))
}

/// The file.
fn whole(contents: &Contents) -> Vec<u8> {
    let Some(saved) = &contents.saved else { return write(&contents.header, &contents.entries) };
    // What stands in front of the entries does not depend on them.
    let (mut file, head_len) = (write(&contents.header, &contents.entries), head(&contents.header).len());
    file.splice(head_len..head_len, block_saved(saved));
    file
}
