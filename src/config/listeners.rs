//! The listeners of a configuration, and the settings of one stream.

use crate::base::id::ListenerId;
use crate::base::name::StreamName;
use crate::config::settings::{Config, StreamSettings};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Most addresses to listen on, of all services together.
pub const LISTENERS_MAX: usize = 64;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// RTMP.
    Rtmp,
    /// Live streams, HLS and pages over HTTP.
    Http,
    /// The HTTP API.
    Api,
}

impl Service {
    /// Path of the setting with its addresses.
    pub fn setting(self) -> &'static str {
        match self {
            Service::Rtmp => "rtmp.listen",
            Service::Http => "http.listen",
            Service::Api => "api.listen",
        }
    }
}

impl Config {
    /// All listeners in a fixed order: service and address. A [`ListenerId`] is an index in this list.
    pub fn listeners(&self) -> Vec<(ListenerId, Service, SocketAddr)> {
        let rtmp = self.rtmp.listen.iter().map(|addr| (Service::Rtmp, *addr));
        let http = self.http.listen.iter().map(|addr| (Service::Http, *addr));
        let api = self.api.listen.iter().map(|addr| (Service::Api, *addr));
        let all = rtmp.chain(http).chain(api);
        (0..).map(ListenerId).zip(all).map(|(id, (service, addr))| (id, service, addr)).collect()
    }

    /// Addresses of the recorder's interface: none unless there is a token.
    pub fn control_addrs(&self) -> &[SocketAddr] {
        if self.recorder.api_token.is_set() { &self.recorder.listen } else { &[] }
    }

    /// Replaces port 0 by the ports that were bound, in the order of [`Config::listeners`], so that pages can
    /// name them. A configuration with other listeners stays as it is.
    pub fn note_bound(&mut self, bound: &[SocketAddr]) {
        if bound.len() == self.listeners().len() {
            let wanted = self.rtmp.listen.iter_mut().chain(&mut self.http.listen).chain(&mut self.api.listen);
            for (addr, given) in wanted.zip(bound) {
                if addr.port() == 0 && addr.ip() == given.ip() {
                    *addr = *given;
                }
            }
        }
    }

    /// The settings of one stream: those of `stream`, then each rule of `streams` that matches, in order. A
    /// later rule wins, setting by setting. Costs a copy: for a publish or a play, not for a frame.
    pub fn stream(&self, name: &StreamName) -> StreamSettings {
        let mut settings = self.stream.clone();
        for rule in self.streams.iter().filter(|rule| rule.pattern.fits(name)) {
            rule.apply(&mut settings);
        }
        settings.reconcile();
        settings
    }
}
