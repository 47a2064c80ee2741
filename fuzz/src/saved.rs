//! A forged saved server: the parts of a real one are replaced, then it is replayed and redacted.
//!
//! In: bytes; the first chooses a saved server, a few groups choose parts and how they change, the rest is
//! what happens then. Out: a panic, if loading, replaying or redacting the recording panics. A server that is
//! refused is as good as one that plays.

use crate::{Source, seeds, server};
use dacapo::base::id::ConnId;
use dacapo::base::rng::Seed;
use dacapo::base::time::Instant;
use dacapo::base::walk::Form;
use dacapo::record::{ConnNo, Contents, Entry, Event, Header, Replay, Start};
use dacapo::server::Server;
use std::sync::LazyLock;
use tools::redact::redact;
use tools::tree::Node;

/// A server in the middle of a run.
struct Saved {
    header: Header,
    tree: Node,
    conns: Vec<ConnId>,
    now: Instant,
    /// Number of nodes of the tree.
    count: usize,
}

static SAVED: LazyLock<Vec<Saved>> = LazyLock::new(|| {
    let runs = seeds::running();
    let places = runs.iter().flat_map(|run| [3, 2, 1].map(|part| (run, part)));
    places.map(|(run, part)| saved(run, part)).collect()
});

/// The server after one, two or three thirds of a run.
fn saved(run: &[u8], part: usize) -> Saved {
    let (mut header, mut entries) = server::decode(run);
    entries.truncate(entries.len() * part / 3);
    let mut replay = Replay::new(&header).expect("the header is well-formed");
    replay.run(entries, &mut ());
    header.start = Start::Saved;
    header.start_us = replay.server().now().as_micros();
    let server = replay.server();
    let (tree, conns, now) = (Node::of(server), server.connections().collect(), server.now());
    let mut count = 0;
    each(&tree, &mut |_| count += 1);
    Saved { header, tree, conns, now, count }
}

/// Number of saved servers.
pub fn count() -> usize {
    SAVED.len()
}

/// Number of parts of the saved server that `which` chooses.
pub fn nodes(which: u8) -> usize {
    SAVED[usize::from(which) % SAVED.len()].count
}

/// How far a recording comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It begins with no server.
    Refused,
    /// It plays, but cannot be redacted.
    Played,
    /// It plays and is redacted.
    Redacted,
}

/// Plays and redacts the recording that `bytes` mean.
pub fn run(bytes: &[u8]) {
    outcome(bytes);
}

/// Plays and redacts the recording that `bytes` mean, and says how far it came.
pub fn outcome(bytes: &[u8]) -> Outcome {
    let mut source = Source(bytes);
    let saved = &SAVED[usize::from(source.byte()) % SAVED.len()];
    let mut tree = saved.tree.clone();
    for _ in 0..source.byte() % CHANGES_MAX {
        change(&mut tree, saved.count, &mut source);
    }
    // What is no server by its types is refused long before.
    let Some(server) = tree.read::<Server>() else { return Outcome::Refused };
    let conns = saved.conns.iter().zip(0..);
    let resumed = conns.map(|(conn, number)| Event::Resumed { conn_no: ConnNo(number), conn: *conn });
    let mut entries: Vec<Entry> = resumed.map(|event| Entry { at: saved.now, event }).collect();
    entries.extend(server::go_on(source, saved.conns.len() as u32, saved.now));
    entries.truncate(ENTRIES_MAX);
    let header = saved.header.clone();
    let contents = Contents { header, saved: Some(server.save().into()), entries, ended: true, torn: None };
    let Ok(mut replay) = Replay::begin(&contents) else { return Outcome::Refused };
    replay.run(contents.entries.iter().cloned(), &mut ());
    match redact(&contents, Seed::from_u64(3)) {
        Ok(_) => Outcome::Redacted,
        Err(_) => Outcome::Played,
    }
}

/// Most changes to one server.
const CHANGES_MAX: u8 = 5;

