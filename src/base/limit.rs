//! The settings that limit a connection, by name: so that whatever ends or refuses a connection tells exactly
//! which setting an operator could change.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A setting that limits what a connection may hold, or how long it may take. [`fmt::Display`] gives the path
/// of the setting in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Bytes that a peer may make the server hold before it is trusted.
    UnprovenBytes,
    /// Bytes that may wait for an RTMP peer.
    OutboxBytes,
    /// Bytes that may wait for an HTTP peer.
    ResponseBytes,
    /// Bytes of frames that are pinned for players that stalled in the middle of one.
    PinnedBytes,
    /// Bytes of a stream's ring.
    RingBytes,
    /// Streams that may be published at once.
    Streams,
    /// Players of one stream.
    PlayersPerStream,
    /// Time for the RTMP handshake and `connect`.
    HandshakeTimeout,
    /// Time for which an RTMP peer may neither publish nor play.
    IdleTimeout,
    /// Time for the first frame of a publisher.
    FirstFrameTimeout,
    /// Time between frames of a publisher.
    FrameTimeout,
    /// Time for the head of an HTTP request, and after it for its body.
    HeadTimeout,
    /// Time in which a peer must take a minimum of the bytes that wait for it.
    SendTimeout,
    /// Time for which a player may wait for a stream.
    Wait,
}

impl Limit {
    /// All limits.
    #[cfg(test)]
    pub(crate) const ALL: [Limit; 14] = [
        Limit::UnprovenBytes,
        Limit::OutboxBytes,
        Limit::ResponseBytes,
        Limit::PinnedBytes,
        Limit::RingBytes,
        Limit::Streams,
        Limit::PlayersPerStream,
        Limit::HandshakeTimeout,
        Limit::IdleTimeout,
        Limit::FirstFrameTimeout,
        Limit::FrameTimeout,
        Limit::HeadTimeout,
        Limit::SendTimeout,
        Limit::Wait,
    ];

    /// The setting's path in the configuration.
    pub fn path(self) -> &'static str {
        match self {
            Limit::UnprovenBytes => "limits.unproven_bytes",
            Limit::OutboxBytes => "limits.outbox_bytes",
            Limit::ResponseBytes => "limits.response_bytes",
            Limit::PinnedBytes => "limits.pinned_bytes",
            Limit::RingBytes => "stream.ring.bytes_max",
            Limit::Streams => "limits.streams",
            Limit::PlayersPerStream => "limits.players_per_stream",
            Limit::HandshakeTimeout => "rtmp.handshake_timeout_ms",
            Limit::IdleTimeout => "rtmp.idle_timeout_ms",
            Limit::FirstFrameTimeout => "stream.publish.first_frame_timeout_ms",
            Limit::FrameTimeout => "stream.publish.frame_timeout_ms",
            Limit::HeadTimeout => "http.head_timeout_ms",
            Limit::SendTimeout => "stream.play.send_timeout_ms",
            Limit::Wait => "stream.play.wait_ms",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}
