//! Every target takes what fuzzing once found, its seeds, and a little damage to them: without a fuzzer, in
//! every test run.

use conformance::rng::Rng;
use fuzz::{TARGETS, Target, seeds};

/// How much damage is tried on the seeds of a target.
const DAMAGED: usize = 400;

fn damaged(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len().max(1));
        match rng.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), rng.below(256) as u8),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
            _ if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            _ => {}
        }
    }
    bytes
}

/// Tries the targets whose place leaves `rest`, so that tests run beside each other.
fn try_all(chosen: impl Fn(&Target) -> bool) {
    for target in TARGETS.iter().filter(|target| chosen(target)) {
        let seeds = seeds::of(target);
        assert!(!seeds.is_empty() || target.name == "read_pcap", "{} has seeds", target.name);
        let mut rng = Rng::new(1);
        for seed in &seeds {
            (target.run)(seed);
        }
        for _ in 0..DAMAGED.min(seeds.len() * DAMAGED) {
            let seed = &seeds[rng.below(seeds.len())];
            (target.run)(&damaged(seed, &mut rng));
        }
    }
}

#[test]
fn the_server_takes_anything() {
    try_all(|target| target.name == "server");
}

#[test]
fn the_servers_parsers_take_anything() {
    try_all(|target| target.name != "server" && !target.name.starts_with("read_"));
}

#[test]
fn our_own_readers_take_anything() {
    try_all(|target| target.name.starts_with("read_"));
}

#[test]
fn what_was_found_stays_mended() {
    let folders = std::fs::read_dir(conformance::capture::fixtures().join("fuzz")).expect("fixtures/fuzz");
    for folder in folders.flatten().filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().to_string_lossy().into_owned();
        let known = TARGETS.iter().any(|target| target.name == name);
        assert!(known, "fixtures/fuzz/{name} belongs to no target");
    }
    for target in TARGETS {
        seeds::found(target).iter().for_each(|input| (target.run)(input));
    }
}
