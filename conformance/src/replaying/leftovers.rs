//! Leftovers: connections and streams that the server still has, as its API reports them.

use super::Run;
use crate::capture::listener;
use crate::reader::http::{HttpEvent, ResponseReader};
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{ConnNo, Entry, Event, Observer};
use serde_json::Value;
use std::net::SocketAddr;

/// Number of the connection that requests the API.
const OPERATOR: u32 = 9000;

/// Numbers of connections and streams by the API, without the connection that requests it.
///
/// # Panics
/// If the API does not answer.
pub fn left_over(run: &mut Run) -> (usize, usize) {
    let at = run.replay.summary().end;
    let clients = ask(run, at, 0, "/api/v1/clients/", "clients");
    let streams = ask(run, at, 1, "/api/v1/streams/", "streams");
    (clients, streams)
}

fn ask(run: &mut Run, at: Instant, number: u32, target: &str, list: &str) -> usize {
    // The connection of an earlier request may still be open; so addresses are used once.
    let count = u32::try_from(run.replay.summary().conns).unwrap_or(0);
    let conn_no = ConnNo(OPERATOR + 2 * count + number);
    let peer = SocketAddr::from(([203, 0, 113, 9], 30_000 + (conn_no.0 % 10_000) as u16));
    let words = format!("GET {target}?count=10000 HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
    let came = Event::Accepted { listener: listener(Service::Api), peer, conn_no: Some(conn_no) };
    let says = Event::Received { conn_no, bytes: words.into() };
    let mut ear = Ear { conn_no, bytes: Vec::new() };
    run.replay.run([came, says].map(|event| Entry { at, event }), &mut ear);
    let mut reader = ResponseReader::new();
    let mut body = Vec::new();
    for event in reader.push(&ear.bytes).expect("the API speaks HTTP") {
        if let HttpEvent::Body(piece) = event {
            body.extend(piece);
        }
    }
    let answer: Value = serde_json::from_slice(&body).expect("the API answers in JSON");
    let found = answer[list].as_array().unwrap_or_else(|| panic!("a list of {list}: {answer}"));
    found.iter().filter(|one| one["ip"] != "203.0.113.9").count()
}

struct Ear {
    conn_no: ConnNo,
    bytes: Vec<u8>,
}

impl Observer for Ear {
    fn sent(&mut self, _: Instant, conn_no: ConnNo, bytes: &[u8]) {
        if conn_no == self.conn_no {
            self.bytes.extend_from_slice(bytes);
        }
    }
}
