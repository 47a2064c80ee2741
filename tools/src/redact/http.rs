//! Replaces what an HTTP client says, in place: targets of requests and the fields of their heads.
//!
//! In: all bytes of one client. Out: the same number of them. Of the fields, those that are known to tell
//! nothing about a person stay; all others are replaced as a whole.

use crate::redact::pseudonyms::{Class, Pseudonyms};
use crate::redact::sweep::Words;
use crate::redact::text;
use dacapo::wire::http1::{BodySkip, HeadLimits, parse_head};
use std::ops::Range;

/// More than any server allows.
const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 1 << 20, headers_max: 1024 };

/// Fields about the program, not about its user.
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

/// Replaces targets, hosts and whatever else may be secret. `body`: the rest of a body stands in front.
pub fn replace(pseudonyms: &mut Pseudonyms, body: Option<BodySkip>, bytes: &mut [u8]) {
    each_request(body, bytes, |head, _| {
        for (place, line) in lines(head).into_iter().enumerate() {
            let replaced = match std::str::from_utf8(&head[line.clone()]) {
                Ok(said) if place == 0 => request_line(pseudonyms, said).into_bytes(),
                Ok(said) => field(pseudonyms, said).into_bytes(),
                Err(_) => pseudonyms.word(Class::Shape, &head[line.clone()]),
            };
            if replaced.len() == line.len() {
                head[line].copy_from_slice(&replaced);
            }
        }
    });
}

/// Replaces known words in everything that was sent.
pub fn sweep(words: &Words, body: Option<BodySkip>, bytes: &mut [u8]) {
    each_request(body, bytes, |head, body| {
        words.replace(head);
        words.replace(body);
    });
}

fn request_line(pseudonyms: &mut Pseudonyms, line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some(target) = words.get_mut(1) {
        *target = text::target(pseudonyms, target);
    }
    words.join(" ")
}

/// A field of a head, as one line.
fn field(pseudonyms: &mut Pseudonyms, line: &str) -> String {
    match line.split_once(':') {
        Some((name, value)) => format!("{name}:{}", field_value(pseudonyms, name, value)),
        // No field at all: whatever it is, it is a text of the peer.
        None => pseudonyms.text(Class::Shape, line),
    }
}

/// The value of a field.
pub fn field_value(pseudonyms: &mut Pseudonyms, name: &str, value: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    if PLAIN.contains(&name.as_str()) || PLAIN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return value.to_owned();
    }
    let bare = value.trim();
    let replaced = match name.as_str() {
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
    format!("{}{replaced}{}", &value[..front], &value[front + bare.len()..])
}

/// Shows every request to `edit`: its head and its body. Reads as the server does, so that a request behind a
/// body in chunks is found, and one behind an upgrade that was refused. What follows a request that the
/// server refuses is never read, and overwritten.
fn each_request(body: Option<BodySkip>, bytes: &mut [u8], mut edit: impl FnMut(&mut [u8], &mut [u8])) {
    let mut rest = bytes;
    if let Some(skip) = body {
        let len = blank_body(skip, rest);
        let (body, after) = rest.split_at_mut(len);
        edit(&mut [], body);
        rest = after;
    }
    while let Some(len) = rest.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) {
        let front = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count().min(len);
        let request = parse_head(&rest[front..len], &LIMITS).ok().flatten().map(|(request, _)| request);
        let (head, after) = rest.split_at_mut(len);
        let skip = request.as_ref().and_then(|request| BodySkip::new(request.body).ok());
        let (Some(request), Some(skip)) = (request, skip) else {
            edit(head, &mut []);
            after.fill(b'x');
            return;
        };
        let body = blank_body(skip, after);
        let (body, after) = after.split_at_mut(body);
        edit(head, body);
        if request.upgrades_to("websocket") && !after.first().is_some_and(u8::is_ascii_alphabetic) {
            // WebSocket messages, in which no name stands.
            return;
        }
        rest = after;
    }
    // A head that never ended may hold a secret all the same.
    edit(rest, &mut []);
}

