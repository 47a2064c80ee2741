//! Holds the house to its plan: layers, purity, files that open with their purpose, no orphans, no marks
//! of unfinished work, no lines and files that outgrew the reader.
//!
//! Each rule takes the text of one file and says what is wrong with it in words that tell what to do.
//! Each rule is tried on a planted fault, so that a rule which sees nothing is noticed.

use conformance::source::modules::reachable;
use conformance::source::paths::{Path as Named, paths};
use conformance::source::plan::{CRATES, PLAIN, STOREYS};
use conformance::source::words::words;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is wrong, where, and what to do about it.
#[derive(Debug)]
struct Fault {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// What plain data may import.
const PLAIN_MAY_IMPORT: [&str; 4] = ["base", "media", "config", "status"];

/// Rooms that touch the world. Everything else is pure.
const IMPURE_ROOMS: [&str; 3] = ["net", "command", "main"];

/// What the pure part may not name: the world's clock, entropy, files, sockets, threads and processes.
const WORLD: [&str; 17] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::os",
    "mio",
    "socket2",
    "getrandom",
    "rand",
];

const COLUMNS_MAX: usize = 110;
const LINES_MAX: usize = 700;

/// Files that were longer than [`LINES_MAX`] when the rule came, and their length: may shrink, not grow.
const RATCHET: [(&str, usize); 0] = [];

/// What may stand at the top of the repository.
const TOP: [&str; 27] = [
    ".cargo",
    ".ci",
    ".github",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "conf",
    "conformance",
    "deny.toml",
    "docs",
    "fixtures",
    "fuzz",
    "rustfmt.toml",
    "sim",
    "src",
    "tools",
];

// The tests proper.

#[test]
fn imports_point_down_and_siblings_never_meet() {
    none_of(&each_source("src", layers));
}

#[test]
fn crates_depend_on_those_below_them_alone() {
    let args = ["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"];
    let metadata = run(env!("CARGO"), &args);
    let faults = crates("Cargo.toml", &metadata);
    let found = serde_json::from_str::<Metadata>(&metadata).expect("cargo writes JSON").packages.len();
    assert_eq!(found, CRATES.len(), "CRATES in tidy.rs names the crates of the workspace");
    none_of(&faults);
}

#[test]
fn the_pure_part_names_nothing_of_the_world() {
    none_of(&each_source("src", purity));
    none_of(&each_source("tools", purity));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    none_of(&each_rust_file(opening));
}

#[test]
fn nothing_is_left_unfinished() {
    none_of(&each_rust_file(marks));
}

#[test]
fn lines_and_files_stay_readable() {
    none_of(&each_rust_file(length));
}

#[test]
fn the_judges_do_not_use_what_they_judge() {
    none_of(&each_source("conformance", independence));
}

#[test]
fn a_server_is_driven_in_one_place() {
    none_of(&each_rust_file(driving));
}

#[test]
fn no_file_is_an_orphan() {
    let mut known: BTreeSet<PathBuf> = roots().iter().flat_map(|root| reachable(root)).collect();
    known.extend([repository().join("build.rs")]);
    let orphans: Vec<Fault> = rust_files(&repository())
        .into_iter()
        .filter(|file| !known.contains(file))
        .collect::<Vec<_>>()
        .iter()
        .map(|file| orphan(file))
        .collect();
    none_of(&orphans);
}

#[test]
fn the_top_of_the_repository_holds_only_what_belongs_there() {
    let listed = run("git", &["ls-tree", "--name-only", "HEAD"]);
    let strangers: Vec<&str> = listed.lines().filter(|name| !TOP.contains(name)).collect();
    assert!(strangers.is_empty(), "find these a room, or add them to TOP in tidy.rs: {strangers:?}");
}

#[test]
fn the_pure_part_depends_on_nothing_that_touches_the_world() {
    let args = ["tree", "--offline", "--locked", "-p", "dacapo", "-e", "normal", "--no-default-features"];
    let tree = run(env!("CARGO"), &[&args[..], &["--prefix", "none", "--format", "{p}"]].concat());
    let shell = optional_dependencies();
    assert!(
        shell.contains(&"mio".to_owned()),
        "the shell's dependencies are read from src/Cargo.toml: {shell:?}"
    );
    let found: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| shell.iter().any(|other| other == name))
        .collect();
    assert!(
        found.is_empty(),
        "without the feature `net`, dacapo still depends on {found:?}: make them optional, or find with \
         `cargo tree -p dacapo -e normal --no-default-features -i {}` what brings them",
        found.first().unwrap_or(&"")
    );
}

