//! What stands for what: the same word always gets the same pseudonym, of the same length.
//!
//! Pseudonyms are drawn from a key that is thrown away afterwards, so that a word cannot be found by trying
//! the pseudonyms of likely ones. Two words never share a pseudonym.

use crate::redact::word_search::Pair;
use dacapo::base::id::Cid;
use dacapo::base::rng::{Rng, Seed};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Shorter words are looked for only where they are expected: elsewhere they may stand by chance.
pub const TELLING_BYTES_MIN: usize = 6;

/// How often a pseudonym is drawn before it is taken as it comes.
const DRAWS_MAX: u32 = 10_000;

/// How a word is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A part of a stream's name: small letters, whatever it was.
    Name,
    /// A token or a host: a letter for a letter, a digit for a digit, all else as it is.
    Shape,
}

/// All pseudonyms of a recording.
#[derive(Debug)]
pub struct Pseudonyms {
    key: Seed,
    words: BTreeMap<(Class, Vec<u8>), Vec<u8>>,
    /// Pseudonyms that were given.
    taken: BTreeSet<(Class, Vec<u8>)>,
    addresses: BTreeMap<IpAddr, IpAddr>,
    addresses_taken: BTreeSet<IpAddr>,
    secrets: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Words of the server's own making, which follow from the seed, names and addresses.
    ids: BTreeMap<String, String>,
    /// Words that are no secret and stay wherever they are not known to be one: names of applications.
    kept: BTreeSet<Vec<u8>>,
}

