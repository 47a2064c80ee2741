//! A whole stream.
