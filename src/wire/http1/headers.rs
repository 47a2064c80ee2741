//! The header lines of a request, in their order.

use serde::{Deserialize, Serialize};

/// Names in lower case, values without surrounding blanks. Bytes that are not UTF-8 are replaced by U+FFFD.
/// All lines together are two allocations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Lines", into = "Lines")]
pub struct Headers {
    /// All names and values, one after the other.
    text: String,
    /// For each line, where its name ends and where its value ends.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    /// No lines, with capacity for this many lines and bytes.
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Headers { text: String::with_capacity(bytes), ends: Vec::with_capacity(lines) }
    }

    /// Appends a line.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let start = self.text.len();
        self.text.push_str(name);
        self.text[start..].make_ascii_lowercase();
        let name_end = self.text.len();
        self.text.push_str(&String::from_utf8_lossy(value.trim_ascii()));
        self.ends.push((name_end, self.text.len()));
    }

    /// The value of the first line with this (lower-case) name.
    pub fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of all lines with this (lower-case) name.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The members of a comma-separated list that may stand on several lines (RFC 9110, 5.6.1).
    pub fn list<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
    }

    /// True if the list `name` has the member `token`, in any case of letters.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// All lines: lower-case name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, end)| {
            let name = &self.text[start..name_end];
            start = end;
            (name, &self.text[name_end..end])
        })
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is no line.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// The serialised form.
#[derive(Serialize, Deserialize)]
#[serde(rename = "$fields")]
struct Lines(Vec<(String, String)>);

impl From<Lines> for Headers {
    fn from(lines: Lines) -> Self {
        let mut headers = Headers::default();
        for (name, value) in lines.0 {
            headers.push(&name, value.as_bytes());
        }
        headers
    }
}

impl From<Headers> for Lines {
    fn from(headers: Headers) -> Self {
        Lines(headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
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
