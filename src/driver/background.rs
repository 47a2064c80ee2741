//! Background work: what would block the loop (files, measurements of the process and the machine).

use crate::base::time::Instant;
use crate::server::{Input, Job};

/// Does background work for a loop. No method waits.
pub trait Background {
    /// Starts a job. Jobs that change files are done in the order in which they are started.
    fn start(&mut self, now: Instant, job: Job);
    /// The result of a job that is done, as an input. `None` if there is no such result; called until then in
    /// each pass.
    fn next_result(&mut self, now: Instant) -> Option<Input<'static>>;
}
