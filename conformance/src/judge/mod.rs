//! Judges a server by its inputs and outputs alone: checks numbered invariants with parsers that share no
//! code with the server.

mod api;
mod byte_counts;
mod clock;
mod expected_role;
pub mod frame_id;
mod gap;
mod hash;
pub mod hls;
mod http;
mod intake;
mod model;
mod name;
mod play;
pub mod published;
mod report;
mod rtmp;
mod rules;
pub mod segment;
mod session;
mod ts;
mod verdict;

pub use intake::{Judge, Service};
pub use report::{JudgeReport, PlayReport, PublisherReport, StreamReport, TrackReport};
pub use rules::{Rules, SecondPublisher, StartAt};
pub use verdict::Violation;