impl Pseudonyms {
    /// No pseudonyms yet; all are drawn from `key`.
    pub fn new(key: Seed) -> Self {
        Pseudonyms {
            key,
            words: BTreeMap::new(),
            taken: BTreeSet::new(),
            addresses: BTreeMap::new(),
            addresses_taken: BTreeSet::new(),
            secrets: BTreeMap::new(),
            ids: BTreeMap::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Notes a word that is no secret: it may be the name of a stream as well, but only there it is replaced.
    pub fn keep(&mut self, word: &str) {
        self.kept.insert(word.as_bytes().to_vec());
    }

    /// What stands for secret bytes: as many others.
    pub fn secret(&mut self, bytes: &[u8]) -> Vec<u8> {
        let key = self.key;
        let draw = || {
            let mut other = vec![0; bytes.len()];
            key.fork(&[b"secret/", bytes].concat()).fill(&mut other);
            other
        };
        self.secrets.entry(bytes.to_vec()).or_insert_with(draw).clone()
    }

    /// The pseudonym of a connection's id.
    pub fn cid(&mut self, cid: Cid) -> Cid {
        let other = self.key.fork(&[b"cid/", &cid.0[..]].concat()).random_word();
        let other = Cid(other);
        self.ids.entry(cid.as_str().to_owned()).or_insert_with(|| other.as_str().to_owned());
        other
    }

    /// The pseudonym of a word.
    pub fn word(&mut self, class: Class, word: &[u8]) -> Vec<u8> {
        if class == Class::Shape && !word.iter().any(u8::is_ascii_alphanumeric) {
            return word.to_vec();
        }
        if let Some(pseudonym) = self.words.get(&(class, word.to_vec())) {
            return pseudonym.clone();
        }
        let mut rng = self.key.fork(&[format!("{class:?}/").as_bytes(), word].concat());
        let mut pseudonym = draw(&mut rng, class, word);
        for _ in 0..DRAWS_MAX {
            if pseudonym != word && !self.taken.contains(&(class, pseudonym.clone())) {
                break;
            }
            pseudonym = draw(&mut rng, class, word);
        }
        self.taken.insert((class, pseudonym.clone()));
        self.words.insert((class, word.to_vec()), pseudonym.clone());
        pseudonym
    }

    /// The pseudonym of a text.
    pub fn text(&mut self, class: Class, text: &str) -> String {
        String::from_utf8(self.word(class, text.as_bytes())).unwrap_or_else(|_| "x".repeat(text.len()))
    }

    /// Names of streams with their pseudonyms, also as they stand in URIs: for texts that quote them.
    pub fn names(&self) -> Vec<Pair> {
        let names = self.words.iter().filter(|((class, word), _)| *class == Class::Name && word.len() >= 3);
        let names = names.filter(|((_, word), _)| !self.kept.contains(word));
        let pair = |((_, word), pseudonym): (&(Class, Vec<u8>), &Vec<u8>)| (word.clone(), pseudonym.clone());
        let mut names: Vec<Pair> = names.map(pair).collect();
        let encoded = names.iter().map(|(word, pseudonym)| percent_encoded(word, pseudonym));
        let encoded: Vec<Pair> = encoded.filter(|(word, pseudonym)| word.len() == pseudonym.len()).collect();
        names.extend(encoded);
        names.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        names.dedup_by(|(a, _), (b, _)| a == b);
        names
    }

    /// The pseudonym of an address: as long when it is written out, if that can be. Those of this machine
    /// itself tell nothing and stay.
    pub fn address(&mut self, ip: IpAddr) -> IpAddr {
        if ip.is_loopback() || ip.is_unspecified() {
            return ip;
        }
        if let Some(pseudonym) = self.addresses.get(&ip) {
            return *pseudonym;
        }
        let mut rng = self.key.fork(format!("address/{ip}").as_bytes());
        let len = ip.to_string().len();
        let mut pseudonym = ip;
        for _ in 0..DRAWS_MAX {
            pseudonym = match ip {
                IpAddr::V4(_) => private_v4(&mut rng, len).into(),
                IpAddr::V6(_) => documentation_v6(&mut rng, len).into(),
            };
            let fits = pseudonym.to_string().len() == len;
            if fits && pseudonym != ip && !self.addresses_taken.contains(&pseudonym) {
                break;
            }
        }
        self.addresses_taken.insert(pseudonym);
        self.addresses.insert(ip, pseudonym);
        pseudonym
    }

    /// Notes what becomes of a word of the server's own making.
    pub fn note_id(&mut self, id: String, pseudonym: String) {
        self.ids.insert(id, pseudonym);
    }

    /// Words of the server's own making, with what became of them.
    pub fn ids(&self) -> Vec<Pair> {
        let pair =
            |(id, pseudonym): (&String, &String)| (id.clone().into_bytes(), pseudonym.clone().into_bytes());
        let same = |(id, pseudonym): &(&String, &String)| id.len() == pseudonym.len() && id.len() > 1;
        self.ids.iter().filter(same).map(pair).collect()
    }

    /// How many words and addresses were replaced.
    pub fn count(&self) -> usize {
        self.words.len() + self.addresses.len()
    }

    /// Words, addresses and secrets that are long enough to be known anywhere, with their pseudonyms, the
    /// longest first.
    pub fn telling(&self) -> Vec<Pair> {
        let words = self.words.iter().filter(|((_, word), _)| !self.kept.contains(word));
        let words = words.map(|((_, word), pseudonym)| (word.clone(), pseudonym.clone()));
        let text = |ip: &IpAddr| ip.to_string().into_bytes();
        let addresses = self.addresses.iter().map(|(ip, pseudonym)| (text(ip), text(pseudonym)));
        let secrets = self.secrets.iter().map(|(bytes, others)| (bytes.clone(), others.clone()));
        let mut all: Vec<_> = words
            .chain(addresses)
            .chain(secrets)
            .filter(|(word, pseudonym)| {
                word.len() >= TELLING_BYTES_MIN && word.len() == pseudonym.len() && word != pseudonym
            })
            .collect();
        all.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        all.dedup_by(|(a, _), (b, _)| a == b);
        all
    }
}

/// A word as it stands in a URI, and its pseudonym in the same form (RFC 3986, 2.1 and 2.3).
fn percent_encoded(word: &[u8], pseudonym: &[u8]) -> Pair {
    let mut pair = (Vec::new(), Vec::new());
    for (byte, other) in word.iter().zip(pseudonym) {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            pair.0.push(*byte);
            pair.1.push(*other);
        } else {
            pair.0.extend(format!("%{byte:02X}").bytes());
            pair.1.extend(format!("%{other:02X}").bytes());
        }
    }
    pair
}

fn draw(rng: &mut Rng, class: Class, word: &[u8]) -> Vec<u8> {
    let mut one_of = |first: u8, count: u32| first + (rng.u32() % count) as u8;
    word.iter()
        .map(|byte| match byte {
            _ if class == Class::Name => one_of(b'a', 26),
            b'a'..=b'z' => one_of(b'a', 26),
            b'A'..=b'Z' => one_of(b'A', 26),
            b'0'..=b'9' => one_of(b'0', 10),
            other => *other,
        })
        .collect()
}

/// An address for private use that is `len` bytes long when it is written out.
fn private_v4(rng: &mut Rng, len: usize) -> Ipv4Addr {
    let mut octet = |least: u32, most: u32| (least + rng.u32() % (most - least + 1)) as u8;
    match len {
        // There is none so short; these belong to no network at all.
        ..8 => Ipv4Addr::new(0, octet(0, 9), octet(0, 9), octet(0, 9)),
        15.. => Ipv4Addr::new(192, 168, octet(100, 255), octet(100, 255)),
        _ => Ipv4Addr::new(10, octet(0, 255), octet(0, 255), octet(0, 255)),
    }
}

/// An address for documentation that may be `len` bytes long when it is written out.
fn documentation_v6(rng: &mut Rng, len: usize) -> Ipv6Addr {
    let mut groups = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0];
    let groups_free = len.saturating_sub(10) / 5 + 1;
    for place in groups.iter_mut().rev().take(groups_free.min(6)) {
        *place = (rng.u32() >> (16 + rng.u32() % 4 * 4)) as u16;
    }
    Ipv6Addr::from(groups)
}

