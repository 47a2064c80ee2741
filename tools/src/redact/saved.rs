//! Replaces what a saved server tells, part by part.
//!
//! In: the server that a recording begins with. Out: one that goes on like it for those who say what is
//! replaced in the same way. Where it is known what a text means, it is replaced for that; in all others, and
//! in all bytes but media, known words are replaced. So a part that is added to the server is not forgotten.

use crate::redact::pseudonyms::{Class, Pseudonyms};
use crate::redact::settings::redact_config;
use crate::redact::tree::{Form, Group, Node, read};
use crate::redact::word_search::{Pair, WordSearch};
use crate::redact::{Words, http, redact_name, text};
use dacapo::base::name::StreamName;
use dacapo::base::rng::Seed;
use dacapo::config;
use dacapo::record::Fault;
use dacapo::server::Server;
use dacapo::server::save::saved;
use dacapo::wire::http1::Target;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Binary bytes that wait to leave are replies if there are fewer of them, else media.
const REPLY_BYTES_MAX: usize = 1024;

/// A saved server.
#[derive(Debug)]
pub struct Saved {
    tree: Node,
    /// Paths of stored streams, and what stands for them.
    bases: Vec<(String, String)>,
    /// Names as playlists write them, and what stands for them.
    uris: Vec<Pair>,
}

impl Saved {
    /// The server that these bytes are.
    pub fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let server = Server::load(bytes).map_err(|unloadable| Fault::Saved(unloadable.to_string()))?;
        let mut tree = Node::of(&server);
        // Whoever made the file may have written anything into it.
        let mut sound = true;
        tree.each("Target", &mut |target| sound &= Target::parse(&whole(read(target))).is_ok());
        if !sound {
            return Err(Fault::Saved("it holds a request that no peer can have made".to_owned()));
        }
        Ok(Saved { tree, bases: Vec::new(), uris: Vec::new() })
    }

    /// The server as it is saved.
    pub fn into_bytes(self) -> Vec<u8> {
        saved(&self.tree)
    }

    /// All streams that it knows.
    pub fn names(&mut self) -> BTreeSet<StreamName> {
        let mut names = BTreeSet::new();
        self.tree.each("StreamName", &mut |name| {
            names.insert(read(name));
        });
        names
    }

    /// Its connections.
    pub fn conns(&self) -> Vec<&Group> {
        let mut conns = Vec::new();
        self.tree.gather("Peer", &mut conns);
        conns
    }

    /// Shows each connection.
    pub fn each_conn(&mut self, mut edit: impl FnMut(&mut Group)) {
        self.tree.each("Peer", &mut |conn| {
            if let Node::Group(conn) = conn {
                edit(conn);
            }
        });
    }

    /// Draws other words for those that it gave its connections.
    pub fn note_ids(&mut self, pseudonyms: &mut Pseudonyms, key: &Seed) {
        self.tree.each("Cid", &mut |cid| {
            let Node::Group(cid) = cid else { return };
            let cid = String::from_utf8_lossy(cid.parts[0].octets()).into_owned();
            let other = key.fork(format!("cid/{cid}").as_bytes()).random_word::<8>();
            pseudonyms.note_id(cid, String::from_utf8_lossy(&other).into_owned());
        });
    }

    /// Replaces what is known to be a name, a token, an address or a secret. `seeds`: before and after.
    pub fn replace(&mut self, pseudonyms: &mut Pseudonyms, key: &Seed, seeds: (&Seed, &Seed)) {
        let Saved { tree, bases, uris } = self;
        Meaning { pseudonyms, key, seeds, bases, uris, api: false }.replace(tree, ("", ""));
    }

    /// Replaces the configuration that it runs with.
    pub fn redact_config(&mut self, pseudonyms: &mut Pseudonyms, names: &BTreeSet<StreamName>) {
        let server = self.tree.find_mut("Context").expect("a server was saved");
        let Some(Node::Text(text)) = server.field_mut("config") else { return };
        let config = config::reread(text).expect("it was read before");
        *text = config::print(&redact_config(pseudonyms, config, names));
    }

    /// Replaces known words everywhere else. Says how often one is left in media.
    pub fn sweep(&mut self, words: &Words) -> u64 {
        let uris = WordSearch::new(std::mem::take(&mut self.uris));
        let mut sweep = Sweep { uris: &uris, words, left: 0 };
        sweep.part(&mut self.tree, ("", ""));
        sweep.left
    }
}

