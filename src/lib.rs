//! Dacapo: a live-media server that is one deterministic value.
//!
//! [`server::Server`] has no sockets, clock, files, threads or entropy. A loop tells it what happened
//! ([`server::Input`]), performs what it requests ([`server::Output`]) and waits until its deadline. All
//! loops go through [`server::Engine`]: [`driver::Driver`] is the event loop, which `net` (cargo feature
//! `net`, on by default) runs on mio; [`server::direct::Direct`] is for programs that have a server inside.
//!
//! A connection, a request and its response, without a socket:
//!
//! ```
//! use dacapo::base::id::ConnId;
//! use dacapo::base::rng::Seed;
//! use dacapo::base::slices::Slices;
//! use dacapo::base::time::{Epoch, Instant};
//! use dacapo::config::{Config, Service};
//! use dacapo::server::direct::{Direct, Peers};
//! use dacapo::server::{Input, Server, Taken};
//!
//! /// Keeps the bytes that the server sends.
//! #[derive(Default)]
//! struct Client(Vec<u8>);
//!
//! impl Peers for Client {
//!     fn write(&mut self, _now: Instant, _conn: ConnId, slices: &Slices<'_>) -> Taken {
//!         let before = self.0.len();
//!         for (slice, _) in slices.iter() {
//!             self.0.extend_from_slice(slice);
//!         }
//!         Taken { len: self.0.len() - before, room: true }
//!     }
//! }
//!
//! let config = Config::default();
//! let (api, ..) = config.listeners().into_iter().find(|(_, service, _)| *service == Service::Api).unwrap();
//! let server = Server::new(config, Seed::from_u64(7), Instant::ZERO, Epoch(0));
//! let mut server = Direct::new(server, Client::default(), ());
//!
//! let conn = server.accept(api, "127.0.0.1:50000".parse().unwrap()).unwrap();
//! server.tell(Input::Received { conn, bytes: b"GET /api/v1/versions HTTP/1.1\r\nHost: localhost\r\n\r\n" });
//!
//! let response = String::from_utf8(server.peers.0.clone()).unwrap();
//! println!("{response}");
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
//! ```
//!
//! The rooms, and which may import which, are in `ARCHITECTURE.md`.

// A file of tests that another crate uses as well names this one as that does.
#[cfg(test)]
extern crate self as dacapo;

#[macro_use]
pub mod base;

pub mod config;
pub mod driver;
pub mod media;
#[cfg(feature = "net")]
pub mod net;
pub mod package;
pub mod record;
pub mod server;
pub mod session;
pub mod status;
pub mod stream;
pub mod wire;