#[cfg(test)]
mod tests {
    use super::{Class, Pseudonyms};
    use dacapo::base::rng::Seed;
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    #[test]
    fn the_same_word_has_the_same_pseudonym_of_the_same_length() {
        let mut pseudonyms = Pseudonyms::new(Seed::from_u64(1));
        let name = pseudonyms.word(Class::Name, "Kamera-1".as_bytes());
        assert!(name.len() == 8 && name.iter().all(u8::is_ascii_lowercase), "{name:?}");
        assert_eq!(pseudonyms.word(Class::Name, "Kamera-1".as_bytes()), name);
        let token = pseudonyms.text(Class::Shape, "aB3-x.9");
        let shape: String = token.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_ne!(token, "aB3-x.9");
        assert!(token.as_bytes()[3] == b'-' && shape.ends_with(".0"), "{token}");
        assert_ne!(Pseudonyms::new(Seed::from_u64(2)).word(Class::Name, b"Kamera-1"), name);
    }

    #[test]
    fn no_two_words_share_a_pseudonym() {
        let mut pseudonyms = Pseudonyms::new(Seed::from_u64(1));
        let all: BTreeSet<Vec<u8>> =
            (b'a'..=b'z').map(|word| pseudonyms.word(Class::Name, &[word])).collect();
        assert_eq!(all.len(), 26);
    }

    #[test]
    fn addresses_keep_their_length_and_lead_nowhere() {
        let mut pseudonyms = Pseudonyms::new(Seed::from_u64(1));
        for text in
            ["8.8.8.8", "203.0.113.77", "17.5.7.9", "192.100.200.150", "2001:4860:4860::8888", "2a00::1:2:3"]
        {
            let ip: IpAddr = text.parse().expect("an address");
            let pseudonym = pseudonyms.address(ip);
            assert_eq!(pseudonym.to_string().len(), text.len(), "{text} is {pseudonym}");
            assert!(pseudonym != ip && pseudonyms.address(ip) == pseudonym);
        }
        assert!(pseudonyms.address(IpAddr::from([127, 0, 0, 1])).is_loopback());
    }
}