/// Most entries that are played: each input costs time.
const ENTRIES_MAX: usize = 128;

/// Replaces one part.
fn change(tree: &mut Node, count: usize, source: &mut Source<'_>) {
    let (at, how, with) = (source.long() as usize % count, source.byte(), source.byte());
    let other = nth(tree, usize::from(how) * usize::from(with) % count).clone();
    let node = nth(tree, at);
    let extreme = [0, 1, 2, 127, 1 << 16, u64::from(u32::MAX), 1 << 40, 1 << 51, u64::MAX - 1, u64::MAX];
    match node {
        _ if how == 255 => *node = other,
        Node::Bool(value) => *value = !*value,
        Node::U8(value) => *value ^= with | 1,
        Node::I8(value) => *value = with.cast_signed(),
        Node::Unsigned(value) => {
            *value = match how % 4 {
                0 => value.wrapping_add(u64::from(with) + 1),
                1 => value.wrapping_sub(u64::from(with) + 1),
                2 => *value ^ 1 << (with & 63),
                _ => extreme[usize::from(with) % extreme.len()],
            }
        }
        Node::Signed(value) => {
            *value = match how % 4 {
                0 => value.wrapping_add(i64::from(with) + 1),
                1 => value.wrapping_sub(i64::from(with) + 1),
                2 => *value ^ 1 << (with & 63),
                _ => extreme[usize::from(with) % extreme.len()].cast_signed(),
            }
        }
        Node::Wide(value) => *value ^= 1 << (with & 127),
        Node::Text(text) => {
            let words = ["", "/", "..", "?vhost=a", "\u{fc}/\u{0}", "0", "%", "a/b/c"];
            *text = match how % 2 {
                0 => text.chars().take(usize::from(with)).collect(),
                _ => words[usize::from(with) % words.len()].to_owned(),
            }
        }
        Node::Bytes(_) | Node::Octets(..) => {
            let mut bytes = node.octets().to_vec();
            let len = bytes.len();
            match how % 3 {
                0 => bytes.truncate(usize::from(with) % (len + 1)),
                1 if len > 0 => bytes[usize::from(with) * 7 % len] ^= how | 1,
                _ => bytes.extend_from_within(..),
            }
            node.set_octets(bytes);
        }
        Node::Group(group) if matches!(group.head.form, Form::Seq | Form::Map) => {
            let len = group.parts.len();
            match how % 5 {
                0 => group.parts.clear(),
                1 => group.parts.truncate(usize::from(with) % (len + 1)),
                2 if len > 1 => group.parts.swap(0, usize::from(with) % len),
                3 if len > 1 => group.parts.rotate_left(1),
                _ => group.parts.extend(group.parts.get(..len.min(2)).unwrap_or_default().to_vec()),
            }
        }
        Node::Group(group) if group.head.form == Form::Some => *node = Node::None,
        Node::Group(group) => group.head.index = u32::from(with % 16),
        Node::F32(_) | Node::F64(_) | Node::Char(_) | Node::None | Node::Unit => *node = other,
    }
}

/// Shows all nodes.
fn each(node: &Node, show: &mut impl FnMut(&Node)) {
    show(node);
    if let Node::Group(group) = node {
        group.parts.iter().for_each(|part| each(part, show));
    }
}

/// The node at this place in the order of [`each`]; the root if there are fewer.
fn nth(tree: &mut Node, at: usize) -> &mut Node {
    fn find<'a>(node: &'a mut Node, left: &mut usize) -> Option<&'a mut Node> {
        if *left == 0 {
            return Some(node);
        }
        *left -= 1;
        let Node::Group(group) = node else { return None };
        group.parts.iter_mut().find_map(|part| find(part, left))
    }
    let mut left = at;
    match find(tree, &mut left).is_some() {
        true => find(tree, &mut { at }).expect("it was just found"),
        false => tree,
    }
}
