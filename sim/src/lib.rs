//! The server inside a network with hardship in it.
//!
//! One number draws everything. The same peers, faults and checkers run in two worlds; whatever fails can be
//! run again from its number, or from the list of inputs that the server was given.

pub mod arguments;
pub mod campaign;
pub mod canary;
pub mod checker;
pub mod coverage;
pub mod disk;
pub mod fault;
pub mod instruments;
pub mod isolation;
pub mod loop_checker;
pub mod options;
pub mod peer;
pub mod peers;
pub mod plan;
pub mod rng;
pub mod run;
pub mod shell;
pub mod socket_faults;
pub mod thread_pool;
pub mod trace;
pub mod world;
