//! Finds the place of a setting in a file.
//!
//! Values are checked after parsing, when their places are lost. So the file is parsed once more, up to the
//! value in question, where a [`Probe`] fails on purpose: the parser then tells the position.

use crate::config::ron::ron_options;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Line and column of the value of `path` (`streams[1].hls.window`), or of the innermost section around it in
/// the file.
pub(super) fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let path = path.replace('[', ".").replace(']', "");
    let steps: Vec<&str> = path.split('.').collect();
    (1..=steps.len()).rev().find_map(|len| find(text, &steps[..len]))
}

/// Line and column of the value at the end of `steps`, if the file has it.
pub(super) fn find(text: &str, steps: &[&str]) -> Option<(usize, usize)> {
    let mut parser = ron::Deserializer::from_str_with_options(text, &ron_options()).ok()?;
    let found =
        Probe(steps).deserialize(&mut parser).err().filter(|error| *error == ron::Error::custom(HERE))?;
    let end = parser.span_error(found).span.end;
    Some((end.line, end.col))
}

/// The error of a probe at the end of the path.
const HERE: &str = "here";

/// Follows the path and fails at its end.
struct Probe<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() { Err(D::Error::custom(HERE)) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut section: A) -> Result<(), A::Error> {
        while let Some(name) = section.next_key::<String>()? {
            if name == self.0[0] {
                section.next_value_seed(Probe(&self.0[1..]))?;
            } else {
                section.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let wanted = self.0[0].parse().unwrap_or(usize::MAX);
        for _ in 0..wanted {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(Probe(&self.0[1..])).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::locate;

    const FILE: &str = "// a comment
(
    hls: (
        enabled: true,
        window: 3, // three
    ),
    streams: [
        (pattern: \"a\"), (
          window: 5),
    ],
)";

    #[test]
    fn a_value_is_found_or_else_what_is_around_it() {
        assert_eq!(locate(FILE, "hls.window"), Some((5, 17)));
        assert_eq!(locate(FILE, "streams[1].window"), Some((9, 19)));
        assert_eq!(locate(FILE, "streams[1].keep"), Some((8, 25)));
        assert_eq!(locate(FILE, "hls.keep"), Some((3, 10)));
        assert_eq!(locate(FILE, "rtmp.listen"), None);
    }
}
