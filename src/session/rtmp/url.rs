//! The stream that a peer means, from `tcUrl` and the argument of `publish` or `play`.
//!
//! ```text
//! rtmp://host:1935/app/instance?k=v      stream?token=x
//!        ignored   app         query     stream query
//! ```
//!
//! Clients compose these parts in many ways; the forms that are understood are those of SRS, because such
//! URLs are in use. The host is ignored: a vhost is named by `?vhost=` or `?domain=`. Never: checks whether a
//! name is sound.

use crate::base::name::{DEFAULT_VHOST, StreamName};
use crate::base::secret::{Query, mark, marked};
use serde::{Deserialize, Serialize, Serializer};

/// The app of URLs that have none.
const DEFAULT_APP: &str = "__defaultApp__";

/// The instance that FMLE and Wowza's clients put between app and stream by default.
const DEFAULT_INSTANCE: &str = "_definst_";

/// A vhost query for clients that cannot write a question mark: `app...vhost...name`.
const DOTTED_VHOST: (&str, &str) = ("...vhost...", "?vhost=");

/// The parts of a peer's `tcUrl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Path of the app, as segments; none of them is empty.
    #[serde(serialize_with = "app_path")]
    app: Vec<String>,
    /// Query of the app.
    query: Query,
}

impl Place {
    /// Parses a `tcUrl`; scheme and host may be missing.
    pub fn parse(tc_url: &str) -> Place {
        let (path, query) = split_query(&tidy(tc_url));
        Place { app: steps(without_host(&path)), query: query.into() }
    }

    /// The stream that the peer calls `stream`, and the queries of both URLs, without `?`.
    pub fn stream(&self, stream: &str) -> (StreamName, Query) {
        let (path, query) = split_query(&tidy(stream));
        let mut app = self.app.clone();
        let mut app_query = &*self.query;
        let named = steps(&path);
        if named.is_empty() {
            // The stream is missing here; it may stand at the end of the app's query (FMLE).
            if let Some((query, stream)) = app_query.rsplit_once('/') {
                app_query = query;
                app.push(stream.to_owned());
            } else if app.len() == 1 {
                // An app and no stream: left empty, which is not a sound name.
                app.push(String::new());
            }
        }
        app.extend(named);
        let stream = app.pop().unwrap_or_default();
        let stream = stream.strip_suffix(".flv").map(str::to_owned).unwrap_or(stream);
        if app.is_empty() {
            app.push(DEFAULT_APP.to_owned());
        }
        let query = [query.as_str(), app_query].into_iter().filter(|part| !part.is_empty());
        let query = query.collect::<Vec<_>>().join("&");
        (StreamName { vhost: vhost(&query), app: app.join("/"), stream }, query.into())
    }
}

fn app_path<S: Serializer>(steps: &[String], to: S) -> Result<S::Ok, S::Error> {
    marked(mark::APP_PATH, steps, to)
}

/// A `tcUrl` for display: without query, user and password.
pub fn shown(tc_url: &str) -> String {
    let (path, _) = split_query(&tidy(tc_url));
    let Some((scheme, rest)) = path.split_once("://") else { return path };
    let host_len = rest.find('/').unwrap_or(rest.len());
    let user_len = rest[..host_len].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[user_len..])
}

/// The vhost that a query names.
fn vhost(query: &str) -> String {
    let value = |key| {
        let mut pairs = query.split(['&', ';']).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, value)| *name == key && !value.is_empty()).map(|(_, value)| value.to_owned())
    };
    value("vhost").or_else(|| value("domain")).unwrap_or_else(|| DEFAULT_VHOST.to_owned())
}

/// Removes white space, which gets into URLs by copying, and writes a dotted vhost as a query.
fn tidy(text: &str) -> String {
    let text: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
    text.replacen(DOTTED_VHOST.0, DOTTED_VHOST.1, 1)
}

