//! Inputs of the server: everything that can change the outcome of a run is one of these.
//!
//! A recording of a run is a list of `(time, Input)`; so is a test, and so is a simulation.

use crate::base::id::{ConnId, Ticket};
use crate::config::Config;
use crate::status::Vitals;

/// An input of the server.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time has passed; due at [`crate::server::Server::deadline`] at the latest.
    Tick,
    /// Bytes were received.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes; may hold several messages, or a part of one.
        bytes: &'a [u8],
    },
    /// The socket of a connection has room again, after [`crate::server::Taken::room`] was false.
    Writable {
        /// The connection.
        conn: ConnId,
    },
    /// The peer or the network ended a connection.
    Ended {
        /// The connection.
        conn: ConnId,
        /// How it ended.
        end: End,
    },
    /// Answers [`crate::server::Job::Store`].
    Stored {
        /// Ticket of the request.
        ticket: Ticket,
        /// Why the file was not changed, if so.
        result: Result<(), String>,
    },
    /// Answers [`crate::server::Job::Measure`].
    Measured {
        /// Ticket of the request.
        ticket: Ticket,
        /// The measurements.
        vitals: Box<Vitals>,
    },
    /// The operator reloaded the configuration.
    Reload {
        /// The whole new configuration.
        config: Box<Config>,
    },
    /// The operator stops the server: peers get a final response, new connections are refused.
    Drain,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed its side: no bytes follow. The server may still send.
    Eof,
    /// The connection broke. Holds the operating system's error.
    Broken(String),
}
