//! The server inside a network with hardship in it.
//!
//! One number draws everything. The same peers, faults and checkers run in two worlds; whatever fails can be
//! run again from its number, or from the list of inputs that the server was given.

pub mod peer;
