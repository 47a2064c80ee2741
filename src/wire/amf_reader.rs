//! The basis of AMF0 and AMF3: a cursor over bytes, limits, and errors.
//!
//! A length or count is accepted only if the bytes for it are there, and both nesting and the number of
//! values are limited. So a message of n bytes costs at most a fixed multiple of n in memory, and a bounded
//! stack.

use thiserror::Error;

/// Deepest nesting of values. Real messages need five or six levels (E-RTMP track maps).
pub const DEPTH_MAX: usize = 64;

/// Most values of one message: a decoded value takes tens of bytes where its wire form may take one. Enough
/// for the seek index of a long FLV file, which some publishers send.
pub const VALUES_MAX: usize = 100_000;

/// Why bytes are not AMF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmfError {
    /// It ends before it is complete, or a length or count says more than there is.
    #[error("AMF value is truncated")]
    Truncated,
    /// A type marker that the specification does not have, or reserves.
    #[error("unknown AMF type marker {0:#04x}")]
    Marker(u8),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("AMF values are nested too deep")]
    TooDeep,
    /// More values than [`VALUES_MAX`].
    #[error("too many AMF values")]
    TooMany,
    /// An AMF3 reference to something that was not sent before.
    #[error("AMF3 reference to nothing")]
    Reference,
    /// An AMF3 object that only its class knows how to read.
    #[error("AMF3 object with a private format")]
    Externalizable,
}

/// A position in the bytes, and what is left of the limits.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    values_left: usize,
    /// True if the end of the bytes may end an object that has no end marker.
    pub lenient: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, values_left: VALUES_MAX, lenient: false }
    }

    /// The unread bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], AmfError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(AmfError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(AmfError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, AmfError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, AmfError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, AmfError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, AmfError> {
        self.array().map(f64::from_be_bytes)
    }

    /// Text of `len` bytes. Bytes that are not UTF-8 are replaced: some encoders write other charsets.
    ///
    /// # Errors
    ///
    /// If there are fewer bytes.
    pub fn text(&mut self, len: usize) -> Result<String, AmfError> {
        self.take(len).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Counts one more value, at `depth`.
    ///
    /// # Errors
    ///
    /// If a limit is reached.
    pub fn enter(&mut self, depth: usize) -> Result<(), AmfError> {
        if depth > DEPTH_MAX {
            return Err(AmfError::TooDeep);
        }
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::TooMany)?;
        Ok(())
    }

    /// Checks a count of items that take at least `each` bytes against the bytes that are left.
    ///
    /// # Errors
    ///
    /// If there are fewer bytes.
    pub fn check_count(&self, count: usize, each: usize) -> Result<(), AmfError> {
        if count > self.bytes.len() / each { Err(AmfError::Truncated) } else { Ok(()) }
    }
}
