//! The trace of a run: one hash and, on demand, lines of text.
//!
//! The hash covers every input of the server and every output with its bytes: runs with the same hash are the
//! same.

use dacapo::record::rolling_hash::RollingHash;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Trace {
    digest: RollingHash,
    /// Things noted so far.
    pub events: u64,
    /// Whether lines are printed to standard error.
    loud: bool,
    /// What each connection was sent, but those of the API, by its peer's address, if that is wanted.
    pub heard: Option<BTreeMap<SocketAddr, RollingHash>>,
}

impl Trace {
    /// A trace of nothing; `loud`: with lines to standard error.
    pub fn new(loud: bool) -> Self {
        Trace { loud, ..Trace::default() }
    }

    /// Something happened to the connection with this number; `bytes` belong to it.
    pub fn note(&mut self, at_us: u64, conn_no: Option<u32>, what: &str, bytes: &[u8]) {
        self.events += 1;
        self.digest.extend(&at_us.to_le_bytes());
        self.digest.extend(&conn_no.map_or(u64::MAX, u64::from).to_le_bytes());
        self.digest.extend(what.as_bytes());
        self.digest.extend(bytes);
        if self.loud {
            self.print(at_us, conn_no, what, bytes.len());
        }
    }

    /// More bytes of what was noted last.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.digest.extend(bytes);
    }

    /// These bytes were sent to a peer.
    pub fn heard(&mut self, peer: SocketAddr, bytes: &[u8]) {
        if let Some(heard) = &mut self.heard {
            heard.entry(peer).or_default().extend(bytes);
        }
    }

    fn print(&self, at_us: u64, conn_no: Option<u32>, what: &str, len: usize) {
        let conn_no =
            conn_no.map_or_else(|| "    -".to_owned(), |conn_no| format!("{:>5}", format!("#{conn_no}")));
        let len = if len == 0 { String::new() } else { format!(" {len} B") };
        eprintln!("{:>6}.{:06} {conn_no} {what}{len}", at_us / 1_000_000, at_us % 1_000_000);
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        let (hash, len) = self.digest.parts();
        hash ^ len.rotate_left(40)
    }
}
