//! The server: where sessions, streams and packages meet.
