//! RTMP chunk streams: bytes to messages and back.
