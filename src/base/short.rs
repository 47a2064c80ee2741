//! A few bytes that stand where they are used and need no memory of their own: heads and tails of frames.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;

/// At most `MAX` bytes; `MAX` is below 256.
#[derive(Clone, Copy, Debug)]
pub struct Short<const MAX: usize> {
    bytes: [u8; MAX],
    len: u8,
}

impl<const MAX: usize> Default for Short<MAX> {
    fn default() -> Self {
        Short { bytes: [0; MAX], len: 0 }
    }
}

impl<const MAX: usize> Deref for Short<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const MAX: usize> Short<MAX> {
    /// What `write` puts into the buffer that it is given, from its begin on.
    ///
    /// # Panics
    ///
    /// If `write` puts more than `MAX` bytes.
    pub fn written(write: impl FnOnce(&mut &mut [u8])) -> Self {
        const { assert!(MAX < 256, "the length is a byte") };
        let mut bytes = [0; MAX];
        let mut rest = &mut bytes[..];
        write(&mut rest);
        let len = (MAX - rest.len()) as u8;
        Short { bytes, len }
    }

    /// Appends bytes.
    ///
    /// # Panics
    ///
    /// If there is no room for them.
    pub fn put(&mut self, bytes: &[u8]) {
        let len = usize::from(self.len);
        self.bytes[len..][..bytes.len()].copy_from_slice(bytes);
        self.len = (len + bytes.len()) as u8;
    }
}

impl<const MAX: usize> Serialize for Short<MAX> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Short<MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = bytes::Bytes::deserialize(from)?;
        if bytes.len() > MAX {
            return Err(D::Error::invalid_length(bytes.len(), &"fewer bytes"));
        }
        let mut short = Short::default();
        short.put(&bytes);
        Ok(short)
    }
}

#[cfg(test)]
mod tests {
    use super::Short;
    use bytes::BufMut;

    #[test]
    fn what_is_written_is_what_stands_there() {
        let mut short: Short<5> = Short::written(|out| out.put_u16(0x0102));
        short.put(&[3, 4, 5]);
        assert_eq!(&*short, [1, 2, 3, 4, 5]);
        assert_eq!(&*Short::<5>::default(), [0; 0]);
    }

    #[test]
    #[should_panic]
    fn there_is_no_room_for_more() {
        Short::<1>::default().put(&[1, 2]);
    }
}
