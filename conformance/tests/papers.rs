//! Holds the papers of the repository against the code: the tables of ARCHITECTURE.md, the list of invariants
//! in docs/invariants.md, and the files that any paper names.
//!
//! Each rule takes a text and returns what is wrong with it. Each is tried on a planted fault.

use conformance::source::plan::{CRATES, PLAIN, STOREYS};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const INVARIANTS: &str = "docs/invariants.md";

/// Folders that are searched for names of invariants.
const SEARCHED: [&str; 6] = ["src", "tools", "sim", "conformance", "fuzz", "benches"];

/// All papers.
const PAPERS: [&str; 10] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "benches/README.md",
    "docs/conformance.md",
    "docs/invariants.md",
    "docs/recording.md",
    "docs/simulation.md",
];

/// Folders at the top that papers name files of.
const FOLDERS: [&str; 8] = ["src", "tools", "sim", "conformance", "fuzz", "benches", "fixtures", "conf"];

// The tests proper.

#[test]
fn the_paper_of_the_architecture_is_true() {
    let paper = read(ARCHITECTURE);
    none_of(&architecture(&paper));
    let mut built: Vec<String> = std::fs::read_dir(repository().join("src"))
        .expect("src is readable")
        .map(|entry| entry.expect("a directory entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !["Cargo.toml", "lib.rs"].contains(&name.as_str()))
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    built.sort();
    let mut placed: Vec<&str> = STOREYS.concat().into_iter().chain(PLAIN).collect();
    placed.sort_unstable();
    assert_eq!(built, placed, "STOREYS and PLAIN in source::plan name the rooms of src");
}

#[test]
fn every_invariant_that_is_named_is_listed_and_every_listed_one_is_named() {
    let sources: Vec<(String, String)> = SEARCHED
        .iter()
        .flat_map(|folder| files(&repository().join(folder)))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file is readable UTF-8");
            (path.strip_prefix(repository()).unwrap_or(&path).to_string_lossy().into_owned(), text)
        })
        .collect();
    let sources: Vec<(&str, &str)> = sources.iter().map(|(file, text)| (&file[..], &text[..])).collect();
    none_of(&invariants(&read(INVARIANTS), &sources));
}

#[test]
fn the_files_that_a_paper_names_exist() {
    let mut faults = Vec::new();
    for paper in PAPERS {
        faults.extend(missing_files(paper, &read(paper)));
    }
    none_of(&faults);
}

// The rules.

/// The tables of rooms and of crates say what [`STOREYS`], [`PLAIN`] and [`CRATES`] say, row by row.
fn architecture(paper: &str) -> Vec<String> {
    let plain = PLAIN.iter().map(|room| ("plain".to_owned(), *room));
    let storeys = STOREYS.iter().enumerate();
    let storeys = storeys.flat_map(|(at, rooms)| rooms.iter().map(move |room| ((at + 1).to_string(), *room)));
    let rooms = plain.chain(storeys).map(|(storey, room)| format!("{storey} | `{room}`")).collect();
    let crates = CRATES.iter().map(|(name, folder, uses)| {
        let folder = if folder.is_empty() { "." } else { folder };
        let uses: Vec<String> = uses.iter().map(|name| format!("`{name}`")).collect();
        let uses = if uses.is_empty() { "-".to_owned() } else { uses.join(", ") };
        format!("`{name}` | `{folder}` | {uses}")
    });
    let mut faults = table(paper, "## Rooms", 2, rooms);
    faults.extend(table(paper, "## Crates", 3, crates.collect()));
    faults
}

/// The first `cells` of each row of the table under `heading` are `wanted`, in this order. No cell is empty.
fn table(paper: &str, heading: &str, cells: usize, wanted: Vec<String>) -> Vec<String> {
    let below = paper.lines().enumerate().skip_while(|(_, line)| *line != heading).skip(1);
    let section = below.take_while(|(_, line)| !line.starts_with("## "));
    let mut rows = section.filter(|(_, line)| line.starts_with("| ")).skip(2);
    let mut faults = Vec::new();
    for wanted in wanted {
        let Some((at, row)) = rows.next() else {
            faults.push(format!("{ARCHITECTURE}: the table under {heading:?} lacks the row `| {wanted} |`"));
            continue;
        };
        let row: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let said = row.iter().take(cells).copied().collect::<Vec<_>>().join(" | ");
        if said != wanted {
            faults.push(format!("{ARCHITECTURE}:{}: says `{said}` where the code has `{wanted}`", at + 1));
        }
        if row.len() != cells + 2 || row.iter().any(|cell| cell.is_empty()) {
            let line = at + 1;
            faults.push(format!("{ARCHITECTURE}:{line}: `{said}`: say what it does and what it never does"));
        }
    }
    let surplus = rows.map(|(at, row)| format!("{ARCHITECTURE}:{}: `{row}` is no row of the code", at + 1));
    faults.extend(surplus);
    faults
}

