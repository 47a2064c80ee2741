//! Background work of consumers that is not done yet, and the consumer that each job belongs to.

use crate::base::id::Ticket;
use crate::stream::registry::StreamKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Background work that is not done yet, by ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jobs {
    of: BTreeMap<Ticket, (StreamKey, u32)>,
}

impl Jobs {
    /// Adds a job of the consumer that has this number in its stream.
    pub fn started(&mut self, ticket: Ticket, stream: StreamKey, consumer: u32) {
        self.of.insert(ticket, (stream, consumer));
    }

    /// Removes a job that is done. Returns the stream and the consumer's number; `None` if there is no such
    /// job.
    pub fn done(&mut self, ticket: Ticket) -> Option<(StreamKey, u32)> {
        self.of.remove(&ticket)
    }

    /// Number of jobs.
    pub fn len(&self) -> usize {
        self.of.len()
    }
}