// The rules.

/// Imports point down; siblings, and protocols among themselves, never import one another.
fn layers(file: &str, source: &str) -> Vec<Fault> {
    let here = module_of(file);
    named(file, source)
        .iter()
        .filter(|path| path.parts[0] == "crate" || path.parts[0] == "dacapo")
        .filter_map(|path| Some((path, forbidden_import(&here, &path.parts[1..])?)))
        .map(|(path, what)| fault(file, path.line, what))
        .collect()
}

fn forbidden_import(here: &[String], there: &[String]) -> Option<String> {
    let from = here.first()?.as_str();
    let to = there.first()?.as_str();
    if is_macro(to) || from == to {
        return protocols_meet(here, there);
    }
    if PLAIN.contains(&from) {
        let allowed = PLAIN_MAY_IMPORT.contains(&to);
        return (!allowed)
            .then(|| format!("`{from}` is plain data and may not import `{to}`: move the type down"));
    }
    if PLAIN.contains(&to) {
        return None;
    }
    let Some(target) = storey(to) else {
        return Some(format!("`crate::{to}` has no storey: name the room, or give it one in tidy.rs"));
    };
    match storey(from) {
        None => Some(format!("the room `{from}` has no storey: give it one in tidy.rs")),
        Some(own) if target < own => None,
        Some(own) if target == own => Some(format!(
            "`{from}` and `{to}` are siblings and may not meet: let `server` carry it between them, or move \
             what both need to `wire`, `media` or `base`"
        )),
        Some(_) => Some(format!(
            "`{from}` may not import `{to}`, which lies above it: move what it needs down, or hand it in"
        )),
    }
}

/// A session sees no other session.
fn protocols_meet(here: &[String], there: &[String]) -> Option<String> {
    let protocols = ["rtmp", "http", "webrtc"];
    let own = here.get(1).filter(|name| here[0] == "session" && protocols.contains(&name.as_str()))?;
    let other = there.get(1).filter(|name| there[0] == "session" && protocols.contains(&name.as_str()))?;
    let what =
        format!("the {own} session may not import the {other} session: move what both need to `session`");
    (own != other).then_some(what)
}

fn storey(room: &str) -> Option<usize> {
    STOREYS.iter().position(|rooms| rooms.contains(&room))
}

/// Macros that are exported live at the root of the crate, wherever they were written.
fn is_macro(name: &str) -> bool {
    ["reached"].contains(&name)
}

/// What `cargo metadata --no-deps` says of the workspace.
#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(serde::Deserialize)]
struct Dependency {
    name: String,
    /// Set for crates of the workspace only.
    path: Option<String>,
}

/// A crate depends on no crate that stands beside or above it, neither for itself nor for its tests.
fn crates(file: &str, metadata: &str) -> Vec<Fault> {
    let metadata: Metadata = serde_json::from_str(metadata).expect("cargo writes JSON");
    let forbidden = |package: &Package| {
        let name = &package.name;
        let Some((.., allowed)) = CRATES.iter().find(|(known, ..)| known == name) else {
            return vec![format!("the crate `{name}` has no place: give it one in CRATES in tidy.rs")];
        };
        let ours = package.dependencies.iter().filter(|other| other.path.is_some()).map(|other| &other.name);
        ours.filter(|other| !allowed.contains(&other.as_str()))
            .map(|other| {
                format!("`{name}` may not depend on `{other}`: move what both need into a crate below them")
            })
            .collect()
    };
    metadata.packages.iter().flat_map(forbidden).map(|what| fault(file, 1, what)).collect()
}

/// The pure part names neither clock nor entropy nor anything that reaches outside.
fn purity(file: &str, source: &str) -> Vec<Fault> {
    let room = module_of(file).first().cloned().unwrap_or_default();
    if IMPURE_ROOMS.contains(&room.as_str()) {
        return Vec::new();
    }
    named(file, source)
        .iter()
        .filter_map(|path| Some((path, worldly(path)?)))
        .map(|(path, word)| {
            let what =
                format!("`{word}` is of the world: it belongs in src/net; hand its outcome in as an input");
            fault(file, path.line, what)
        })
        .collect()
}

