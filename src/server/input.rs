//! What can happen to the server: everything that can change the outcome of a run is one of these.
//!
//! A recording of a run is a list of `(time, Input)`; so is a test, and so is a simulation.

use crate::base::id::{ConnId, Ticket};
use crate::config::Config;
use crate::status::Vitals;

/// Something that happened in the world.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time has passed; due at [`crate::server::Server::deadline`] at the latest.
    Tick,
    /// Bytes came from a peer.
    Received {
        /// From whom.
        conn: ConnId,
        /// What.
        bytes: &'a [u8],
    },
    /// The kernel has room again for a connection that had none.
    Writable {
        /// Which.
        conn: ConnId,
    },
    /// A connection is over, by the peer's doing or the network's.
    Ended {
        /// Which.
        conn: ConnId,
        /// How.
        end: End,
    },
    /// To `Output::Store`: the file is as wanted, or why not.
    Stored {
        /// Which request.
        ticket: Ticket,
        /// Nothing, or the reason.
        result: Result<(), String>,
    },
    /// To `Output::Measure`.
    Measured {
        /// Which request.
        ticket: Ticket,
        /// What was measured.
        vitals: Box<Vitals>,
    },
    /// The operator wants another configuration.
    Reload {
        /// All of it.
        config: Box<Config>,
    },
    /// The operator wants the server to end: peers are told, new ones are refused.
    Drain,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed its side: nothing more will come.
    Eof,
    /// It broke; the operating system's word for how.
    Broken(String),
}
