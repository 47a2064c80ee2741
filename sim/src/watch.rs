//! Who watches a run: the checks of the server's own value, and the judge of its bytes.

use dacapo::base::id::ConnId;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::server::{Input, Output, Server};

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which: `I3`, `L2`.
    pub invariant: String,
    /// When, in microseconds of the server's time.
    pub at_us: u64,
    /// For whom.
    pub seat: Option<u32>,
    /// What, as a sentence.
    pub words: String,
}

/// The watchers.
#[derive(Debug, Default)]
pub struct Watch {
    failures: Vec<Failure>,
}

impl Watch {
    /// What does not hold, the first first.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Something does not hold.
    pub fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// The run is over: nobody is connected, and enough time has passed for everything to be forgotten.
    pub fn finish(&mut self, _: Instant, _: &Server, _sockets: usize) {}

    /// A peer was let in (as `conn`) or turned away.
    pub fn accepted(&mut self, _: Instant, _: Option<u32>, _: Service, _: Option<ConnId>, _: &Server) {}
    /// The server is given these bytes.
    pub fn from_client(&mut self, _: Instant, _: Option<u32>, _: &[u8]) {}
    /// The kernel took these bytes of the server.
    pub fn to_client(&mut self, _: Instant, _: u32, _: &[u8]) {}
    /// A write was not taken whole.
    pub fn stalled(&mut self, _: Instant, _: u32) {}
    /// There is room again.
    pub fn writable(&mut self, _: Option<u32>) {}
    /// The peer or the network ended it.
    pub fn ended(&mut self, _: Instant, _: Option<u32>, _eof: bool) {}
    /// The server closed it.
    pub fn closed(&mut self, _: Instant, _: Option<u32>) {}
    /// The server wants something.
    pub fn wished(&mut self, _: Instant, _: &Output) {}
    /// The server is about to be told something.
    pub fn about_to_hear(&mut self, _: Instant, _: &Server, _: &Input<'_>) {}
    /// The server was told.
    pub fn heard(&mut self, _: Instant, _: &Server) {}
    /// All that the server wanted was done.
    pub fn drained(&mut self, _: Instant, _: &Server) {}
    /// A pass is over.
    pub fn passed(&mut self, _: Instant, _: &Server) {}
}
