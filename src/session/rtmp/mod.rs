//! RTMP: the server side of a publisher or player.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::session::ask::Answer;
use crate::session::{Cx, Session};

/// One RTMP peer.
#[derive(Debug)]
pub struct RtmpSession {}

impl RtmpSession {
    /// A peer has just connected; nothing has been said yet.
    pub fn new(_cx: &mut Cx<'_>) -> Self {
        RtmpSession {}
    }
}

impl Session for RtmpSession {
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
