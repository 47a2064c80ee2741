//! PAT and PMT of a transport stream with one programme (ISO/IEC 13818-1, 2.4.4).
//!
//! In: the elementary streams and the table's version. Out: one packet body for each table.

use super::packet::BODY_BYTES;

/// PID of the programme association table, given by the specification.
pub const PAT_PID: u16 = 0;

/// PID of the programme map table.
pub const PMT_PID: u16 = 0x1000;

/// Number of the only programme.
const PROGRAM: u16 = 1;

/// Most elementary streams of a programme: this many fit into a table of one packet, whatever their
/// descriptors.
pub const STREAMS_MAX: usize = 9;

/// The entry of an elementary stream in the PMT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// PID of its packets.
    pub pid: u16,
    /// Stream type (2.4.4.9).
    pub stream_type: u8,
    /// Descriptors, for what the stream type does not tell; at most [`DESCRIPTOR_BYTES_MAX`] bytes.
    pub descriptors: Vec<u8>,
}

/// Longest descriptors of one elementary stream, in bytes.
pub const DESCRIPTOR_BYTES_MAX: usize = 12;

/// The body of the packet with the PAT.
pub fn pat() -> [u8; BODY_BYTES] {
    let [high, low] = PMT_PID.to_be_bytes();
    let [program_high, program_low] = PROGRAM.to_be_bytes();
    section(0x00, 1, 0, &[program_high, program_low, 0xe0 | high, low])
}

/// The body of the packet with the PMT. `version` is taken modulo 32.
///
/// # Panics
///
/// If there are more than [`STREAMS_MAX`] streams or too long descriptors.
pub fn pmt(version: u8, pcr_pid: u16, streams: &[Stream]) -> [u8; BODY_BYTES] {
    assert!(streams.len() <= STREAMS_MAX, "the table has to fit into one packet");
    let [high, low] = pcr_pid.to_be_bytes();
    let mut body = vec![0xe0 | high, low, 0xf0, 0];
    for stream in streams {
        assert!(stream.descriptors.len() <= DESCRIPTOR_BYTES_MAX, "the table has to fit into one packet");
        let [high, low] = stream.pid.to_be_bytes();
        body.extend([stream.stream_type, 0xe0 | high, low, 0xf0, stream.descriptors.len() as u8]);
        body.extend(&stream.descriptors);
    }
    section(0x02, PROGRAM, version, &body)
}

/// A registration descriptor (2.6.8): the identifier of the format.
pub fn registration(format: [u8; 4]) -> Vec<u8> {
    [&[0x05, 4], &format[..]].concat()
}

/// A section in long form after its pointer field, filled up with stuffing (2.4.4.1).
fn section(table_id: u8, extension: u16, version: u8, body: &[u8]) -> [u8; BODY_BYTES] {
    let mut packet = [0xff; BODY_BYTES];
    // The length covers five bytes of head, the body, and four bytes of CRC.
    let length = 5 + body.len() + 4;
    let [high, low] = extension.to_be_bytes();
    let head = [0, table_id, 0xb0, length as u8, high, low, 0xc1 | (version % 32) << 1, 0, 0];
    let end = head.len() + body.len();
    packet[..head.len()].copy_from_slice(&head);
    packet[head.len()..end].copy_from_slice(body);
    let crc = crc32(&packet[1..end]);
    packet[end..end + 4].copy_from_slice(&crc.to_be_bytes());
    packet
}

/// The CRC of sections (Annex A): polynomial 0x04C11DB7, most significant bit first, no final inversion.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = (byte as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc << 1) ^ if crc & 0x8000_0000 != 0 { 0x04c1_1db7 } else { 0 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    bytes.iter().fold(u32::MAX, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_has_the_check_value_of_its_catalogue() {
        // CRC-32/MPEG-2 of "123456789".
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_section_with_its_crc_has_the_crc_zero() {
        let table = pmt(3, 0x100, &[Stream { pid: 0x100, stream_type: 0x1b, descriptors: Vec::new() }]);
        let length = usize::from(table[3]);
        assert_eq!(crc32(&table[1..4 + length]), 0);
        assert!(table[4 + length..].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn the_association_table_names_the_map() {
        let table = pat();
        assert_eq!(
            table[..17],
            [
                0x00, // pointer field
                0x00, 0xb0, 13, // table 0, 13 bytes follow
                0x00, 0x01, 0xc1, 0x00, 0x00, // stream 1, version 0, current, section 0 of 0
                0x00, 0x01, 0xf0, 0x00, // programme 1 is mapped at 0x1000
                0x2a, 0xb1, 0x04, 0xb2, // CRC
            ]
        );
    }

    #[test]
    fn the_map_names_streams_and_clock() {
        let streams = [
            Stream { pid: 0x100, stream_type: 0x1b, descriptors: Vec::new() },
            Stream { pid: 0x200, stream_type: 0x81, descriptors: registration(*b"AC-3") },
        ];
        let table = pmt(33, 0x100, &streams);
        assert_eq!(table[..4], [0, 0x02, 0xb0, 29]);
        assert_eq!(table[4..9], [0, 1, 0xc3, 0, 0]);
        assert_eq!(table[9..13], [0xe1, 0x00, 0xf0, 0]);
        assert_eq!(table[13..18], [0x1b, 0xe1, 0x00, 0xf0, 0]);
        assert_eq!(table[18..29], [0x81, 0xe2, 0x00, 0xf0, 6, 5, 4, b'A', b'C', b'-', b'3']);
    }

    #[test]
    fn the_largest_map_fits() {
        let stream = Stream { pid: 1, stream_type: 6, descriptors: vec![0; DESCRIPTOR_BYTES_MAX] };
        let table = pmt(0, 1, &vec![stream; STREAMS_MAX]);
        assert_eq!(usize::from(table[3]), 9 + 4 + STREAMS_MAX * 17);
    }
}
