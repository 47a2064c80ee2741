//! Worlds that a shell and its peers can live in.

pub mod link;
pub mod net;
pub mod tiny;
