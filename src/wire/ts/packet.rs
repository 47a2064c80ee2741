//! Transport packets: a payload unit cut into packets of 188 bytes (ISO/IEC 13818-1, 2.4.3).
//!
//! In: the length of a unit, then its bytes in pieces. Out: whole packets, the last one filled up by its
//! adaptation field. The length comes first, so that every byte is copied once.

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};

/// Length of a packet, in bytes.
pub const PACKET_BYTES: usize = 188;

/// Length of a packet after its header, in bytes.
pub const BODY_BYTES: usize = PACKET_BYTES - 4;

/// Period of the 90 kHz timestamps, in ticks (33 bits).
pub const WRAP: i64 = 1 << 33;

/// A packet identifier and its continuity counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pid {
    number: u16,
    continuity: u8,
}

/// The adaptation field of a unit's first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adaptation {
    /// Decoding can start at this unit.
    pub random_access: bool,
    /// The system clock in 90 kHz ticks; taken modulo [`WRAP`].
    pub pcr: Option<i64>,
}

/// Writes one payload unit.
#[derive(Debug)]
pub struct Unit<'a> {
    pid: &'a mut Pid,
    out: &'a mut BytesMut,
    /// Bytes of the unit that are still to come.
    left: usize,
    /// Free bytes of the open packet.
    room: usize,
}

impl Pid {
    /// The identifier `number` (13 bits), before its first packet.
    pub const fn new(number: u16) -> Self {
        assert!(number < 0x2000, "packet identifiers have 13 bits");
        Pid { number, continuity: 0 }
    }

    /// The PID.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Begins a unit of `len` bytes. All of them must be [put](Unit::put) before it is
    /// [finished](Unit::finish).
    ///
    /// # Panics
    ///
    /// If `len` is 0.
    pub fn unit<'a>(&'a mut self, adaptation: Adaptation, len: usize, out: &'a mut BytesMut) -> Unit<'a> {
        assert!(len > 0, "an empty unit has no packet");
        out.reserve((len + Adaptation::BYTES_MAX).div_ceil(BODY_BYTES) * PACKET_BYTES);
        let mut unit = Unit { pid: self, out, left: len, room: 0 };
        unit.open(true, adaptation);
        unit
    }

    /// Writes a packet with nothing but the clock. It does not count (2.4.3.3).
    pub fn clock(&mut self, pcr: i64, out: &mut BytesMut) {
        let last = (self.continuity + 15) % 16;
        out.put_u8(0x47);
        out.put_u16(self.number);
        out.put_u8(0x20 | last);
        Adaptation { random_access: false, pcr: Some(pcr) }.write(BODY_BYTES, out);
    }
}

impl Unit<'_> {
    /// Writes the next bytes of the unit.
    ///
    /// # Panics
    ///
    /// If they are more than were announced.
    pub fn put(&mut self, mut bytes: &[u8]) {
        assert!(bytes.len() <= self.left, "more bytes than the unit was said to have");
        while !bytes.is_empty() {
            if self.room == 0 {
                self.open(false, Adaptation::default());
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room));
            self.out.put_slice(now);
            self.room -= now.len();
            self.left -= now.len();
            bytes = later;
        }
    }

    /// Ends the unit.
    ///
    /// # Panics
    ///
    /// If bytes are missing.
    pub fn finish(self) {
        assert!(self.left == 0, "fewer bytes than the unit was said to have");
    }

    fn open(&mut self, start: bool, adaptation: Adaptation) {
        let body = self.left.min(BODY_BYTES - adaptation.len());
        let adaptation_len = BODY_BYTES - body;
        self.out.put_u8(0x47);
        self.out.put_u16(if start { 0x4000 } else { 0 } | self.pid.number);
        self.out.put_u8(if adaptation_len > 0 { 0x30 } else { 0x10 } | self.pid.continuity);
        adaptation.write(adaptation_len, self.out);
        self.pid.continuity = (self.pid.continuity + 1) % 16;
        self.room = body;
    }
}

impl Adaptation {
    /// Length byte, flags and clock.
    const BYTES_MAX: usize = 8;

    /// Least length, in bytes.
    fn len(self) -> usize {
        match self {
            Adaptation { pcr: Some(_), .. } => Self::BYTES_MAX,
            Adaptation { random_access: true, .. } => 2,
            _ => 0,
        }
    }

