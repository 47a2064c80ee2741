//! The RTMP handshake (RTMP 1.0, section 5.2), simple and with digest.
//!
//! ```text
//! peer                    we
//!  C0 C1      ──────▶             version 3, then 1536 bytes
//!             ◀──────  S0 S1 S2   3073 bytes at once
//!  C2         ──────▶             read, not verified: FFmpeg and others send what they like
//! ```
//!
//! In the simple handshake each side's second packet echoes the other's first. Adobe's programs and FFmpeg
//! put a digest into C1 instead, an HMAC-SHA-256 with a well-known key, and some of them leave if ours is
//! missing. Four bytes of C1 tell its position, in one of two layouts.
//!
//! Never: encrypts. RTMPE (versions 6 and 8) is refused; its encryption protects nothing.

use crate::base::inbox::Inbox;
use crate::base::outbox::Outbox;
use crate::base::rng::Rng;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::ops::Range;
use thiserror::Error;

/// Length of C1, C2, S1 and S2, in bytes.
pub const PACKET_LEN: usize = 1536;

/// Bytes that a peer sends in the handshake, without a proxy's prefix.
pub const PEER_BYTES: usize = 1 + 2 * PACKET_LEN;

/// The version that C0 and S0 name.
pub const VERSION: u8 = 3;

/// First byte of what a go-oryx proxy puts before C0: this byte, a length of two bytes, and so many bytes,
/// which begin with the IPv4 address of the client.
const PROXY_MARK: u8 = 0xf3;

/// Longest proxy prefix that is accepted, in bytes after its length field.
const PROXY_BYTES_MAX: usize = 1024;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The encrypted variants.
    #[error("RTMPE (version {0}) is not supported")]
    Encrypted(u8),
    /// Most likely not RTMP at all.
    #[error("RTMP version {0} is not supported")]
    Version(u8),
    /// Longer than the prefix of any proxy.
    #[error("proxy prefix of {0} bytes is too long")]
    Proxy(usize),
}

/// The server's side of a handshake, by what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handshake {
    /// For a proxy's prefix or C0.
    First,
    /// For C0, after a proxy's prefix, and C1.
    Hello,
    /// For C2.
    Echo,
}

impl Handshake {
    /// Bytes that the peer still sends, without a proxy's prefix.
    pub fn peer_bytes(self) -> usize {
        match self {
            Handshake::First | Handshake::Hello => PEER_BYTES,
            Handshake::Echo => PACKET_LEN,
        }
    }

    /// Consumes bytes of `inbox` and writes S0S1S2 when it is due. True when the handshake is done; what is
    /// left in `inbox` are chunks.
    ///
    /// # Errors
    ///
    /// If the version is not supported or the proxy prefix too long.
    pub fn receive(
        &mut self,
        inbox: &mut Inbox,
        out: &mut Outbox,
        rng: &mut Rng,
        time_ms: u32,
    ) -> Result<bool, HandshakeError> {
        if *self == Handshake::First {
            let Some(prefix) = proxy_prefix(inbox.as_slice())? else { return Ok(false) };
            inbox.consume(prefix);
            *self = Handshake::Hello;
        }
        if *self == Handshake::Hello {
            match inbox.as_slice() {
                [VERSION, c1 @ ..] => {
                    let Some(c1) = c1.first_chunk() else { return Ok(false) };
                    out.write(&reply(c1, rng, time_ms));
                    inbox.consume(1 + PACKET_LEN);
                    *self = Handshake::Echo;
                }
                [version @ (6 | 8), ..] => return Err(HandshakeError::Encrypted(*version)),
                [version, ..] => return Err(HandshakeError::Version(*version)),
                [] => return Ok(false),
            }
        }
        if inbox.len() < PACKET_LEN {
            return Ok(false);
        }
        inbox.consume(PACKET_LEN);
        Ok(true)
    }
}

/// Length of the proxy's prefix, 0 if there is none; `None` if it is not complete. The address in it is
/// ignored: a client that connects directly could claim any.
///
/// # Errors
///
/// If it is longer than any proxy's.
pub fn proxy_prefix(bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
    match bytes {
        [] => Ok(None),
        [PROXY_MARK, high, low, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if len > PROXY_BYTES_MAX {
                return Err(HandshakeError::Proxy(len));
            }
            Ok((rest.len() >= len).then_some(3 + len))
        }
        [PROXY_MARK, ..] => Ok(None),
        _ => Ok(Some(0)),
    }
}

