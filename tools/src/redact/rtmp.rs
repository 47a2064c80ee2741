//! Replaces what an RTMP client says, in place: strings of its commands, wherever chunk headers and reads cut
//! them.
//!
//! In: all bytes of one client. Out: the same number of them. Media is not looked at.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::text;
use crate::redact::word_search::WordSearch;
use dacapo::base::inbox::Inbox;
use dacapo::wire::rtmp::chunk::{Item, Limits, Reader};
use dacapo::wire::rtmp::handshake::{Handshake, PACKET_LEN, VERSION, proxy_prefix};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

const COMMAND_AMF0: u8 = 20;
const COMMAND_AMF3: u8 = 17;
/// Sound, pictures, and both in one message.
const MEDIA: [u8; 3] = [8, 9, 22];

/// Commands whose first argument is a stream.
const ABOUT_STREAMS: [&str; 7] =
    ["publish", "play", "FCPublish", "FCUnpublish", "releaseStream", "FCSubscribe", "getStreamLength"];

/// Where in the conversation the bytes of a client begin.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// So many bytes in front are no chunks.
    at: usize,
    /// What is left of the handshake, if anything is.
    handshake: Option<Handshake>,
    reader: Reader,
    /// Where the beginnings of unfinished messages stand, by their chunk streams.
    places: BTreeMap<u32, Vec<Range<usize>>>,
}

impl Beginning {
    /// In the handshake.
    pub fn of(handshake: Handshake) -> Self {
        let reader = Reader::new(limits(), 0, u32::MAX);
        let (at, handshake) = (handshake.peer_bytes(), Some(handshake));
        Beginning { at, handshake, reader, places: BTreeMap::new() }
    }

    /// In the middle. What `reader` holds of each chunk stream, so many bytes each, stands in front of the
    /// rest.
    pub fn within(mut reader: Reader, partial: &[usize]) -> Self {
        // More than any client may have had, so that it fits; a forged reader keeps its own limits.
        let _kept = reader.set_limits(limits());
        let mut at = 0;
        let mut places: BTreeMap<u32, Vec<Range<usize>>> = BTreeMap::new();
        for ((chunk_stream, _), len) in reader.held().zip(partial) {
            places.entry(chunk_stream).or_default().push(at..at + len);
            at += len;
        }
        Beginning { at, handshake: None, reader, places }
    }
}

/// More than any client may have had.
fn limits() -> Limits {
    let most = 32 << 20;
    Limits { chunk_size_max: 1 << 24, message_bytes_max: most, partial_bytes_max: 8 * most }
}

/// A string of a command: which argument, under which key, and where it stands.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    argument: usize,
    key: String,
    place: Range<usize>,
}

/// Replaces what stands before the chunks: the client's address in a proxy's prefix, whose length is noted,
/// and the last packet of the handshake, which is read and means nothing. What follows another version than
/// RTMP's is never read.
pub fn replace_handshake(pseudonyms: &mut Pseudonyms, begin: &mut Beginning, bytes: &mut [u8]) {
    let Some(handshake) = begin.handshake.take() else { return };
    if handshake == Handshake::First {
        // One that is not complete is as long as all there is.
        let len = proxy_prefix(bytes).ok().map_or(0, |len| len.unwrap_or(bytes.len()));
        begin.at += len;
        let address = bytes.get_mut(3..len.clamp(3, 7)).and_then(|address| address.first_chunk_mut::<4>());
        if let Some(address) = address
            && let IpAddr::V4(other) = pseudonyms.address(IpAddr::from(*address))
        {
            *address = other.octets();
        }
        if bytes.get(len).is_some_and(|version| *version != VERSION) {
            bytes[len + 1..].fill(b'x');
        }
    }
    let echo = begin.at.saturating_sub(PACKET_LEN).min(bytes.len())..begin.at.min(bytes.len());
    bytes[echo].fill(b'x');
}

