//! What every part of the server may read: configuration, time, seed, identity.

use crate::base::name::StreamName;
use crate::base::rng::Seed;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, StreamSettings};
use crate::status::Identity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Configuration, time and identity of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The configuration in force.
    #[serde(with = "crate::config::as_text")]
    pub config: Arc<Config>,
    /// The seed; every random generator is forked from it.
    pub seed: Seed,
    /// Wall time that belongs to time zero.
    pub epoch: Epoch,
    /// The time of this call.
    pub now: Instant,
    /// Process id; 0 until the first measurement.
    pub pid: u32,
    /// Ids in the API. Follow from the configuration, the seed and `pid`.
    #[serde(skip)]
    pub identity: Identity,
    /// Set when a drain has begun: the latest time of its end.
    pub draining: Option<Instant>,
}

impl Context {
    /// Wall time of this call, in milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.epoch.unix_millis(self.now)
    }

    /// The settings of a stream.
    pub fn stream(&self, name: &StreamName) -> StreamSettings {
        self.config.stream(name)
    }
}
