//! The simulator: the server inside a network with hardship in it. Its world comes with its own issue.

fn main() {
    println!("the simulated world is not part of this version");
}
