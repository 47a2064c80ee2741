//! The tables of a transport stream (ISO/IEC 13818-1, 2.4.4): which program there is and what it is made of.
//!
//! In: the payload of a packet in which a section begins; sections of several packets are not joined. Out:
//! what it says. A section without the right CRC says nothing.

use super::Wrong;
use super::flv::Codec;
use std::collections::BTreeMap;

/// What a program map says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// PID of the packets with the clock.
    pub clock: u16,
    /// By PID.
    pub streams: BTreeMap<u16, Elementary>,
}

/// An elementary stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elementary {
    /// `stream_type`.
    pub kind: u8,
    /// Tags and contents.
    pub descriptors: Vec<(u8, Vec<u8>)>,
}

impl Elementary {
    /// How it is coded, by the name that enhanced RTMP has for it; `None` for what is not known here.
    pub fn codec(&self) -> Option<Codec> {
        Some(match (self.kind, self.registration()) {
            (0x1b, _) => Codec::AVC,
            (0x24, _) => Codec::HEVC,
            (0x03 | 0x04, _) => Codec::MP3,
            (0x0f, _) => Codec::AAC,
            (0x81, _) => Codec::AC3,
            (0x87, _) => Codec::EAC3,
            (0x06, Some(b"Opus")) => Codec::OPUS,
            (0x06, Some(b"HEVC")) => Codec::HEVC,
            _ => return None,
        })
    }

    /// Registration descriptor: the organisation that defines the format (2.6.8).
    fn registration(&self) -> Option<&[u8; 4]> {
        self.descriptors.iter().find(|(tag, _)| *tag == 5).and_then(|(_, bytes)| bytes.first_chunk())
    }
}

/// PIDs of program maps, from a program association.
pub fn association(payload: &[u8]) -> Result<Vec<u16>, Wrong> {
    let entries = section(payload, 0)?;
    let (whole, rest) = entries.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Wrong("a program association ends in the middle of an entry".to_owned()));
    }
    // Program 0 is the network information table.
    Ok(whole.iter().filter(|entry| number(*entry) != 0).map(|entry| number(&entry[2..]) & 0x1fff).collect())
}

/// What a program map says.
pub fn map(payload: &[u8]) -> Result<Program, Wrong> {
    let short = || Wrong("a program map ends too early".to_owned());
    let section = section(payload, 2)?;
    let [clock_high, clock_low, length_high, length_low, rest @ ..] = section else { return Err(short()) };
    let length = usize::from(number(&[*length_high, *length_low]) & 0x0fff);
    let mut rest = rest.get(length..).ok_or_else(short)?;
    let mut program =
        Program { clock: number(&[*clock_high, *clock_low]) & 0x1fff, streams: BTreeMap::new() };
    while let [kind, pid_high, pid_low, high, low, after @ ..] = rest {
        let length = usize::from(number(&[*high, *low]) & 0x0fff);
        let (descriptors, after) = after.split_at_checked(length).ok_or_else(short)?;
        let stream = Elementary { kind: *kind, descriptors: list(descriptors).ok_or_else(short)? };
        program.streams.insert(number(&[*pid_high, *pid_low]) & 0x1fff, stream);
        rest = after;
    }
    if rest.is_empty() { Ok(program) } else { Err(short()) }
}

fn list(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut found = Vec::new();
    while let [tag, length, rest @ ..] = bytes {
        let (own, after) = rest.split_at_checked(usize::from(*length))?;
        found.push((*tag, own.to_vec()));
        bytes = after;
    }
    bytes.is_empty().then_some(found)
}

/// The body of a section of table `id`, without the head that all long sections share and without its CRC.
fn section(payload: &[u8], id: u8) -> Result<&[u8], Wrong> {
    let short = || Wrong("a table is longer than its packet".to_owned());
    let (pointer, rest) = payload.split_first().ok_or_else(short)?;
    let bytes = rest.get(usize::from(*pointer)..).ok_or_else(short)?;
    let Some([table, high, low]) = bytes.first_chunk() else { return Err(short()) };
    let length = 3 + usize::from(number(&[*high, *low]) & 0x0fff);
    let whole = bytes.get(..length).ok_or_else(short)?;
    if crc(whole) != 0 {
        return Err(Wrong("the CRC of a table is right (2.4.4)".to_owned()));
    }
    if *table != id || high & 0x80 == 0 || length < HEAD_BYTES + CRC_BYTES {
        return Err(Wrong(format!("a section of table {table} where one of table {id} stands")));
    }
    Ok(&whole[HEAD_BYTES..length - CRC_BYTES])
}

const HEAD_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// Of a section with its CRC: zero if it is right.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
        }
    }
    crc
}

/// The first two bytes as a number; bytes that lack are zero.
pub(super) fn number(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}
