//! The header lines of a request, in the order in which they came.

use serde::{Deserialize, Serialize};

/// Names in lower case, values without surrounding blanks. Bytes that are not UTF-8 became U+FFFD: no
/// header that is looked at here may hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    /// Appends a line.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value.trim_ascii()).into_owned();
        self.0.push((name.to_ascii_lowercase().into(), value.into()));
    }

    /// The value of the first line with this (lower-case) name.
    pub fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of all lines with this (lower-case) name.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(key, _)| **key == *name).map(|(_, value)| &**value)
    }

    /// The members of a comma-separated list that may stand on several lines (RFC 9110, 5.6.1).
    pub fn list<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
    }

    /// True if the list `name` has the member `token`, in any case of letters.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// Every line: lower-case name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_stand_on_several_lines_with_empty_members() {
        let mut headers = Headers::default();
        headers.push("Connection", b" keep-alive , ,Upgrade");
        headers.push("X-Other", b"1");
        headers.push("CONNECTION", b"x\t");
        assert_eq!(headers.list("connection").collect::<Vec<_>>(), ["keep-alive", "Upgrade", "x"]);
        assert!(headers.has_token("connection", "upgrade"));
        assert!(!headers.has_token("connection", "close"));
        assert_eq!(headers.get("x-other"), Some("1"));
        assert_eq!(headers.len(), 3);
    }
}
