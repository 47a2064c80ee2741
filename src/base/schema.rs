//! The schema of a value: its structs and enums, with the names of their fields and variants.
//!
//! Two builds with the same schema of a state understand the bytes of each other. In: a value. Out: its types
//! by name, each with a fingerprint of its parts. Never: looks at the content of the value.

use crate::base::walk::{Form, Head, Leaf, Visit, walk};
use serde::Serialize;
use std::collections::BTreeSet;

/// Types by name, each with a fingerprint.
pub type Schema = BTreeSet<(String, u32)>;

/// The schema of `value`, as far as it is instantiated: for an enum, the variants that occur.
pub fn schema(value: &impl Serialize) -> Schema {
    let mut reader = Reader::default();
    walk(value, &mut reader);
    reader.seen.into_iter().map(|(name, print)| (name.to_owned(), print)).collect()
}

/// Collects the schema.
#[derive(Default)]
struct Reader {
    seen: BTreeSet<(&'static str, u32)>,
    /// The structs and variants that are being looked at, the innermost last. `None`: a wrapper without a
    /// name of its own.
    open: Vec<Option<(&'static str, u32)>>,
}

impl Visit for Reader {
    fn leaf(&mut self, _: Leaf<'_>) {}

    fn open(&mut self, head: Head) {
        let named = !matches!(head.form, Form::Some | Form::Newtype);
        self.open.push(named.then(|| (head.name, mix(2_166_136_261, head.variant))));
    }

    fn field(&mut self, name: &'static str) {
        if let Some(Some((_, print))) = self.open.last_mut() {
            *print = mix(*print, name);
        }
    }

    fn close(&mut self) {
        self.seen.extend(self.open.pop().flatten());
    }
}

/// FNV-1a, with a separator after each word.
fn mix(print: u32, word: &str) -> u32 {
    word.bytes().chain([0xff]).fold(print, |print, byte| (print ^ u32::from(byte)).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_the_shape_and_values_do_not() {
        mod before {
            #[derive(serde::Serialize)]
            pub struct Peer {
                pub name: String,
                pub state: Option<State>,
            }
            #[derive(serde::Serialize)]
            pub enum State {
                Open { until: u64 },
                Closed,
            }
        }
        mod after {
            #[derive(serde::Serialize)]
            pub struct Peer {
                pub name: String,
                pub since: u64,
            }
        }
        use before::{Peer, State};
        let peer = |name: &str, state| Peer { name: name.to_owned(), state };
        let open = schema(&vec![peer("a", None), peer("b", Some(State::Open { until: 4 }))]);
        assert_eq!(open, schema(&[peer("c", Some(State::Open { until: 5 })), peer("d", None)]));
        assert!(open.iter().any(|(name, _)| name == "Peer") && open.iter().any(|(name, _)| name == "State"));
        assert_ne!(open, schema(&[peer("b", Some(State::Closed))]));
        let other = schema(&[after::Peer { name: "a".to_owned(), since: 1 }]);
        assert!(!open.is_superset(&other));
    }
}