/// The forbidden name that `path` reaches, or opens a door to by importing a whole module.
fn worldly(path: &Named) -> Option<String> {
    let name = path.parts.join("::");
    let plain = name.strip_suffix("::*").unwrap_or(&name);
    let reaches = |word: &&&str| plain == **word || plain.starts_with(&format!("{word}::"));
    let door = |word: &&&str| path.import && word.starts_with(&format!("{plain}::"));
    WORLD.iter().find(reaches).or_else(|| WORLD.iter().find(door)).map(|word| (*word).to_owned())
}

/// Outputs are taken from a server in one place, so that what it is told is recorded in one place.
fn driving(file: &str, source: &str) -> Vec<Fault> {
    if file.starts_with("src/server/") {
        return Vec::new();
    }
    let polls = source.lines().enumerate().filter(|(_, line)| line.contains(concat!("server.", "poll()")));
    polls
        .map(|(at, _)| {
            let what = "a loop of its own around a server: use `Engine`, `Direct` or `Driver`";
            fault(file, at + 1, what.to_owned())
        })
        .collect()
}

fn opening(file: &str, source: &str) -> Vec<Fault> {
    let first = source.lines().find(|line| !line.starts_with("#![")).unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|text| text.trim().len() > 3);
    let what = "opens without `//!`: say in the first lines what goes in, what comes out, what it never does";
    if says { Vec::new() } else { vec![fault(file, 1, what.to_owned())] }
}

fn marks(file: &str, source: &str) -> Vec<Fault> {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("dbg", "!("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
    ];
    let lines = source.lines().enumerate();
    lines
        .flat_map(|(at, line)| marks.iter().filter(|mark| line.contains(**mark)).map(move |mark| (at, mark)))
        .map(|(at, mark)| {
            fault(file, at + 1, format!("`{mark}`: finish it, or say plainly what is not done"))
        })
        .collect()
}

fn length(file: &str, source: &str) -> Vec<Fault> {
    let wide = source.lines().enumerate().filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
    let mut faults: Vec<Fault> = wide
        .map(|(at, line)| {
            let what = format!("{} columns, {COLUMNS_MAX} are enough: break the line", line.chars().count());
            fault(file, at + 1, what)
        })
        .collect();
    let lines = source.lines().count();
    let most = RATCHET.iter().find(|(name, _)| *name == file).map_or(LINES_MAX, |(_, most)| *most);
    if lines > most {
        let what =
            format!("{lines} lines, at most {most}: it holds more than one idea; make two rooms of it");
        faults.push(fault(file, lines, what));
    }
    faults
}

/// A judge that reads the wire with the server's own parser would share its mistakes.
fn independence(file: &str, source: &str) -> Vec<Fault> {
    // Readers and judge know nothing of the server; what plays runs may drive it.
    let judges = ["conformance/src/reader", "conformance/src/judge"];
    let own: &[&str] = if judges.iter().any(|room| file.starts_with(room)) {
        &["dacapo"]
    } else {
        &["dacapo::wire", "dacapo::session", "dacapo::media", "dacapo::package", "dacapo::stream"]
    };
    named(file, source)
        .iter()
        .filter(|path| own.iter().any(|own| path.parts.join("::").starts_with(own)))
        .map(|path| fault(file, path.line, "judges read the wire with parsers of their own".to_owned()))
        .collect()
}

fn orphan(file: &Path) -> Fault {
    fault(
        &relative(file),
        1,
        "no `mod` line leads here: the compiler never sees it; declare it or delete it".to_owned(),
    )
}

fn fault(file: &str, line: usize, what: String) -> Fault {
    Fault { file: file.to_owned(), line, what }
}

// Planted faults: what each rule must see, and what it must let pass.

#[track_caller]
fn sees(rule: fn(&str, &str) -> Vec<Fault>, file: &str, source: &str, said: &str) {
    let faults: Vec<String> = rule(file, source).iter().map(Fault::to_string).collect();
    assert!(
        faults.iter().any(|fault| fault.contains(said)),
        "{said:?} was not said of {source:?}: {faults:?}"
    );
}

#[track_caller]
fn passes(rule: fn(&str, &str) -> Vec<Fault>, file: &str, source: &str) {
    let faults: Vec<String> = rule(file, source).iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{source:?} is fine: {faults:?}");
}

