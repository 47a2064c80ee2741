//! Request targets: path and query.

use crate::base::secret::Query;
use crate::wire::http1::HttpError;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A request target (RFC 9112, 3.2) in origin form; the absolute form is reduced to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$target")]
pub struct Target {
    /// The path as received, percent-encoded, beginning with a slash; `*` for `OPTIONS *`.
    pub path: String,
    /// The segments of the path, percent-decoded: `/live/a.flv` is `live`, `a.flv`; `/api/` is `api` and an
    /// empty one. None holds a slash, a backslash or a control character, or is `.` or `..`.
    pub segments: Vec<String>,
    /// What follows the first `?`, as received. May hold tokens: never logged.
    pub query: Query,
}

impl Target {
    /// Longest target, in bytes.
    pub const BYTES_MAX: usize = 8 << 10;

    /// Parses a target.
    ///
    /// # Errors
    ///
    /// If it is no path, too long, or holds segments that could leave the name space.
    pub fn parse(target: &str) -> Result<Target, HttpError> {
        if target.len() > Target::BYTES_MAX {
            return Err(HttpError::TargetTooLong);
        }
        if target == "*" {
            return Ok(Target { path: "*".to_owned(), segments: Vec::new(), query: Query::default() });
        }
        if target.contains('#') {
            return Err(HttpError::Target("a fragment must not be sent"));
        }
        let origin = origin_form(target)?;
        let (path, query) = origin.split_once('?').unwrap_or((&origin, ""));
        let segments = path[1..].split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Target { path: path.to_owned(), segments, query: query.into() })
    }

    /// The first value of a query parameter, decoded.
    pub fn param(&self, key: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.into_owned())
    }
}

/// "When a server receives a request with an absolute-form target, it MUST accept it" (RFC 9112, 3.2.2).
fn origin_form(target: &str) -> Result<Cow<'_, str>, HttpError> {
    if target.starts_with('/') {
        return Ok(target.into());
    }
    let (scheme, rest) =
        target.split_once("://").ok_or(HttpError::Target("it does not begin with a slash"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HttpError::Target("it does not begin with a slash"));
    }
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => Ok(rest[at..].into()),
        Some(at) => Ok(format!("/{}", &rest[at..]).into()),
        None => Ok("/".into()),
    }
}

/// Decodes one segment of a path, once.
fn segment(encoded: &str) -> Result<String, HttpError> {
    let whole = |at: usize| {
        let digits = encoded.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !encoded.match_indices('%').all(|(at, _)| whole(at)) {
        return Err(HttpError::Target("a percent sign is not followed by two hexadecimal digits"));
    }
    let decoded =
        percent_decode_str(encoded).decode_utf8().map_err(|_| HttpError::Target("it is not UTF-8"))?;
    if decoded.contains(['/', '\\']) || decoded.chars().any(char::is_control) {
        return Err(HttpError::Target("a part of the path holds a slash or a control character"));
    }
    if decoded == "." || decoded == ".." {
        return Err(HttpError::Target("a part of the path is . or .."));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn parsed(target: &str) -> (String, Vec<String>, String) {
        let target = Target::parse(target).unwrap();
        (target.path, target.segments, target.query.to_string())
    }

    #[test]
    fn a_path_is_split_before_it_is_decoded() {
        let (path, segments, query) = parsed("/live/caf%C3%A9+1.flv?a=%2F&b");
        assert_eq!(path, "/live/caf%C3%A9+1.flv");
        assert_eq!(segments, ["live", "café+1.flv"]);
        assert_eq!(query, "a=%2F&b");
        assert_eq!(parsed("/").1, [""]);
        assert_eq!(parsed("/api/").1, ["api", ""]);
        assert_eq!(parsed("/?x").1, [""]);
    }

    #[test]
    fn the_absolute_form_is_accepted() {
        assert_eq!(parsed("http://host:8080/a/b?c").0, "/a/b");
        assert_eq!(parsed("HTTP://host?c"), ("/".into(), vec!["".into()], "c".into()));
        assert_eq!(parsed("http://host").0, "/");
        assert_eq!(parsed("*").0, "*");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for target in
            ["/a%2Fb", "/a%5Cb", "/%2e%2e/x", "/../x", "/.", "/a%00", "/a%", "/a%g1", "/%ff", "/a#b"]
        {
            assert!(matches!(Target::parse(target), Err(HttpError::Target(_))), "{target}");
        }
        for target in ["", "a", "host:80", "ftp://host/", "?x"] {
            assert!(matches!(Target::parse(target), Err(HttpError::Target(_))), "{target}");
        }
        let long = format!("/{}", "a".repeat(Target::BYTES_MAX));
        assert_eq!(Target::parse(&long), Err(HttpError::TargetTooLong));
    }

    #[test]
    fn parameters_are_decoded() {
        let target = Target::parse("/x?start=1&vhost=a%2Eb+c&vhost=d").unwrap();
        assert_eq!(target.param("vhost").as_deref(), Some("a.b c"));
        assert_eq!(target.param("start").as_deref(), Some("1"));
        assert_eq!(target.param("count"), None);
    }

    proptest! {
        #[test]
        fn encoded_segments_come_back_as_they_were(
            names in prop::collection::vec("[^/\\\\\\pC]{0,12}", 1..5),
        ) {
            prop_assume!(names.iter().all(|name| name != "." && name != ".."));
            let encoded = names.iter().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
            let path: String = encoded.map(|name| format!("/{name}")).collect();
            prop_assert_eq!(Target::parse(&path).unwrap().segments, names);
        }

        #[test]
        fn no_target_panics(target in "\\PC*") {
            let _ = Target::parse(&target);
        }
    }
}
