//! Captures made by hand: each link type, each way in which segments come, files of both formats.

use super::{Conversation, Traffic, capture, read};
use crate::capture::About;
use crate::reader::http::{HttpEvent, ResponseReader};
use crate::replaying::hash::hash;
use dacapo::record::{ConnNo, Event};
use dacapo::server::End;
use etherparse::{LinuxSllPacketType, PacketBuilder};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, TsResolution};
use std::collections::BTreeSet;
use std::time::Duration;

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 1], 50_000);
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 2], 1935);

/// Flags of a segment.
#[derive(Clone, Copy, PartialEq)]
enum Flag {
    Syn,
    Ack,
    Fin,
    Rst,
}
use Flag::{Ack, Fin, Rst, Syn};

/// A segment from the client (`true`) or from the server.
#[derive(Clone, Copy)]
struct Segment<'a>(bool, u32, &'a [Flag], &'a [u8]);

/// A client that says "hello, " and "world", a server that says "well", each with numbers from 1 on.
const TALK: [Segment<'_>; 8] = [
    Segment(true, 0, &[Syn], b""),
    Segment(false, 0, &[Syn, Ack], b""),
    Segment(true, 1, &[Ack], b"\x03hello, "),
    Segment(false, 1, &[Ack], b"well"),
    Segment(true, 9, &[Ack], b"world"),
    Segment(true, 14, &[Fin, Ack], b""),
    Segment(false, 5, &[Fin, Ack], b""),
    Segment(true, 15, &[Ack], b""),
];

/// IPv4 or IPv6 from the network layer on.
fn ip(segment: Segment<'_>, v6: bool) -> Vec<u8> {
    let Segment(forward, seq, flags, payload) = segment;
    let (from, to) = if forward { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let long = |short: [u8; 4]| {
        let mut long = [0; 16];
        (long[0], long[15]) = (0xfd, short[3]);
        long
    };
    let builder = if v6 {
        PacketBuilder::ipv6(long(from.0), long(to.0), 64)
    } else {
        PacketBuilder::ipv4(from.0, to.0, 64)
    };
    let mut tcp = builder.tcp(from.1, to.1, seq, 65_000);
    for flag in flags {
        tcp = match flag {
            Syn => tcp.syn(),
            Ack => tcp.ack(1),
            Fin => tcp.fin(),
            Rst => tcp.rst(),
        };
    }
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, payload).expect("a packet");
    bytes
}

fn framed(link: DataLink, ip: &[u8]) -> Vec<u8> {
    let v6 = ip[0] >> 4 == 6;
    let kind: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
    let ethernet = |tags: &[u8]| [&[2; 12], tags, &kind, ip].concat();
    match link {
        DataLink::ETHERNET => ethernet(&[]),
        // Ethernet with a VLAN tag, by a name that is free.
        DataLink::USER0 => ethernet(&[0x81, 0, 0, 7]),
        DataLink::LINUX_SLL => [&[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], &kind[..], ip].concat(),
        DataLink::LINUX_SLL2 => [&kind[..], &[0; 18], ip].concat(),
        DataLink::NULL => [&[if v6 { 30 } else { 2 }, 0, 0, 0], ip].concat(),
        DataLink::LOOP => [&[0, 0, 0, if v6 { 30 } else { 2 }], ip].concat(),
        _ => ip.to_vec(),
    }
}

/// Packets ten milliseconds apart, from second 1000 on.
fn pcap(link: DataLink, packets: &[Vec<u8>]) -> Vec<u8> {
    let datalink = if link == DataLink::USER0 { DataLink::ETHERNET } else { link };
    let header = PcapHeader { datalink, ts_resolution: TsResolution::MicroSecond, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a head");
    for (at, packet) in (0..).zip(packets) {
        let time = Duration::from_millis(1_000_000 + 10 * at);
        let len = u32::try_from(packet.len()).expect("short");
        writer.write_packet(&PcapPacket::new(time, len, packet)).expect("a packet");
    }
    writer.into_writer()
}

fn talk(link: DataLink, v6: bool, segments: &[Segment<'_>]) -> Vec<u8> {
    let packets: Vec<Vec<u8>> = segments.iter().map(|segment| framed(link, &ip(*segment, v6))).collect();
    pcap(link, &packets)
}

fn traffic(file: &[u8]) -> Traffic {
    read(file, &BTreeSet::from([1935])).expect("a good file")
}

/// What both sides said, with `|` between the pieces, and the notes.
fn told(file: &[u8]) -> (Vec<String>, Vec<String>) {
    let traffic = traffic(file);
    let mut said = Vec::new();
    for conversation in &traffic.conversations {
        for side in [&conversation.to_server, &conversation.to_client] {
            let pieces =
                side.said.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).replace('\x03', ""));
            let ended = side.ended.map_or(String::new(), |(_, how)| format!(" {how:?}"));
            said.push(pieces.collect::<Vec<_>>().join("|") + &ended);
        }
    }
    (said, traffic.notes)
}

