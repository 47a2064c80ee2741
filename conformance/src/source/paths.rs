//! All paths that a source file names, in full, in imports and in code.
//!
//! `use a::{b, c::d}` gives `a::b` and `a::c::d`; `self` and `super` are resolved against the module that
//! they stand in, inline modules included.

use super::words::Word;

/// A path and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// From `crate` or from the name of another crate on. A local name stands as it was written.
    pub parts: Vec<String>,
    /// Counted from 1.
    pub line: usize,
    /// True for the path of a `use`.
    pub import: bool,
}

/// The paths in `words`, which stand in module `module` (without `crate`).
pub fn paths(words: &[Word<'_>], module: &[String]) -> Vec<Path> {
    let mut reader =
        Reader { words, at: 0, module: module.to_vec(), inline: Vec::new(), depth: 0, found: vec![] };
    while reader.at < words.len() {
        reader.step();
    }
    reader.found
}

struct Reader<'a> {
    words: &'a [Word<'a>],
    at: usize,
    module: Vec<String>,
    /// Depth of braces outside each inline module that we are in.
    inline: Vec<usize>,
    depth: usize,
    found: Vec<Path>,
}

impl Reader<'_> {
    fn step(&mut self) {
        match (self.text(0), self.text(1), self.text(2)) {
            ("mod", name, "{") => {
                self.module.push(name.to_owned());
                self.inline.push(self.depth);
                self.depth += 1;
                self.at += 3;
            }
            ("use", ..) => {
                self.at += 1;
                self.tree(&[]);
            }
            ("{", ..) => {
                self.depth += 1;
                self.at += 1;
            }
            ("}", ..) => self.close(),
            (name, "::", _) if starts_path(name) => self.path(),
            _ => self.at += 1,
        }
    }

    fn text(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", |word| word.text)
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// A path outside `use`: ends before generics, groups and everything else that is not a name.
    fn path(&mut self) {
        let line = self.words[self.at].line;
        let mut parts = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && starts_path(self.text(1)) {
            parts.push(self.text(1).to_owned());
            self.at += 2;
        }
        if self.text(0) == "::" {
            self.at += 1;
        }
        self.found(&parts, line, false);
    }

    /// One tree of a `use`, `before` its path so far. Ends behind it: at `,`, `}` or `;`.
    fn tree(&mut self, before: &[String]) {
        let mut parts = before.to_vec();
        loop {
            let Some(&Word { text, line }) = self.words.get(self.at) else { return };
            match text {
                "::" => self.at += 1,
                "{" => return self.group(&parts),
                "as" => self.at += 2,
                "," | "}" | ";" => return,
                _ => {
                    self.at += 1;
                    if text != "self" || parts.is_empty() {
                        parts.push(text.to_owned());
                    }
                    if self.text(0) != "::" {
                        self.found(&parts, line, true);
                    }
                }
            }
        }
    }

    fn group(&mut self, before: &[String]) {
        self.at += 1;
        while self.at < self.words.len() && self.text(0) != "}" {
            self.tree(before);
            if self.text(0) == "," {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn found(&mut self, parts: &[String], line: usize, import: bool) {
        self.found.push(Path { parts: resolve(parts, &self.module), line, import });
    }
}

fn starts_path(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn resolve(parts: &[String], module: &[String]) -> Vec<String> {
    let supers = parts.iter().take_while(|part| *part == "super" || *part == "self").count();
    if supers == 0 {
        return parts.to_vec();
    }
    let up = parts[..supers].iter().filter(|part| *part == "super").count();
    let kept = &module[..module.len().saturating_sub(up)];
    let names = kept.iter().chain(&parts[supers..]).cloned();
    std::iter::once("crate".to_owned()).chain(names).collect()
}

#[cfg(test)]
mod tests {
    use super::paths;
    use crate::source::words::words;

    fn found(source: &str) -> Vec<String> {
        let module = ["stream".to_owned(), "ring".to_owned()];
        paths(&words(source), &module).iter().map(|path| path.parts.join("::")).collect()
    }

    #[test]
    fn a_use_with_groups_comes_out_in_full() {
        assert_eq!(
            found("use crate::{base::{id, time::*}, media as m, self};"),
            ["crate::base::id", "crate::base::time::*", "crate::media", "crate"]
        );
    }

    #[test]
    fn paths_on_the_spot_are_seen_too() {
        assert_eq!(
            found("fn f(x: crate::wire::Flv) -> u8 { std::fs::read::<u8>(x.y) }"),
            ["crate::wire::Flv", "std::fs::read"]
        );
    }

    #[test]
    fn super_is_resolved_through_inline_modules() {
        assert_eq!(
            found("use super::cursor; mod tests { use super::super::log; fn f() {} } use super::super::net;"),
            ["crate::stream::cursor", "crate::stream::log", "crate::net"]
        );
    }
}
