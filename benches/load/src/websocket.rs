//! What a server sends over a WebSocket (RFC 6455, 5.2): frames around the bytes of a file without end.

use crate::fault::Fault;

/// Fin and reserved bits, opcode; mask bit and length; up to eight bytes of a longer length.
const HEAD_LEN_MAX: usize = 2 + 8;

/// Reads frames.
#[derive(Debug, Default)]
pub struct Frames {
    /// An incomplete head.
    head: Vec<u8>,
    /// What remains of a frame, and whether it holds data.
    left: usize,
    data: bool,
}

impl Frames {
    /// Takes what belongs to one frame from the front of `bytes`; returns its data, which may be none.
    pub fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
        while self.left == 0 {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(&[]) };
            self.head.push(*byte);
            *bytes = rest;
            self.begin()?;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
        *bytes = rest;
        self.left -= piece.len();
        Ok(if self.data { piece } else { &[] })
    }

    /// Begins a frame if its head is complete.
    fn begin(&mut self) -> Result<(), Fault> {
        let [first, second, long @ ..] = self.head.as_slice() else { return Ok(()) };
        if second & 0x80 != 0 {
            return Err(Fault::new("a masked frame from a server"));
        }
        let long_len = match second & 0x7F {
            126 => 2,
            127 => HEAD_LEN_MAX - 2,
            short => {
                self.left = short.into();
                0
            }
        };
        if long.len() < long_len {
            return Ok(());
        }
        if long_len > 0 {
            self.left = long.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        }
        match first & 0x0F {
            8 => return Err(Fault::new("closed by the server")),
            opcode => self.data = opcode < 8,
        }
        self.head.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_found_among_frames_however_they_are_cut() {
        let mut wire = vec![0x82, 3, 1, 2, 3, 0x89, 2, 9, 9, 0x82, 0];
        wire.extend_from_slice(&[0x82, 126, 1, 0]);
        wire.extend_from_slice(&[7; 256]);
        wire.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 2, 4, 5]);
        for step in [1, 2, 5, wire.len()] {
            let mut frames = Frames::default();
            let mut data = Vec::new();
            for mut piece in wire.chunks(step) {
                while !piece.is_empty() {
                    data.extend_from_slice(frames.take(&mut piece).expect("sound"));
                }
            }
            assert_eq!(data, [&[1, 2, 3][..], &[7; 256], &[4, 5]].concat());
        }
        assert!(Frames::default().take(&mut &[0x88, 0][..]).is_err());
    }
}
