//! Load for live-media servers: publishers and players on one thread, and what they measure.
//!
//! Every frame carries when it was sent, which one it is, and bytes that can be checked (see [`stamp`]); so
//! players know their latency, and that they got everything once, in order. Nothing here is shared with
//! the server that is measured: the protocols are written a second time, as small as a client can be.
//!
//! [`plan::Plan`] measures players, [`join::Join`] players that join, [`memory::Steps`] the memory of a
//! growing number, and [`hls::Hls`] viewers of segments; [`bare::Bare`] is the loop that servers are measured
//! against; [`table`] joins many measurements to medians and ratios, [`plot`] draws them.

pub mod amf;
pub(crate) mod axis;
pub mod bare;
pub mod chunk;
pub mod client;
pub mod clock;
pub mod engine;
pub mod fault;
pub mod flv;
pub mod histogram;
pub mod hls;
pub mod http;
pub mod join;
pub mod memory;
pub mod plan;
pub mod plot;
pub mod probe;
pub mod report;
pub mod rtmp;
pub mod run;
pub(crate) mod sheet;
pub mod source;
pub mod stamp;
pub mod system;
pub mod table;
pub mod viewer;
pub mod websocket;
