//! What marks itself is replaced, whatever it is called and wherever it stands.

use super::marks::{MarkError, Marks};
use super::pseudonyms::Pseudonyms;
use super::sweep::{Words, sweep};
use crate::tree::Node;
use dacapo::base::name::StreamName;
use dacapo::base::rng::Seed;
use dacapo::base::secret::{LocalPath, PageUrl, PeerText, Query, Secret, StreamUrl, marked};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The value as it is given away.
fn redacted<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let mut pseudonyms = Pseudonyms::new(Seed::from_u64(5));
    let names = BTreeSet::from([StreamName::new("live", "hidden-film")]);
    let mut tree = Node::of(value);
    let mut marks = Marks { pseudonyms: &mut pseudonyms, names: &names };
    marks.redact(&mut tree).expect("all marks are known");
    assert_eq!(sweep(&Words::of(&pseudonyms), &mut tree), 0);
    tree.read().expect("it has the same form")
}

fn holds(value: &impl Serialize, word: &str) -> bool {
    let bytes = postcard::to_allocvec(value).expect("plain data");
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// A part of a server as the next protocol may bring one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Call {
    ice: (u8, Secret<[u8; 12]>),
    tokens: BTreeMap<u32, Vec<PeerText>>,
    hook: Option<Box<Hook>>,
    plain: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Hook {
    Called { url: PageUrl, query: Query, from: SocketAddr, to: IpAddr },
    File(LocalPath, StreamUrl, StreamName),
}

fn calls() -> [Call; 2] {
    let called = Hook::Called {
        url: "https://hooks.example.org/s3cr3t".into(),
        query: "token=s3cr3t-t0ken".into(),
        from: ([192, 0, 2, 7], 9).into(),
        to: "2001:db8::7".parse().expect("an address"),
    };
    let file = Hook::File(
        "/srv/hidden/live/hidden-film.flv".into(),
        "rtmp://media.example.org/live/hidden-film".into(),
        StreamName::new("live", "hidden-film"),
    );
    [called, file].map(|hook| Call {
        ice: (7, Secret::new(*b"ice-password")),
        tokens: [(1, vec!["s3cr3t-t0ken".into(), "other-s3cr3t".into()])].into(),
        hook: Some(Box::new(hook)),
        plain: 77,
    })
}

#[test]
fn a_secret_that_is_added_to_a_type_is_replaced() {
    for call in calls() {
        let other = redacted(&call);
        for word in ["ice-pass", "s3cr3t", "t0ken", "hidden", "example", "/srv"] {
            assert!(holds(&call, word) || word != "s3cr3t");
            assert!(!holds(&other, word), "{word} is left in {other:?}");
        }
        assert!(!holds(&other, "\u{c0}\u{0}\u{2}\u{7}"));
        let [one, two] = [&call, &other].map(|call| postcard::to_allocvec(call).expect("plain data").len());
        assert_eq!((one, call.plain, call.ice.0), (two, other.plain, other.ice.0), "the form is the same");
    }
    let Some(Hook::File(path, url, name)) = redacted(&calls()[1]).hook.map(|hook| *hook) else {
        panic!("the other hook")
    };
    assert_eq!(name.app, "live");
    assert!(path.ends_with(&format!("/live/{}.flv", name.stream)), "{path} leads to {}", name.stream);
    assert!(url.ends_with(&format!("/live/{}", name.stream)), "one pseudonym everywhere");
}

#[test]
fn names_of_types_and_fields_do_not_matter() {
    #[derive(Serialize, Deserialize)]
    struct Before {
        seed: Secret<[u8; 4]>,
        query: Query,
        peer: SocketAddr,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Renamed")]
    struct After {
        #[serde(rename = "a")]
        grain: Secret<[u8; 4]>,
        b: Query,
        c: SocketAddr,
    }
    let (secret, query, peer) = (Secret::new(*b"seed"), Query::from("k=s3cr3t"), ([192, 0, 2, 7], 9).into());
    let before = redacted(&Before { seed: secret, query: query.clone(), peer });
    let after = redacted(&After { grain: secret, b: query.clone(), c: peer });
    assert_eq!((before.seed, &before.query, before.peer), (after.grain, &after.b, after.c));
    assert!(before.seed != secret && before.query != query && before.peer != peer);
}

#[test]
fn the_same_secret_is_the_same_other_one_and_bytes_that_quote_it_follow() {
    let key = Secret::new(*b"0123456789abcdef");
    let body = bytes::Bytes::from_static(b"\xff0123456789abcdef\xff");
    let ([one, two], quoted) = redacted(&([key, key], body));
    assert!(one == two && one != key);
    assert_eq!(&quoted[1..17], one.reveal());
}

#[test]
fn a_mark_that_is_not_known_is_refused() {
    struct Novel;
    impl Serialize for Novel {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            marked("$novel", "anything", to)
        }
    }
    let (mut pseudonyms, names) = (Pseudonyms::new(Seed::from_u64(5)), BTreeSet::new());
    let refused = Marks { pseudonyms: &mut pseudonyms, names: &names }.redact(&mut Node::of(&vec![Novel]));
    assert_eq!(refused, Err(MarkError::Unknown("$novel")));
}
