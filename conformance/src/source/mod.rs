//! Our own source as text: what `tests/tidy.rs` reads to hold the house to its plan.

pub mod modules;
pub mod paths;
pub mod words;
