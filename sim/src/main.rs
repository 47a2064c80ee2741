//! The simulator: the server inside a network with hardship in it.

use sim::canary::Canary;
use sim::options::{Mode, Options};
use sim::run::Run;

fn main() {
    let seed = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1);
    let options = Options::draw(seed, Mode::Swarm);
    println!("{options}");
    let mut run = Run::new(&options, Canary::default(), false);
    run.play();
    let outcome = run.outcome();
    println!("{:016x} {} events {:.1} s", outcome.hash, outcome.events, outcome.virtual_us as f64 / 1e6);
    if let Some(failure) = outcome.failure {
        println!("FAIL {} seed={seed} \"{}\"", failure.invariant, failure.words);
    }
}
