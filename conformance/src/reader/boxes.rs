//! Boxes, the building blocks of MP4 (ISO/IEC 14496-12, 4.2), and the numbers inside them.
//!
//! In: bytes that are said to be boxes. Out: where each box and its content is. A length that reaches beyond
//! its parent is wrong, whatever it says.

use super::Wrong;
use std::fmt;
use std::ops::Range;

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boxed {
    /// Its type.
    pub kind: Kind,
    /// Where it begins.
    pub start: usize,
    /// Where its content is, version and flags of a full box included.
    pub content: Range<usize>,
}

/// The type of a box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub [u8; 4]);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The boxes that `bytes[range]` consists of.
///
/// # Errors
/// If it does not consist of whole boxes.
pub fn boxes(bytes: &[u8], range: Range<usize>) -> Result<Vec<Boxed>, Wrong> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let wrong = || Wrong(format!("a box at byte {at} reaches beyond byte {}", range.end));
        let mut fields = Fields::new(bytes, at..range.end);
        let short = fields.u32().map_err(|_| wrong())?;
        let kind = Kind(fields.array().map_err(|_| wrong())?);
        let length = match short {
            0 => (range.end - at) as u64,
            1 => fields.u64().map_err(|_| wrong())?,
            short => u64::from(short),
        };
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
        let end = end.filter(|end| (fields.at..=range.end).contains(end)).ok_or_else(wrong)?;
        found.push(Boxed { kind, start: at, content: fields.at..end });
        at = end;
    }
    Ok(found)
}

/// The only box of type `kind` among `boxes`.
///
/// # Errors
/// If there is none, or more than one.
pub fn only<'a>(boxes: &'a [Boxed], kind: &[u8; 4]) -> Result<&'a Boxed, Wrong> {
    let mut found = boxes.iter().filter(|found| found.kind.0 == *kind);
    match (found.next(), found.next()) {
        (Some(found), None) => Ok(found),
        (first, _) => {
            let count = if first.is_none() { "no" } else { "more than one" };
            Err(Wrong(format!("{count} box {} among {boxes:?}", Kind(*kind))))
        }
    }
}

/// Numbers read one after the other.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    /// Where the next one stands.
    pub at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    /// Reads `bytes[range]`.
    pub fn new(bytes: &'a [u8], range: Range<usize>) -> Self {
        let end = range.end.min(bytes.len());
        Fields { bytes, at: range.start.min(end), end }
    }

    /// Reads the content of a full box: its version and flags come first.
    pub fn full(bytes: &'a [u8], full: &Boxed) -> Result<(u8, u32, Self), Wrong> {
        let mut fields = Fields::new(bytes, full.content.clone());
        let word = fields.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff, fields))
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| Wrong(format!("a box ends at byte {}, too early", self.end)))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next number of 8 bits.
    pub fn u8(&mut self) -> Result<u8, Wrong> {
        Ok(self.array::<1>()?[0])
    }

    /// The next number of 16 bits.
    pub fn u16(&mut self) -> Result<u16, Wrong> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next number of 32 bits.
    pub fn u32(&mut self) -> Result<u32, Wrong> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next number of 64 bits.
    pub fn u64(&mut self) -> Result<u64, Wrong> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next number of 64 bits in version 1 of a box, of 32 bits in version 0.
    pub fn long(&mut self, version: u8) -> Result<u64, Wrong> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::boxes;

    #[test]
    fn lengths_of_all_kinds() {
        let bytes = b"\0\0\0\x09free!\0\0\0\x01wide\0\0\0\0\0\0\0\x12ab\0\0\0\0mdatrest";
        let found = boxes(bytes, 0..bytes.len()).expect("three boxes");
        let facts: Vec<_> = found.iter().map(|b| (b.kind.to_string(), b.content.clone())).collect();
        let name = |name: &str, range| (name.to_owned(), range);
        assert_eq!(facts, [name("free", 8..9), name("wide", 25..27), name("mdat", 35..39)]);
    }

    #[test]
    fn a_box_stays_inside_its_parent() {
        for bytes in [
            &b"\0\0\0\x0afree!"[..],
            b"\0\0\0\x07free!",
            b"\0\0\0",
            b"\0\0\0\x01wide\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(boxes(bytes, 0..bytes.len()).is_err(), "{bytes:02x?}");
        }
    }
}
