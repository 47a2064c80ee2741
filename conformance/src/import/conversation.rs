//! Finds connections among packets and puts their two directions together.
//!
//! In: packets in the order of the file. Out: for each connection its addresses, times, bytes and end, and
//! notes on defects (bytes that were not captured, contradictions).

use super::link::{Segment, What, carried};
use super::packets::{Fault, Packet};
use super::tcp::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since 1970.
    pub at: Duration,
    /// In which packet, from 1.
    pub packet: u64,
}

/// How a side ended its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With everything said.
    Fin,
    /// At once.
    Reset,
}

/// What one side said.
#[derive(Clone, Debug, Default)]
pub struct Side {
    direction: Direction,
    /// The pieces, as they came in order.
    pub said: Vec<(Moment, Vec<u8>)>,
    /// When it ended, and how.
    pub ended: Option<(Moment, Ending)>,
}

impl Side {
    /// Everything in one piece.
    pub fn all(&self) -> Vec<u8> {
        self.said.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    fn segment(&mut self, moment: Moment, segment: &Segment<'_>) {
        let bytes = self.direction.segment(segment);
        if !bytes.is_empty() {
            self.said.push((moment, bytes));
        }
        if self.direction.is_over() {
            self.ended = self.ended.or(Some((moment, Ending::Fin)));
        }
        if segment.rst {
            self.ended = self.ended.or(Some((moment, Ending::Reset)));
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Address of the client.
    pub client: SocketAddr,
    /// Address of the server.
    pub server: SocketAddr,
    /// When.
    pub came: Moment,
    /// What the client said.
    pub to_server: Side,
    /// What the server said.
    pub to_client: Side,
    /// Its first segment was captured.
    syn: Option<u32>,
}

impl Conversation {
    /// True if no bytes were sent.
    pub fn is_silent(&self) -> bool {
        self.to_server.said.is_empty() && self.to_client.said.is_empty()
    }

    /// `192.0.2.1:50000 to 192.0.2.2:1935`.
    pub fn title(&self) -> String {
        format!("{} to {}", self.client, self.server)
    }

    /// How the client ended it. A reset by the server ends what the client says, too.
    pub fn client_end(&self) -> Option<(Moment, Ending)> {
        self.to_server.ended
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (who, side) in [("the client", &self.to_server), ("the server", &self.to_client)] {
            let title = self.title();
            let counts = side.direction.counts;
            if let Some(missing) = side.direction.missing() {
                notes.push(format!(
                    "{title}: {missing} bytes of {who} were not captured; what follows them is left out"
                ));
            }
            if !side.said.is_empty() && !side.direction.whole {
                notes.push(format!("{title}: the first bytes of {who} were not captured"));
            }
            if counts.contradicting > 0 {
                let count = counts.contradicting;
                notes.push(format!("{title}: {count} segments of {who} contradict what was sent before"));
            }
            let (repeated, early, overlapping) = (counts.repeated, counts.early, counts.overlapping);
            if repeated + early + overlapping > 0 {
                notes.push(format!(
                    "{title}: of {who} {repeated} segments came again, {early} early, {overlapping} overlap; \
                     they were put in order"
                ));
            }
        }
        notes
    }
}

/// A datagram to or from one of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When.
    pub moment: Moment,
    /// From where.
    pub source: SocketAddr,
    /// Where to.
    pub target: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Traffic {
    ports: BTreeSet<u16>,
    /// In the order in which clients came.
    pub conversations: Vec<Conversation>,
    /// In the order of the file.
    pub datagrams: Vec<Datagram>,
    /// What a person should know, in sentences.
    pub notes: Vec<String>,
    /// Packets of any kind.
    pub packets: u64,
    /// The last conversation between two addresses.
    open: BTreeMap<(SocketAddr, SocketAddr), usize>,
}

impl Traffic {
    /// Nothing yet. Servers are known by their ports.
    pub fn new(ports: BTreeSet<u16>) -> Self {
        Traffic {
            ports,
            conversations: Vec::new(),
            datagrams: Vec::new(),
            notes: Vec::new(),
            packets: 0,
            open: BTreeMap::new(),
        }
    }

    /// Takes the next packet of a file.
    ///
    /// # Errors
    /// If it cannot be taken apart.
    pub fn packet(&mut self, packet: &Packet) -> Result<(), Fault> {
        self.packets += 1;
        let Some(found) = carried(packet)? else { return Ok(()) };
        let (source, target) = (found.source, found.target);
        let moment = Moment { at: packet.at, packet: packet.number };
        if ![source, target].iter().any(|addr| self.ports.contains(&addr.port())) {
            return Ok(());
        }
        match found.what {
            What::Udp(bytes) => {
                self.datagrams.push(Datagram { moment, source, target, bytes: bytes.to_vec() });
            }
            What::Tcp(segment) => self.segment(moment, source, target, &segment),
        }
        Ok(())
    }

    fn segment(&mut self, moment: Moment, source: SocketAddr, target: SocketAddr, segment: &Segment<'_>) {
        // The side that sends the first SYN is the client, even if its port is one of these.
        let opens = segment.syn && !segment.ack;
        let forward = opens
            || self.open.contains_key(&(source, target))
            || (!self.open.contains_key(&(target, source)) && self.ports.contains(&target.port()));
        let (client, server) = if forward { (source, target) } else { (target, source) };
        if !self.ports.contains(&server.port()) {
            return;
        }
        let known = self.open.get(&(client, server)).copied();
        let same = |index: &usize| !opens || self.conversations[*index].syn == Some(segment.seq);
        let index = known.filter(same).unwrap_or_else(|| {
            self.conversations.push(Conversation {
                client,
                server,
                came: moment,
                to_server: Side::default(),
                to_client: Side::default(),
                syn: opens.then_some(segment.seq),
            });
            self.open.insert((client, server), self.conversations.len() - 1);
            self.conversations.len() - 1
        });
        let conversation = &mut self.conversations[index];
        let over = conversation.to_server.ended.is_some_and(|(_, how)| how == Ending::Reset);
        if over {
            return;
        }
        let side = if forward { &mut conversation.to_server } else { &mut conversation.to_client };
        side.segment(moment, segment);
        if segment.rst && !forward {
            conversation.to_server.ended = conversation.to_server.ended.or(Some((moment, Ending::Reset)));
        }
    }

    /// The file is at its end.
    pub fn finish(&mut self) {
        self.notes.extend(self.conversations.iter().flat_map(Conversation::notes));
        if !self.datagrams.is_empty() {
            let count = self.datagrams.len();
            self.notes.push(format!("{count} datagrams are left out: nothing here speaks over UDP yet"));
        }
    }
}