/// Path and query. Some clients write `#` instead of `?`.
fn split_query(text: &str) -> (String, String) {
    match text.split_once(['?', '#']) {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// What follows the host, if anything.
fn without_host(path: &str) -> &str {
    match path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    }
}

fn steps(path: &str) -> Vec<String> {
    path.split('/').filter(|step| !matches!(*step, "" | DEFAULT_INSTANCE)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `vhost app stream query`, as the parts are understood.
    fn understood(tc_url: &str, stream: &str) -> String {
        let (name, query) = Place::parse(tc_url).stream(stream);
        let vhost = if name.vhost == DEFAULT_VHOST { "-" } else { &name.vhost };
        format!("{vhost} {} {} {}", name.app, name.stream, &*query).trim_end().to_owned()
    }

    #[test]
    fn app_and_stream() {
        assert_eq!(understood("rtmp://example.com/live", "cam"), "- live cam");
        assert_eq!(understood("rtmp://example.com:1935/live/", "cam"), "- live cam");
        assert_eq!(understood("rtmps://example.com/live", "/cam"), "- live cam");
        assert_eq!(understood("live", "cam"), "- live cam");
    }

    #[test]
    fn hosts_do_not_matter_not_even_those_of_ipv6() {
        assert_eq!(understood("rtmp://[::1]:1935/live", "cam"), "- live cam");
        assert_eq!(understood("rtmp://[2001:db8::7]/live", "cam?a=b"), "- live cam a=b");
        assert_eq!(understood("rtmp://192.0.2.1:1935/live", "cam"), "- live cam");
    }

    #[test]
    fn apps_may_have_steps() {
        assert_eq!(understood("rtmp://h/tv/hd", "cam"), "- tv/hd cam");
        assert_eq!(understood("rtmp://h/tv", "hd/cam"), "- tv/hd cam");
        assert_eq!(understood("rtmp://h/live/_definst_", "cam"), "- live cam");
        assert_eq!(understood("rtmp://h/live", "_definst_/cam"), "- live cam");
        assert_eq!(understood("rtmp://h/live//", "//cam/"), "- live cam");
    }

    #[test]
    fn queries_of_app_and_stream_are_joined() {
        assert_eq!(understood("rtmp://h/live?a=1", "cam"), "- live cam a=1");
        assert_eq!(understood("rtmp://h/live", "cam?b=2/3"), "- live cam b=2/3");
        assert_eq!(understood("rtmp://h/live?a=1", "cam?b=2"), "- live cam b=2&a=1");
        assert_eq!(understood("rtmp://h/live#a=1", "cam#b=2"), "- live cam b=2&a=1");
    }

    #[test]
    fn a_vhost_is_one_only_if_it_is_named() {
        assert_eq!(
            understood("rtmp://h/live?vhost=example.com", "cam"),
            "example.com live cam vhost=example.com"
        );
        assert_eq!(understood("rtmp://h/live", "cam?a=1&vhost=v"), "v live cam a=1&vhost=v");
        assert_eq!(understood("rtmp://h/live?domain=d", "cam"), "d live cam domain=d");
        assert_eq!(understood("rtmp://h/live?domain=d;vhost=v", "cam"), "v live cam domain=d;vhost=v");
        assert_eq!(understood("rtmp://h/live...vhost...v", "cam"), "v live cam vhost=v");
        assert_eq!(understood("rtmp://h/live", "cam...vhost...v"), "v live cam vhost=v");
        assert_eq!(understood("rtmp://h/live?vhost=", "cam"), "- live cam vhost=");
        assert_eq!(
            understood("rtmp://h/live?vhost=__defaultVhost__", "cam?vhost="),
            "- live cam vhost=&vhost=__defaultVhost__"
        );
    }

    #[test]
    fn a_missing_stream_may_stand_in_the_app() {
        assert_eq!(understood("rtmp://h/live/cam", ""), "- live cam");
        assert_eq!(understood("rtmp://h/live/cam?a=1", ""), "- live cam a=1");
        assert_eq!(understood("rtmp://h/live?a=1/cam", ""), "- live cam a=1");
        assert_eq!(understood("rtmp://h/live/cam", "?b=2"), "- live cam b=2");
    }

    #[test]
    fn what_stays_missing_is_not_sound() {
        assert!(!Place::parse("rtmp://h/live").stream("").0.is_sound());
        assert!(!Place::parse("rtmp://h").stream("").0.is_sound());
        assert!(!Place::parse("").stream("").0.is_sound());
        assert!(!Place::parse("rtmp://h/live/../..").stream("cam").0.is_sound());
        assert!(!Place::parse("rtmp://h/live").stream("..").0.is_sound());
    }

    #[test]
    fn an_app_that_is_missing_has_a_name() {
        assert_eq!(understood("rtmp://h", "cam"), "- __defaultApp__ cam");
        assert_eq!(understood("rtmp://h/", "cam"), "- __defaultApp__ cam");
    }

    #[test]
    fn white_space_and_the_extension_are_left_out() {
        assert_eq!(understood(" rtmp://h/li ve\r\n", "c a m\t"), "- live cam");
        assert_eq!(understood("rtmp://h/live", "cam.flv?a=1"), "- live cam a=1");
        assert_eq!(understood("rtmp://h/live", "cam.1"), "- live cam.1");
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("rtmp://user:word@h:1935/live?token=x"), "rtmp://h:1935/live");
        assert_eq!(shown("rtmp://h/live/a@b"), "rtmp://h/live/a@b");
        assert_eq!(shown("live?token=x"), "live");
        assert_eq!(shown("rtmp://u@h"), "rtmp://h");
    }
}
