//! Boxes, the building blocks of MP4 (ISO/IEC 14496-12, 4.2): length, name, content.
//!
//! Boxes are written from the inside out: the content first, then its length in the place that was left.

use bytes::BufMut;

/// Appends a box named `kind` with the content that `content` writes.
pub fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    content(out);
    // The boxes written with this are headers: kilobytes.
    let len = u32::try_from(out.len() - start).expect("a header box is shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// Appends a box that begins with a version and 24 flags.
pub fn full(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        content(out);
    });
}

/// Appends an MPEG-4 descriptor (ISO/IEC 14496-1, 8.3.3): tag, length in groups of seven bits, content.
pub fn descriptor(out: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    content(&mut body);
    out.put_u8(tag);
    for group in (1..4).rev().filter(|group| body.len() >> (7 * group) > 0) {
        out.put_u8((body.len() >> (7 * group)) as u8 | 0x80);
    }
    out.put_u8((body.len() & 0x7f) as u8);
    out.put_slice(&body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_nest_and_know_their_length() {
        let mut out = Vec::new();
        boxed(&mut out, b"mvex", |out| full(out, b"trex", 1, 0x20, |out| out.put_u8(9)));
        assert_eq!(out, b"\0\0\0\x15mvex\0\0\0\x0dtrex\x01\0\0\x20\x09");
    }

    #[test]
    fn long_descriptors_have_longer_lengths() {
        let written = |len: usize| {
            let mut out = Vec::new();
            descriptor(&mut out, 5, |out| out.put_bytes(0, len));
            out.truncate(out.len() - len);
            out
        };
        assert_eq!(written(2), [5, 2]);
        assert_eq!(written(127), [5, 127]);
        assert_eq!(written(128), [5, 0x81, 0x00]);
        assert_eq!(written(20_000), [5, 0x81, 0x9c, 0x20]);
    }
}
