//! HTTP/1.1: live formats, HLS, the API and pages.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::config::Service;
use crate::session::ask::Answer;
use crate::session::{Cx, Session};

/// One HTTP peer.
#[derive(Debug)]
pub struct HttpSession {}

impl HttpSession {
    /// A peer has just connected; nothing has been said yet.
    pub fn new(_cx: &mut Cx<'_>, _service: Service) -> Self {
        HttpSession {}
    }
}

impl Session for HttpSession {
    fn receive(&mut self, _cx: &mut Cx<'_>, _inbox: &mut Inbox) -> Result<bool, Reason> {
        Ok(false)
    }
    fn answer(&mut self, _cx: &mut Cx<'_>, _answer: Answer) -> Result<(), Reason> {
        Ok(())
    }
    fn drained(&mut self, _cx: &mut Cx<'_>) -> Result<(), Reason> {
        Ok(())
    }
    fn tick(&mut self, _cx: &mut Cx<'_>) -> Result<(), Reason> {
        Ok(())
    }
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        None
    }
}
