//! Names, hosts and tokens in the texts that peers send: URLs, paths, queries, hosts.
//!
//! Everything keeps its length and its form: what was percent-encoded stays so, extensions, slashes and the
//! keys of a query stay. The first step of a path is the application and stays; all others are names.

use crate::redact::pseudonyms::{Class, Pseudonyms};
use dacapo::base::name::{DEFAULT_VHOST, StreamName};
use dacapo::wire::format::Container;
use dacapo::wire::m3u8::HlsFile;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The instance that clients put into a path when none is meant.
const DEFAULT_INSTANCE: &str = "_definst_";

/// How peers that cannot write a question mark request a vhost.
const DOTTED_VHOST: &str = "...vhost...";

/// A URL, or a path without scheme and host. `keeps_app`: the first step of its path is the application.
pub fn url(pseudonyms: &mut Pseudonyms, text: &str, keeps_app: bool) -> String {
    let (before, query) = split_query(text);
    let (scheme, rest) = match before.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, before),
    };
    let (authority, rest) = match scheme {
        Some(_) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let mut out = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    out += &self::authority(pseudonyms, authority);
    out += &steps(pseudonyms, rest, keeps_app, |pseudonyms, last| stem(pseudonyms, last, is_flv, false));
    out + &self::query(pseudonyms, query, keeps_app)
}

/// The URL of a stream, or its path.
pub fn stream_url(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    // Players by HTTP have no other URL than their request's.
    if text.starts_with("http://") { target(pseudonyms, text) } else { url(pseudonyms, text, true) }
}

/// Any other URL. A text without letters, such as `*`, is none.
pub fn page_url(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    if text.contains(char::is_alphanumeric) { url(pseudonyms, text, false) } else { text.to_owned() }
}

/// A path on the server's disk, which may lead to the files of a stream.
pub fn local_path(pseudonyms: &mut Pseudonyms, names: &BTreeSet<StreamName>, text: &str) -> String {
    let below = |name: &StreamName| {
        let path = format!("/{}", name.path());
        let at = text.rfind(&path)?;
        let rest = &text[at + path.len()..];
        (rest.is_empty() || rest.starts_with(['/', '.'])).then_some((at, path.len()))
    };
    let found = names.iter().filter_map(|name| Some((below(name)?, name)));
    match found.max_by_key(|((_, len), _)| *len) {
        Some(((at, len), name)) => {
            let directory = pseudonyms.text(Class::Shape, &text[..at]);
            format!("{directory}/{}{}", stream_name(pseudonyms, name).path(), &text[at + len..])
        }
        None => pseudonyms.text(Class::Shape, text),
    }
}

/// The name of a stream as the server understands it.
pub fn stream_name(pseudonyms: &mut Pseudonyms, name: &StreamName) -> StreamName {
    let mut steps = name.app.split('/');
    let app = steps.next().unwrap_or_default().to_owned();
    let app = steps.fold(app, |app, step| format!("{app}/{}", pseudonyms.text(Class::Name, step)));
    let vhost = host(pseudonyms, &name.vhost);
    StreamName { vhost, app, stream: pseudonyms.text(Class::Name, &name.stream) }
}

/// What a peer publishes or plays: `stream?query`, with steps of the application in front, perhaps.
pub fn stream(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    let (path, query) = split_query(text);
    let path = steps(pseudonyms, path, false, |pseudonyms, last| stem(pseudonyms, last, is_flv, false));
    path + &self::query(pseudonyms, query, false)
}

