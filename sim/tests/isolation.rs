//! I26: a fault of one peer never changes bytes that are sent to another.

use sim::isolation::{FAULTY, Guest, heard, options, play};
use sim::options::Mode;

/// So many numbers are tried.
const SEEDS: usize = 12;

#[test]
fn nobody_is_sent_other_bytes_because_somebody_misbehaves() {
    let mut felt = Vec::new();
    let mut bytes = 0;
    for options in (1..).filter_map(|seed| options(seed, Mode::Lite)).take(SEEDS) {
        let alone = play(&options, &[]);
        assert_eq!(alone.failure, None, "seed {}", options.seed);
        let own = heard(&options, &alone);
        assert_eq!(own.len(), alone.heard.len());
        bytes += own.values().map(|digest| digest.len()).sum::<u64>();

        let company = play(&options, &FAULTY);
        assert_eq!(company.failure, None, "seed {} with company", options.seed);
        assert!(company.heard.len() > own.len(), "guests came and were answered");
        let with = heard(&options, &company);
        if own != with {
            let other = own.keys().chain(with.keys()).filter(|peer| own.get(peer) != with.get(peer));
            let other: Vec<_> = other.map(|peer| (peer, own.get(peer), with.get(peer))).collect();
            felt.push(format!("seed {}: {other:?}", options.seed));
        }
    }
    assert!(felt.is_empty(), "{}", felt.join("\n"));
    assert!(bytes > 1_000_000, "{bytes} bytes were sent");
}

/// The comparison sees what one peer does to another: a peer that publishes a name that is played changes
/// what players get.
#[test]
fn a_rival_is_felt() {
    let felt = (1..).filter_map(|seed| options(seed, Mode::Lite)).take(SEEDS).any(|options| {
        let alone = heard(&options, &play(&options, &[]));
        alone != heard(&options, &play(&options, &[Guest::Rival]))
    });
    assert!(felt);
}
