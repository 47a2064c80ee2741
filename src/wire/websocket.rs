//! WebSocket handshake and frames (RFC 6455), server side.