/// S0S1S2, of the same kind as `c1`.
fn reply(c1: &[u8; PACKET_LEN], rng: &mut Rng, time_ms: u32) -> [u8; 1 + 2 * PACKET_LEN] {
    let mut reply = [0; 1 + 2 * PACKET_LEN];
    reply[0] = VERSION;
    let (s1, s2) = reply[1..].split_at_mut(PACKET_LEN);
    rng.fill(&mut s1[8..]);
    s1[..4].copy_from_slice(&time_ms.to_be_bytes());
    match Layout::ALL.into_iter().find_map(|layout| Some((layout, layout.verify(c1, CLIENT_KEY)?))) {
        Some((layout, challenge)) => {
            // A version of zero would mean that there is no digest.
            s1[4..8].copy_from_slice(&SERVER_VERSION);
            layout.sign(s1, SERVER_KEY);
            rng.fill(s2);
            let (content, signature) = s2.split_at_mut(PACKET_LEN - DIGEST_LEN);
            let key = hmac(&[SERVER_KEY, COMMON_KEY].concat(), &[&challenge]);
            signature.copy_from_slice(&hmac(&key, &[content]));
        }
        None => s2.copy_from_slice(c1),
    }
    reply
}

/// The position of the digest in C1 and S1. Two blocks of 764 bytes follow time and version: one holds a key
/// that only RTMPE needs, the other the digest, at a position that the block itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// The digest is in the second block (Flash Player).
    KeyFirst,
    /// The digest is in the first block (FFmpeg, and librtmp where it verifies players).
    DigestFirst,
}

impl Layout {
    const ALL: [Layout; 2] = [Layout::KeyFirst, Layout::DigestFirst];

    /// Offset of the digest. The sum of four bytes gives its distance from their end.
    fn digest(self, packet: &[u8]) -> Range<usize> {
        let block = match self {
            Layout::DigestFirst => 8,
            Layout::KeyFirst => 8 + 764,
        };
        let sum: usize = packet[block..block + 4].iter().map(|byte| usize::from(*byte)).sum();
        let start = block + 4 + sum % (764 - 4 - DIGEST_LEN);
        start..start + DIGEST_LEN
    }

    /// The digest, if it is valid.
    fn verify(self, packet: &[u8; PACKET_LEN], key: &[u8]) -> Option<Digest> {
        let place = self.digest(packet);
        let digest = hmac(key, &[&packet[..place.start], &packet[place.end..]]);
        (packet[place] == digest).then_some(digest)
    }

    /// Computes and writes the digest.
    fn sign(self, packet: &mut [u8], key: &[u8]) {
        let place = self.digest(packet);
        let digest = hmac(key, &[&packet[..place.start], &packet[place.end..]]);
        packet[place].copy_from_slice(&digest);
    }
}

const DIGEST_LEN: usize = 32;

type Digest = [u8; DIGEST_LEN];