#[test]
fn planted_imports_are_seen() {
    sees(
        layers,
        "src/wire/flv.rs",
        "\nuse crate::session::Cx;",
        "src/wire/flv.rs:2: `wire` may not import `session`",
    );
    sees(layers, "src/stream/ring.rs", "use crate::{base::id, package::hls};", "siblings");
    sees(layers, "src/stream/ring.rs", "use super::super::session::ask;", "siblings");
    sees(layers, "src/stream/mod.rs", "mod tests { use super::super::server::Server; }", "lies above");
    sees(
        layers,
        "src/session/http/live.rs",
        "use crate::session::rtmp::play;",
        "http session may not import the rtmp",
    );
    sees(
        layers,
        "src/base/id.rs",
        "fn f() -> crate::media::frame::Frame {}",
        "`base` may not import `media`",
    );
    sees(layers, "src/config/mod.rs", "use crate::wire::format::Format;", "plain data");
    sees(layers, "src/base/id.rs", "use crate::*;", "no storey");
    sees(layers, "src/attic/id.rs", "use crate::base::id;", "`attic` has no storey");
    passes(layers, "src/session/rtmp/play.rs", "use crate::{wire::flv, session::ask, base, config::Config};");
    passes(layers, "src/session/mod.rs", "use crate::session::rtmp::RtmpSession; // crate::server");
    passes(layers, "src/main.rs", "use dacapo::net::reactor; use dacapo::config::Config;");
    passes(layers, "src/config/mod.rs", "use crate::base::id::ListenerId;");
}

