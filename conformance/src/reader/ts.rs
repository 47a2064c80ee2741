//! MPEG transport streams (ISO/IEC 13818-1), read strictly: what the standard forbids fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// What a transport stream holds.
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

const PACKET: usize = 188;

/// PID of the service description table, which needs no announcement.
const SERVICES: u16 = 0x11;

/// PID of packets that only fill time.
const NOTHING: u16 = 0x1fff;

impl Transport {
    /// Reads whole packets.
    ///
    /// # Panics
    /// If a packet does not begin with 0x47, a counter jumps, a table has a wrong CRC, something comes
    /// before the tables that announce it, or the clock does not go on.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        assert_eq!(bytes.len() % PACKET, 0, "a transport stream has whole packets: {} bytes", bytes.len());
        let mut found = Transport::default();
        let mut counters = BTreeMap::new();
        let mut maps = BTreeSet::new();
        for packet in bytes.chunks(PACKET) {
            found.packet(packet, &mut counters, &mut maps);
        }
        let rising = found.clocks.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rising, "the clock goes on: {:?}", found.clocks);
        found
    }

    #[track_caller]
    fn packet(&mut self, packet: &[u8], counters: &mut BTreeMap<u16, u8>, maps: &mut BTreeSet<u16>) {
        let at = self.packets;
        self.packets += 1;
        assert_eq!(packet[0], 0x47, "packet {at} begins with the sync byte");
        assert_eq!(packet[1] & 0x80, 0, "packet {at} has no transport error");
        let begins = packet[1] & 0x40 != 0;
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let (has_field, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let counter = packet[3] & 0x0f;
        let mut payload = &packet[4..];
        if has_field {
            let length = usize::from(payload[0]);
            assert!(length < payload.len(), "packet {at}: the adaptation field fits");
            self.adaptation(&payload[1..=length]);
            payload = &payload[length + 1..];
        }
        if has_payload {
            if let Some(last) = counters.insert(pid, counter) {
                assert_eq!(counter, (last + 1) & 0x0f, "packet {at}: the counter of PID {pid} goes on");
            }
            self.payload(pid, begins, payload, maps);
        }
    }

    fn adaptation(&mut self, field: &[u8]) {
        if let [flags, clock @ ..] = field
            && flags & 0x10 != 0
        {
            let base = clock[..4].iter().fold(0, |base, byte| base << 8 | u64::from(*byte));
            self.clocks.push(base << 1 | u64::from(clock[4] >> 7));
        }
    }

    #[track_caller]
    fn payload(&mut self, pid: u16, begins: bool, payload: &[u8], maps: &mut BTreeSet<u16>) {
        if pid == 0 || maps.contains(&pid) {
            assert!(begins, "a table fits into a packet here");
            let section = section(&payload[usize::from(payload[0]) + 1..]);
            if pid == 0 {
                maps.extend(section[8..].chunks(4).map(|entry| number(&entry[2..]) & 0x1fff));
            } else {
                self.map(section);
            }
            return;
        }
        if [SERVICES, NOTHING].contains(&pid) {
            return;
        }
        assert!(
            self.streams.contains_key(&pid),
            "PID {pid} is announced before it comes: {:?}",
            self.streams
        );
        if begins {
            assert_eq!(&payload[..3], [0, 0, 1], "a PES packet begins with its start code");
            *self.begun.entry(pid).or_default() += 1;
        } else {
            assert!(self.begun.contains_key(&pid), "PID {pid} begins at the beginning of a PES packet");
        }
    }

    fn map(&mut self, section: &[u8]) {
        let mut rest = &section[12 + usize::from(number(&section[10..]) & 0x0fff)..];
        self.streams.clear();
        while let [kind, high, low, length @ ..] = rest {
            self.streams.insert(number(&[*high, *low]) & 0x1fff, *kind);
            rest = &length[2 + usize::from(number(length) & 0x0fff)..];
        }
    }
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// A section without its CRC, which must be right.
#[track_caller]
fn section(bytes: &[u8]) -> &[u8] {
    let length = 3 + usize::from(number(&bytes[1..]) & 0x0fff);
    let mut crc = u32::MAX;
    for byte in &bytes[..length] {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
        }
    }
    assert_eq!(crc, 0, "the CRC of a table is right (2.4.4)");
    &bytes[..length - 4]
}

#[cfg(test)]
mod tests {
    use super::Transport;

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
}
