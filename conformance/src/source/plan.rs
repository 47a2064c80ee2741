//! The plan of the source tree: which rooms there are, in which order, and which crate may depend on which.
//!
//! `tests/tidy.rs` holds the imports against it, `tests/papers.rs` what ARCHITECTURE.md says.

/// Rooms by storey, from the ground up. A room may import from storeys below its own, and from itself.
pub const STOREYS: [&[&str]; 9] = [
    &["base"],
    &["media"],
    &["wire"],
    &["session", "stream", "package"],
    &["server"],
    &["record"],
    &["driver"],
    &["net"],
    &["main"],
];

/// The crates of the workspace: name, folder, and which of the others each may depend on, its tests included.
/// `load` shares no code with what it measures.
pub const CRATES: [(&str, &str, &[&str]); 7] = [
    ("load", "benches/load", &[]),
    ("dacapo", "src", &[]),
    ("tools", "tools", &["dacapo"]),
    ("dacapo-server", "", &["dacapo", "tools", "load"]),
    ("conformance", "conformance", &["dacapo"]),
    ("sim", "sim", &["dacapo", "conformance"]),
    ("fuzz", "fuzz", &["dacapo", "conformance", "sim", "tools"]),
];

/// Plain data: importable from anywhere.
pub const PLAIN: [&str; 2] = ["config", "status"];