#[test]
fn planted_dependencies_of_crates_are_seen() {
    let uses = |name: &str, other: &str| {
        let dependency = format!(r#"{{"name": "{other}", "path": "/somewhere/{other}"}}"#);
        format!(r#"{{"packages": [{{"name": "{name}", "dependencies": [{dependency}]}}]}}"#)
    };
    sees(crates, "Cargo.toml", &uses("conformance", "sim"), "`conformance` may not depend on `sim`");
    sees(crates, "Cargo.toml", &uses("dacapo", "conformance"), "`dacapo` may not depend on `conformance`");
    sees(crates, "Cargo.toml", &uses("load", "dacapo"), "`load` may not depend on `dacapo`");
    sees(crates, "Cargo.toml", &uses("attic", "dacapo"), "`attic` has no place");
    passes(crates, "Cargo.toml", &uses("fuzz", "sim"));
    let public = r#"{"packages": [{"name": "load", "dependencies": [{"name": "mio", "path": null}]}]}"#;
    passes(crates, "Cargo.toml", public);
}

#[test]
fn a_planted_loop_is_seen() {
    let source = concat!("fn f() { while let Some(output) = self.server.", "poll() {} }");
    sees(driving, "sim/src/shell.rs", source, "a loop of its own");
    passes(driving, "src/server/engine.rs", source);
}

#[test]
fn planted_doors_to_the_world_are_seen() {
    sees(purity, "src/wire/ts.rs", "use std::fs::File;", "`std::fs`");
    sees(purity, "src/wire/ts.rs", "use std::{fmt, net::{SocketAddr, TcpStream}};", "`std::net::TcpStream`");
    sees(purity, "src/wire/ts.rs", "fn f() { let t = std::time::Instant::now(); }", "`std::time::Instant`");
    sees(purity, "src/wire/ts.rs", "use std::time;", "`std::time::Instant`");
    sees(purity, "src/server/mod.rs", "use std::net::*;", "`std::net::TcpStream`");
    sees(purity, "src/server/mod.rs", "use mio::Token;", "`mio`");
    sees(purity, "src/base/rng.rs", "fn f() -> u8 { rand::random() }", "`rand`");
    passes(purity, "src/base/time.rs", "use std::time::Duration; use std::net::{IpAddr, SocketAddr};");
    passes(
        purity,
        "src/base/time.rs",
        "/// [`std::time::Instant`] is not used.\nconst S: &str = \"std::fs::read\";",
    );
    passes(purity, "src/net/files.rs", "use std::fs::File;");
    sees(purity, "tools/src/dump/mod.rs", "use std::fs::File;", "`std::fs`");
    passes(purity, "tools/src/command/files.rs", "use std::fs::File;");
    passes(purity, "src/base/rng.rs", "use rand_core::RngCore;");
}

#[test]
fn planted_slips_are_seen() {
    sees(opening, "src/a.rs", "use std::fmt;\n//! Late.", "src/a.rs:1: opens without");
    sees(opening, "src/a.rs", "//!\n//! A.", "opens without");
    passes(opening, "src/a.rs", "#![forbid(unsafe_code)]\n//! What it is.");
    sees(marks, "src/a.rs", concat!("\n// TO", "DO: later"), "src/a.rs:2: ");
    sees(marks, "src/a.rs", concat!("    dbg", "!(x);"), "src/a.rs:1: ");
    passes(marks, "src/a.rs", "// Done.");
    sees(length, "src/a.rs", &"x".repeat(COLUMNS_MAX + 1), "111 columns");
    sees(length, "src/a.rs", &"x\n".repeat(LINES_MAX + 1), "701 lines");
    passes(length, "src/a.rs", &"x\n".repeat(LINES_MAX));
    sees(independence, "conformance/src/a.rs", "use dacapo::wire::flv;", "parsers of their own");
    sees(
        independence,
        "conformance/src/reader/a.rs",
        "use dacapo::base::time::Instant;",
        "parsers of their own",
    );
    sees(independence, "conformance/src/judge/mod.rs", "fn f(_: dacapo::config::Config) {}", "of their own");
    passes(independence, "conformance/src/a.rs", "use dacapo::config::Config;");
}

#[test]
fn a_planted_orphan_is_seen() {
    let house = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let file = house.path().join(name);
        std::fs::create_dir_all(file.parent().expect("stands in a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    write("lib.rs", "mod a; mod b { mod c; } // mod lost;");
    write("a.rs", "mod d;");
    write("a/d.rs", "");
    write("b/c/mod.rs", "");
    write("lost.rs", "");
    let known = reachable(&house.path().join("lib.rs"));
    let lost: Vec<PathBuf> =
        rust_files(house.path()).into_iter().filter(|file| !known.contains(file)).collect();
    assert_eq!(lost, [house.path().join("lost.rs")]);
}

// Finding the files.

#[track_caller]
fn none_of(faults: &[Fault]) {
    let list: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

fn each_rust_file(rule: fn(&str, &str) -> Vec<Fault>) -> Vec<Fault> {
    each_source("", rule)
}

fn each_source(folder: &str, rule: fn(&str, &str) -> Vec<Fault>) -> Vec<Fault> {
    let files = rust_files(&repository().join(folder));
    assert!(!files.is_empty(), "no Rust file under {folder:?}");
    let read = |file: &PathBuf| std::fs::read_to_string(file).expect("a source file is readable UTF-8");
    files.iter().flat_map(|file| rule(&relative(file), &read(file))).collect()
}

fn named(file: &str, source: &str) -> Vec<Named> {
    paths(&words(source), &module_of(file))
}

/// `src/stream/ring.rs` is `[stream, ring]`, `src/stream/mod.rs` is `[stream]`, `src/lib.rs` is nothing.
fn module_of(file: &str) -> Vec<String> {
    let file = file.strip_prefix("tools/").unwrap_or(file);
    let parts = file.trim_end_matches(".rs").split('/').skip(1).filter(|part| !["mod", "lib"].contains(part));
    parts.map(str::to_owned).collect()
}

/// The files that cargo takes for the roots of crates.
fn roots() -> Vec<PathBuf> {
    let top = repository();
    let mut roots = Vec::new();
    for package in CRATES.map(|(_, folder, _)| top.join(folder)) {
        roots.extend(["src/lib.rs", "src/main.rs", "build.rs"].map(|name| package.join(name)));
        for folder in ["tests", "benches", "examples", "src/bin"] {
            let entries = std::fs::read_dir(package.join(folder)).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                roots.extend([path.join("main.rs"), path.clone()]);
            }
        }
    }
    roots.retain(|root| root.is_file() && root.extension().is_some_and(|end| end == "rs"));
    roots
}

/// All Rust files under `folder`, in order; not what was built, installed or generated.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a directory entry").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy();
            let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            match path.is_dir() {
                true if !skipped => ahead.push(path),
                false if name.ends_with(".rs") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("conformance stands in the repository").to_owned()
}

fn relative(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).to_string_lossy().into_owned()
}

/// What the feature `net` switches on.
fn optional_dependencies() -> Vec<String> {
    let manifest = std::fs::read_to_string(repository().join("src/Cargo.toml")).expect("it is readable");
    let list = manifest.split("\nnet = [").nth(1).and_then(|rest| rest.split(']').next());
    let list = list.expect("src/Cargo.toml says what the feature `net` is");
    list.split('"').filter_map(|item| item.strip_prefix("dep:")).map(str::to_owned).collect()
}

#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let output =
        Command::new(program).args(args).current_dir(repository()).output().expect("the program starts");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("its output is UTF-8")
}
