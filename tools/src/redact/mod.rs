//! Makes a recording fit to be given away: names, tokens, secrets and addresses are replaced, and it still
//! replays.
//!
//! In: a recording, and a secret key that is thrown away. Out: a recording of the same length in which each
//! stream, token, host and address has a pseudonym, the same one everywhere. The seed is another one too.
//! Since the server's answers hold what was replaced, they are others now: the redacted inputs are played
//! with what the kernel said then, and the checks are written anew.
//!
//! What is to be replaced is known by types, which mark themselves when they are serialised
//! ([`dacapo::base::secret`]): `marks` replaces what is marked, in a saved server as in an entry, and knows
//! no field by its name. What peers sent is text of known protocols (`transcript`). Words that are known by
//! then are replaced wherever else they stand (`sweep`).
//!
//! What stays: the applications of streams, media and what stands inside it, times and sizes, what programs
//! say of themselves (`User-Agent`, `flashVer`), ports. Words that stand in media are counted.
//!
//! ```text
//! recording ───▶ names from a first replay ▶ marks ▶ transcripts ┬▶ sweep ▶ replay, checks anew ▶ compared
//! saved server ▶ names in it ──────────────▶ marks ──────────────┘
//! ```

#[cfg(test)]
#[path = "../../../src/record/tests/harness.rs"]
mod harness;
mod http;
mod marks;
mod pseudonyms;
mod rerecord;
mod rtmp;
mod saved;
mod seen;
mod settings;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_marks;
#[cfg(test)]
mod tests_saved;
mod text;
mod transcript;
mod word_search;

use crate::tree::Node;
use bytes::Bytes;
use dacapo::base::name::StreamName;
use dacapo::base::rng::Seed;
use dacapo::base::time::Epoch;
use dacapo::base::vid::{stream_vid, vid};
use dacapo::config::{self, Pattern};
use dacapo::record::{
    BUILD, Contents, Difference, Entry, Event, Fault, Header, Kernel, Observer, Replay, Scope, block_saved,
    head, write,
};
use dacapo::server::End;
use marks::{MarkError, Marks};
use pseudonyms::{Class, Pseudonyms};
use rerecord::rerecord;
use saved::Saved;
use seen::Seen;
use settings::{redact_config, redact_patterns};
use std::collections::BTreeSet;
use sweep::{Words, sweep};
use thiserror::Error;
use transcript::Transcripts;
use word_search::WordSearch;

/// A recording that was made fit to be given away.
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
    /// It holds something that no server holds.
    #[error("the server that the recording begins with cannot be redacted: {0}")]
    Mark(#[from] MarkError),
    /// The outcome does not replay. A bug.
    #[error("the redacted recording does not replay as it should: {0}")]
    Unfaithful(String),
}

/// Replaces what a recording tells of peers and of places. `key` must be random and is not needed again.
///
/// # Errors
///
/// The recording cannot be played, or what was made of it does not replay.
pub fn redact(contents: &Contents, key: Seed) -> Result<Redacted, RedactError> {
    let header = &contents.header;
    let mut saved = contents.saved.as_ref().map(|bytes| Saved::of(bytes)).transpose()?;
    let seen = Seen::of(contents)?;
    let mut names = seen.names.clone();
    names.extend(saved.iter().flat_map(Saved::names));
    let mut pseudonyms = Pseudonyms::new(key);
    note_names(&mut pseudonyms, &names);
    let header = redact_header(&mut pseudonyms, header, &names)?;
    let mut marks = Marks { pseudonyms: &mut pseudonyms, names: &names };
    if let Some(saved) = &mut saved {
        marks.redact(&mut saved.tree)?;
    }
    let entries = contents.entries.iter().map(|entry| redact_entry(&mut marks, entry));
    let mut entries: Vec<Entry> = entries.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let mut transcripts = Transcripts::of(&seen.reads, saved.as_ref(), &entries);
    transcripts.replace(&mut pseudonyms);

    let words = Words::of(&pseudonyms);
    let mut left = transcripts.sweep(&words);
    if let Some(saved) = &mut saved {
        transcripts.give_back(saved);
        left += sweep(&words, &mut saved.tree);
    }
    entries.iter_mut().for_each(|entry| sweep_entry(&words, entry));

    let saved = saved.map(Saved::into_bytes).transpose()?.map(Bytes::from);
    let redacted = transcripts.entries(&entries);
    let mut redacted = Contents { header, saved, entries: redacted, ended: true, torn: None };
    let mut played = rerecord(&redacted)?;
    // What connections are called follows from the seed and their addresses.
    for (conn_no, cid) in &seen.cids {
        if let Some(other) = played.cids.get(conn_no) {
            pseudonyms.note_id(cid.as_str().to_owned(), other.as_str().to_owned());
        }
    }
    if transcripts.replace_ids(&WordSearch::new(pseudonyms.ids())) {
        redacted.entries = transcripts.entries(&entries);
        played = rerecord(&redacted)?;
    }
    if redacted.header.kernel == Kernel::Recorded {
        redacted.entries = played.entries;
    }
    verify(&redacted)?;
    Ok(Redacted { bytes: whole(&redacted), replaced: pseudonyms.count(), left })
}

