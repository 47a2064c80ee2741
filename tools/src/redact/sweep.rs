//! Words that are known by now, wherever else they stand: in texts of our own that quote them, in answers
//! that wait to leave, in media.
//!
//! In: a tree whose marks are redacted. Out: the same without known words, but for media, in which they are
//! counted.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::word_search::WordSearch;
use crate::tree::{Group, Node};
use dacapo::base::secret::mark;
use dacapo::media::frame::{Frame, TrackKind};

/// Binary bytes that wait to leave are answers if there are fewer of them, else media.
const ANSWER_BYTES_MAX: usize = 1024;

/// The words to look for.
#[derive(Debug)]
pub struct Words {
    /// Words, addresses and secrets that are long enough to be replaced wherever they stand.
    pub telling: WordSearch,
    /// Names of streams, for texts that quote such names.
    pub names: WordSearch,
    /// Ids of the server's own making.
    pub ids: WordSearch,
}

impl Words {
    /// All that have a pseudonym.
    pub fn of(pseudonyms: &Pseudonyms) -> Words {
        Words {
            telling: WordSearch::new(pseudonyms.telling()),
            names: WordSearch::new(pseudonyms.names()),
            ids: WordSearch::new(pseudonyms.ids()),
        }
    }

    /// Replaces words that may stand anywhere.
    pub fn replace(&self, bytes: &mut [u8]) {
        self.telling.replace(bytes);
        self.ids.replace(bytes);
    }

    /// The same for a text.
    pub fn replace_text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.replace(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Replaces words in `node`. Returns how often one is left in media.
pub fn sweep(words: &Words, node: &mut Node) -> u64 {
    let mut sweep = Sweep { words, left: 0 };
    sweep.part(node, Scope::Plain);
    sweep.left
}

/// What a part stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Plain,
    /// Texts that quote names.
    Quotes,
    /// Answers that wait to leave: texts, or the messages of a protocol.
    Outbox,
}

struct Sweep<'a> {
    words: &'a Words,
    left: u64,
}

impl Sweep<'_> {
    fn part(&mut self, node: &mut Node, scope: Scope) {
        let data = is_data(node);
        match node {
            Node::Text(_) | Node::Bytes(_) | Node::Octets(..) => {
                let mut bytes = node.octets().to_vec();
                let quotes = match (scope, &node) {
                    (Scope::Quotes, _) => true,
                    // Short names may stand in binary bytes by chance.
                    (_, Node::Bytes(_)) => {
                        std::str::from_utf8(&bytes).is_ok()
                            || scope == Scope::Outbox && bytes.len() < ANSWER_BYTES_MAX
                    }
                    _ => false,
                };
                if quotes {
                    self.words.names.replace(&mut bytes);
                }
                self.words.replace(&mut bytes);
                node.set_octets(bytes);
            }
            Node::Group(group) => match group.head.name {
                mark::QUOTES => self.parts(group, Scope::Quotes),
                mark::OUTBOX => self.parts(group, Scope::Outbox),
                mark::CONNECTION => self.parts(group, Scope::Plain),
                mark::FRAME if data => self.parts(group, scope),
                mark::FRAME | mark::MEDIA => group.parts.iter().for_each(|part| self.count(part)),
                // What has another mark was redacted as a whole.
                name if name.starts_with('$') => {}
                _ => self.parts(group, scope),
            },
            _ => {}
        }
    }

    fn parts(&mut self, group: &mut Group, scope: Scope) {
        group.parts.iter_mut().for_each(|part| self.part(part, scope));
    }

    fn count(&mut self, media: &Node) {
        match media {
            Node::Group(group) => group.parts.iter().for_each(|part| self.count(part)),
            leaf => self.left += self.words.telling.count(leaf.octets()),
        }
    }
}

/// True for frames that are neither picture nor sound.
fn is_data(node: &Node) -> bool {
    let frame = matches!(node, Node::Group(group) if group.head.name == mark::FRAME).then_some(node);
    frame.and_then(Node::read::<Frame>).is_some_and(|frame| frame.track.kind == TrackKind::Data)
}