    /// Writes exactly `len` bytes, with stuffing.
    fn write(self, len: usize, out: &mut BytesMut) {
        if len == 0 {
            return;
        }
        // Never more than 184 bytes: one packet.
        out.put_u8((len - 1) as u8);
        if len == 1 {
            return;
        }
        out.put_u8(if self.random_access { 0x40 } else { 0 } | if self.pcr.is_some() { 0x10 } else { 0 });
        let mut written = 2;
        if let Some(pcr) = self.pcr {
            // 33 bits of 90 kHz, six reserved ones, and 9 bits of 27 MHz that stay zero.
            out.put_uint(((pcr.rem_euclid(WRAP) as u64) << 15) | 0x7e00, 6);
            written += 6;
        }
        out.put_bytes(0xff, len - written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(pid: &mut Pid, adaptation: Adaptation, bytes: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut unit = pid.unit(adaptation, bytes.len(), &mut out);
        unit.put(bytes);
        unit.finish();
        out.to_vec()
    }

    #[test]
    fn a_short_unit_is_stuffed_to_one_packet() {
        let mut pid = Pid::new(0x100);
        let packet = unit(&mut pid, Adaptation::default(), b"abc");
        assert_eq!(packet.len(), 188);
        // Sync byte, unit start + PID, adaptation field and payload + counter 0; 180 bytes of field follow.
        assert_eq!(packet[..6], [0x47, 0x41, 0x00, 0x30, 180, 0x00]);
        assert!(packet[6..185].iter().all(|byte| *byte == 0xff));
        assert_eq!(&packet[185..], b"abc");
    }

    #[test]
    fn one_byte_of_stuffing_is_an_empty_field() {
        let packet = unit(&mut Pid::new(0x100), Adaptation::default(), &[7; 183]);
        assert_eq!(packet[..6], [0x47, 0x41, 0x00, 0x30, 0, 7]);
    }

    #[test]
    fn a_unit_that_fits_has_no_field() {
        let packets = unit(&mut Pid::new(0x100), Adaptation::default(), &[7; 368]);
        assert_eq!(packets[..5], [0x47, 0x41, 0x00, 0x10, 7]);
        assert_eq!(packets[188..193], [0x47, 0x01, 0x00, 0x11, 7]);
        assert_eq!(packets.len(), 376);
    }

    #[test]
    fn the_clock_stands_in_the_first_packet_with_33_bits() {
        let clocked = Adaptation { random_access: true, pcr: Some(WRAP + 0x1_2345_6789) };
        let packet = unit(&mut Pid::new(0x100), clocked, &[7; 184]);
        // 0x123456789 shifted by 15 = 91A2B3C48000, and six reserved ones.
        assert_eq!(packet[..12], [0x47, 0x41, 0x00, 0x30, 7, 0x50, 0x91, 0xa2, 0xb3, 0xc4, 0xfe, 0x00]);
        assert_eq!(packet.len(), 376);
    }

    #[test]
    fn a_clock_of_its_own_repeats_the_last_counter() {
        let mut pid = Pid::new(0x100);
        let first = unit(&mut pid, Adaptation::default(), b"a");
        let mut out = BytesMut::new();
        pid.clock(1, &mut out);
        assert_eq!(out.len(), 188);
        assert_eq!((first[3], out[3]), (0x30, 0x20));
        assert_eq!(out[4..12], [183, 0x10, 0, 0, 0, 0, 0xfe, 0]);
        let next = unit(&mut pid, Adaptation::default(), b"a");
        assert_eq!(next[3], 0x31);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_and_counts_up(
            units in proptest::collection::vec((1usize..2000, any::<bool>(), any::<Option<u32>>()), 1..20),
        ) {
            let (mut pid, mut out, mut expected) = (Pid::new(0x1ff), BytesMut::new(), Vec::new());
            for (number, (len, random_access, pcr)) in units.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..len).map(|at| (at + number) as u8).collect();
                let adaptation = Adaptation { random_access, pcr: pcr.map(i64::from) };
                let mut unit = pid.unit(adaptation, len, &mut out);
                let (head, tail) = bytes.split_at(len / 3);
                unit.put(head);
                unit.put(tail);
                unit.finish();
                expected.push((bytes, adaptation));
            }
            prop_assert_eq!(read(&out), expected);
        }
    }

    /// Takes packets apart again and checks their counters.
    fn read(bytes: &[u8]) -> Vec<(Vec<u8>, Adaptation)> {
        let mut units: Vec<(Vec<u8>, Adaptation)> = Vec::new();
        for (number, packet) in bytes.chunks(188).enumerate() {
            assert_eq!((packet.len(), packet[0]), (188, 0x47));
            assert_eq!(u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), 0x1ff);
            assert_eq!(usize::from(packet[3] & 15), number % 16);
            let field = if packet[3] & 0x20 != 0 { usize::from(packet[4]) + 1 } else { 0 };
            let flags = if field > 1 { packet[5] } else { 0 };
            let pcr = (flags & 0x10 != 0).then(|| {
                let base = u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]]);
                (i64::from(base) << 1) | i64::from(packet[10] >> 7)
            });
            if packet[1] & 0x40 != 0 {
                units.push((Vec::new(), Adaptation { random_access: flags & 0x40 != 0, pcr }));
            } else {
                assert_eq!(flags, 0);
            }
            units.last_mut().expect("a unit begins first").0.extend_from_slice(&packet[4 + field..]);
        }
        units
    }
}
