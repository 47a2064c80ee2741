//! The budgets and bounds of the loop.

use std::time::Duration;

/// How much a loop does in one pass, and for how long it keeps what is closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one read. A shorter read means that the socket is drained. With 16 KiB publishers cost a
    /// quarter more, and with 256 KiB the same (`benches/README.md`).
    pub read_bytes: usize,
    /// Bytes after which a connection in one pass is read from no more. The last read may go past it.
    pub read_budget_bytes: usize,
    /// Most connections that one listener accepts in a pass.
    pub accepts: usize,
    /// How long to accept nothing after the file descriptors ran out.
    pub accept_pause: Duration,
    /// How long a socket in lingering close waits for its peer to close.
    pub linger: Duration,
    /// Most bytes of one socket that are read and dropped in lingering close.
    pub linger_bytes: usize,
    /// Most sockets in lingering close. Past it the oldest is closed.
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
