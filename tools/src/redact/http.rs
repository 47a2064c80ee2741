//! Replaces what an HTTP client says, in place: targets of requests and the fields of their heads.
//!
//! In: all bytes of one client. Out: the same number of them. Of the fields, those that are known to tell
//! nothing of anybody stay; all others are replaced as a whole.

use crate::redact::pseudonyms::{Class, Pseudonyms};
use crate::redact::text;
use crate::redact::word_search::WordSearch;
use std::ops::Range;

/// Fields that say what a program can do, not who uses it.
const PLAIN: [&str; 24] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "dnt",
    "expect",
    "icy-metadata",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "keep-alive",
    "pragma",
    "priority",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "access-control-request-method",
];

/// Fields that begin so are plain too.
const PLAIN_PREFIXES: [&str; 3] = ["sec-websocket-", "sec-fetch-", "sec-ch-"];

/// Replaces targets, hosts and whatever else may be secret. `api`: the API is spoken to.
pub fn replace(pseudonyms: &mut Pseudonyms, bytes: &mut [u8], api: bool) {
    each_request(bytes, |head, _| {
        for (place, line) in lines(head).into_iter().enumerate() {
            let replaced = match std::str::from_utf8(&head[line.clone()]) {
                Ok(said) if place == 0 => request_line(pseudonyms, said, api),
                Ok(said) => field(pseudonyms, said),
                Err(_) => {
                    String::from_utf8_lossy(&pseudonyms.word(Class::Shape, &head[line.clone()])).into_owned()
                }
            };
            if replaced.len() == line.len() {
                head[line].copy_from_slice(replaced.as_bytes());
            }
        }
    });
}

/// Replaces known words in everything that was said; `names` are looked for in contents alone, which name
/// streams.
pub fn sweep(telling: &WordSearch, names: &WordSearch, bytes: &mut [u8]) {
    each_request(bytes, |head, content| {
        telling.replace(head);
        names.replace(content);
        telling.replace(content);
    });
}

fn request_line(pseudonyms: &mut Pseudonyms, line: &str, api: bool) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some(target) = words.get_mut(1) {
        *target = if api { text::api_target(pseudonyms, target) } else { text::target(pseudonyms, target) };
    }
    words.join(" ")
}

/// A field of a head, as one line.
pub fn field(pseudonyms: &mut Pseudonyms, line: &str) -> String {
    let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
    let lower = name.trim().to_ascii_lowercase();
    if PLAIN.contains(&lower.as_str()) || PLAIN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return line.to_owned();
    }
    let bare = value.trim();
    let replaced = match lower.as_str() {
        "host" | "x-forwarded-host" => text::authority(pseudonyms, bare),
        "origin" | "referer" => text::url(pseudonyms, bare, false),
        // Which scheme it is tells nothing, and the word alone is what the configuration knows.
        "authorization" => match bare.split_once(' ') {
            Some((scheme, word)) => format!("{scheme} {}", pseudonyms.text(Class::Shape, word)),
            None => pseudonyms.text(Class::Shape, bare),
        },
        "x-forwarded-for" | "x-real-ip" => text::addresses(pseudonyms, bare),
        _ => pseudonyms.text(Class::Shape, bare),
    };
    let front = value.len() - value.trim_start().len();
    format!("{name}:{}{replaced}{}", &value[..front], &value[front + bare.len()..])
}

/// Shows every request to `edit`: its head and its content. Ends at what is no request, and where a client
/// goes on in another protocol: a WebSocket's client says nothing that matters.
fn each_request(bytes: &mut [u8], mut edit: impl FnMut(&mut [u8], &mut [u8])) {
    let mut rest = bytes;
    while let Some(len) = rest.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) {
        let head = String::from_utf8_lossy(&rest[..len]).to_ascii_lowercase();
        let value = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(other, _)| other.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        let content: usize = value("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        let switches = value("upgrade").is_some();
        let (head, after) = rest.split_at_mut(len);
        let content = content.min(after.len());
        let (content, after) = after.split_at_mut(content);
        edit(head, content);
        if switches {
            return;
        }
        rest = after;
    }
    // A head that never ended may hold a secret all the same.
    edit(rest, &mut []);
}

/// Where the lines of a head stand, without their ends.
fn lines(head: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut from = 0;
    for (at, byte) in head.iter().enumerate() {
        if *byte == b'\n' {
            let end = if at > from && head[at - 1] == b'\r' { at - 1 } else { at };
            lines.push(from..end);
            from = at + 1;
        }
    }
    lines.push(from..head.len());
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::replace;
    use crate::redact::pseudonyms::{Class, Pseudonyms};
    use dacapo::base::rng::Seed;

    #[test]
    fn targets_hosts_and_secrets_are_replaced_and_the_rest_stays() {
        let mut pseudonyms = Pseudonyms::new(Seed::from_u64(5));
        let said = "GET /live/film.flv?token=abc HTTP/1.1\r\nHost: example.com\r\nUser-Agent: VLC\r\n\
            Cookie: id=77x\r\nX-Forwarded-For: 203.0.113.9\r\nContent-Length: 2\r\n\r\nok\
            GET /live/film/index.m3u8 HTTP/1.1\r\nHost: example.com\r\n\r\nGET /live/film.ts HT";
        let mut bytes = said.as_bytes().to_vec();
        replace(&mut pseudonyms, &mut bytes, false);
        let replaced = String::from_utf8(bytes).expect("it was text");
        assert_eq!(replaced.len(), said.len());
        for secret in ["film", "abc", "example", "77x", "203.0"] {
            assert!(!replaced.contains(secret), "{secret} in {replaced}");
        }
        let film = pseudonyms.text(Class::Name, "film");
        for kept in [
            "GET /live/",
            ".flv?token=",
            "User-Agent: VLC\r\n",
            "\r\n\r\nok",
            "/index.m3u8 HTTP/1.1\r\nHost: ",
        ] {
            assert!(replaced.contains(kept), "{kept} in {replaced}");
        }
        assert_eq!(replaced.matches(&film).count(), 3, "{replaced}");
    }
}
