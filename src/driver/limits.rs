//! Budgets and limits of the loop.

use std::time::Duration;

/// How much a loop does in one pass, and how long a lingering close may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one read. With 16 KiB publishers cost a quarter more processor time, with 256 KiB the
    /// same (`benches/README.md`).
    pub read_bytes: usize,
    /// Most bytes that are read from one connection in a pass. The last read may exceed it.
    pub read_budget_bytes: usize,
    /// Most connections that are accepted at one listener in a pass.
    pub accepts: usize,
    /// Pause of accepting after the file descriptors ran out.
    pub accept_pause: Duration,
    /// Most time of a lingering close.
    pub linger: Duration,
    /// Most bytes that are read and dropped in one lingering close.
    pub linger_bytes: usize,
    /// Most sockets in lingering close. When there are more, the oldest is closed.
    pub lingering_sockets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            read_bytes: 64 << 10,
            read_budget_bytes: 256 << 10,
            accepts: 256,
            accept_pause: Duration::from_millis(100),
            linger: Duration::from_secs(1),
            linger_bytes: 1 << 20,
            lingering_sockets: 1024,
        }
    }
}