fn hmac(key: &[u8], parts: &[&[u8]]) -> Digest {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The key of clients, for C1.
const CLIENT_KEY: &[u8] = b"Genuine Adobe Flash Player 001";

/// The key of servers, for S1.
const SERVER_KEY: &[u8] = b"Genuine Adobe Flash Media Server 001";

/// Follows [`SERVER_KEY`] in the key of S2.
const COMMON_KEY: &[u8] = &[
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// The version of Flash Media Server that S1 claims, in the digest handshake.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limit::Limit;
    use crate::base::rng::Seed;

    #[test]
    fn a_peer_without_digest_gets_its_own_packet_back() {
        let mut peer = Peer::new();
        let c1 = [7; PACKET_LEN];
        assert_eq!(peer.send(&[&[3], &c1[..]].concat()), Ok(false));
        let reply = peer.take_reply();
        assert_eq!(reply.len(), 3073);
        assert_eq!(reply[0], 3);
        assert_eq!(reply[1..9], [0, 0, 0x03, 0xe8, 0, 0, 0, 0]);
        assert_eq!(reply[1537..], c1);
        assert_eq!(peer.send(&[0; PACKET_LEN - 1]), Ok(false));
        assert_eq!(peer.send(&[0, 0x02]), Ok(true));
        assert_eq!(peer.inbox.as_slice(), [0x02]);
    }

    #[test]
    fn a_digest_is_answered_in_the_layout_of_the_peer() {
        for layout in Layout::ALL {
            let mut c1 = [0x5a; PACKET_LEN];
            layout.sign(&mut c1, CLIENT_KEY);
            let mut peer = Peer::new();
            assert_eq!(peer.send(&[&[3], &c1[..]].concat()), Ok(false));
            let reply = peer.take_reply();
            let s1: &[u8; PACKET_LEN] = reply[1..].first_chunk().unwrap();
            assert!(layout.verify(s1, SERVER_KEY).is_some());
            assert_eq!(s1[4..8], SERVER_VERSION);
            let key = hmac(&[SERVER_KEY, COMMON_KEY].concat(), &[&c1[layout.digest(&c1)]]);
            assert_eq!(reply[3073 - 32..], hmac(&key, &[&reply[1537..3073 - 32]]));
        }
    }

    /// What FFmpeg sent, and what nginx-rtmp said to it.
    #[test]
    fn digests_of_real_programs_are_right() {
        let ffmpeg = include_bytes!("../../../fixtures/captures/rtmp/ffmpeg-5.1-publish-start/client.bin");
        let nginx = include_bytes!("../../../fixtures/captures/rtmp/ffmpeg-5.1-publish-start/server.bin");
        let c1 = ffmpeg[1..].first_chunk().unwrap();
        let challenge = Layout::DigestFirst.verify(c1, CLIENT_KEY).expect("FFmpeg puts the digest first");
        assert!(Layout::KeyFirst.verify(c1, CLIENT_KEY).is_none());
        assert!(Layout::DigestFirst.verify(nginx[1..].first_chunk().unwrap(), SERVER_KEY).is_some());
        let key = hmac(&[SERVER_KEY, COMMON_KEY].concat(), &[&challenge]);
        assert_eq!(nginx[3073 - 32..], hmac(&key, &[&nginx[1537..3073 - 32]]));
        let rtmpdump =
            include_bytes!("../../../fixtures/captures/rtmp/rtmpdump-2.4-play-digest-start/client.bin");
        assert!(Layout::DigestFirst.verify(rtmpdump[1..].first_chunk().unwrap(), CLIENT_KEY).is_some());
        // Unless it has to show its player, it does without.
        let rtmpdump = include_bytes!("../../../fixtures/captures/rtmp/rtmpdump-2.4-play-start/client.bin");
        for layout in Layout::ALL {
            assert!(layout.verify(rtmpdump[1..].first_chunk().unwrap(), CLIENT_KEY).is_none());
        }
    }

    #[test]
    fn the_digest_stands_where_four_bytes_say() {
        let mut packet = [0; PACKET_LEN];
        packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(Layout::DigestFirst.digest(&packet), 22..54);
        packet[772..776].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Layout::KeyFirst.digest(&packet), 776 + 292..776 + 324);
        packet[772..776].copy_from_slice(&[0xf0, 0xf0, 0xf0, 0x07]);
        assert_eq!(Layout::KeyFirst.digest(&packet), 776 + 727..PACKET_LEN - 1);
    }

    #[test]
    fn encryption_and_other_protocols_are_refused_at_the_first_byte() {
        assert_eq!(Peer::new().send(&[6]), Err(HandshakeError::Encrypted(6)));
        assert_eq!(Peer::new().send(&[8]), Err(HandshakeError::Encrypted(8)));
        assert_eq!(Peer::new().send(b"GET / HTTP/1.1\r\n"), Err(HandshakeError::Version(b'G')));
    }

    #[test]
    fn a_proxy_may_say_something_before() {
        let mut peer = Peer::new();
        assert_eq!(peer.send(&[0xf3, 0, 4, 192, 0, 2]), Ok(false));
        assert_eq!(peer.send(&[1, 3]), Ok(false));
        assert_eq!(peer.send(&[0; 2 * PACKET_LEN]), Ok(true));
        assert_eq!(peer.take_reply().len(), 3073);
        assert_eq!(Peer::new().send(&[0xf3, 0, 0, 6]), Err(HandshakeError::Encrypted(6)));
        assert_eq!(Peer::new().send(&[0xf3, 4, 1]), Err(HandshakeError::Proxy(1025)));
    }

    #[test]
    fn the_same_dice_give_the_same_reply_however_the_bytes_are_split() {
        let bytes = [&[3][..], &[9; 2 * PACKET_LEN]].concat();
        let mut whole = Peer::new();
        assert_eq!(whole.send(&bytes), Ok(true));
        let mut split = Peer::new();
        for byte in &bytes[..bytes.len() - 1] {
            assert_eq!(split.send(&[*byte]), Ok(false));
        }
        assert_eq!(split.send(&bytes[bytes.len() - 1..]), Ok(true));
        assert_eq!(split.take_reply(), whole.take_reply());
    }

    struct Peer {
        handshake: Handshake,
        inbox: Inbox,
        out: Outbox,
        rng: Rng,
    }

    impl Peer {
        fn new() -> Self {
            Peer {
                handshake: Handshake::First,
                inbox: Inbox::new(1 << 16),
                out: Outbox::new(1 << 16, Limit::OutboxBytes),
                rng: Seed::from_u64(1).fork(b"handshake"),
            }
        }

        fn send(&mut self, bytes: &[u8]) -> Result<bool, HandshakeError> {
            assert!(self.inbox.receive(bytes));
            self.handshake.receive(&mut self.inbox, &mut self.out, &mut self.rng, 1000)
        }

        fn take_reply(&mut self) -> Vec<u8> {
            let reply = self.out.slices().flatten().copied().collect();
            self.out.advance(self.out.len());
            reply
        }
    }
}
