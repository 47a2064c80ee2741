//! Queries of the HTTP API. In: a query of a session. Out: a report, at once or after the shell has measured
//! (I38).

use crate::base::id::{ConnId, Ticket};
use crate::base::vid::vid;
use crate::server::Server;
use crate::server::hosted::Hosted;
use crate::server::output::{Job, Output};
use crate::session::ask::Answer;
use crate::status::{Identity, Query, Report, Summaries, Totals, Vitals};

impl Server {
    pub(super) fn query(&mut self, id: ConnId, query: Query) {
        if query == Query::Summaries {
            self.measure(id);
            return;
        }
        let report = match query {
            // Returned above.
            Query::Summaries => None,
            Query::Vhosts => Some(Report::Vhosts { vhosts: self.vhosts() }),
            Query::Vhost(vid) => {
                let vhost = self.vhosts().into_iter().find(|vhost| vhost.id == vid);
                vhost.map(|vhost| Report::Vhost { vhost: Box::new(vhost) })
            }
            Query::Streams(page) => Some(self.streams_page(page, Hosted::is_published)),
            Query::Published(page) => {
                Some(self.streams_page(page, |hosted| hosted.stream.publication().is_some()))
            }
            Query::Stream(vid) => self.stream_by_vid(&vid),
            Query::Clients(page) => Some(self.clients_page(page)),
            Query::Client(cid) => {
                let peer = self.clients().find(|peer| peer.cid.as_str() == cid);
                peer.map(|peer| Report::Client { client: Box::new(self.client_status(peer)) })
            }
        };
        self.answer(id, Answer::Report(report.map(Box::new)));
    }

    /// Renews [`Identity`] after the configuration or the process id has changed. The server's id follows
    /// from the addresses that it listens on, the id of this run from the seed.
    pub(super) fn introduce(&mut self) {
        let listeners = self.cx.config.listeners();
        let service: [u8; 8] = self.cx.seed.fork(b"service").random_word();
        self.cx.identity = Identity {
            server: vid(&format!("{listeners:?}")),
            service: String::from_utf8_lossy(&service).into_owned(),
            pid: self.cx.pid,
        };
    }

    /// Requests a measurement: only the shell can look at the process. `Input::Measured` brings the result.
    fn measure(&mut self, id: ConnId) {
        if self.pending.len() >= PENDING_MAX {
            self.answer(id, Answer::Report(None));
            return;
        }
        let ticket = self.queues.ticket();
        self.pending.insert(ticket, id);
        self.queues.outputs.push_back(Output::Start(Job::Measure { ticket }));
    }

    /// Handles a measurement. The shell sends the first one without a request, to give the process id.
    pub(super) fn measured(&mut self, ticket: Ticket, vitals: Vitals) {
        if self.cx.pid != vitals.pid {
            self.cx.pid = vitals.pid;
            self.introduce();
        }
        let Some(id) = self.pending.remove(&ticket) else { return };
        let totals = Totals {
            now_ms: self.cx.wall_ms(),
            uptime_secs: self.cx.now.as_micros() / 1_000_000,
            recv_bytes: self.traffic.received_bytes(),
            send_bytes: self.traffic.sent_bytes(),
            conns: self.peers.len() as u64,
        };
        let data = Box::new(Summaries::new(totals, vitals));
        self.answer(id, Answer::Report(Some(Box::new(Report::Summaries { data }))));
    }
}

/// Most requests that wait for the shell; the next one is refused.
const PENDING_MAX: usize = 256;
