//! Background work of consumers: whose it is, until it is done.

use crate::base::id::Ticket;
use crate::stream::registry::StreamKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Background work that is not done yet, by its ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jobs {
    of: BTreeMap<Ticket, (StreamKey, u32)>,
}

impl Jobs {
    /// Work of a consumer, by its number in its stream, has started.
    pub fn started(&mut self, ticket: Ticket, stream: StreamKey, consumer: u32) {
        self.of.insert(ticket, (stream, consumer));
    }

    /// Work is done. Whose it was.
    pub fn done(&mut self, ticket: Ticket) -> Option<(StreamKey, u32)> {
        self.of.remove(&ticket)
    }

    /// How much is not done yet.
    pub fn len(&self) -> usize {
        self.of.len()
    }
}
