//! Readers of the wire that share nothing with the server: just enough of each format to judge it, or to
//! play a peer, a good one or a bad one.

pub mod amf;
pub mod flv;
pub mod m3u8;
pub mod rtmp;
pub mod ts;