/// Replaces streams, tokens and hosts where they are expected.
pub fn replace(pseudonyms: &mut Pseudonyms, begin: &Beginning, bytes: &mut [u8]) {
    each_message(begin.clone(), bytes, |type_id, payload| {
        if !matches!(type_id, COMMAND_AMF0 | COMMAND_AMF3) {
            return;
        }
        let texts = strings(payload, usize::from(type_id == COMMAND_AMF3));
        let command = texts.first().filter(|first| first.argument == 0).map(|first| first.place.clone());
        let command = command.map(|place| String::from_utf8_lossy(&payload[place]).into_owned());
        let command = command.unwrap_or_default();
        for found in texts {
            let Ok(said) = std::str::from_utf8(&payload[found.place.clone()]) else { continue };
            let replaced = match (command.as_str(), found.key.as_str()) {
                ("connect", "tcUrl" | "app") => text::url(pseudonyms, said, true),
                ("connect", "pageUrl" | "swfUrl") => text::url(pseudonyms, said, false),
                // Name, transaction, command object, then the arguments.
                (name, "") if found.argument == 3 && ABOUT_STREAMS.contains(&name) => {
                    text::stream(pseudonyms, said)
                }
                _ => continue,
            };
            if replaced.len() == found.place.len() {
                payload[found.place].copy_from_slice(replaced.as_bytes());
            }
        }
    });
}

/// Replaces known words in all other messages, but for media.
pub fn sweep(telling: &WordSearch, begin: &Beginning, bytes: &mut [u8]) {
    each_message(begin.clone(), bytes, |type_id, payload| {
        if !MEDIA.contains(&type_id) {
            telling.replace(payload);
        }
    });
}

/// Shows every message to `edit`, which may change its bytes; at the end also those of which only the
/// beginning has come. What follows bytes that make no sense is never read, and overwritten.
fn each_message(begin: Beginning, bytes: &mut [u8], mut edit: impl FnMut(u8, &mut [u8])) {
    // `places`: where the payload of each chunk stream's message stands.
    let Beginning { mut at, mut reader, mut places, .. } = begin;
    let mut inbox = Inbox::new(usize::MAX);
    while at < bytes.len() {
        // A header goes in byte by byte, so that it is known where the payload begins.
        let (len, chunk_stream) = match reader.open_chunk() {
            Some(open) if open.left > 0 => {
                let len = open.left.min(bytes.len() - at);
                let list = places.entry(open.chunk_stream).or_default();
                if open.before == 0 {
                    list.clear();
                }
                list.push(at..at + len);
                (len, Some(open.chunk_stream))
            }
            _ => (1, None),
        };
        let fits = inbox.receive(&bytes[at..at + len]);
        assert!(fits, "this inbox has no limit");
        at += len;
        loop {
            match reader.next(&mut inbox) {
                Ok(Some(Item::Message(message))) => {
                    let list = chunk_stream.and_then(|stream| places.remove(&stream)).unwrap_or_default();
                    let mut payload = message.payload.to_vec();
                    edit(message.type_id, &mut payload);
                    put_back(bytes, list, &payload);
                }
                Ok(Some(Item::Acknowledge(_))) => {}
                Ok(None) => break,
                // The server reads no further either.
                Err(_) => return bytes[at..].fill(b'x'),
            }
        }
    }
    for (chunk_stream, type_id) in reader.unfinished() {
        let list = places.remove(&chunk_stream).unwrap_or_default();
        let mut payload: Vec<u8> = list.iter().flat_map(|place| bytes[place.clone()].to_vec()).collect();
        edit(type_id, &mut payload);
        put_back(bytes, list, &payload);
    }
}

fn put_back(bytes: &mut [u8], places: Vec<Range<usize>>, payload: &[u8]) {
    let mut from = 0;
    for place in places {
        // Of a forged reader, messages may be shorter than what it holds of them.
        let Some(part) = payload.get(from..from + place.len()) else { return };
        from += place.len();
        bytes[place].copy_from_slice(part);
    }
}

/// The strings of AMF0 values, from `start` on. Ends where the values make no sense, or are AMF3.
fn strings(payload: &[u8], start: usize) -> Vec<Text> {
    let mut walk = Walk { payload, at: start, found: Vec::new() };
    let mut argument = 0;
    while walk.at < payload.len() && walk.value(argument, "", 0).is_some() {
        argument += 1;
    }
    walk.found
}

struct Walk<'a> {
    payload: &'a [u8],
    at: usize,
    found: Vec<Text>,
}

/// Deeper values are not looked into.
const DEPTH_MAX: usize = 16;

