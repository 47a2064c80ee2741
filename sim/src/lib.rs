//! The server inside a network with hardship in it.
//!
//! One number draws everything. The same peers, faults and checkers run in two worlds; whatever fails can be
//! run again from its number, or from the list of inputs that the server was given.

pub mod arguments;
pub mod campaign;
pub mod canary;
pub mod cast;
pub mod crew;
pub mod dice;
pub mod disk;
pub mod fault;
pub mod grip;
pub mod isolation;
pub mod mark;
pub mod options;
pub mod peer;
pub mod run;
pub mod shell;
pub mod trace;
pub mod watch;
pub mod world;
