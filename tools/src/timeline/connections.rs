//! The connections of a replay: each with its id, its stream and what it was sent.

use crate::timeline::choice::Choice;
use crate::timeline::line::{Line, cut, plain, time};
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::name::StreamName;
use dacapo::base::time::Instant;
use dacapo::config::{Config, Service};
use dacapo::record::{ConnNo, Event};
use dacapo::server::Server;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Most lines that are held back for a connection that has not said what it is about.
const HELD_MAX: usize = 256;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Its word in logs and in the API.
    pub cid: String,
    /// The stream that it is or was about.
    pub stream: Option<StreamName>,
    conn: ConnId,
    peer: Option<SocketAddr>,
    /// What it does, or what it speaks.
    role: String,
    since: Instant,
    until: Option<Instant>,
    in_bytes: u64,
    out_bytes: u64,
    held: Vec<Line>,
}

/// All of them.
#[derive(Debug)]
pub struct Connections {
    services: Vec<Service>,
    all: BTreeMap<ConnNo, Connection>,
    by_cid: BTreeMap<String, ConnNo>,
    /// The peer and the listener of a connection that has no number yet.
    coming: Option<(ListenerId, SocketAddr)>,
    /// The connection that the current input is about.
    at_hand: Option<ConnNo>,
}

impl Connections {
    /// No connections yet, in a run under `config`.
    pub fn new(config: &Config) -> Self {
        Connections {
            services: config.listeners().into_iter().map(|(_, service, _)| service).collect(),
            all: BTreeMap::new(),
            by_cid: BTreeMap::new(),
            coming: None,
            at_hand: None,
        }
    }

    /// The connection with this id.
    pub fn by_cid(&self, cid: &str) -> Option<ConnNo> {
        self.by_cid.get(cid).copied()
    }

    /// The connection with this number.
    pub fn get(&self, conn_no: ConnNo) -> Option<&Connection> {
        self.all.get(&conn_no)
    }

    /// The server is about to be told this.
    pub fn happened(&mut self, at: Instant, event: &Event) {
        self.at_hand = event.conn_no();
        if let Event::Accepted { listener, peer, .. } = event {
            self.coming = Some((*listener, *peer));
        }
        let Some(connection) = event.conn_no().and_then(|conn_no| self.all.get_mut(&conn_no)) else {
            return;
        };
        match event {
            Event::Received { bytes, .. } => connection.in_bytes += bytes.len() as u64,
            Event::Sent { len, .. } => connection.out_bytes += u64::from(*len),
            Event::Ended { .. } => connection.until = connection.until.or(Some(at)),
            _ => {}
        }
    }

    /// The server closes a connection.
    pub fn left(&mut self, at: Instant, conn_no: ConnNo) {
        if let Some(connection) = self.all.get_mut(&conn_no) {
            connection.until.get_or_insert(at);
        }
    }

    /// A connection has its number.
    pub fn opened(&mut self, at: Instant, conn_no: ConnNo, conn: ConnId, server: &Server) {
        let cid = server.cid(conn).map(|cid| cid.as_str().to_owned()).unwrap_or_default();
        let coming = self.coming.take();
        // Another part of the recording begins: the connection is the same.
        if let Some(connection) = self.all.get_mut(&conn_no).filter(|connection| connection.cid == cid) {
            connection.conn = conn;
            return;
        }
        let service = coming.and_then(|(listener, _)| self.services.get(usize::from(listener.0)));
        let connection = Connection {
            cid: cid.clone(),
            stream: server.about(conn).cloned(),
            conn,
            peer: coming.map(|(_, peer)| peer),
            role: service
                .map_or("", |service| match service {
                    Service::Rtmp => "rtmp",
                    Service::Http => "http",
                    Service::Api => "api",
                })
                .to_owned(),
            since: at,
            until: None,
            in_bytes: 0,
            out_bytes: 0,
            held: Vec::new(),
        };
        self.at_hand = Some(conn_no);
        self.by_cid.insert(cid, conn_no);
        self.all.insert(conn_no, connection);
    }

    /// The server has taken an input in: its peer may have said what it is about, or be gone.
    pub fn after_input(&mut self, server: &Server) {
        let Some(connection) = self.at_hand.and_then(|conn_no| self.all.get_mut(&conn_no)) else {
            return;
        };
        if let Some(name) = server.about(connection.conn)
            && connection.stream.as_ref() != Some(name)
        {
            connection.stream = Some(name.clone());
        }
        if let Some(kind) = server.client_kind(connection.conn) {
            kind.name().clone_into(&mut connection.role);
        }
    }

    /// Whether lines about this connection are told; `None`: that is not known yet.
    pub fn is_chosen(&self, conn_no: ConnNo, choice: &Choice) -> Option<bool> {
        let Choice { conns, streams, .. } = choice;
        if choice.is_everything() {
            return Some(true);
        }
        let connection = self.all.get(&conn_no)?;
        let named =
            |name: &String| *name == connection.cid || name.trim_start_matches('#') == conn_no.0.to_string();
        if conns.iter().any(named) {
            return Some(true);
        }
        match &connection.stream {
            _ if streams.is_empty() => Some(false),
            None => None,
            Some(name) => Some(streams.iter().any(|pattern| pattern.fits(name))),
        }
    }

    /// Keeps a line until it is known whether it is told.
    pub fn hold(&mut self, conn_no: ConnNo, line: Line) {
        if let Some(connection) =
            self.all.get_mut(&conn_no).filter(|connection| connection.held.len() < HELD_MAX)
        {
            connection.held.push(line);
        }
    }

    /// Gives back what was kept.
    pub fn release(&mut self, conn_no: ConnNo) -> Vec<Line> {
        self.all.get_mut(&conn_no).map(|connection| std::mem::take(&mut connection.held)).unwrap_or_default()
    }

    /// The chosen ones as a table.
    pub fn table(&self, choice: &Choice) -> Vec<String> {
        let row = |cells: [&str; 8]| {
            let [conn, cid, from, role, stream, since, until, bytes] = cells;
            format!("{conn:>6}  {cid:8}  {from:21} {role:13} {stream:20} {since:>12} {until:>12}  {bytes}")
        };
        let mut rows =
            vec![row(["conn", "cid", "from", "as", "stream", "came (s)", "left (s)", "bytes in and out"])];
        for (conn_no, connection) in &self.all {
            if self.is_chosen(*conn_no, choice) != Some(true) {
                continue;
            }
            let from = connection.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
            let stream =
                connection.stream.as_ref().map_or_else(|| "-".to_owned(), |name| cut(&plain(&name.path())));
            let until = connection.until.map_or_else(|| "stayed".to_owned(), time);
            let bytes = format!("{:>10} {:>10}", connection.in_bytes, connection.out_bytes);
            let (conn_no, since) = (conn_no.to_string(), time(connection.since));
            rows.push(row([
                &conn_no,
                &connection.cid,
                &from,
                &connection.role,
                &stream,
                &since,
                &until,
                &bytes,
            ]));
        }
        rows
    }
}
