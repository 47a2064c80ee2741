//! Stream names in URLs of RTMP and HTTP, as the server promises to parse them.
//!
//! `app/stream`, with `vhost/` before it where one is named in a query.

/// The name of what an RTMP peer calls `stream` under `tc_url`. `None` for what is no name.
pub(super) fn of_rtmp(tc_url: &str, stream: &str) -> Option<String> {
    let (place, place_query) = parts(tc_url);
    let place = place.split_once("://").map_or(place.as_str(), |(_, rest)| {
        let host = rest.find('/').unwrap_or(rest.len());
        &rest[host..]
    });
    let (path, query) = parts(stream);
    let mut steps: Vec<&str> = steps(place).collect();
    let mut place_query = place_query.as_str();
    let named: Vec<&str> = self::steps(&path).collect();
    if named.is_empty() {
        match place_query.rsplit_once('/') {
            Some((query, stream)) => {
                place_query = query;
                steps.push(stream);
            }
            // An app alone is no stream; of several steps the last is.
            None if steps.len() == 1 => return None,
            None => {}
        }
    }
    steps.extend(named);
    let stream = steps.pop()?;
    let stream = stream.strip_suffix(".flv").unwrap_or(stream);
    if steps.is_empty() {
        steps.push("__defaultApp__");
    }
    let vhost = vhost(&format!("{query}&{place_query}"));
    Some(path_of(vhost.as_deref(), &steps.join("/"), stream))
}

/// The name and the extension of what an HTTP target means; what is no stream has no name.
pub(super) fn of_http(target: &str) -> Option<(String, String)> {
    let (vhost, app, file) = path(target)?;
    let (stream, extension) = file.rsplit_once('.')?;
    Some((path_of(vhost.as_deref(), &app, stream), extension.to_owned()))
}

/// The stream of an HTTP request, and the client kind in the API. `ws`: the request asks for an upgrade to
/// WebSocket.
pub(super) fn role_of_http(target: &str, ws: bool) -> Option<(String, &'static str)> {
    let (vhost, app, file) = path(target)?;
    if let Some((above, stream)) = app.rsplit_once('/').filter(|_| is_packaged(&file)) {
        return Some((path_of(vhost.as_deref(), above, stream), "hls-play"));
    }
    let (stream, extension) = file.rsplit_once('.')?;
    let kind = match extension {
        "flv" if ws => "ws-flv-play",
        "flv" => "flv-play",
        "ts" => "ts-play",
        "aac" => "aac-play",
        "mp3" => "mp3-play",
        "m3u8" => "hls-play",
        _ => return None,
    };
    Some((path_of(vhost.as_deref(), &app, stream), kind))
}

/// `index.m3u8`, `seg-17.ts`, `seg-17.m4s`, `init-1.mp4`, `key-3.key`.
fn is_packaged(file: &str) -> bool {
    let numbered = |(prefix, suffix): (&str, &str)| {
        let number = file.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        number.is_some_and(|number| {
            // One file has one name: no leading zeros, no number beyond 64 bits.
            number.parse::<u64>().is_ok_and(|value| value.to_string() == number)
        })
    };
    let names = [("seg-", ".ts"), ("seg-", ".m4s"), ("init-", ".mp4"), ("key-", ".key")];
    file == "index.m3u8" || names.into_iter().any(numbered)
}

/// The vhost that is named, the steps but the last, and the last one.
fn path(target: &str) -> Option<(Option<String>, String, String)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = decoded(path)?;
    let (app, file) = decoded.strip_prefix('/')?.rsplit_once('/')?;
    let vhost = query.split('&').find_map(|pair| pair.strip_prefix("vhost=")).and_then(decoded_text);
    Some((vhost, app.to_owned(), file.to_owned()))
}

fn path_of(vhost: Option<&str>, app: &str, stream: &str) -> String {
    match vhost {
        Some(vhost) if vhost != "__defaultVhost__" => format!("{vhost}/{app}/{stream}"),
        _ => format!("{app}/{stream}"),
    }
}

/// Path and query, without white space.
fn parts(text: &str) -> (String, String) {
    let text: String = text.chars().filter(|c| !" \t\r\n".contains(*c)).collect();
    let text = text.replacen("...vhost...", "?vhost=", 1);
    let (path, query) = text.split_once(['?', '#']).unwrap_or((&text, ""));
    (path.to_owned(), query.to_owned())
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|step| !matches!(*step, "" | "_definst_"))
}

fn vhost(query: &str) -> Option<String> {
    let value = |key: &str| {
        let mut pairs = query.split(['&', ';']).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, value)| *name == key && !value.is_empty()).map(|(_, value)| value.to_owned())
    };
    value("vhost").or_else(|| value("domain"))
}

fn decoded_text(text: &str) -> Option<String> {
    decoded(&text.replace('+', " "))
}

/// Without percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{of_http, of_rtmp, role_of_http};

    #[test]
    fn peers_of_both_protocols_meet() {
        for (tc_url, stream) in [
            ("rtmp://h/live", "cam"),
            ("rtmp://h:1935/live/_definst_", "cam?token=x"),
            ("live", "/cam.flv"),
            ("rtmp://h", "live/cam"),
            ("rtmp://h/live?x=y/cam", ""),
            ("rtmp://h/live/cam", ""),
        ] {
            assert_eq!(of_rtmp(tc_url, stream).as_deref(), Some("live/cam"), "{tc_url} {stream}");
        }
        assert_eq!(of_rtmp("rtmp://h/live?vhost=v", "cam").as_deref(), Some("v/live/cam"));
        assert_eq!(of_rtmp("rtmp://h/live...vhost...v", "cam").as_deref(), Some("v/live/cam"));
        assert_eq!(of_rtmp("rtmp://h/live", ""), None);
        assert_eq!(of_http("/live/c%61m.flv?x=y"), Some(("live/cam".to_owned(), "flv".to_owned())));
        assert_eq!(of_http("/live/cam.1.ts?vhost=v").map(|found| found.0).as_deref(), Some("v/live/cam.1"));
        assert_eq!(of_http("/cam.flv"), None);
    }

    #[test]
    fn files_of_a_stream_are_about_it() {
        let role = |target| role_of_http(target, false);
        let hls = |name: &str| Some((name.to_owned(), "hls-play"));
        for target in ["/live/cam.m3u8", "/live/cam/index.m3u8", "/live/cam/seg-17.ts", "/live/cam/key-0.key"]
        {
            assert_eq!(role(target), hls("live/cam"), "{target}");
        }
        assert_eq!(role("/live/index.m3u8"), hls("live/index"));
        assert_eq!(role("/live/seg-1.ts"), Some(("live/seg-1".to_owned(), "ts-play")));
        assert_eq!(role("/live/cam/seg-01.ts"), Some(("live/cam/seg-01".to_owned(), "ts-play")));
        assert_eq!(role_of_http("/live/cam.flv?x", true), Some(("live/cam".to_owned(), "ws-flv-play")));
        for target in ["/live/cam.webm", "/live.json", "/live/cam/init-1.m4s"] {
            assert_eq!(role(target), None, "{target}");
        }
    }
}
