//! The shell for production: mio, sockets, files, signals, the clock. The only module of the library that
//! touches the outside world.
//!
//! In: a configuration and [`Hooks`]. Out: a server that runs until it has drained. `reactor` holds the loop.

pub mod clock;
pub mod entropy;
pub mod files;
pub mod listener;
pub mod logger;
pub mod procfs;
pub mod reactor;
pub mod recorder;
pub mod rlimit;
pub mod sendfile;
pub mod signals;
pub mod sockets;
pub mod workers;
pub mod world;

use crate::config::{Config, Service};
use crate::server::Server;
use clock::Clock;
use listener::Listener;
use mio::{Poll, Waker};
use reactor::Reactor;
use recorder::Recorder;
use recorder::control::Control;
use sendfile::Pages;
use signals::Signals;
use sockets::MioSockets;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use workers::Workers;
use world::{Hooks, NetWorld};

/// Why the server cannot run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A listener could not be opened.
    #[error("cannot listen on {addr} (setting `{setting}`): {error}{}", hint(.error))]
    Listen {
        /// The setting that holds the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// The error of the operating system.
        error: io::Error,
    },
    /// Another call of the operating system failed.
    #[error("the operating system refused a call that the server needs: {0}")]
    System(#[from] io::Error),
}

/// Advice on an error of a listener.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port: stop it, or choose another port (0 takes any)"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: choose a higher one",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has this address",
        _ => "",
    }
}

/// Opens the recorder's control endpoint if a token is set. Writes the ports that the system gave into
/// `config`.
fn open_control(config: &mut Config, recorder: &Recorder) -> Result<Option<Control>, ServeError> {
    if config.control_addrs().is_empty() {
        return Ok(None);
    }
    let opened = Control::open(config.control_addrs(), recorder.desk());
    let (control, bound) =
        opened.map_err(|(addr, error)| ServeError::Listen { setting: "recorder.listen", addr, error })?;
    config.recorder.listen = bound;
    Ok(Some(control))
}

/// Serves until a signal ends the server. Calls `started` once, with the addresses of the listeners.
///
/// # Errors
/// If a listener cannot be opened, or the operating system refuses polling, signals, threads or entropy.
pub fn serve(
    mut config: Config,
    hooks: Hooks,
    started: impl FnOnce(&Config, &[(Service, SocketAddr)]),
) -> Result<(), ServeError> {
    let mut listeners = Vec::new();
    for (id, service, addr) in config.listeners() {
        let listener = Listener::open(id, service, addr);
        let setting = service.setting();
        listeners.push(listener.map_err(|error| ServeError::Listen { setting, addr, error })?);
    }
    let bound: Vec<SocketAddr> = listeners.iter().map(|listener| listener.addr).collect();
    config.note_bound(&bound);
    let poll = Poll::new()?;
    let mut signals = Signals::new()?;
    signals.register(poll.registry(), sockets::SIGNALS)?;
    let waker = Arc::new(Waker::new(poll.registry(), sockets::WAKER)?);
    let workers = Workers::start(Arc::clone(&waker))?;
    let (clock, seed) = (Clock::start(), entropy::seed()?);
    let birth = clock.now();
    let wake = move || {
        if let Err(error) = waker.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    };
    let mut recorder = Recorder::new(&config, seed, clock.epoch(), Arc::new(wake));
    recorder.begin_at_birth(birth);
    // Closed when the loop has ended.
    let _control = open_control(&mut config, &recorder)?;
    let server = Server::new(config.clone(), seed, birth, clock.epoch());
    let sockets =
        MioSockets::new(poll.registry().try_clone()?, listeners, Pages::new(config.limits.sendfile_bytes))?;
    started(&config, &sockets.bound());
    let world = NetWorld::new(sockets, recorder, workers);
    Reactor::new(poll, clock, server, world, signals, hooks).run()?;
    Ok(())
}
