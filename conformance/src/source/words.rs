//! A lexer for Rust source: words with their lines, without comments and the content of literals.
//!
//! Enough to read `use` lines, paths and `mod` declarations without errors by comments or strings. It never
//! fails: text that is not Rust gives punctuation.

/// An identifier, `::`, or one character of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// As it stands in the source.
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// The words of a source file in order.
pub fn words(source: &str) -> Vec<Word<'_>> {
    let mut lexer = Lexer { source, at: 0, line: 1 };
    let mut words = Vec::new();
    while let Some(word) = lexer.word() {
        words.push(word);
    }
    words
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn word(&mut self) -> Option<Word<'a>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                self.advance(first.len_utf8());
            } else if rest.starts_with("//") {
                self.advance(rest.find('\n').unwrap_or(rest.len()));
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else if let Some(hashes) = raw_string(rest) {
                self.raw_string(hashes);
            } else if first == '"' {
                self.quoted('"');
            } else if first == '\'' {
                self.character_or_lifetime();
            } else if is_name(first) {
                return Some(self.name());
            } else {
                let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
                return Some(self.take(length));
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn advance(&mut self, length: usize) {
        self.line += self.rest()[..length].matches('\n').count();
        self.at += length;
    }

    fn take(&mut self, length: usize) -> Word<'a> {
        let word = Word { text: &self.rest()[..length], line: self.line };
        self.advance(length);
        word
    }

    /// `b`, `r` and `c` before a quote come out as a word of their own: nothing asks for them.
    fn name(&mut self) -> Word<'a> {
        if self.rest().starts_with("r#") {
            self.advance(2);
        }
        let rest = self.rest();
        self.take(rest.find(|c: char| !is_name(c)).unwrap_or(rest.len()))
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return };
            if rest.starts_with("/*") {
                depth += 1;
                self.advance(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.advance(2);
            } else {
                self.advance(first.len_utf8());
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        let quote = self.rest().find('"').expect("raw_string saw the quote") + 1;
        self.advance(quote);
        let end = format!("\"{}", "#".repeat(hashes));
        let rest = self.rest();
        self.advance(rest.find(&end).map_or(rest.len(), |at| at + end.len()));
    }

    fn quoted(&mut self, quote: char) {
        self.advance(1);
        while let Some(next) = self.rest().chars().next() {
            let escaped = self.rest().chars().nth(1).filter(|_| next == '\\');
            self.advance(next.len_utf8() + escaped.map_or(0, char::len_utf8));
            if next == quote {
                return;
            }
        }
    }

    /// `'a'` and `'\n'` are characters; `'a` is a lifetime.
    fn character_or_lifetime(&mut self) {
        let mut next = self.rest().chars().skip(1);
        match (next.next(), next.next()) {
            (Some('\\'), _) | (Some(_), Some('\'')) => self.quoted('\''),
            _ => self.advance(1),
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many `#` a raw string that starts here has.
fn raw_string(rest: &str) -> Option<usize> {
    let rest = ["r", "br", "cr"].iter().find_map(|prefix| {
        let rest = rest.strip_prefix(prefix)?;
        rest.starts_with(['#', '"']).then_some(rest)
    })?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

#[cfg(test)]
mod tests {
    use super::words;

    fn texts(source: &str) -> Vec<&str> {
        words(source).iter().map(|word| word.text).collect()
    }

    #[test]
    fn comments_are_not_words() {
        assert_eq!(texts("a // use crate::x;\nb /* c /* d */ e */ f"), ["a", "b", "f"]);
    }

    #[test]
    fn the_insides_of_literals_are_not_words() {
        assert_eq!(
            texts(r##"x("use \" y", 'z', '\'', r#"a "b" c"#) w"##),
            ["x", "(", ",", ",", ",", ")", "w"]
        );
    }

    #[test]
    fn a_lifetime_is_not_the_beginning_of_a_character() {
        assert_eq!(texts("&'a str, b"), ["&", "a", "str", ",", "b"]);
    }

    #[test]
    fn paths_come_in_pieces() {
        assert_eq!(
            texts("crate::base::{id, r#name}"),
            ["crate", "::", "base", "::", "{", "id", ",", "name", "}"]
        );
    }

    #[test]
    fn lines_count_from_one_through_comments_and_strings() {
        let lines: Vec<usize> = words("a\n/*\n*/ b \"\n\" c").iter().map(|word| word.line).collect();
        assert_eq!(lines, [1, 3, 4]);
    }
}