/// The list has each invariant that a source names, once, with a sentence and a place; and no others.
fn invariants(paper: &str, sources: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed = BTreeSet::new();
    for row in paper.lines().filter_map(|line| line.strip_prefix("| **")) {
        let Some((name, rest)) = row.split_once("** |") else { continue };
        let cells = rest.trim_end_matches('|').split('|').map(str::trim);
        if cells.filter(|cell| !cell.is_empty()).count() < 2 {
            faults.push(format!("{INVARIANTS}: {name}: say what holds, and where it is checked"));
        }
        if !listed.insert(name.to_owned()) {
            faults.push(format!("{INVARIANTS}: {name} is listed twice"));
        }
    }
    let mut named: BTreeMap<String, &str> = BTreeMap::new();
    for (file, text) in sources {
        for name in text.lines().flat_map(names) {
            named.entry(name).or_insert(file);
        }
    }
    let unlisted = named.iter().filter(|(name, _)| !listed.contains(*name));
    faults.extend(
        unlisted.map(|(name, file)| format!("{file} names {name}, which {INVARIANTS} does not list")),
    );
    let unnamed = listed.iter().filter(|name| !named.contains_key(*name));
    faults.extend(unnamed.map(|name| format!("{INVARIANTS} lists {name}, which no source names")));
    faults
}

/// The invariants that a line names: `I7`, `L3`, and all of `I14 to I17`. Not what only looks like one:
/// levels in codec strings (`hvc1.1.6.L93.B0`) and identifiers of Rust (`Node::I8`, `I8(i8)`).
fn names(line: &str) -> Vec<String> {
    let mut found: Vec<(usize, usize, char, u32)> = Vec::new();
    for (at, kind) in line.char_indices().filter(|(_, letter)| ['I', 'L'].contains(letter)) {
        let digits = line[at + 1..].chars().take_while(char::is_ascii_digit).count();
        let end = at + 1 + digits;
        let before = line[..at].chars().next_back().unwrap_or(' ');
        let mut after = line[end..].chars();
        let (next, second) = (after.next().unwrap_or(' '), after.next().unwrap_or(' '));
        let inside = before.is_alphanumeric() || ['_', '.', ':'].contains(&before);
        let goes_on = next.is_alphanumeric() || ['_', '('].contains(&next) || (next == '.' && second != ' ');
        if let Ok(number) = line[at + 1..end].parse()
            && !inside
            && !goes_on
        {
            found.push((at, end, kind, number));
        }
    }
    let ranges =
        found.windows(2).filter(|pair| line[pair[0].1..pair[1].0] == *" to " && pair[0].2 == pair[1].2);
    let between = ranges.flat_map(|pair| (pair[0].3 + 1..pair[1].3).map(move |number| (pair[0].2, number)));
    let whole = found.iter().map(|(_, _, kind, number)| (*kind, *number)).chain(between);
    whole.map(|(kind, number)| format!("{kind}{number}")).collect()
}

/// The files that `text`, the paper at `paper`, links to or names in code font by a path from the top of the
/// repository or from `src`, and that do not exist. A name with capitals, `*` or `…` in place of a part is a
/// pattern.
fn missing_files(paper: &str, text: &str) -> Vec<String> {
    let folder = Path::new(paper).parent().expect("a paper is a file").to_owned();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let links = links.map(|link| folder.join(link.split('#').next().unwrap_or(link)));
    // Every second piece between backticks is in code font, but for blocks of code.
    let blocks = text.split("```").step_by(2);
    let code = blocks.flat_map(|block| block.split('`').skip(1).step_by(2));
    let is_path = |word: &str| {
        let top = word.split('/').next().unwrap_or_default();
        let names_file = FOLDERS.contains(&top) || word.ends_with(".rs");
        word.contains('/') && names_file && !word.contains(['*', '…', ' ', '<', '{'])
    };
    let is_pattern = |word: &str| word.contains("NAME") || word.contains("TARGET");
    let paths = code.filter(|word| is_path(word) && !is_pattern(word)).map(PathBuf::from);
    links
        .chain(paths)
        .filter(|path| ![repository(), repository().join("src")].iter().any(|top| top.join(path).exists()))
        .map(|path| format!("{paper}: {} does not exist", path.display()))
        .collect()
}

