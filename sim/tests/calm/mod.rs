//! A run in which nothing goes wrong, for tests that let one thing go wrong.

use sim::options::{Casting, Form, Mode, Options, Part};

/// One publisher, and players that take everything.
pub fn calm(seed: u64) -> Options {
    let mut options = Options::draw(seed, Mode::Lite);
    let config = dacapo::config::Config::default();
    options.faults.clear();
    options.socket_faults = Default::default();
    options.tight = false;
    options.config = config;
    options.config.stream.hls.dispose_ms = 1_000;
    options.hard_us = 6_000_000;
    options.drains = false;
    let cast = |part, dial_us| Casting { part, dial_us, core: true };
    options.parts = vec![cast(Part::Publisher { stream: 0, wild: false }, 0)];
    for form in [Form::Flv, Form::Flv, Form::Rtmp] {
        options.parts.push(cast(Part::Player { stream: 0, form, wild: false }, 300_000));
    }
    options
}
