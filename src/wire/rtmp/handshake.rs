//! The RTMP handshake, simple and with digest.
