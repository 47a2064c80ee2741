//! The one visitor that redacts what is serialised: it replaces what marks itself, whatever field it is in.
//!
//! In: a value as a tree. Out: the same tree with other secrets, texts, names and addresses, each of the form
//! that it had. A mark that it does not know is an error, so that a type that marks itself is never passed
//! over. Words that stand in parts without a mark are for [`sweep`](super::sweep).

use crate::redact::pseudonyms::{Class, Pseudonyms};
use crate::redact::settings::redact_config;
use crate::redact::{http, text};
use crate::tree::{Group, Node};
use dacapo::base::id::Cid;
use dacapo::base::name::StreamName;
use dacapo::base::secret::mark;
use dacapo::config;
use dacapo::wire::http1::Target;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why a value cannot be redacted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarkError {
    /// A type marks itself with a mark that this build does not know. A bug.
    #[error("nothing is known of what is marked `{0}`")]
    Unknown(&'static str),
    /// What is marked has not the form that its mark says: a forged recording.
    #[error("what is marked `{0}` is something else")]
    Malformed(&'static str),
}

/// Replaces what is marked.
pub struct Marks<'a> {
    /// What stands for what.
    pub pseudonyms: &'a mut Pseudonyms,
    /// All streams that the recording is about.
    pub names: &'a BTreeSet<StreamName>,
}

impl Marks<'_> {
    /// Replaces what is marked in and below `node`.
    ///
    /// # Errors
    ///
    /// A mark is unknown, or what is marked is something else.
    pub fn redact(&mut self, node: &mut Node) -> Result<(), MarkError> {
        let Node::Group(group) = node else { return Ok(()) };
        if let Some(replaced) = self.replaced(group)? {
            *node = replaced;
            return Ok(());
        }
        group.parts.iter_mut().try_for_each(|part| self.redact(part))
    }

    /// What stands for a group that is marked as a whole; `None`: its parts are to be looked at.
    fn replaced(&mut self, group: &mut Group) -> Result<Option<Node>, MarkError> {
        let name = group.head.name;
        let malformed = || MarkError::Malformed(name);
        match name {
            mark::SECRET => self.secrets(&mut group.parts),
            mark::TEXT => self.text(group, |pseudonyms, text| pseudonyms.text(Class::Shape, text)),
            mark::QUERY => self.text(group, text::pairs),
            mark::STREAM_URL => self.text(group, text::stream_url),
            mark::PAGE_URL => self.text(group, text::page_url),
            mark::LOCAL_PATH => {
                let names = self.names;
                self.text(group, |pseudonyms, text| text::local_path(pseudonyms, names, text));
            }
            mark::APP_PATH => self.app_path(group),
            mark::CONFIG => {
                let (pseudonyms, names) = (&mut *self.pseudonyms, self.names);
                let text =
                    group.parts.first().map(Node::octets).and_then(|text| std::str::from_utf8(text).ok());
                let config = text.and_then(|text| config::reread(text).ok()).ok_or_else(malformed)?;
                let text = config::print(&redact_config(pseudonyms, config, names));
                group.parts = vec![Node::Text(text)];
            }
            mark::STREAM_NAME => {
                let name = whole(group).ok_or_else(malformed)?;
                return Ok(Some(Node::of(&text::stream_name(self.pseudonyms, &name))));
            }
            mark::TARGET => {
                let target = whole(group).and_then(|target| self.target(&target)).ok_or_else(malformed)?;
                return Ok(Some(Node::of(&target)));
            }
            mark::FIELDS => {
                let mut fields: Vec<(String, String)> = whole(group).ok_or_else(malformed)?;
                for (name, value) in &mut fields {
                    *value = http::field_value(self.pseudonyms, name, value);
                }
                group.parts = vec![Node::of(&fields)];
            }
            mark::CID => {
                let cid: Cid = whole(group).ok_or_else(malformed)?;
                return Ok(Some(Node::of(&self.pseudonyms.cid(cid))));
            }
            _ if mark::ADDRESSES.contains(&name) => return self.address(group).map(Some),
            // What a peer sent is redacted with all else that it sends, and all others have parts.
            mark::UNREAD | mark::PARTIAL => {}
            mark::CONNECTION | mark::OUTBOX | mark::FRAME | mark::MEDIA | mark::QUOTES => return Ok(None),
            unknown if unknown.starts_with('$') => return Err(MarkError::Unknown(unknown)),
            _ => return Ok(None),
        }
        Ok(Some(Node::Group(Box::new(group.clone()))))
    }

    /// All bytes in a secret are drawn anew; what else is in it (how far a generator has come) stays.
    fn secrets(&mut self, parts: &mut [Node]) {
        for part in parts {
            match part {
                Node::Group(group) => self.secrets(&mut group.parts),
                Node::U8(byte) => *byte = self.pseudonyms.secret(&[*byte])[0],
                leaf => {
                    let other = self.pseudonyms.secret(leaf.octets());
                    leaf.set_octets(other);
                }
            }
        }
    }

    fn text(&mut self, group: &mut Group, replace: impl Fn(&mut Pseudonyms, &str) -> String) {
        for part in &mut group.parts {
            if let Node::Text(text) = part {
                *text = replace(self.pseudonyms, text);
            }
        }
    }

    /// The first step stays; the last of the others may be a stream.
    fn app_path(&mut self, group: &mut Group) {
        let Some(Node::Group(steps)) = group.parts.first_mut() else { return };
        for step in steps.parts.iter_mut().skip(1) {
            if let Node::Text(text) = step {
                *text = text::stream(self.pseudonyms, text);
            }
        }
    }

    fn target(&mut self, target: &Target) -> Option<Target> {
        let query = if target.query.is_empty() { String::new() } else { format!("?{}", &*target.query) };
        let whole = format!("{}{query}", target.path);
        Target::parse(&text::target(self.pseudonyms, &whole)).ok()
    }

    fn address(&mut self, group: &Group) -> Result<Node, MarkError> {
        let malformed = || MarkError::Malformed(group.head.name);
        if group.head.name == mark::ADDRESSES[0] {
            let mut addr: SocketAddr = whole(group).ok_or_else(malformed)?;
            addr.set_ip(self.pseudonyms.address(addr.ip()));
            return Ok(Node::of(&addr));
        }
        let ip: IpAddr = whole(group).ok_or_else(malformed)?;
        Ok(Node::of(&self.pseudonyms.address(ip)))
    }
}

/// The value that this group is the tree of.
fn whole<T: serde::de::DeserializeOwned>(group: &Group) -> Option<T> {
    Node::Group(Box::new(group.clone())).read()
}
