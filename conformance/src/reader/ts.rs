//! MPEG transport streams (ISO/IEC 13818-1), read strictly: what the standard forbids is wrong.
//!
//! [`TsReader`] takes a stream in pieces of any size and gives its tables, its clock, and its PES packets
//! as soon as they are complete. What is inside a PES packet is for [`es`](super::es). [`Transport`] is for
//! tests, which end over what is not well-formed.

pub use super::psi::{Elementary, Program};

use super::{Wrong, psi};
use std::collections::{BTreeMap, BTreeSet};

/// Ticks of the 90 kHz clock after which timestamps begin again.
pub const WRAP: u64 = 1 << 33;

/// What a stream holds, in the order in which it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A program map that says something else than the one before it.
    Program(Program),
    /// A program clock reference, in ticks of 90 kHz modulo [`WRAP`].
    Clock(u64),
    /// A PES packet.
    Pes(Pes),
}

/// A PES packet: as a rule an access unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pes {
    /// Where it came.
    pub pid: u16,
    /// How its payload is coded (`stream_type` of the program map).
    pub kind: u8,
    /// When it is presented, in ticks of 90 kHz modulo [`WRAP`].
    pub pts: u64,
    /// When it is decoded, likewise.
    pub dts: u64,
    /// The packet that it began in says that decoding may begin here.
    pub random_access: bool,
    /// Number of that packet, from 0.
    pub packet: usize,
    /// Without the PES header.
    pub payload: Vec<u8>,
}

/// Reads a transport stream that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct TsReader {
    held: Vec<u8>,
    packets: usize,
    counters: BTreeMap<u16, u8>,
    maps: BTreeSet<u16>,
    program: Program,
    open: BTreeMap<u16, Open>,
    clock: Option<u64>,
    may_skip: bool,
    wrong: Option<Wrong>,
}

/// A PES packet that may go on.
#[derive(Clone, Debug)]
struct Open {
    random_access: bool,
    packet: usize,
    /// Header and payload.
    bytes: Vec<u8>,
}

impl TsReader {
    /// Stands at the first packet, and takes the stream for one that lost nothing.
    pub fn new() -> Self {
        TsReader::default()
    }

    /// The same for a stream that a slow player reads: where a counter jumps, packets were left out and
    /// the PES packet that they belonged to is gone.
    pub fn with_gaps() -> Self {
        TsReader { may_skip: true, ..TsReader::default() }
    }

