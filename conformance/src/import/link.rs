//! From a link's frame to a TCP segment or a datagram.
//!
//! In: a packet with its link type. Out: addresses and payload, or nothing for what is neither (ARP, ICMP).
//! Ethernet with and without VLAN tags, Linux cooked v1 and v2, BSD loopback, raw IP; IPv4 and IPv6.

use super::packets::{Fault, Packet};
use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_file::DataLink;
use std::net::{IpAddr, SocketAddr};

/// What IP carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// From where.
    pub source: SocketAddr,
    /// Where to.
    pub target: SocketAddr,
    /// What.
    pub what: What<'a>,
}

/// A segment or a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// Of a connection.
    Tcp(Segment<'a>),
    /// Of none.
    Udp(&'a [u8]),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Of its first byte, or of its SYN.
    pub seq: u32,
    /// It opens a direction.
    pub syn: bool,
    /// It acknowledges: it is not the very first of a connection.
    pub ack: bool,
    /// It closes a direction.
    pub fin: bool,
    /// It ends the connection.
    pub rst: bool,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// Takes a packet apart.
///
/// # Errors
/// If its link is not known, or if a segment is not there as a whole.
pub fn carried(packet: &Packet) -> Result<Option<Carried<'_>>, Fault> {
    let fault = |why: String| Fault { packet: packet.number, why };
    let sliced = match packet.link {
        DataLink::ETHERNET => LaxSlicedPacket::from_ethernet(&packet.data).ok(),
        // Linux cooked: the EtherType stands at the end of the head of version 1, at the start of version 2.
        DataLink::LINUX_SLL => cooked(&packet.data, 14, 16),
        DataLink::LINUX_SLL2 => cooked(&packet.data, 0, 20),
        // The address family in front differs between systems; IP says itself which version it is.
        DataLink::NULL | DataLink::LOOP => {
            packet.data.get(4..).and_then(|ip| LaxSlicedPacket::from_ip(ip).ok())
        }
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => LaxSlicedPacket::from_ip(&packet.data).ok(),
        other => {
            let number = u32::from(other);
            let why = format!(
                "link type {number} ({other:?}) is not known here; capture on Ethernet, \"any\" or lo"
            );
            return Err(fault(why));
        }
    };
    let Some(sliced) = sliced else { return Ok(None) };
    let (source, target): (IpAddr, IpAddr) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        _ => return Ok(None),
    };
    let payload = sliced.ip_payload();
    let (ports, what) = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let segment = Segment {
                seq: tcp.sequence_number(),
                syn: tcp.syn(),
                ack: tcp.ack(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                payload: tcp.payload(),
            };
            ((tcp.source_port(), tcp.destination_port()), What::Tcp(segment))
        }
        Some(TransportSlice::Udp(udp)) => {
            ((udp.source_port(), udp.destination_port()), What::Udp(udp.payload()))
        }
        _ if payload.is_some_and(|payload| payload.fragmented && payload.ip_number.0 == 6) => {
            return Err(fault("a TCP segment in IP fragments, which are not put together here".to_owned()));
        }
        _ => return Ok(None),
    };
    if packet.data.len() < packet.whole && payload.is_some_and(|payload| payload.incomplete) {
        let (here, whole) = (packet.data.len(), packet.whole);
        let why = format!("only {here} of its {whole} bytes were captured: capture again with `-s 0`");
        return Err(fault(why));
    }
    let (source, target) = (SocketAddr::new(source, ports.0), SocketAddr::new(target, ports.1));
    Ok(Some(Carried { source, target, what }))
}

/// A packet of an EtherType that stands at `place`, behind a head of `len` bytes.
fn cooked(data: &[u8], place: usize, len: usize) -> Option<LaxSlicedPacket<'_>> {
    let [high, low] = *data.get(place..place + 2)?.first_chunk()?;
    let kind = EtherType(u16::from_be_bytes([high, low]));
    Some(LaxSlicedPacket::from_ether_type(kind, data.get(len..)?))
}