/// Notes what follows from names: applications, which stay, and ids in the API.
fn note_names(pseudonyms: &mut Pseudonyms, names: &BTreeSet<StreamName>) {
    for name in names {
        pseudonyms.keep(name.app.split('/').next().unwrap_or_default());
    }
    for name in names {
        let other = text::stream_name(pseudonyms, name);
        pseudonyms.note_id(stream_vid(name), stream_vid(&other));
        pseudonyms.note_id(vid(&name.vhost), vid(&other.vhost));
    }
}

fn redact_header(
    pseudonyms: &mut Pseudonyms,
    header: &Header,
    names: &BTreeSet<StreamName>,
) -> Result<Header, Fault> {
    let mut seed = [0; 32];
    seed.copy_from_slice(&pseudonyms.secret(header.seed()?.reveal()));
    let config = redact_config(pseudonyms, header.config()?, names);
    let scope = match &header.scope {
        Scope::All => Scope::All,
        Scope::Streams(patterns) => {
            let patterns: Vec<Pattern> = patterns.iter().filter_map(|text| Pattern::new(text).ok()).collect();
            let patterns = redact_patterns(pseudonyms, &patterns, names);
            Scope::Streams(patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect())
        }
    };
    let Header { epoch_us, start_us, kernel, start, part, .. } = *header;
    let whole = Header::new(&config, &Seed::new(seed), Epoch(epoch_us));
    let name = pseudonyms.text(Class::Shape, &header.name);
    Ok(Header { build: BUILD.to_owned(), scope, name, kernel, start, start_us, part, ..whole })
}

/// Replaces what an entry tells, but for what a peer sent. `None`: a replay would pass it over.
fn redact_entry(marks: &mut Marks<'_>, entry: &Entry) -> Result<Option<Entry>, MarkError> {
    let event = match entry.event.clone() {
        Event::Accepted { listener, mut peer, conn_no } => {
            peer.set_ip(marks.pseudonyms.address(peer.ip()));
            Event::Accepted { listener, peer, conn_no }
        }
        Event::Measured { ticket, vitals } => {
            let mut tree = Node::of(&vitals);
            marks.redact(&mut tree)?;
            Event::Measured { ticket, vitals: tree.read().unwrap_or_default() }
        }
        Event::Reload { config } => match config::load(&config, "the recording's configuration", &[]) {
            Ok(config) => {
                let config = redact_config(marks.pseudonyms, config, marks.names);
                Event::Reload { config: config::print(&config) }
            }
            Err(_) => return Ok(None),
        },
        // Their texts are of this machine, and hold known words at most.
        event @ (Event::Ended { .. } | Event::Stored { .. }) => event,
        event @ Event::Received { .. } => event,
        event @ (Event::Resumed { .. }
        | Event::Tick
        | Event::Sent { .. }
        | Event::Writable { .. }
        | Event::Drain
        | Event::Closed { .. }
        | Event::Checked { .. }
        | Event::Requested { .. }) => event,
    };
    Ok(Some(Entry { at: entry.at, event }))
}

/// Replaces known words in the texts of an entry.
fn sweep_entry(words: &Words, entry: &mut Entry) {
    match &mut entry.event {
        Event::Ended { end: End::Broken(text), .. } | Event::Stored { result: Err(text), .. } => {
            *text = words.replace_text(text);
        }
        _ => {}
    }
}

/// The outcome must replay with nothing different.
fn verify(contents: &Contents) -> Result<(), RedactError> {
    #[derive(Default)]
    struct First(Option<String>);
    impl Observer for First {
        fn differs(&mut self, difference: &Difference) {
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