    /// Takes the next bytes, gives what they complete.
    ///
    /// # Errors
    /// If they violate the standard. All later calls fail too.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Unit>, Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut units = Vec::new();
        let mut whole = held.chunks_exact(PACKET);
        let read = whole.by_ref().try_for_each(|packet| self.packet(packet, &mut units));
        self.held = whole.remainder().to_vec();
        self.wrong = read.as_ref().err().cloned();
        read.map(|()| units)
    }

    /// The stream is over: gives what was open.
    ///
    /// # Errors
    /// If it ends in the middle of a packet, or of a PES packet whose length was told.
    pub fn finish(&mut self) -> Result<Vec<Unit>, Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if !self.held.is_empty() {
            return Err(Wrong(format!(
                "a transport stream has whole packets: {} bytes of one",
                self.held.len()
            )));
        }
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|(pid, open)| Ok(Unit::Pes(self.pes(pid, open)?))).collect()
    }

    /// How many packets there were.
    pub fn packets(&self) -> usize {
        self.packets
    }

    /// What the last program map said.
    pub fn program(&self) -> &Program {
        &self.program
    }

    fn packet(&mut self, packet: &[u8], units: &mut Vec<Unit>) -> Result<(), Wrong> {
        let at = self.packets;
        self.packets += 1;
        if packet[0] != 0x47 {
            return Err(Wrong(format!("packet {at} begins with the sync byte, not with {:#04x}", packet[0])));
        }
        if packet[1] & 0x80 != 0 || packet[3] & 0xc0 != 0 {
            return Err(Wrong(format!("packet {at} says that it is damaged or scrambled")));
        }
        let begins = packet[1] & 0x40 != 0;
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let (has_field, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let (field, payload) = match packet[4..].split_first() {
            Some((length, rest)) if has_field => rest
                .split_at_checked(usize::from(*length))
                .ok_or_else(|| Wrong(format!("packet {at}: the adaptation field fits")))?,
            _ => (&[][..], &packet[4..]),
        };
        let flags = field.first().copied().unwrap_or(0);
        let jumps = flags & DISCONTINUITY != 0;
        let counts = has_payload && pid != NOTHING;
        let whole = !counts || self.counted(pid, packet[3] & 0x0f, jumps)?;
        self.adaptation(field, jumps, units)?;
        if !counts || pid == SERVICES {
            return Ok(());
        }
        if pid == 0 || self.maps.contains(&pid) {
            return self.table(pid, begins, payload, units);
        }
        if !self.program.streams.contains_key(&pid) {
            let known: Vec<u16> = self.program.streams.keys().copied().collect();
            return Err(Wrong(format!("PID {pid} is announced before it comes: {known:?}")));
        }
        if !whole {
            self.open.remove(&pid);
        }
        self.payload(pid, begins, flags & RANDOM_ACCESS != 0, payload, units)
    }

    fn adaptation(&mut self, field: &[u8], jumps: bool, units: &mut Vec<Unit>) -> Result<(), Wrong> {
        let [flags, rest @ ..] = field else { return Ok(()) };
        if flags & HAS_CLOCK == 0 {
            return Ok(());
        }
        let [a, b, c, d, e, _, ..] = rest else {
            return Err(Wrong("an adaptation field is too short for its clock".to_owned()));
        };
        let clock = u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 1 | u64::from(e >> 7);
        if let Some(last) = self.clock.replace(clock)
            && !jumps
            && !(1..WRAP / 2).contains(&(clock.wrapping_sub(last) % WRAP))
        {
            return Err(Wrong(format!("the clock goes on: {clock} after {last}")));
        }
        units.push(Unit::Clock(clock));
        Ok(())
    }

    /// Whether no packet of `pid` was left out before this one.
    fn counted(&mut self, pid: u16, counter: u8, jumps: bool) -> Result<bool, Wrong> {
        let goes_on = self.counters.insert(pid, counter).is_none_or(|last| counter == (last + 1) & 0x0f);
        match goes_on || jumps || self.may_skip {
            true => Ok(goes_on),
            false => Err(Wrong(format!("packet {}: the counter of PID {pid} goes on", self.packets - 1))),
        }
    }

    fn table(&mut self, pid: u16, begins: bool, payload: &[u8], units: &mut Vec<Unit>) -> Result<(), Wrong> {
        if !begins {
            return Err(Wrong("a table fits into a packet here".to_owned()));
        }
        if pid == 0 {
            self.maps.extend(psi::association(payload)?);
            return Ok(());
        }
        let program = psi::map(payload)?;
        if program != self.program {
            // Only the next PES packet ends one that does not tell its length: it is of the old program.
            let endless = self.open.extract_if(.., |_, open| open.bytes.get(4..6) == Some(&[0, 0]));
            for (pid, open) in endless.collect::<Vec<_>>() {
                units.push(Unit::Pes(self.pes(pid, open)?));
            }
            self.open.retain(|pid, _| program.streams.contains_key(pid));
            self.program = program.clone();
            units.push(Unit::Program(program));
        }
        Ok(())
    }

    fn payload(
        &mut self,
        pid: u16,
        begins: bool,
        random_access: bool,
        payload: &[u8],
        units: &mut Vec<Unit>,
    ) -> Result<(), Wrong> {
        if begins {
            if let Some(open) = self.open.remove(&pid) {
                units.push(Unit::Pes(self.pes(pid, open)?));
            }
            let open = Open { random_access, packet: self.packets - 1, bytes: Vec::new() };
            self.open.insert(pid, open);
        }
        let Some(open) = self.open.get_mut(&pid) else {
            return match self.may_skip {
                true => Ok(()),
                false => Err(Wrong(format!("PID {pid} begins at the beginning of a PES packet"))),
            };
        };
        open.bytes.extend_from_slice(payload);
        if open.bytes.len() >= 3 && !open.bytes.starts_with(&[0, 0, 1]) {
            return Err(Wrong(format!("PID {pid}: a PES packet begins with its start code")));
        }
        if open.bytes.len() > PES_BYTES_MAX {
            return Err(Wrong(format!("PID {pid}: a PES packet of more than {PES_BYTES_MAX} bytes")));
        }
        let told = open.bytes.get(4..6).map_or(0, |length| usize::from(psi::number(length)));
        if told > 0
            && open.bytes.len() >= PES_START + told
            && let Some(open) = self.open.remove(&pid)
        {
            units.push(Unit::Pes(self.pes(pid, open)?));
        }
        Ok(())
    }

    /// Takes the header off (2.4.3.6).
    fn pes(&self, pid: u16, open: Open) -> Result<Pes, Wrong> {
        let wrong = |what: &str| Err(Wrong(format!("PID {pid}, packet {}: {what}", open.packet)));
        let [0, 0, 1, _, high, low, marks, flags, length, rest @ ..] = open.bytes.as_slice() else {
            return wrong("a PES packet is shorter than its header");
        };
        let told = usize::from(psi::number(&[*high, *low]));
        if told > 0 && told + PES_START != open.bytes.len() {
            return wrong("a PES packet is as long as it says");
        }
        if marks & 0xf0 != 0x80 {
            return wrong("a PES header has its marks and is not scrambled");
        }
        let Some((fields, payload)) = rest.split_at_checked(usize::from(*length)) else {
            return wrong("a PES packet is shorter than its header");
        };
        let times = match flags >> 6 {
            2 => timestamp(fields.get(..5), 2).map(|pts| (pts, pts)),
            3 => timestamp(fields.get(..5), 3).zip(timestamp(fields.get(5..10), 1)),
            _ => return wrong("each PES packet has a timestamp here"),
        };
        let Some((pts, dts)) = times else { return wrong("a timestamp without its marks") };
        if pts.wrapping_sub(dts) % WRAP >= WRAP / 2 {
            return wrong("nothing is presented before it is decoded");
        }
        let kind = self.program.streams.get(&pid).map_or(0, |stream| stream.kind);
        let payload = payload.to_vec();
        Ok(Pes { pid, kind, pts, dts, random_access: open.random_access, packet: open.packet, payload })
    }
}

