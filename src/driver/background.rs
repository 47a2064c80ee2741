//! Work that would block the loop: files, and measurements of process and machine.

use crate::base::time::Instant;
use crate::server::{Input, Job};

/// What does background work for a loop. Nothing here ever waits.
pub trait Background {
    /// Starts a job. Jobs that change files happen in the order in which they are started.
    fn start(&mut self, now: Instant, job: Job);
    /// The result of a job that is done, as the input to tell. `None`: no job is done since the last call.
    fn next_result(&mut self, now: Instant) -> Option<Input<'static>>;
}