/// A request's target as it was said.
fn whole(target: Target) -> String {
    let Target { path, query, .. } = target;
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// The type that a part belongs to, and the name of the field.
type Place = (&'static str, &'static str);

/// The place of a part of `group`, which itself is at `place`: what is in a list is where the list is.
fn place_of(group: &Group, at: usize, place: Place) -> Place {
    match group.keys.get(at) {
        Some(key) => (group.name, *key),
        None if group.name.is_empty() => place,
        None => (group.name, group.variant),
    }
}

/// Replaces what it knows the meaning of.
struct Meaning<'a> {
    pseudonyms: &'a mut Pseudonyms,
    key: &'a Seed,
    seeds: (&'a Seed, &'a Seed),
    bases: &'a mut Vec<(String, String)>,
    uris: &'a mut Vec<Pair>,
    /// The connection at hand came for the API.
    api: bool,
}

impl Meaning<'_> {
    fn replace(&mut self, node: &mut Node, place: Place) {
        match node {
            Node::Text(text) => *text = self.text(place, text),
            Node::Some(inner) => self.replace(inner, place),
            Node::Octets(_, bytes) => self.octets(place, bytes),
            Node::Group(group) => match (group.name, group.form) {
                ("StreamName", _) => *node = Node::of(&redact_name(self.pseudonyms, &read(&**group))),
                ("SocketAddr", _) => {
                    let mut addr: SocketAddr = read(&**group);
                    addr.set_ip(self.pseudonyms.address(addr.ip()));
                    *node = Node::of(&addr);
                }
                ("IpAddr", _) => *node = Node::of(&self.pseudonyms.address(read::<IpAddr>(&**group))),
                ("Target", _) => self.target(node),
                ("Headers", Form::Newtype) => self.fields(&mut group.parts[0]),
                _ => self.group(group, place),
            },
            _ => {}
        }
    }

    fn group(&mut self, group: &mut Group, place: Place) {
        match group.name {
            "HttpSession" => {
                let service = group.field("service").and_then(|service| service.find("Service"));
                self.api = service.is_some_and(|service| service.variant == "Api");
            }
            "Hls" => self.note_base(group),
            "Place" => self.place(group),
            _ => {}
        }
        for at in 0..group.parts.len() {
            let place = place_of(group, at, place);
            self.replace(&mut group.parts[at], place);
        }
    }

    fn text(&mut self, place: Place, text: &str) -> String {
        let pseudonyms = &mut *self.pseudonyms;
        match place {
            (_, "query") => text::pairs(pseudonyms, text),
            // Players by HTTP have no other URL than their request's.
            (_, "tc_url") if text.starts_with("http://") => text::target(pseudonyms, text),
            (_, "tc_url") => text::url(pseudonyms, text, true),
            (_, "page_url" | "swf_url") => text::url(pseudonyms, text, false),
            ("Hls", "directory") if !text.is_empty() => "directory".to_owned(),
            ("Store", "base") | ("StoreOp", "path") => {
                let base = self.bases.iter().find(|(base, _)| text.starts_with(base));
                match base {
                    Some((base, pseudonym)) => pseudonym.clone() + &text[base.len()..],
                    None => pseudonyms.text(Class::Shape, text),
                }
            }
            ("Files", "media_uri") => {
                let name_len = text.rfind('/').unwrap_or(0);
                let pseudonym = text::percent_encoded(pseudonyms, &text[..name_len]) + &text[name_len..];
                if pseudonym.len() == text.len() && text.len() > 1 {
                    self.uris.push((text.as_bytes().to_vec(), pseudonym.as_bytes().to_vec()));
                }
                pseudonym
            }
            _ => text.to_owned(),
        }
    }

    /// Secrets are drawn anew, the same ones for the same; words of connections are known already.
    fn octets(&mut self, place: Place, bytes: &mut Vec<u8>) {
        match place {
            ("Seed", _) if *bytes == self.seeds.0.reveal() => bytes.copy_from_slice(self.seeds.1.reveal()),
            ("Seed", _) | ("ChaCha12Rng", "seed") | ("KeyFile", "bytes") => {
                self.key.fork(&[b"secret/", &bytes[..]].concat()).fill(bytes);
            }
            ("Cid", _) => {
                let pseudonym = self.pseudonyms.id(&String::from_utf8_lossy(bytes));
                bytes.copy_from_slice(pseudonym.expect("all were noted").as_bytes());
            }
            _ => {}
        }
    }

    /// Where the files of an HLS package are stored: its directory, and its stream.
    fn note_base(&mut self, hls: &Group) {
        let (Some(name), Some(Node::Group(store))) = (hls.field("name"), hls.field("store")) else { return };
        if let Some(Node::Some(base)) = store.field("base")
            && let Node::Text(base) = &**base
        {
            let path = redact_name(self.pseudonyms, &read(name)).path();
            self.bases.push((base.clone(), format!("directory/{path}")));
        }
    }

    /// The steps of an application's path, the last of which may be a stream.
    fn place(&mut self, place: &mut Group) {
        let Some(Node::Group(app)) = place.field_mut("app") else { return };
        let steps = app.parts.iter_mut().skip(1);
        for step in steps {
            if let Node::Text(text) = step {
                *text = text::stream(self.pseudonyms, text);
            }
        }
    }

    /// A request's target.
    fn target(&mut self, node: &mut Node) {
        let whole = whole(read(node));
        let replaced = match self.api {
            true => text::api_target(self.pseudonyms, &whole),
            false => text::target(self.pseudonyms, &whole),
        };
        *node = Node::of(&Target::parse(&replaced).expect("a pseudonym has the form of what it stands for"));
    }

    /// The fields of a request's head.
    fn fields(&mut self, fields: &mut Node) {
        let Node::Group(fields) = fields else { return };
        for field in &mut fields.parts {
            let Node::Group(field) = field else { continue };
            if let [Node::Text(name), Node::Text(value)] = &mut field.parts[..] {
                let replaced = http::field(self.pseudonyms, &format!("{name}:{value}"));
                *value = replaced[name.len() + 1..].to_owned();
            }
        }
    }
}

