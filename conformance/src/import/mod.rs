//! Makes captures from packet files of tcpdump, tshark or Wireshark.
//!
//! ```text
//! file ─▶ packets (pcap, pcapng) ─▶ link (Ethernet, Linux cooked, loopback, raw IP) ─▶ tcp (reassembly)
//!      ─▶ conversations: times, bytes and end of each connection, in both directions ─▶ Capture
//! ```
//!
//! Bytes of clients become the inputs, bytes of the captured server the reference. Datagrams are kept apart:
//! Dacapo does not answer them yet.

mod conversation;
pub mod differ;

mod link;
mod packets;
mod tcp;
#[cfg(test)]
mod tests;

pub use conversation::{Conversation, Datagram, Traffic};
pub use packets::Fault;

use crate::capture::{About, Capture, listener};
use bytes::Bytes;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::{ConnNo, Entry, Event, Kernel};
use dacapo::server::End;
use std::collections::BTreeSet;
use std::time::Duration;

/// Reads the content of a capture file: all conversations with servers on these ports.
///
/// # Errors
/// If it is neither pcap nor pcapng, is damaged, or is of a link that is not known; says at which packet.
pub fn read(bytes: &[u8], ports: &BTreeSet<u16>) -> Result<Traffic, Fault> {
    let (packets, torn) = packets::read(bytes)?;
    let mut traffic = Traffic::new(ports.clone());
    for packet in &packets {
        traffic.packet(packet)?;
    }
    traffic.finish();
    traffic.notes.extend(torn);
    Ok(traffic)
}

/// Makes a capture of `traffic`. The server that is to answer is born when the first client comes.
///
/// # Errors
/// If there is no conversation, or one that is neither RTMP nor HTTP.
pub fn capture(name: &str, about: About, traffic: &Traffic) -> Result<Capture, String> {
    let spoken: Vec<&Conversation> =
        traffic.conversations.iter().filter(|conversation| !conversation.is_silent()).collect();
    let birth = spoken.iter().map(|conversation| conversation.came.at).min();
    let birth = birth.ok_or("no connection to a server on these ports")?;
    let mut inputs = Vec::new();
    let mut reference = Vec::new();
    for (number, conversation) in (0..).zip(&spoken) {
        let conn_no = ConnNo(number);
        let service = service(conversation)
            .ok_or_else(|| format!("{} does not begin like RTMP nor like HTTP", conversation.title()))?;
        let peer = conversation.client;
        let push = |list: &mut Vec<(u64, Entry)>, moment: conversation::Moment, event: Event| {
            let at = Instant::from_micros(micros(moment.at.saturating_sub(birth)));
            list.push((moment.packet, Entry { at, event }));
        };
        let came = Event::Accepted { listener: listener(service), peer, conn_no: Some(conn_no) };
        push(&mut inputs, conversation.came, came);
        for (moment, bytes) in &conversation.to_server.said {
            let event = Event::Received { conn_no, bytes: Bytes::copy_from_slice(bytes) };
            push(&mut inputs, *moment, event);
        }
        if let Some((moment, end)) = conversation.client_end() {
            let end = match end {
                conversation::Ending::Fin => End::Eof,
                conversation::Ending::Reset => End::Broken("reset by peer".to_owned()),
            };
            push(&mut inputs, moment, Event::Ended { conn_no, end });
        }
        for (moment, bytes) in &conversation.to_client.said {
            let event = Event::Received { conn_no, bytes: Bytes::copy_from_slice(bytes) };
            push(&mut reference, *moment, event);
        }
    }
    let epoch_us = micros(birth);
    Ok(Capture {
        name: name.to_owned(),
        about: About { epoch_us, ..about },
        entries: in_order(inputs),
        kernel: Kernel::Open,
        reference: in_order(reference),
    })
}

/// In the order of the packets, which is that of time; a clock that was set back meanwhile stands still.
fn in_order(mut list: Vec<(u64, Entry)>) -> Vec<Entry> {
    list.sort_by_key(|(packet, _)| *packet);
    let mut last = Instant::ZERO;
    let mut entries: Vec<Entry> = list.into_iter().map(|(_, entry)| entry).collect();
    for entry in &mut entries {
        entry.at = entry.at.max(last);
        last = entry.at;
    }
    entries
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What a client speaks, by its first bytes.
fn service(conversation: &Conversation) -> Option<Service> {
    let words = conversation.to_server.all();
    let line = words.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match words.first()? {
        3 | 6 => Some(Service::Rtmp),
        b'A'..=b'Z' if path.starts_with(b"/api/") => Some(Service::Api),
        b'A'..=b'Z' => Some(Service::Http),
        _ => None,
    }
}
