//! The basis of everything else: time, random generators, names, buffers, timers. Never: knows a protocol or
//! media.

#[macro_use]
pub mod reached;

pub mod calendar;
pub mod fetched;
pub mod id;
pub mod inbox;
pub mod limit;
pub mod name;
pub mod outbox;
pub mod ready;
pub mod reason;
pub mod rng;
pub mod schema;
pub mod secret;
pub mod short;
pub mod slices;
pub mod store;
pub mod table;
pub mod time;
pub mod timers;
pub mod vid;
pub mod walk;
