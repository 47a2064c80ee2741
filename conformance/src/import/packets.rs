//! Files of packets: pcap and pcapng, of either byte order and any resolution of time.
//!
//! In: the content of a file. Out: its packets, numbered from 1 as Wireshark does. A file that ends in the
//! middle of a packet, as one whose writer was killed does, is good up to there, and that is said.

use pcap_file::PcapError;
use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, TsResolution};
use std::fmt;
use std::time::Duration;

/// A packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its place in the file, from 1.
    pub number: u64,
    /// When it was seen, since 1970.
    pub at: Duration,
    /// What its first header is.
    pub link: DataLink,
    /// Its bytes from that header on.
    pub data: Vec<u8>,
    /// How many there were on the wire.
    pub whole: usize,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which packet, from 1; 0: at the head of the file.
    pub packet: u64,
    /// Why, as a sentence.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.packet > 0 {
            write!(f, "packet {}: ", self.packet)?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Fault {}

/// How a section of pcapng begins, in either byte order.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The packets of a file, and a note if it is cut off.
///
/// # Errors
/// If it is not such a file, or is damaged.
pub fn read(bytes: &[u8]) -> Result<(Vec<Packet>, Option<String>), Fault> {
    if bytes.starts_with(&SECTION) { read_pcapng(bytes) } else { read_pcap(bytes) }
}

fn read_pcap(bytes: &[u8]) -> Result<(Vec<Packet>, Option<String>), Fault> {
    let (mut rest, parser) = PcapParser::new(bytes).map_err(|error| head(&error))?;
    let link = parser.header().datalink;
    let nanos = if parser.header().ts_resolution == TsResolution::NanoSecond { 1 } else { 1000 };
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let number = packets.len() as u64 + 1;
        // Not the parser's own packets: it takes one that was longer than the limit of the capture for
        // damage.
        match parser.next_raw_packet(rest) {
            Ok((behind, packet)) => {
                let fraction = Duration::from_nanos(u64::from(packet.ts_frac) * nanos);
                let at = Duration::from_secs(packet.ts_sec.into()).saturating_add(fraction);
                let whole = packet.orig_len as usize;
                packets.push(Packet { number, at, link, data: packet.data.into_owned(), whole });
                rest = behind;
            }
            Err(PcapError::IncompleteBuffer) => return Ok((packets, Some(cut_off(number)))),
            Err(error) => return Err(damage(number, &error)),
        }
    }
    Ok((packets, None))
}

fn read_pcapng(bytes: &[u8]) -> Result<(Vec<Packet>, Option<String>), Fault> {
    let (mut rest, mut parser) = PcapNgParser::new(bytes).map_err(|error| head(&error))?;
    let mut packets: Vec<Packet> = Vec::new();
    while !rest.is_empty() {
        let number = packets.len() as u64 + 1;
        let (behind, block) = match parser.next_block(rest) {
            Ok(next) => next,
            Err(PcapError::IncompleteBuffer) => return Ok((packets, Some(cut_off(number)))),
            Err(error) => return Err(damage(number, &error)),
        };
        rest = behind;
        let told = match block {
            Block::EnhancedPacket(packet) => {
                // The parser takes every number for nanoseconds.
                let ticks = u64::try_from(packet.timestamp.as_nanos()).unwrap_or(u64::MAX);
                Some((packet.interface_id, Some(ticks), packet.original_len, packet.data.into_owned()))
            }
            Block::SimplePacket(packet) => Some((0, None, packet.original_len, packet.data.into_owned())),
            Block::Packet(packet) => {
                let id = u32::from(packet.interface_id);
                Some((id, Some(packet.timestamp), packet.original_len, packet.data.into_owned()))
            }
            _ => None,
        };
        let Some((id, ticks, whole, data)) = told else { continue };
        let why = || Fault { packet: number, why: format!("it names interface {id}, which the file lacks") };
        let interface = parser.interfaces().get(id as usize).ok_or_else(why)?;
        // One without a time has that of the one before.
        let last = packets.last().map_or(Duration::ZERO, |packet| packet.at);
        let at = ticks.map_or(last, |ticks| time(ticks, interface));
        packets.push(Packet { number, at, link: interface.linktype, data, whole: whole as usize });
    }
    Ok((packets, None))
}

/// A number of ticks as time, in the resolution that the interface has.
fn time(ticks: u64, interface: &InterfaceDescriptionBlock<'_>) -> Duration {
    let mut resolution = 6;
    let mut offset = 0;
    for option in &interface.options {
        match option {
            InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
            InterfaceDescriptionOption::IfTsOffset(value) => offset = *value,
            _ => {}
        }
    }
    // The most significant bit says whether the rest is a negative power of 2 or of 10.
    let power = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 != 0 { 2 } else { 10 };
    let per_second = base.checked_pow(power).unwrap_or(u128::MAX);
    let nanos = u128::from(ticks).saturating_mul(1_000_000_000) / per_second;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).saturating_add(Duration::from_secs(offset))
}

fn head(error: &PcapError) -> Fault {
    let why = match error {
        PcapError::IncompleteBuffer => "this is neither pcap nor pcapng: it ends before its head".to_owned(),
        error => format!("this is neither pcap nor pcapng ({error})"),
    };
    Fault { packet: 0, why }
}

fn damage(packet: u64, error: &PcapError) -> Fault {
    Fault { packet, why: format!("the file is damaged here ({error})") }
}

fn cut_off(number: u64) -> String {
    format!("the file is cut off in packet {number}: was its writer killed? What stands before it is used")
}