/// 33 bits in five bytes with marks between them, the first four bits being `prefix`.
fn timestamp(bytes: Option<&[u8]>, prefix: u8) -> Option<u64> {
    let [a, b, c, d, e] = *bytes? else { return None };
    let marked = a >> 4 == prefix && a & c & e & 1 == 1;
    let high = u64::from(a >> 1 & 7) << 30;
    let middle = u64::from(psi::number(&[b, c]) >> 1) << 15;
    marked.then_some(high | middle | u64::from(psi::number(&[d, e]) >> 1))
}

const PACKET: usize = 188;

/// Bytes of a PES packet that its own length does not count.
const PES_START: usize = 6;

/// More than any access unit needs.
const PES_BYTES_MAX: usize = 32 << 20;

/// PID of the service description table, which needs no announcement.
const SERVICES: u16 = 0x11;

/// PID of packets that only fill time.
const NOTHING: u16 = 0x1fff;

// Flags of the adaptation field.
const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const HAS_CLOCK: u8 = 0x10;

/// What a whole transport stream holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Stream types by PID, from the program map.
    pub streams: BTreeMap<u16, u8>,
    /// Number of packets.
    pub packets: usize,
    /// Program clock references in order, in ticks of 90 kHz.
    pub clocks: Vec<u64>,
    /// How many PES packets begin, by PID.
    pub begun: BTreeMap<u16, usize>,
}