/// Replaces words wherever they stand.
struct Sweep<'a> {
    uris: &'a WordSearch,
    words: &'a Words,
    left: u64,
}

impl Sweep<'_> {
    fn part(&mut self, node: &mut Node, place: Place) {
        match node {
            // It was replaced as a whole.
            Node::Text(_) if place == ("Context", "config") => {}
            Node::Text(text) => {
                let mut bytes = std::mem::take(text).into_bytes();
                if place.0 == "Reason" {
                    self.words.names.replace(&mut bytes);
                }
                self.known(&mut bytes);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            Node::Bytes(bytes) => {
                let mut replaced = bytes.to_vec();
                let is_text = std::str::from_utf8(bytes).is_ok();
                if is_text || place.0 == "Outbox" && bytes.len() < REPLY_BYTES_MAX {
                    self.uris.replace(&mut replaced);
                    self.words.names.replace(&mut replaced);
                }
                self.known(&mut replaced);
                *bytes = replaced.into();
            }
            Node::Some(inner) => self.part(inner, place),
            Node::Group(group) => match group.name {
                // What peers said is replaced already, and what is known of media is in other words.
                "Inbox" | "VideoParams" | "AudioParams" => {}
                "Frame" if !is_data(group) => self.count(node),
                "Part" | "Init" => self.count(node),
                _ => {
                    for at in 0..group.parts.len() {
                        let place = place_of(group, at, place);
                        self.part(&mut group.parts[at], place);
                    }
                }
            },
            _ => {}
        }
    }

    /// Replaces words that may stand anywhere.
    fn known(&self, bytes: &mut [u8]) {
        self.words.telling.replace(bytes);
        self.words.ids.replace(bytes);
    }

    fn count(&mut self, media: &Node) {
        match media {
            Node::Bytes(bytes) => self.left += self.words.telling.count(bytes),
            Node::Some(inner) => self.count(inner),
            Node::Group(group) => group.parts.iter().for_each(|part| self.count(part)),
            _ => {}
        }
    }
}

/// True for frames that are neither picture nor sound.
fn is_data(frame: &Group) -> bool {
    frame.field("track").and_then(|track| track.find("TrackKind")).is_some_and(|kind| kind.variant == "Data")
}