// Planted faults.

#[test]
fn planted_errors_in_the_paper_of_the_architecture_are_seen() {
    let paper = read(ARCHITECTURE);
    assert_eq!(architecture(&paper), [""; 0]);
    let changed = |from: &str, to: &str| {
        assert!(paper.contains(from), "{from:?} stands in the paper");
        paper.replacen(from, to, 1)
    };
    let moved = changed("| 5 | `server` |", "| 4 | `server` |");
    sees(&architecture(&moved), "says `4 | `server`` where the code has `5 | `server``");
    let renamed = changed("| 3 | `wire` |", "| 3 | `cable` |");
    sees(&architecture(&renamed), "where the code has `3 | `wire``");
    let short: String =
        paper.lines().filter(|line| !line.starts_with("| 9 ")).map(|l| format!("{l}\n")).collect();
    sees(&architecture(&short), "lacks the row `| 9 | `main` |`");
    let long = changed("\n## Crates", "| 10 | `roof` | keeps rain out | lets it in |\n\n## Crates");
    let long = long.replace("\n\n| 10 ", "\n| 10 ");
    sees(&architecture(&long), "`| 10 | `roof` | keeps rain out | lets it in |` is no row");
    let uses = changed("| `tools` | `tools` | `dacapo` |", "| `tools` | `tools` | `sim` |");
    sees(&architecture(&uses), "where the code has ``tools` | `tools` | `dacapo``");
    let silent = changed("| knows media or a protocol |", "| |");
    sees(&architecture(&silent), "say what it does and what it never does");
}

#[test]
fn planted_errors_in_the_list_of_invariants_are_seen() {
    let paper = "| **I1** | Frames are in order. | judge |\n| **L3** | It ends. | sim |\n";
    let of = |text: &str| invariants(paper, &[("a.rs", text)]);
    assert_eq!(of("// I1, and (L3)."), [""; 0]);
    sees(&of("// I1 L3 I2"), "a.rs names I2, which docs/invariants.md does not list");
    sees(&of("// I1"), "lists L3, which no source names");
    let twice = format!("{paper}| **I1** | Frames are in order. | judge |\n");
    sees(&invariants(&twice, &[("a.rs", "I1 L3")]), "I1 is listed twice");
    sees(&invariants("| **I1** | Frames are in order. | |", &[("a.rs", "I1")]), "where it is checked");
    assert_eq!(names("(I14 to I17, L7)"), ["I14", "I17", "L7", "I15", "I16"]);
    assert_eq!(names("\"hvc1.1.6.L93.B0\", Node::I8, I8(i8), UTF_I8, AI3, I8_9"), [""; 0]);
    assert_eq!(names("\"I35\" and I9."), ["I35", "I9"]);
}

#[test]
fn planted_files_that_do_not_exist_are_seen() {
    let of = |text: &str| missing_files("docs/invariants.md", text);
    assert_eq!(
        of("[a](simulation.md#top), [b](../README.md), [c](https://example.org/d), `src/NAME.rs`"),
        [""; 0]
    );
    assert_eq!(
        of("`src/server/mod.rs`, `sim/src`, `src/*.rs`, `and/or`\n```\nsrc/none.rs `x` src/none\n```\n"),
        [""; 0]
    );
    sees(&of("`net/none.rs`"), "net/none.rs does not exist");
    sees(&of("[a](README.md)"), "docs/README.md does not exist");
    sees(&of("```\nx\n``` and `src/server/none.rs`"), "src/server/none.rs does not exist");
}

// What they share.

#[track_caller]
fn sees(faults: &[String], said: &str) {
    assert!(faults.iter().any(|fault| fault.contains(said)), "{said:?} was not said: {faults:?}");
}

#[track_caller]
fn none_of(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// All Rust files and scripts under `folder`; not what was built, and not this file, which plants faults.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a directory entry").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            match path.is_dir() {
                true if !["target", "node_modules"].contains(&&name[..]) => ahead.push(path),
                false if name.ends_with(".rs") && name != "papers.rs" => found.push(path),
                false if name.ends_with(".sh") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[track_caller]
fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("conformance stands in the repository").to_owned()
}
