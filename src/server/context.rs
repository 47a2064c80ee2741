//! What every part of the server may look at: configuration, time, and what follows from the seed.

use crate::base::name::StreamName;
use crate::base::rng::Seed;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, StreamSettings};
use crate::status::Identity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The configuration, the time of this call, and who the server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The configuration in force.
    #[serde(with = "crate::config::as_text")]
    pub config: Arc<Config>,
    /// Every random generator is forked from it.
    pub seed: Seed,
    /// Wall time at birth.
    pub epoch: Epoch,
    /// The time of this call.
    pub now: Instant,
    /// The process id, once the shell has told.
    pub pid: u32,
    /// Follows from the configuration, the seed and `pid`.
    #[serde(skip)]
    pub identity: Identity,
    /// When a drain ends at the latest, once it has begun.
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
