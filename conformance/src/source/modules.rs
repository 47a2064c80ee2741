//! The files of a crate, found as the compiler finds them: from its root along `mod` lines.

use super::words::words;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All files reachable from the root file `root`, itself included.
///
/// # Panics
/// If a file cannot be read: the compiler would have stopped there too.
pub fn reachable(root: &Path) -> BTreeSet<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![(root.to_owned(), true)];
    while let Some((file, is_root)) = ahead.pop() {
        let source = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let folder = folder_of_children(&file, is_root);
        for inner in declared(&source) {
            let flat = folder.join(&inner).with_extension("rs");
            let nested = folder.join(&inner).join("mod.rs");
            let child = if flat.is_file() { flat } else { nested };
            if child.is_file() && !seen.contains(&child) {
                ahead.push((child, false));
            }
        }
        seen.insert(file);
    }
    seen
}

fn folder_of_children(file: &Path, is_root: bool) -> PathBuf {
    let folder = file.parent().expect("a file stands in a folder");
    if is_root || file.file_name().is_some_and(|name| name == "mod.rs") {
        folder.to_owned()
    } else {
        file.with_extension("")
    }
}

/// What `mod x;` lines declare, as paths relative to the folder of the file's children.
fn declared(source: &str) -> Vec<PathBuf> {
    let words = words(source);
    let mut inline: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0usize;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let ahead = |n: usize| words.get(at + n).map_or("", |word| word.text);
        match (word.text, ahead(1), ahead(2)) {
            ("mod", name, ";") => found.push(inline.iter().map(|(name, _)| *name).chain([name]).collect()),
            ("mod", name, "{") => inline.push((name, depth)),
            ("{", ..) => depth += 1,
            ("}", ..) => {
                depth = depth.saturating_sub(1);
                if inline.last().is_some_and(|(_, outside)| *outside == depth) {
                    inline.pop();
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::declared;
    use std::path::PathBuf;

    #[test]
    fn only_modules_in_other_files_are_declared() {
        let source = "pub mod a; mod b { fn f() {} mod c; } // mod d;\nmod e;";
        assert_eq!(declared(source), ["a", "b/c", "e"].map(PathBuf::from));
    }
}