/// The target of a request for a stream or its files.
pub fn target(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    if text.contains("://") {
        // The absolute form: scheme and host, then the origin form.
        let host = text.find("://").map_or(0, |at| at + 3);
        let path = text[host..].find('/').map_or(text.len(), |at| host + at);
        let front = format!("{}{}", &text[..host], authority(pseudonyms, &text[host..path]));
        return front + &target(pseudonyms, &text[path..]);
    }
    let (path, query) = text.find('?').map_or((text, ""), |at| text.split_at(at));
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let own = ["", "index.html", "live.json", "favicon.ico", "api"];
    if own.contains(&first) || path == "*" {
        // Ids in a path of the API are replaced with all other ids.
        return path.to_owned() + &self::query(pseudonyms, query, false);
    }
    let depth = parts.count();
    let last = |pseudonyms: &mut Pseudonyms, last: &str| match last {
        file if depth >= 2 && HlsFile::parse(file).is_some() => file.to_owned(),
        file => stem(pseudonyms, file, has_format, true),
    };
    steps(pseudonyms, path, depth > 0, last) + &self::query(pseudonyms, query, false)
}

/// A host, with user and port perhaps.
pub fn authority(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    let (user, host) = match text.rfind('@') {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    let (host, port) = match host.rfind(':') {
        Some(at) if !host[at..].contains(']') && host[at + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            host.split_at(at)
        }
        _ => (host, ""),
    };
    let user = pseudonyms.text(Class::Shape, user);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let replaced = match bare.parse::<IpAddr>() {
        Ok(ip) => same_length(pseudonyms, bare, ip),
        Err(_) if bare.eq_ignore_ascii_case("localhost") => bare.to_owned(),
        Err(_) => pseudonyms.text(Class::Shape, bare),
    };
    let host = if bare.len() == host.len() { replaced } else { format!("[{replaced}]") };
    format!("{user}{host}{port}")
}

/// Addresses in a list, as proxies write them; what is none is a token.
pub fn addresses(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    let one = |part: &str| match part.trim().parse::<IpAddr>() {
        Ok(ip) => part.replace(part.trim(), &same_length(pseudonyms, part.trim(), ip)),
        Err(_) => pseudonyms.text(Class::Shape, part),
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// The pseudonym of an address where it must not change its length.
fn same_length(pseudonyms: &mut Pseudonyms, text: &str, ip: IpAddr) -> String {
    let pseudonym = pseudonyms.address(ip).to_string();
    if pseudonym.len() == text.len() { pseudonym } else { pseudonyms.text(Class::Shape, text) }
}

/// Path and query, the latter with its mark. Some write `#` where they mean `?`.
fn split_query(text: &str) -> (&str, &str) {
    let mark = text.find(['?', '#']);
    let dotted = text.find(DOTTED_VHOST);
    let at = [mark, dotted].into_iter().flatten().min().unwrap_or(text.len());
    text.split_at(at)
}

/// A path: its names replaced, the last of them by `last`.
fn steps(
    pseudonyms: &mut Pseudonyms,
    path: &str,
    keeps_app: bool,
    last: impl Fn(&mut Pseudonyms, &str) -> String,
) -> String {
    let mut kept = !keeps_app;
    let count = path.split('/').filter(|step| !is_idle(step)).count();
    let mut seen = 0;
    let one = |step: &str| {
        if is_idle(step) {
            return step.to_owned();
        }
        seen += 1;
        if !kept {
            kept = true;
            return step.to_owned();
        }
        if seen == count { last(pseudonyms, step) } else { name(pseudonyms, step, true) }
    };
    path.split('/').map(one).collect::<Vec<_>>().join("/")
}

/// Steps that mean nothing.
fn is_idle(step: &str) -> bool {
    step.trim().is_empty() || matches!(step, DEFAULT_INSTANCE | "." | "..")
}

/// A name with one of these extensions, perhaps; only the name is replaced.
fn stem(pseudonyms: &mut Pseudonyms, text: &str, stays: fn(&str) -> bool, percent: bool) -> String {
    let end = text.trim_end();
    let at = end
        .rsplit_once('.')
        .filter(|(_, extension)| stays(extension))
        .map_or(end.len(), |(stem, _)| stem.len());
    name(pseudonyms, &text[..at], percent) + &text[at..]
}

/// True for an extension by which players request a stream.
fn has_format(extension: &str) -> bool {
    Container::of_extension(extension).is_some() || extension == HlsFile::PLAYLIST_EXTENSION
}

fn is_flv(extension: &str) -> bool {
    extension == Container::Flv.extension()
}

/// `k=v&k=v`.
pub fn pairs(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    query(pseudonyms, &format!("?{text}"), true)[1..].to_owned()
}

/// `?k=v&k=v`, or what stands for the mark.
fn query(pseudonyms: &mut Pseudonyms, text: &str, may_hold_stream: bool) -> String {
    if let Some(vhost) = text.strip_prefix(DOTTED_VHOST) {
        let (vhost, rest) = split_query(vhost);
        let replaced = host(pseudonyms, vhost);
        return format!("{DOTTED_VHOST}{replaced}") + &query(pseudonyms, rest, may_hold_stream);
    }
    let Some(mark) = text.chars().next() else { return String::new() };
    let mut out = String::from(mark);
    for pair in text[mark.len_utf8()..].split_inclusive(['&', ';']) {
        let (pair, end) = match pair.strip_suffix(['&', ';']) {
            Some(bare) => (bare, &pair[bare.len()..]),
            None => (pair, ""),
        };
        let (key, value) = pair.find('=').map_or(("", pair), |at| pair.split_at(at + 1));
        out += key;
        out += &match key.trim() {
            "vhost=" | "domain=" => host(pseudonyms, value),
            // Which page of a list is wanted.
            "start=" | "count=" => value.to_owned(),
            _ => value_of(pseudonyms, value, may_hold_stream),
        };
        out += end;
    }
    out
}

/// The value of a pair. FMLE puts the stream behind the query of the application: `?a=1/cam`.
fn value_of(pseudonyms: &mut Pseudonyms, value: &str, may_hold_stream: bool) -> String {
    match value.rsplit_once('/').filter(|_| may_hold_stream) {
        Some((value, stream)) => {
            recode(value, true, |plain| pseudonyms.word(Class::Shape, plain))
                + "/"
                + &stem(pseudonyms, stream, is_flv, false)
        }
        None => recode(value, true, |plain| pseudonyms.word(Class::Shape, plain)),
    }
}

fn host(pseudonyms: &mut Pseudonyms, text: &str) -> String {
    if text == DEFAULT_VHOST { text.to_owned() } else { authority(pseudonyms, text) }
}

fn name(pseudonyms: &mut Pseudonyms, text: &str, percent: bool) -> String {
    recode(text, percent, |plain| pseudonyms.word(Class::Name, plain))
}

/// Replaces a text in the form that it has: percent-encoded bytes stay encoded, white space stays where it
/// is.
fn recode(text: &str, percent: bool, replace: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    // Where each byte stands, and whether it is encoded.
    let mut places = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = digits.filter(|_| percent && bytes[at] == b'%');
        match decoded.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                places.push((at, true));
                at += 3;
            }
            None => {
                if !bytes[at].is_ascii_whitespace() {
                    plain.push(bytes[at]);
                    places.push((at, false));
                }
                at += 1;
            }
        }
    }
    let mut out = bytes.to_vec();
    for ((at, encoded), byte) in places.into_iter().zip(replace(&plain)) {
        if encoded {
            out[at..at + 3].copy_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out[at] = byte;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| "x".repeat(text.len()))
}

#[cfg(test)]
mod tests {
    use super::{authority, local_path, page_url, stream, target, url};
    use crate::redact::pseudonyms::{Class, Pseudonyms};
    use dacapo::base::name::StreamName;
    use dacapo::base::rng::Seed;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::new(Seed::from_u64(5))
    }

    #[test]
    fn a_stream_has_one_pseudonym_wherever_it_stands() {
        let mut pseudonyms = pseudonyms();
        let cam = pseudonyms.text(Class::Name, "cam-1");
        let token = pseudonyms.text(Class::Shape, "tok3n");
        assert_eq!(stream(&mut pseudonyms, "cam-1?k=tok3n"), format!("{cam}?k={token}"));
        assert_eq!(stream(&mut pseudonyms, "cam-1.flv"), format!("{cam}.flv"));
        assert_eq!(
            url(&mut pseudonyms, "rtmp://localhost/live/cam-1?k=tok3n", true),
            format!("rtmp://localhost/live/{cam}?k={token}")
        );
        assert_eq!(url(&mut pseudonyms, "live?k=tok3n/cam-1", true), format!("live?k={token}/{cam}"));
        assert_eq!(target(&mut pseudonyms, "/live/cam-1.flv?k=tok3n"), format!("/live/{cam}.flv?k={token}"));
        assert_eq!(target(&mut pseudonyms, "/live/cam-1/seg-3.ts"), format!("/live/{cam}/seg-3.ts"));
        let encoded = target(&mut pseudonyms, "/live/cam%2d1.m3u8");
        assert_eq!(encoded, format!("/live/{}%{:02X}{}.m3u8", &cam[..3], cam.as_bytes()[3], &cam[4..]));
        assert_eq!(
            target(&mut pseudonyms, "http://localhost:80/live/cam-1.ts"),
            format!("http://localhost:80/live/{cam}.ts")
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        let mut pseudonyms = pseudonyms();
        for same in ["/", "/favicon.ico", "/live.json", "*", "/api/v1/versions"] {
            assert_eq!(target(&mut pseudonyms, same), same);
        }
        for same in ["/api/v1/clients/?start=0&count=10", "/api/v1/clients/abcdefgh"] {
            assert_eq!(target(&mut pseudonyms, same), same);
        }
        assert_eq!(page_url(&mut pseudonyms, "*"), "*");
        assert_eq!(stream(&mut pseudonyms, "_definst_/"), "_definst_/");
    }

    #[test]
    fn a_path_on_the_disk_leads_to_the_pseudonym_of_its_stream() {
        let mut pseudonyms = pseudonyms();
        let names = [StreamName::new("live", "cam-1"), StreamName::new("live", "cam")].into();
        let cam = pseudonyms.text(Class::Name, "cam-1");
        let directory = pseudonyms.text(Class::Shape, "/srv/hls");
        for rest in ["", "/seg-3.ts", ".m3u8"] {
            let path = local_path(&mut pseudonyms, &names, &format!("/srv/hls/live/cam-1{rest}"));
            assert_eq!(path, format!("{directory}/live/{cam}{rest}"));
        }
        assert_eq!(local_path(&mut pseudonyms, &names, "/srv/hls"), directory);
        assert!(!local_path(&mut pseudonyms, &names, "/srv/hls/live/cam-12").contains("cam"));
    }

    #[test]
    fn hosts_users_and_vhosts_are_replaced() {
        let mut pseudonyms = pseudonyms();
        let host = pseudonyms.text(Class::Shape, "example.com");
        assert_eq!(authority(&mut pseudonyms, "example.com:1935"), format!("{host}:1935"));
        assert!(authority(&mut pseudonyms, "user:word@example.com").ends_with(&host));
        assert!(!authority(&mut pseudonyms, "user:word@example.com").contains("word"));
        let ip = authority(&mut pseudonyms, "203.0.113.9:80");
        assert!(ip.len() == 14 && ip.ends_with(":80") && !ip.contains("203"), "{ip}");
        assert_eq!(authority(&mut pseudonyms, "[::1]:80"), "[::1]:80");
        let vhost = stream(&mut pseudonyms, "a...vhost...example.com");
        assert!(vhost.ends_with(&format!("...vhost...{host}")), "{vhost}");
        assert!(stream(&mut pseudonyms, "a?vhost=example.com").ends_with(&format!("?vhost={host}")));
    }
}
