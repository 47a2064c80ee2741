//! Hashes of frames and messages, short enough for a line of text.

/// A fingerprint of bytes (FNV-1a, folded to 32 bits).
pub fn hash(bytes: &[u8]) -> u32 {
    let full = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (full >> 32) as u32 ^ full as u32
}