impl Transport {
    /// Reads whole packets.
    ///
    /// # Panics
    /// If a packet does not begin with 0x47, a counter jumps, a table has a wrong CRC, something comes
    /// before the tables that announce it, or the clock does not go on.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = TsReader::new();
        let mut units = reader.push(bytes).unwrap_or_else(|wrong| panic!("{wrong}"));
        units.extend(reader.finish().unwrap_or_else(|wrong| panic!("{wrong}")));
        let mut found = Transport { packets: reader.packets(), ..Transport::default() };
        found.streams = reader.program().streams.iter().map(|(pid, stream)| (*pid, stream.kind)).collect();
        for unit in units {
            match unit {
                Unit::Program(_) => {}
                Unit::Clock(clock) => found.clocks.push(clock),
                Unit::Pes(pes) => *found.begun.entry(pes.pid).or_default() += 1,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Pes, Transport, TsReader, Unit};

    /// A program association and a program map as FFmpeg writes them, then the first packet of H.264.
    fn packets() -> Vec<u8> {
        let mut bytes = Vec::new();
        for start in [
            "47400010 0000b00d0001c100000001f0002ab104b2",
            "47500010 0002b0120001c10000e100f0001be100f000 15bd4d56",
            "47410030 07500000 7b0c7e00 000001e0 00008080 0521000 7d861",
        ] {
            let digits: String = start.split_whitespace().collect();
            let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
            let mut packet: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
            packet.resize(188, 0xff);
            bytes.extend(packet);
        }
        bytes
    }

    #[test]
    fn tables_tell_what_streams_there_are() {
        let found = Transport::parse(&packets());
        assert_eq!(found.streams.into_iter().collect::<Vec<_>>(), [(256, 0x1b)]);
        assert_eq!(found.clocks.len(), 1);
        assert_eq!(found.begun.into_iter().collect::<Vec<_>>(), [(256, 1)]);
    }

    #[test]
    fn pieces_of_any_size_make_the_same_units() {
        let bytes = packets();
        for size in [1, 7, 187, 188, 189, 1000] {
            let mut reader = TsReader::new();
            let pieces = bytes.chunks(size).map(|piece| reader.push(piece).expect("it is a stream"));
            let mut units = pieces.collect::<Vec<_>>().concat();
            units.extend(reader.finish().expect("it may end here"));
            let [Unit::Program(program), Unit::Clock(63_000), Unit::Pes(pes)] = &units[..] else {
                panic!("in pieces of {size}: {units:?}")
            };
            assert_eq!(program.streams[&256].kind, 0x1b);
            let Pes { pid: 256, kind: 0x1b, pts: 126_000, dts: 126_000, random_access: true, .. } = pes
            else {
                panic!("{pes:?}")
            };
            assert_eq!(pes.payload.len(), 188 - 12 - 14);
        }
    }

    #[test]
    #[should_panic(expected = "the CRC of a table is right")]
    fn a_broken_table_is_seen() {
        let mut bytes = packets();
        bytes[10] ^= 1;
        let _ = Transport::parse(&bytes);
    }

    #[test]
    #[should_panic(expected = "the counter of PID 256 goes on")]
    fn a_lost_packet_is_seen() {
        let mut bytes = packets();
        bytes.extend_from_within(376..);
        let _ = Transport::parse(&bytes);
    }

    #[test]
    fn a_gap_costs_the_pes_packet_that_it_tore() {
        let mut bytes = packets();
        let mut next = bytes[376..].to_vec();
        next[3] |= 2;
        next[9] = 0x80;
        bytes.extend(next);
        let mut reader = TsReader::with_gaps();
        let units = reader.push(&bytes).expect("gaps are allowed");
        assert!(units.iter().all(|unit| !matches!(unit, Unit::Pes(_))), "{units:?}");
        assert_eq!(reader.finish().expect("it may end here").len(), 1);
    }
}