impl Walk<'_> {
    fn take(&mut self, len: usize) -> Option<Range<usize>> {
        let place = self.at..self.at.checked_add(len)?;
        self.payload.get(place.clone())?;
        self.at = place.end;
        Some(place)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(|_| ())
    }

    fn number(&mut self, len: usize) -> Option<usize> {
        let place = self.take(len)?;
        Some(self.payload[place].iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn value(&mut self, argument: usize, key: &str, depth: usize) -> Option<()> {
        let marker = self.number(1)?;
        match marker {
            0 => self.skip(8)?,
            1 => self.skip(1)?,
            2 | 12 | 15 => {
                let len = self.number(if marker == 2 { 2 } else { 4 })?;
                // The end of it may not have come.
                let place = self.take(len.min(self.payload.len() - self.at))?;
                self.found.push(Text { argument, key: key.to_owned(), place });
            }
            3 => self.members(argument, depth)?,
            5 | 6 | 13 => {}
            7 => self.skip(2)?,
            8 => {
                self.skip(4)?;
                self.members(argument, depth)?;
            }
            10 => {
                for _ in 0..self.number(4)? {
                    self.value(argument, "[]", self.deeper(depth)?)?;
                }
            }
            11 => self.skip(10)?,
            16 => {
                let len = self.number(2)?;
                self.skip(len)?;
                self.members(argument, depth)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// The members of an object, and its end.
    fn members(&mut self, argument: usize, depth: usize) -> Option<()> {
        let depth = self.deeper(depth)?;
        loop {
            let len = self.number(2)?;
            let place = self.take(len)?;
            if len == 0 && self.payload.get(self.at) == Some(&9) {
                self.at += 1;
                return Some(());
            }
            let key = String::from_utf8_lossy(&self.payload[place]).into_owned();
            self.value(argument, &key, depth)?;
        }
    }

    fn deeper(&self, depth: usize) -> Option<usize> {
        (depth < DEPTH_MAX).then_some(depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Beginning, replace, replace_handshake};
    use crate::redact::pseudonyms::Pseudonyms;
    use dacapo::base::rng::Seed;
    use dacapo::wire::amf0::{Value, encode_all};
    use dacapo::wire::rtmp::chunk::write_message;
    use dacapo::wire::rtmp::handshake::{Handshake, PEER_BYTES};

    fn replaced(said: &[u8]) -> Vec<u8> {
        let (mut pseudonyms, mut bytes) = (Pseudonyms::new(Seed::from_u64(5)), said.to_vec());
        let mut begin = Beginning::of(Handshake::First);
        replace_handshake(&mut pseudonyms, &mut begin, &mut bytes);
        replace(&mut pseudonyms, &begin, &mut bytes);
        assert_eq!(bytes.len(), said.len());
        bytes
    }

    fn holds(bytes: &[u8], word: &[u8]) -> bool {
        bytes.windows(word.len()).any(|window| window == word)
    }

    /// A handshake, and that `film` is to be published.
    fn publisher() -> Vec<u8> {
        let mut bytes = vec![7; PEER_BYTES];
        bytes[0] = 3;
        let text = |text: &str| Value::String(text.to_owned());
        let values = [text("publish"), Value::Number(0.0), Value::Null, text("film")];
        let mut payload = bytes::BytesMut::new();
        encode_all(&values, &mut payload);
        write_message(&mut bytes, 128, 3, 0, 20, 1, &payload);
        bytes
    }

    #[test]
    fn a_proxy_in_front_hides_neither_a_name_nor_an_address() {
        let said = [&[0xf3, 0, 6, 192, 0, 2, 7, 9, 9][..], &publisher()].concat();
        let bytes = replaced(&said);
        assert!(holds(&said, b"film") && !holds(&bytes, b"film"));
        assert!(bytes.starts_with(&[0xf3, 0, 6]) && !holds(&bytes, &[192, 0, 2, 7]));
        let cut = replaced(&said[..6]);
        assert_eq!(cut, said[..6], "an address of which a part has come is none");
    }

    #[test]
    fn what_the_server_does_not_read_is_overwritten() {
        let elsewhere = replaced(b"GET /live/film.flv?token=abc HTTP/1.1\r\n\r\n");
        assert!(elsewhere.starts_with(b"G") && !holds(&elsewhere, b"film") && !holds(&elsewhere, b"abc"));
        // A continuation of a message that never began.
        let nonsense = [&publisher()[..], &[0xc9], b"film film film"].concat();
        assert!(!holds(&replaced(&nonsense), b"film"));
    }
}
