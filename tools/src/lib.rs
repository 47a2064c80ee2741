//! What works on recordings, without the server that made them.
//!
//! In: recordings. Out: the run again, told as a [`timeline`]; files of what each player was sent
//! ([`dump`]); a copy that is fit to be given away ([`redact`]). [`command`] has files and the terminal
//! around these. Never: opens a socket. The clock and entropy are handed in.

pub mod command;
pub mod dump;
pub mod redact;
pub mod timeline;
pub mod tree;
