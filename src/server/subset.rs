//! A part of a server as a server of its own: some streams and the connections that are about them.
//!
//! What one peer does never changes what another gets, but through the stream that they budget. So the part,
//! told what these connections do, goes on as they do in the whole: this is how a recording of chosen streams
//! can begin in the middle of a run.

use crate::base::name::StreamName;
use crate::server::conn::Conn;
use crate::server::{Server, Timer};
use std::collections::VecDeque;

impl Server {
    /// A copy with nothing but the streams that `keep` wants and the connections about them; of the others
    /// those may still become such that have not said what they are about. To be called when [`Server::poll`]
    /// has nothing to say. Takes time in proportion to what is kept.
    pub fn subset(&self, keep: impl Fn(&StreamName) -> bool) -> Server {
        let stays = |conn: &Conn| {
            let stream = conn.role.stream().and_then(|key| self.streams.name(key));
            match stream.or(conn.name.as_ref()) {
                Some(name) => keep(name),
                None => conn.session.gets_streams(),
            }
        };
        let conns = self.conns.subset(stays);
        let streams = self.streams.subset(&keep);
        let timers = self.timers.subset(|timer| match timer {
            Timer::Conn(conn) => conns.get(conn).is_some(),
            Timer::Stream(stream) => streams.get(stream).is_some(),
            Timer::Drain => true,
        });
        let stay = |conn| conns.get(conn).is_some();
        Server {
            config: self.config.clone(),
            services: self.services.clone(),
            seed: self.seed,
            epoch: self.epoch,
            now: self.now,
            timers,
            ready: self.ready.subset(stay),
            outputs: VecDeque::new(),
            asks: self.asks.iter().filter(|(conn, _)| stay(*conn)).cloned().collect(),
            scratch: VecDeque::new(),
            woken: self.woken.iter().copied().filter(|conn| stay(*conn)).collect(),
            tickets: self.tickets,
            pid: self.pid,
            identity: self.identity.clone(),
            pending: self.pending.iter().filter(|(_, conn)| stay(**conn)).map(|(a, b)| (*a, *b)).collect(),
            draining: self.draining,
            overload_told: self.overload_told,
            finished: self.finished,
            traffic: self.traffic,
            conns,
            streams,
        }
    }
}