#[test]
fn a_talk_is_found_on_every_link() {
    use DataLink as D;
    let links = [D::ETHERNET, D::USER0, D::LINUX_SLL, D::LINUX_SLL2, D::NULL, D::LOOP, D::RAW];
    for link in links.into_iter().chain([D::IPV4, D::IPV6]) {
        for v6 in [false, true] {
            let (said, notes) = told(&talk(link, v6, &TALK));
            assert_eq!(said, ["hello, |world Fin", "well Fin"], "{link:?}, IPv6: {v6}");
            assert_eq!(notes, Vec::<String>::new(), "{link:?}");
        }
    }
    let sll = PacketBuilder::linux_sll(LinuxSllPacketType::HOST, 6, [0; 8]);
    let mut packet = Vec::new();
    let tcp = sll.ipv4(CLIENT.0, SERVER.0, 64).tcp(CLIENT.1, SERVER.1, 1, 1).ack(1);
    tcp.write(&mut packet, b"as others write it").expect("a packet");
    assert_eq!(told(&pcap(DataLink::LINUX_SLL, &[packet])).0, ["as others write it", ""]);
}

#[test]
fn segments_that_come_twice_late_or_overlapping_make_the_same_talk() {
    let [syn, syn_ack, hello, well, world, rest @ ..] = TALK;
    let mut segments = vec![syn, syn, syn_ack, world, hello, hello, well, well];
    segments.push(Segment(true, 5, &[Ack], b"lo, wor"));
    segments.extend(rest);
    let (said, notes) = told(&talk(DataLink::ETHERNET, false, &segments));
    assert_eq!(said, ["hello, world Fin", "well Fin"]);
    assert_eq!(
        notes,
        [
            "192.0.2.1:50000 to 192.0.2.2:1935: of the client 2 segments came again, 1 early, 0 overlap; \
             they were put in order",
            "192.0.2.1:50000 to 192.0.2.2:1935: of the server 1 segments came again, 0 early, 0 overlap; \
             they were put in order"
        ]
    );
}

#[test]
fn what_was_not_captured_is_told() {
    let lost: Vec<Segment<'_>> = TALK.into_iter().filter(|segment| segment.1 != 1 || !segment.0).collect();
    let (said, notes) = told(&talk(DataLink::ETHERNET, false, &lost));
    assert_eq!(said, ["", "well Fin"]);
    assert!(notes[0].contains("8 bytes of the client were not captured"), "{notes:?}");
    let (_, notes) = told(&talk(DataLink::ETHERNET, false, &TALK[2..]));
    assert!(notes[0].ends_with("the first bytes of the client were not captured"), "{notes:?}");
}

#[test]
fn a_reset_ends_both_directions_and_a_port_may_be_used_again() {
    let mut segments = TALK[..3].to_vec();
    segments.push(Segment(false, 1, &[Rst], b""));
    segments.push(Segment(true, 9, &[Ack], b"too late"));
    segments.extend([Segment(true, 70_000, &[Syn], b""), Segment(false, 80_000, &[Syn, Ack], b"")]);
    segments.push(Segment(true, 70_001, &[Ack], b"\x03again"));
    let (said, _) = told(&talk(DataLink::ETHERNET, false, &segments));
    assert_eq!(said, ["hello,  Reset", " Reset", "again", ""]);
}

#[test]
fn what_is_of_others_is_passed_over() {
    let mut packets = vec![framed(DataLink::ETHERNET, &ip(TALK[0], false))];
    packets.push([&[2; 12], &[8, 6][..], &[0; 28]].concat());
    let mut packet = Vec::new();
    let udp = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(CLIENT.0, SERVER.0, 64).udp(9, 1935);
    udp.write(&mut packet, b"datagram").expect("a packet");
    packets.push(packet);
    let mut packet = Vec::new();
    let other = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(CLIENT.0, SERVER.0, 64).tcp(9, 80, 1, 1);
    other.write(&mut packet, b"web").expect("a packet");
    packets.push(packet);
    packets.push(vec![0; 3]);
    let traffic = traffic(&pcap(DataLink::ETHERNET, &packets));
    assert_eq!((traffic.packets, traffic.conversations.len(), traffic.datagrams.len()), (5, 1, 1));
    assert_eq!(traffic.datagrams[0].bytes, b"datagram");
    assert!(traffic.notes.iter().any(|note| note.starts_with("1 datagrams are left out")));
}

#[test]
fn a_capture_has_the_times_and_the_order_of_the_packets() {
    let traffic = traffic(&talk(DataLink::ETHERNET, false, &TALK));
    let capture = capture("rtmp/a-1-b", About::default(), &traffic).expect("a talk");
    let times: Vec<u64> = capture.entries.iter().map(|entry| entry.at.as_millis()).collect();
    assert_eq!(times, [0, 20, 40, 50]);
    assert_eq!(capture.about.epoch_us, 1_000_000_000);
    let Event::Accepted { listener, peer, conn_no } = &capture.entries[0].event else {
        panic!("not an accepted connection")
    };
    assert_eq!((listener.0, peer.port(), *conn_no), (0, 50_000, Some(ConnNo(0))));
    assert_eq!(capture.entries[3].event, Event::Ended { conn_no: ConnNo(0), end: End::Eof });
    assert_eq!(capture.reference.len(), 1);
    let Event::Received { bytes, .. } = &capture.reference[0].event else { panic!("an answer") };
    assert_eq!(&bytes[..], b"well");
}

