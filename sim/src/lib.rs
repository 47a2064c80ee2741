//! The simulator: runs the server in a simulated network with faults.
//!
//! A seed determines a whole run. The same peers, faults and checkers run in two simulated worlds. A run that
//! fails can be repeated from its seed, or from the recorded inputs of the server.

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
pub mod sock;
pub mod socket_faults;
pub mod thread_pool;
pub mod trace;
pub mod world;
