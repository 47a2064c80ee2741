//! What AMF0 and AMF3 share: a cursor over bytes, the limits, and what can be wrong.
//!
//! A length or a count is believed only as far as there are bytes for it, nesting has a limit, and so
//! has the number of values: a message of n bytes never costs more than a fixed multiple of n, and
//! never the stack.

use thiserror::Error;

/// Deepest nesting of values. Real messages need five or six levels (E-RTMP track maps).
pub const DEPTH_MAX: usize = 64;

/// Most values of one message: a decoded value is tens of bytes where its wire form may be one.
/// Room for the seek index of a long FLV file, which some publishers send along.
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

/// A place in the bytes, and what may still be spent.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    values_left: usize,
    /// True if the end of the bytes may end an object that nothing else ended.
    pub lenient: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, values_left: VALUES_MAX, lenient: false }
    }

    /// What was not read yet.
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

    /// Text of `len` bytes. Encoders write other charsets than UTF-8 here; such bytes are replaced.
    pub fn text(&mut self, len: usize) -> Result<String, AmfError> {
        self.take(len).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Accounts for one more value at `depth`.
    pub fn enter(&mut self, depth: usize) -> Result<(), AmfError> {
        if depth > DEPTH_MAX {
            return Err(AmfError::TooDeep);
        }
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::TooMany)?;
        Ok(())
    }

    /// Refuses a count of things that take at least `each` bytes if so many bytes are not there.
    pub fn check_count(&self, count: usize, each: usize) -> Result<(), AmfError> {
        if count > self.bytes.len() / each { Err(AmfError::Truncated) } else { Ok(()) }
    }
}