#[test]
fn times_of_pcapng_are_in_the_resolution_of_their_interface() {
    for (resolution, ticks) in
        [(None, 1_000_000_000), (Some(9), 1_000_000_000_000), (Some(0x80 | 10), 1 << 10)]
    {
        let mut writer = PcapNgWriter::new(Vec::new()).expect("a head");
        let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 65_535);
        interface.options.extend(resolution.map(InterfaceDescriptionOption::IfTsResol));
        writer.write_block(&interface.into_block()).expect("an interface");
        let data = framed(DataLink::ETHERNET, &ip(TALK[2], false));
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(ticks),
            original_len: u32::try_from(data.len()).expect("short"),
            data: data.into(),
            options: Vec::new(),
        };
        writer.write_block(&packet.into_block()).expect("a packet");
        let traffic = traffic(&writer.into_inner());
        let seconds = if resolution == Some(0x80 | 10) { 1 } else { 1000 };
        assert_eq!(traffic.conversations[0].came.at, Duration::from_secs(seconds), "{resolution:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let fault = |file: &[u8]| read(file, &BTreeSet::from([1935])).expect_err("it is bad").to_string();
    assert!(fault(b"GIF89a").starts_with("this is neither pcap nor pcapng"), "{}", fault(b"GIF89a"));
    let wifi = fault(&pcap(DataLink::IEEE802_11, &[vec![0; 60]]));
    assert!(wifi.starts_with("packet 1: link type 105 (IEEE802_11) is not known here"), "{wifi}");
    let mut short = talk(DataLink::ETHERNET, false, &TALK);
    short.truncate(short.len() - 3);
    let traffic = traffic(&short);
    assert_eq!(traffic.packets, 7);
    assert!(traffic.notes[0].starts_with("the file is cut off in packet 8"), "{:?}", traffic.notes);
    // Captured with a limit of 60 bytes for each packet.
    let header = PcapHeader { datalink: DataLink::ETHERNET, snaplen: 60, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a head");
    let packet = framed(DataLink::ETHERNET, &ip(TALK[2], false));
    let len = u32::try_from(packet.len()).expect("short");
    writer.write_packet(&PcapPacket::new(Duration::ZERO, len, &packet[..60])).expect("a packet");
    assert_eq!(
        fault(&writer.into_writer()),
        "packet 1: only 60 of its 62 bytes were captured: capture again with `-s 0`"
    );
}

#[test]
fn damage_never_panics() {
    let mut rng = crate::rng::Rng::new(11);
    let good = talk(DataLink::ETHERNET, true, &TALK);
    for _ in 0..2000 {
        let mut bad = good.clone();
        for _ in 0..1 + rng.below(8) {
            let at = rng.below(bad.len());
            bad[at] = rng.bytes(1)[0];
        }
        let _ = read(&bad, &BTreeSet::from([1935]));
    }
}

/// What tcpdump wrote of a connection that loses packets: the same bytes whatever the link was called, and
/// those that the client saved.
#[test]
fn what_real_packets_carried_is_put_together() {
    let folder = crate::capture::fixtures().join("packets");
    let mut all = Vec::new();
    for name in ["loss-cooked-v2", "loss-cooked-v1", "loss-ethernet"] {
        let file = std::fs::read(folder.join(format!("{name}.pcap"))).expect("it is there");
        let traffic = read(&file, &BTreeSet::from([8080])).expect("a good file");
        assert_eq!(traffic.conversations.len(), 2, "{name}: one by IPv6 was refused");
        let [lost] = &traffic.notes[..] else { panic!("{name}: {:?}", traffic.notes) };
        assert!(lost.contains("of the server 7 segments came again"), "{name}: {lost}");
        let spoken = |conversation: &&Conversation| !conversation.is_silent();
        let conversation = traffic.conversations.iter().find(spoken).expect("one was not");
        assert!(conversation.to_server.ended.is_some() && conversation.to_client.ended.is_some(), "{name}");
        all.push(conversation.to_client.all());
    }
    assert!(all.iter().all(|bytes| *bytes == all[0]));
    let mut reader = ResponseReader::new();
    let events = reader.push(&all[0]).expect("an answer");
    let body: Vec<u8> = events
        .into_iter()
        .flat_map(|event| if let HttpEvent::Body(piece) = event { piece } else { Vec::new() })
        .collect();
    assert_eq!((body.len(), hash(&body), reader.is_between()), (38_991, PAGE, true));
}

/// Fingerprint of what curl saved.
const PAGE: u32 = 0x6c7e_941a;
