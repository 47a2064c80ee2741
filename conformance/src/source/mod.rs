//! The source of the repository as text, and its plan: what `tests/tidy.rs` and `tests/papers.rs` read.

pub mod modules;
pub mod paths;
pub mod plan;
pub mod words;