/// Overwrites the content of a body, which the server skips, but not what tells how long it is. Returns how
/// many bytes belong to the body.
fn blank_body(mut skip: BodySkip, bytes: &mut [u8]) -> usize {
    let (mut begin, mut end) = (0, 0);
    while end < bytes.len() && !skip.is_done() {
        end += 1;
        match skip.consume(&bytes[begin..end]) {
            Ok(0) => continue,
            // Content is taken byte by byte, a line of the framing at once.
            Ok(1) => bytes[begin] = b'x',
            Ok(_) => {}
            // The server reads no further.
            Err(_) => {
                bytes[end..].fill(b'x');
                return bytes.len();
            }
        }
        begin = end;
    }
    if skip.is_done() { begin } else { bytes.len() }
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

    fn replaced(said: &str) -> String {
        let mut bytes = said.as_bytes().to_vec();
        replace(&mut Pseudonyms::new(Seed::from_u64(5)), None, &mut bytes);
        let replaced = String::from_utf8(bytes).expect("it was text");
        assert_eq!(replaced.len(), said.len());
        replaced
    }

    #[track_caller]
    fn holds_none(replaced: &str, secrets: &[&str]) {
        for secret in secrets {
            assert!(!replaced.contains(secret), "{secret} in {replaced}");
        }
    }

    #[test]
    fn targets_hosts_and_secrets_are_replaced_and_the_rest_stays() {
        let replaced = replaced(
            "GET /live/film.flv?token=abc HTTP/1.1\r\nHost: example.com\r\nUser-Agent: VLC\r\n\
             Cookie: id=77x\r\nX-Forwarded-For: 203.0.113.9\r\nContent-Length: 2\r\n\r\nzz\
             GET /live/film/index.m3u8 HTTP/1.1\r\nHost: example.com\r\n\r\nGET /live/film.ts HT",
        );
        holds_none(&replaced, &["film", "abc", "example", "77x", "203.0", "zz"]);
        let film = Pseudonyms::new(Seed::from_u64(5)).text(Class::Name, "film");
        for kept in [
            "GET /live/",
            ".flv?token=",
            "User-Agent: VLC\r\n",
            "\r\n\r\nxx",
            "/index.m3u8 HTTP/1.1\r\nHost: ",
        ] {
            assert!(replaced.contains(kept), "{kept} in {replaced}");
        }
        assert_eq!(replaced.matches(&film).count(), 3, "{replaced}");
    }

    #[test]
    fn a_body_in_chunks_is_overwritten_and_the_request_behind_it_is_found() {
        let replaced = replaced(
            "POST /live/film.m3u8 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             8\r\npassword\r\n5\r\n=swor\r\n0\r\n\r\nGET /live/film.flv HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        holds_none(&replaced, &["film", "password", "swor"]);
        let kept = "\r\n\r\n8\r\nxxxxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\nGET /live/";
        assert!(replaced.contains(kept), "{replaced}");
    }

    #[test]
    fn requests_go_on_where_an_upgrade_was_refused_and_messages_stay() {
        let upgrade = "GET /live/film.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n";
        let again = format!("{upgrade}GET /live/film.ts HTTP/1.1\r\nHost: a\r\n\r\n");
        holds_none(&replaced(&again), &["film"]);
        let messages = replaced(&format!("{upgrade}\u{7f}film\r\n\r\n"));
        assert!(messages.ends_with("\u{7f}film\r\n\r\n"), "{messages}");
    }

    #[test]
    fn what_the_server_does_not_read_is_overwritten() {
        for refused in [
            "POST /live/film.ts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabcdef\r\npassword",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\npassword=film",
            "POST / HTTP/1.1\r\nNo field\r\n\r\nGET /live/film.ts?password HTTP/1.1\r\n",
        ] {
            holds_none(&replaced(refused), &["film", "password"]);
        }
    }

    #[test]
    fn the_api_is_no_other_place() {
        let said = "GET /live/film.flv HTTP/1.1\r\nHost: a\r\n\r\nGET /api/v1/streams/ HTTP/1.1\r\n\r\n";
        let replaced = replaced(said);
        holds_none(&replaced, &["film"]);
        assert!(replaced.contains("GET /api/v1/streams/ HTTP/1.1"), "{replaced}");
    }
}
